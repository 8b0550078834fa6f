"""Names that say nothing of what they hold, such as `found`, and old names: none in the sources."""

import ast
from collections.abc import Iterator

import pytest

from tests.sources import OWN, ROOT

EMPTY = {"found", "made", "given", "there", "said", "wanted"}
OLD = {"way", "ways", "ledger", "ledgers", "forced"}
"""Words that have another one: variant, table or conventions, teacher-forced."""

FOLDERS = sorted({*OWN, "tests", "triptych"})
EXEMPT = {
    "shared/cli/bench.py": {"--ways"},  # deprecated, and still an option
    "shared/cli/options.py": {"--way"},  # deprecated too
    "shared/formats.py": {"way", "ways", "ledger", "forced"},  # what version 0.1.0 wrote
    "tests/unit/cli/test_parser.py": {"--way", "--ways"},  # the deprecated options still work
    "tests/unit/test_formats.py": {"way", "ways", "ledger", "forced"},  # its files are read
    "tests/unit/test_words.py": OLD | {"--way", "--ways"},  # these lists
}
"""Old names that must stay, by file."""


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


def is_old(name: str) -> bool:
    """Whether one of the words that `_` separates is an old one; "teacher_forced" is the term."""
    words = name.lower().replace("teacher_forced", "").split("_")
    return not OLD.isdisjoint(words)


def empty_names(text: str) -> Iterator[tuple[int, str]]:
    """The lines and names of an empty word, whatever its case and with `_` around it.

    And those with an old word, alone or among others; also where a string is nothing but the word,
    as keys and options are.
    """
    for node in ast.walk(ast.parse(text)):
        for name in names(node):
            if name and (name.strip("_").lower() in EMPTY or is_old(name)):
                yield getattr(node, "lineno", 0), name
        match node:
            case ast.Constant(value=str(value)) if value.removeprefix("--") in OLD:
                yield node.lineno, value


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
        "for way in (): pass",
        "def the_ledger_is_kept(): pass",
        "FORCED_HOLDS = 1",
        "self._both_ways = 1",
        'parser.add("--way")',
        'row["ledger"]',
    ],
)
def test_empty_words_are_seen(code: str) -> None:
    assert len(list(empty_names(code))) == 1


def test_words_in_prose_and_longer_names_are_not_meant() -> None:
    code = '"""What was found."""  # as given\nmade_from = name.found + len("wanted")'
    code += '\nteacher_forced = away = "on the way"\nTEACHER_FORCED_HOLDS = wayward = 1'
    assert not list(empty_names(code))


def test_no_name_is_an_empty_or_old_word() -> None:
    paths = [path for folder in FOLDERS for path in sorted(ROOT.joinpath(folder).rglob("*.py"))]
    assert paths
    places = [
        f"{file}:{line}: {name}"
        for path in paths
        for line, name in empty_names(path.read_text("utf-8"))
        if name not in EXEMPT.get(file := path.relative_to(ROOT).as_posix(), ())
    ]
    assert not places, "\n".join(places)


@pytest.mark.parametrize("file", EXEMPT)
def test_what_is_exempt_is_still_used(file: str) -> None:
    used = {name for _, name in empty_names((ROOT / file).read_text("utf-8"))}
    assert EXEMPT[file] <= used
