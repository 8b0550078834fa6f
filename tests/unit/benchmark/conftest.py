"""A machine that does nothing else."""

import pytest

from tests.unit.benchmark.workers import silence


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that multiplies at 1e12 operations a second, and that nobody else uses."""
    silence(monkeypatch)
