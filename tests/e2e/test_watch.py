"""`triptych parity --watch`, as somebody who edits a panel has it."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared import caches
from shared.registry import FOLDER
from tests.flavours import lacking

PATIENCE = 120.0


class Watched:
    """A watch that runs on a copy of this project."""

    def __init__(self, folder: Path, *words: str) -> None:
        for package in ("shared", "triptych", "torch_impl", "flax_impl", "keras_impl"):
            shutil.copytree(FOLDER / package, folder / package)
        self.folder, self.log = folder, folder / "log"
        variables = {"PYTHONPATH": str(folder), caches.EVIDENCE: str(folder / "kept")}
        # Tests that run in a shell's background ignore it, and what they start would too.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with self.log.open("w") as log:
                self.process = subprocess.Popen(
                    [sys.executable, "-m", "triptych", "parity", "basic_net", "--watch", *words],
                    cwd=folder,
                    env=os.environ | variables,
                    stdout=log,
                    stderr=log,
                )
        finally:
            signal.signal(signal.SIGINT, before)
        self.read = 0

    def until(self, text: str) -> list[str]:
        """The lines that are new, up to one with a text in it."""
        began = time.monotonic()
        while time.monotonic() - began < PATIENCE:
            lines = self.log.read_text().splitlines()[self.read :]
            for index, line in enumerate(lines):
                if text in line:
                    self.read += index + 1
                    return lines[: index + 1]
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)
        raise AssertionError(f"{text!r} does not come: {self.log.read_text()}")


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    for backend in ("torch", "flax"):
        if reason := lacking(backend):
            pytest.skip(reason)
    words = ("--backends", "torch,flax", "--no-trainings", "--dtype", "float64")
    one = Watched(tmp_path, *words)
    yield one
    one.process.kill()
    one.process.wait()


def descendants(process: int) -> set[int]:
    """The processes that a process has started, and those that these have."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    every: set[int] = set()
    while (
        more := {child for child, parent in parents.items() if parent in {process, *every}} - every
    ):
        every |= more
    return every


def test_whoever_edits_a_panel_has_the_verdict_of_what_was_saved(watched: Watched) -> None:
    assert "passed" in watched.until("passes in float64")[-1]
    assert "failed" not in watched.until("all that is asked")[-1]
    panel = watched.folder / "torch_impl" / "mlp.py"
    original = panel.read_text()
    panel.write_text(original.replace("F.relu", "F.silu"))
    lines = watched.until("passes in float64")
    assert lines[0] == "torch_impl/mlp.py changed"
    cause = "torch_impl/mlp.py:39, the input of dropout: torch applies silu, flax relu; explains "
    assert any(line.startswith(cause) for line in lines), lines
    assert "failed" in lines[-1]
    panel.write_text(original + "\ndef (\n")
    assert watched.until("invalid syntax")[0].startswith("torch_impl/mlp.py:")
    panel.write_text(original.replace("from torch", "from torhc"))
    lines = watched.until("passes in float64")
    assert any("No module named 'torhc'" in line for line in lines)
    assert not any("Traceback" in line for line in lines)
    panel.write_text(original)
    assert "failed" not in watched.until("all that is asked")[-1]
    (watched.folder / "shared" / "parity" / "extra.py").write_text("")
    assert "starting again" in watched.until("extra.py")[-1]
    assert "failed" not in watched.until("all that is asked")[-1]
    if not Path("/proc/self/stat").exists():
        return  # Linux alone says who started whom
    panel.write_text(original + "\n")  # so that a worker is at work
    watched.until("changed")
    children = descendants(watched.process.pid)
    assert children
    watched.process.send_signal(signal.SIGINT)
    assert watched.process.wait(PATIENCE) == 130
    began = time.monotonic()
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() - began < PATIENCE
        time.sleep(0.05)
    assert "Traceback" not in watched.log.read_text()
