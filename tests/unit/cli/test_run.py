"""The exit status of the command, and what it says when a verb fails."""

import subprocess
import sys

import pytest

from shared.cli import parser
from shared.errors import DataError, DivergedError, WorkerError
from tests.unit.cli.conftest import Triptych


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


def test_the_package_is_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "shared.cli", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("triptych 0.")
