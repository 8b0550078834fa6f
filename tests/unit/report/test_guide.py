"""The guide: how its chapters are written, and what is said of those that are not right."""

import ast
import re
from pathlib import Path

import pytest

from shared.errors import ConfigurationError, GuideError
from shared.panels import PANELS, source
from shared.report import guide
from shared.report.guide import Chapter, Group, Text
from shared.specs import SPECS
from tests.sources import SHIPPED

NAMES = guide.names()
LINK = re.compile(r"\[[^\]]*\]\(([^)]*)\)")
FRAMEWORKS = {"torch": {"torch"}, "flax": {"jax", "flax"}, "keras": {"keras", "tensorflow"}}
ARXIV = "https://arxiv.org/abs/"


@pytest.fixture(params=NAMES)
def chapter(request: pytest.FixtureRequest) -> Chapter:
    return guide.find(request.param)


# What the chapters are made of


def test_there_are_ten_chapters_in_order() -> None:
    chapters = guide.chapters()
    assert [chapter.name for chapter in chapters] == NAMES
    assert [int(name[:2]) for name in NAMES] == [*range(1, 11)]
    titles = [chapter.title for chapter in chapters]
    assert titles[0] == "A first subclass"
    assert len(set(titles)) == len(titles)


def test_a_chapter_has_groups_and_text_between(chapter: Chapter) -> None:
    groups = [cell for cell in chapter.cells if isinstance(cell, Group)]
    assert 3 <= len(groups) <= 5
    assert all(list(group.code) == list(PANELS) for group in groups)
    first, last = chapter.cells[0], chapter.cells[-1]
    assert isinstance(first, Text)
    assert first.markdown.startswith(f"# {chapter.title}\n\n")
    assert isinstance(last, Text)
    lines = (guide.FOLDER / f"{chapter.name}.md").read_text("utf-8").splitlines()
    for cell in chapter.cells:
        for code in [] if isinstance(cell, Text) else getattr(cell, "code", {0: cell}).values():
            rows = code.source.splitlines()
            assert lines[code.line - 1 : code.line - 1 + len(rows)] == rows
            assert max(map(len, rows)) <= 100


def test_a_chapter_ends_with_exercises_that_the_catalogue_solves(chapter: Chapter) -> None:
    last = chapter.cells[-1]
    assert isinstance(last, Text)
    before, heading, exercises = f"\n{last.markdown}".rpartition("\n## ")
    assert heading
    assert "# Exercises" not in before
    title, _, items = exercises.partition("\n\n")
    assert title == "Exercises"
    parts = re.split(r"^\d+\. ", items, flags=re.MULTILINE)
    assert not parts[0]
    assert 2 <= len(parts[1:]) <= 4
    pages = {f"{name}.html" for name in SPECS}
    for item in parts[1:]:
        assert set(LINK.findall(item)) & pages, item


def test_links_lead_to_pages_and_to_papers_that_the_sources_name(chapter: Chapter) -> None:
    files = {file for spec in SPECS.values() for file in spec.files}
    papers = "".join(source("torch", file).read_text("utf-8") for file in files)
    texts = [cell.markdown for cell in chapter.cells if isinstance(cell, Text)]
    for link in LINK.findall("\n".join(texts)):
        if link.startswith(ARXIV):
            assert f"arXiv:{link.removeprefix(ARXIV)}" in papers
        else:
            assert link in {f"{name}.html" for name in SPECS}


def test_the_exercises_lead_to_the_whole_catalogue() -> None:
    linked = {
        link
        for chapter in guide.chapters()
        for cell in chapter.cells
        if isinstance(cell, Text)
        for link in LINK.findall(cell.markdown)
    }
    assert {f"{name}.html" for name in SHIPPED} <= linked


# What is made of them


@pytest.mark.parametrize("backend", PANELS)
def test_a_chapter_is_a_notebook_of_each_backend(chapter: Chapter, backend: str) -> None:
    notebook = guide.notebook(chapter, backend)
    assert notebook.metadata.kernelspec.name == "python3"
    assert len(notebook.cells) == len(chapter.cells)
    for cell, copy in zip(chapter.cells, notebook.cells, strict=True):
        if isinstance(cell, Text):
            assert (copy.cell_type, copy.source) == ("markdown", cell.markdown)
        else:
            block = cell.code[backend] if isinstance(cell, Group) else cell
            assert (copy.cell_type, copy.source) == ("code", block.source)
            ast.parse(copy.source)
    code = "\n".join(copy.source for copy in notebook.cells if copy.cell_type == "code")
    modules = set(re.findall(r"^(?:import|from) (\w+)", code, re.MULTILINE))
    others = [names for other, names in FRAMEWORKS.items() if other != backend]
    assert not modules & set().union(*others)
    assert modules & FRAMEWORKS[backend]


# What is said of chapters that are not right


GROUP = "".join(f'```python tags=["{name}"]\nprint("{name}")\n```\n\n' for name in PANELS)


def test_other_languages_are_text() -> None:
    chapter = guide.parse("shell", f"# T\n\nText.\n\n```sh\nls\n```\n\nMore.\n\n{GROUP}End.\n")
    text, group, end = chapter.cells
    assert text == Text("# T\n\nText.\n\n```sh\nls\n```\n\nMore.")
    assert isinstance(group, Group)
    assert group.code["flax"].source == 'print("flax")'
    assert group.code["flax"].line == 16
    assert end == Text("End.")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Text.\n", "must begin with '# ' and its title, not with 'Text.'"),
        (f"# T\n\n{GROUP.replace('keras', 'jax')}", "line 12: the code is tagged jax, and should"),
        (f"# T\n\n{GROUP[GROUP.index('```python', 5) :]}", "line 4: the code is tagged flax"),
        (f"# T\n\n{GROUP[: GROUP.rindex('```python')]}End.\n", "line 4: the group lacks keras"),
        (f"# T\n\n{GROUP[: GROUP.index('```python', 5)]}", "line 4: the group lacks flax, keras"),
    ],
    ids=["title", "tag", "order", "text", "end"],
)
def test_a_chapter_that_is_not_written_right_is_refused(text: str, problem: str) -> None:
    with pytest.raises(GuideError) as caught:
        guide.parse("broken", text)
    assert str(caught.value).startswith("broken.md")
    assert problem in str(caught.value)


FAILING = f"""# T

```python
def divide(a, b):
    return a / b


print(divide(6, 3))
```

{GROUP}Text.

```python
import inspect

print(inspect.getsource(divide))
```

```python
CODE
```
"""


@pytest.fixture
def failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the only chapter that there is."""
    monkeypatch.setattr(guide, "FOLDER", tmp_path)
    return tmp_path / "failing.md"


@pytest.mark.parametrize(
    ("code", "line", "problem"),
    [
        ("divide(1, 0)", 5, "ZeroDivisionError: division by zero"),
        ("x = 1\nunknown", 33, "NameError: name 'unknown' is not defined"),
        ("x = 1\n\nx = = 2", 34, "SyntaxError: invalid syntax"),
    ],
)
def test_a_cell_that_fails_is_named(failing: Path, code: str, line: int, problem: str) -> None:
    failing.write_text(FAILING.replace("CODE", code))
    with pytest.raises(GuideError) as caught:
        guide.run("failing", "flax")
    assert str(caught.value).startswith(f"failing.md, line {line}, cell 6 of 6, flax: {problem}")


def test_code_sees_what_came_before_and_its_own_source(failing: Path) -> None:
    failing.write_text(FAILING.replace("CODE", "quietly = divide(1, 2)"))
    text, *printed = guide.run("failing", "keras")
    assert text is None
    source = "def divide(a, b):\n    return a / b\n\n"
    assert printed == ["2.0\n", "keras\n", None, source, ""]


def test_names_that_do_not_exist_are_refused(failing: Path) -> None:
    with pytest.raises(GuideError, match=r"there are no chapters in .*; there should be files"):
        guide.names()
    failing.write_text(FAILING)
    with pytest.raises(ConfigurationError, match="there is no chapter 'failed'; there are failing"):
        guide.find("failed")
    with pytest.raises(ConfigurationError, match="there is no backend 'jax'"):
        guide.run("failing", "jax")
    with pytest.raises(ConfigurationError, match="there is no backend 'jax'"):
        guide.notebook(guide.parse("failing", FAILING), "jax")
