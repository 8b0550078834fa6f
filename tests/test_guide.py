"""The guide: its chapters run in every backend, as they stand and as notebooks."""

import ast
import os
import re
import tempfile
import warnings
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from shared.errors import ConfigurationError, GuideError
from shared.parity.mirror import source
from shared.report import guide
from shared.report.guide import Chapter, Group, Text
from shared.specs import PANELS, SPECS
from shared.workers import ALONE, Worker
from tests.conftest import DEMANDED, FLAVOURS, SHARING, lacking

NAMES = guide.names()
LINK = re.compile(r"\[[^\]]*\]\(([^)]*)\)")
FRAMEWORKS = {"torch": {"torch"}, "flax": {"jax", "flax"}, "keras": {"keras", "tensorflow"}}
ARXIV = "https://arxiv.org/abs/"
# One notebook a backend is run: short ones, that print the same in every process.
EXECUTED = {
    "torch": "04_residual_blocks",
    "flax": "01_first_subclass",
    "keras": "03_inputs_and_outputs",
}
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3"}  # TensorFlow tells of GPUs that are not there

Printed = list[str | None]


def strictly(name: str, backend: str) -> tuple[Printed, str]:
    """Run a chapter in a worker where a warning is an error; what it printed, and on stderr."""
    with stderr() as said, warnings.catch_warnings():
        warnings.simplefilter("error")
        # Python does not show these but to those whose code they are about.
        for category in (DeprecationWarning, ResourceWarning):
            warnings.simplefilter("ignore", category)
            warnings.filterwarnings("error", category=category, module="guide_")
        printed = guide.run(name, backend)
    return printed, "".join(said)


@contextmanager
def stderr() -> Iterator[list[str]]:
    """A list that will hold what this process and its libraries wrote on stderr meanwhile."""
    said: list[str] = []
    kept = os.dup(2)
    with tempfile.TemporaryFile("w+") as file:
        os.dup2(file.fileno(), 2)
        try:
            yield said
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            said.append(file.read())


@pytest.fixture(scope="module")
def runs(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[tuple[str, str], tuple[Worker, Future[tuple[Printed, str]]]]]:
    """Every chapter's run in every backend that there is, all begun at once.

    The workers are the file's own: chapters seed generators, and leave classes behind.
    """
    cache = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.mktemp("compiled"))}
    with ExitStack() as stack:
        begun = {}
        for backend in PANELS:
            if not lacking(backend):
                environment = {**ALONE, **SHARING, **cache, **FLAVOURS[backend][1]}
                worker = stack.enter_context(Worker(backend, environment))
                for name in NAMES:
                    begun[name, backend] = worker, worker.submit(strictly, name, backend)
        yield begun


def skip_if_lacking(backend: str) -> None:
    reason = lacking(backend)
    if reason and backend in DEMANDED:
        pytest.fail(f"TRIPTYCH_TEST_BACKENDS demands {backend}, but {reason}")
    if reason:
        pytest.skip(reason)


@pytest.fixture(params=NAMES)
def chapter(request: pytest.FixtureRequest) -> Chapter:
    return guide.find(request.param)


@pytest.fixture(params=PANELS)
def backend(request: pytest.FixtureRequest) -> str:
    return request.param


# What the chapters are made of


def test_there_are_ten_chapters_in_order() -> None:
    found = guide.chapters()
    assert [chapter.name for chapter in found] == NAMES
    assert [int(name[:2]) for name in NAMES] == [*range(1, 11)]
    titles = [chapter.title for chapter in found]
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
    found = re.split(r"^\d+\. ", items, flags=re.MULTILINE)
    assert not found[0]
    assert 2 <= len(found[1:]) <= 4
    pages = {f"{name}.html" for name in SPECS}
    for item in found[1:]:
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
    assert {f"{name}.html" for name in SPECS} <= linked


# What they do


def test_a_notebook_runs(
    backend: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    runs: dict[tuple[str, str], tuple[Worker, Future[tuple[Printed, str]]]],
) -> None:
    skip_if_lacking(backend)
    nbclient = pytest.importorskip("nbclient")
    kernelspec = pytest.importorskip("ipykernel.kernelspec")
    kernelspec.write_kernel_spec(str(tmp_path / "kernels" / "python3"))  # of this very Python
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    for variable in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    for variable, value in {**ALONE, **QUIET, **FLAVOURS[backend][1]}.items():
        monkeypatch.setenv(variable, value)
    name = EXECUTED[backend]
    found = guide.notebook(guide.find(name), backend)
    nbclient.NotebookClient(found, timeout=120).execute()

    worker, future = runs[name, backend]
    printed, _ = worker.result(future)
    for cell, output in zip(found.cells, printed, strict=True):
        if cell.cell_type == "code":
            parts = [part.text for part in cell.outputs if part.get("name") == "stdout"]
            assert "".join(parts) == output


@pytest.mark.parametrize("name", NAMES)
def test_a_chapter_runs(
    name: str,
    backend: str,
    runs: dict[tuple[str, str], tuple[Worker, Future[tuple[Printed, str]]]],
) -> None:
    skip_if_lacking(backend)
    worker, future = runs[name, backend]
    printed, said = worker.result(future)
    assert said == ""
    cells = guide.find(name).cells
    assert len(printed) == len(cells)
    for cell, output in zip(cells, printed, strict=True):
        if isinstance(cell, Text):
            assert output is None
        elif isinstance(cell, Group):
            assert output
            assert output.strip()
            assert "nan" not in output.lower().split()
            assert not re.search(r"\x1b|/site-packages/| object at 0x", output), output


def test_a_chapter_is_a_notebook_of_each_backend(chapter: Chapter, backend: str) -> None:
    found = guide.notebook(chapter, backend)
    assert found.metadata.kernelspec.name == "python3"
    assert len(found.cells) == len(chapter.cells)
    for cell, there in zip(chapter.cells, found.cells, strict=True):
        if isinstance(cell, Text):
            assert (there.cell_type, there.source) == ("markdown", cell.markdown)
        else:
            wanted = cell.code[backend] if isinstance(cell, Group) else cell
            assert (there.cell_type, there.source) == ("code", wanted.source)
            ast.parse(there.source)
    code = "\n".join(there.source for there in found.cells if there.cell_type == "code")
    modules = set(re.findall(r"^(?:import|from) (\w+)", code, re.MULTILINE))
    others = [names for other, names in FRAMEWORKS.items() if other != backend]
    assert not modules & set().union(*others)
    assert modules & FRAMEWORKS[backend]


# What is said of chapters that are not right

GROUP = "".join(f'```python tags=["{name}"]\nprint("{name}")\n```\n\n' for name in PANELS)


def test_other_languages_are_text() -> None:
    found = guide.parse("shell", f"# T\n\nText.\n\n```sh\nls\n```\n\nMore.\n\n{GROUP}End.\n")
    text, group, end = found.cells
    assert text == Text("# T\n\nText.\n\n```sh\nls\n```\n\nMore.")
    assert isinstance(group, Group)
    assert group.code["flax"].source == 'print("flax")'
    assert group.code["flax"].line == 16
    assert end == Text("End.")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Text.\n", "must begin with '# ' and its title, not with 'Text.'"),
        (f"# T\n\n{GROUP.replace('keras', 'jax')}", "line 12: the code is tagged jax, and should"),
        (f"# T\n\n{GROUP[GROUP.index('```python', 5) :]}", "line 4: the code is tagged flax"),
        (f"# T\n\n{GROUP[: GROUP.rindex('```python')]}End.\n", "line 4: the group lacks keras"),
        (f"# T\n\n{GROUP[: GROUP.index('```python', 5)]}", "line 4: the group lacks flax, keras"),
    ],
    ids=["title", "tag", "order", "text", "end"],
)
def test_a_chapter_that_is_not_written_right_is_refused(text: str, wanted: str) -> None:
    with pytest.raises(GuideError) as caught:
        guide.parse("broken", text)
    assert str(caught.value).startswith("broken.md")
    assert wanted in str(caught.value)


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
    ("code", "line", "said"),
    [
        ("divide(1, 0)", 5, "ZeroDivisionError: division by zero"),
        ("x = 1\nunknown", 33, "NameError: name 'unknown' is not defined"),
        ("x = 1\n\nx = = 2", 34, "SyntaxError: invalid syntax"),
    ],
)
def test_a_cell_that_fails_is_named(failing: Path, code: str, line: int, said: str) -> None:
    failing.write_text(FAILING.replace("CODE", code))
    with pytest.raises(GuideError) as caught:
        guide.run("failing", "flax")
    assert str(caught.value).startswith(f"failing.md, line {line}, cell 6 of 6, flax: {said}")


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
