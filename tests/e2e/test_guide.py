"""The guide: its chapters run in every backend, as they stand and as notebooks."""

import os
import re
import tempfile
import warnings
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from shared.report import guide
from shared.report.guide import Group, Text
from shared.specs import PANELS
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
                environment = {**ALONE, **cache, **FLAVOURS[backend][1]}
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
