"""The guide: its chapters run in every backend, as they stand and as notebooks."""

import difflib
import os
import re
import tempfile
import warnings
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from shared.panels import PANELS
from shared.report import guide, recorded, results
from shared.report.guide import Group, Text
from shared.workers import ALONE, Worker
from tests.flavours import FLAVOURS, exhaustive, lacking, skip_if_lacking

pytestmark = pytest.mark.xdist_group("guide")  # they share what was measured once
NAMES = guide.names()
# One notebook a backend is run: short ones, that print the same in every process.
EXECUTED = {
    "torch": "04_residual_blocks",
    "flax": "01_first_subclass",
    "keras": "03_inputs_and_outputs",
}
# Cells whose whole numbers differ too from run to run, and why.
TIMES = "it prints times, or a ratio of them"
VARYING = {
    ("09_what_subclassing_costs", 7): TIMES,
    ("10_which_backend", 4): TIMES,
    ("10_which_backend", 7): TIMES,
    ("10_which_backend", 10): TIMES,
    ("10_which_backend", 13): TIMES,
}
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3"}  # TensorFlow tells of GPUs that are not there
Printed = list[str | None]


def strictly(name: str, backend: str) -> tuple[Printed, str]:
    """Run a chapter in a worker where a warning is an error; what it printed, and on stderr."""
    with stderr() as written, warnings.catch_warnings():
        warnings.simplefilter("error")
        # Python does not show these but to those whose code they are about.
        for category in (DeprecationWarning, ResourceWarning):
            warnings.simplefilter("ignore", category)
            warnings.filterwarnings("error", category=category, module="guide_")
        printed = guide.run(name, backend)
    return printed, "".join(written)


@contextmanager
def stderr() -> Iterator[list[str]]:
    """A list that will hold what this process and its libraries wrote on stderr meanwhile."""
    written: list[str] = []
    kept = os.dup(2)
    with tempfile.TemporaryFile("w+") as file:
        os.dup2(file.fileno(), 2)
        try:
            yield written
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            written.append(file.read())


@pytest.fixture(scope="module")
def runs() -> Iterator[dict[tuple[str, str], tuple[Worker, Future[tuple[Printed, str]]]]]:
    """Every chapter's run in every backend that there is, all begun at once.

    The workers are the file's own: chapters seed generators, and leave classes behind.
    """
    with ExitStack() as stack:
        begun = {}
        for backend in PANELS:
            if not lacking(backend):
                environment = {**ALONE, **FLAVOURS[backend][1]}
                worker = stack.enter_context(Worker(backend, environment))
                for name in NAMES:
                    begun[name, backend] = worker, worker.submit(strictly, name, backend)
        yield begun


@pytest.fixture(params=PANELS)
def backend(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize(
    "backend", ["torch", *(pytest.param(name, marks=exhaustive) for name in ("flax", "keras"))]
)
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
    notebook = guide.notebook(guide.find(name), backend)
    nbclient.NotebookClient(notebook, timeout=120).execute()

    worker, future = runs[name, backend]
    printed, _ = worker.result(future)
    for cell, output in zip(notebook.cells, printed, strict=True):
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
    printed, written = worker.result(future)
    assert written == ""
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


def masked(text: str, whole_numbers: bool) -> str:
    """An output without what differs from run to run: floats, addresses, and columns' widths.

    Sizes of files differ too: an exported program holds the paths of its sources.
    """
    text = re.sub(r"0x[0-9a-f]+", "ADDRESS", text)
    text = re.sub(r"\b\d[\d,]* KiB\b", "SIZE", text)
    text = re.sub(r"\b\d[\d,]*(\.\d+)?e[+-]?\d+|\b\d[\d,]*\.\d+", "FLOAT", text)
    if whole_numbers:
        text = re.sub(r"\b\d[\d,]*", "NUMBER", text)
    return re.sub(" +", " ", text)


def test_masks_leave_whole_numbers_names_and_words() -> None:
    text = "fc1.weight (8, 784)  differs by 1e-07, 0.50 of 1,399.5 at 0x7f12; 1,399 calls, 43 KiB"
    kept = "fc1.weight (8, 784) differs by FLOAT, FLOAT of FLOAT at ADDRESS; 1,399 calls, SIZE"
    assert masked(text, whole_numbers=False) == kept
    assert masked("took 1,399 ms in conv2", whole_numbers=True) == "took NUMBER ms in conv2"


@pytest.mark.parametrize("name", NAMES)
def test_a_chapter_prints_what_is_recorded(
    name: str,
    backend: str,
    runs: dict[tuple[str, str], tuple[Worker, Future[tuple[Printed, str]]]],
) -> None:
    skip_if_lacking(backend)
    worker, future = runs[name, backend]
    printed, _ = worker.result(future)
    once = recorded.read().guide[name][backend]
    how = f"`make record-guide` records it anew; it was recorded with {versions(once)}"
    assert len(printed) == len(once.cells), f"{name} has other cells than were recorded: {how}"
    for number, (now, before) in enumerate(zip(printed, once.cells, strict=True)):
        whole_numbers = (name, number) in VARYING
        texts = [masked(text or "", whole_numbers).splitlines() for text in (before, now)]
        diff = difflib.unified_diff(texts[0], texts[1], "recorded", "printed now", lineterm="", n=0)
        assert texts[0] == texts[1], "\n".join(
            [f"cell {number + 1} of {name}.md prints something else in {backend}: {how}", *diff]
        )


def versions(printed: recorded.Printed) -> str:
    return results.libraries(printed.origin.versions)
