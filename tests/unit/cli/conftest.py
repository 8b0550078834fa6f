"""The command, called in this process."""

from collections.abc import Callable

import pytest

from tests.assertions import status

Triptych = Callable[..., tuple[int, str, str]]


@pytest.fixture
def triptych(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Triptych:
    """Call the command, its output in a pipe: its exit status, and what it printed where."""
    monkeypatch.delenv("COLUMNS", raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        return status(arguments), *capsys.readouterr()

    return call
