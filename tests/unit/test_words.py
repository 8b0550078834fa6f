"""Names that say nothing of what they hold, such as `found`: none in the code of the sources."""

import ast
from collections.abc import Iterator

import pytest

from tests.sources import OWN, ROOT

EMPTY = {"found", "made", "given", "there", "said", "wanted"}
FOLDERS = sorted({*OWN, "tests", "triptych"})
# Files that still have some: none may be added.
EXEMPT = {
    "shared/report/run.py",
}


def names(node: ast.AST) -> list[str | None]:
    """What a node of a syntax tree stores, takes as an argument or defines."""
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
            return [name]
        case ast.arg(arg=name) | ast.alias(asname=name):
            return [name]
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.ExceptHandler(name=name) | ast.MatchAs(name=name) | ast.MatchStar(name=name):
            return [name]
        case ast.MatchMapping(rest=name):
            return [name]
    return []


def empty_names(text: str) -> Iterator[tuple[int, str]]:
    """The lines and names of an empty word, whatever its case and with `_` around it."""
    for node in ast.walk(ast.parse(text)):
        for name in names(node):
            if name and name.strip("_").lower() in EMPTY:
                yield getattr(node, "lineno", 0), name


@pytest.mark.parametrize(
    "code",
    [
        "found = 1",
        "one, *made = [1]",
        "GIVEN: int = 1",
        "if (said := 1): pass",
        "[1 for there in ()]",
        "self.wanted = 1",
        "lambda *found: 1",
        "def name(*, made=1): pass",
        "def _given(): pass",
        "async def said(): pass",
        "class _Made: pass",
        "import ast as found",
        "with name as wanted: pass",
        "try: pass\nexcept ValueError as said: pass",
        "match name:\n    case [made, *_]: pass",
        "match name:\n    case {**found}: pass",
    ],
)
def test_empty_words_are_seen(code: str) -> None:
    assert len(list(empty_names(code))) == 1


def test_words_in_prose_and_longer_names_are_not_meant() -> None:
    code = '"""What was found."""  # as given\nmade_from = name.found + len("wanted")'
    assert not list(empty_names(code))


def test_no_name_is_an_empty_word() -> None:
    paths = [path for folder in FOLDERS for path in sorted(ROOT.joinpath(folder).rglob("*.py"))]
    assert paths
    places = [
        f"{file}:{line}: {name}"
        for path in paths
        if (file := path.relative_to(ROOT).as_posix()) not in EXEMPT
        for line, name in empty_names(path.read_text("utf-8"))
    ]
    assert not places, "\n".join(places)
