"""The exit status of the command, and what it says when a verb fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.cli import parser
from shared.errors import DataError, DivergedError, WorkerError
from tests.unit.cli.conftest import Triptych

FULL = Path("/dev/full")


@pytest.mark.parametrize(
    ("error", "expected", "sentence"),
    [
        (WorkerError("the torch backend gave no result"), 1, "triptych: the torch backend gave"),
        (DivergedError("the loss is nan"), 1, "triptych: the loss is nan"),
        (DataError("mnist is damaged"), 2, "triptych: mnist is damaged"),
        (KeyboardInterrupt(), 130, "triptych: interrupted"),
    ],
)
def test_an_error_has_its_status(
    error: BaseException,
    expected: int,
    sentence: str,
    triptych: Triptych,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> int:
        """Fail."""
        raise error

    monkeypatch.setitem(parser.VERBS, "list", fail)
    status, out, err = triptych("list")
    assert (status, out) == (expected, "")
    assert err.startswith(sentence)
    assert len(err.splitlines()) == 1


def test_a_verb_gives_its_status(triptych: Triptych, monkeypatch: pytest.MonkeyPatch) -> None:
    def end() -> int:
        """End."""
        return 1

    monkeypatch.setitem(parser.VERBS, "list", end)
    assert triptych("list") == (1, "", "")


@pytest.mark.skipif(not FULL.exists(), reason="there is no device that is full")
@pytest.mark.parametrize("words", [["list"], ["show", "basic_net"]])
def test_output_that_cannot_be_written_is_one_sentence(words: list[str]) -> None:
    with FULL.open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "triptych", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "triptych: the output cannot be written: No space left on device\n"


@pytest.mark.skipif(sys.platform == "win32", reason="its pipes tell nothing of their readers")
@pytest.mark.parametrize("words", [["list"], ["show", "basic_net"]])
def test_a_reader_that_has_ended_is_no_error(words: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "triptych", *words],
            stdout=pipe,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, "")
