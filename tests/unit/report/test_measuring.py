"""What a report measures itself, where a backend fails meanwhile."""

from typing import Any

import pytest

from shared import registry
from shared.errors import WorkerError
from shared.report import measuring
from shared.report.study import Study
from shared.specs import SPECS

DIED = "the flax backend gave no result: its process ended with status 3"


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "missing", lambda _: [])


def ignore(text: str) -> None:
    """In place of who is told what is being done."""


def test_a_ladder_that_cannot_be_climbed_leaves_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    def climb(*_: Any, **__: Any) -> None:
        raise WorkerError(DIED)

    monkeypatch.setattr(measuring.ladder, "climb", climb)
    study, climbed = (Study(SPECS[name]) for name in ("basic_net", "unet"))
    climbed.checks = [{"rung": "forward"}]
    measuring.climb([study, climbed], ["torch", "flax"], ignore)
    assert study.gaps == {"torch": DIED, "flax": DIED}
    assert not study.checks
    assert not climbed.gaps
