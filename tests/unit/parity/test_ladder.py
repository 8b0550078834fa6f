"""How the ladder is climbed."""

from concurrent.futures import Future
from contextlib import ExitStack

import pytest

from shared.parity import ladder, sources
from shared.parity.checks import Outcome
from shared.specs import SPECS


def test_workers_that_share_a_gpu_reserve_none_of_its_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environments: list[dict[str, str]] = []

    class StartError(Exception):
        pass

    def start(backend: str, environment: dict[str, str], **_: object) -> None:
        environments.append(environment)
        raise StartError(backend)

    monkeypatch.setattr(ladder, "Worker", start)
    monkeypatch.setattr(ladder.registry, "missing", lambda _: [])
    with pytest.raises(StartError):
        ladder.climb([SPECS["basic_net"]], device="cuda")
    (environment,) = environments
    assert environment["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
    assert environment["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"


def test_an_outcome_says_what_was_asked_and_by_which_sources() -> None:
    outcome = ladder.climb([], ["float64"], backends=[], trainings=False, device="cuda")
    assert outcome.to_dict()["asked"] == {
        "architectures": (),
        "dtypes": ("float64",),
        "backends": (),
        "trainings": False,
        "variants": True,
        "device": "cuda",
        "precision": "highest",
        "shard": None,
        "sources": sources.digest(),
    }


def test_a_backend_that_never_answers_can_be_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endless loop in a panel: a watch must see that the panel was saved again."""
    told: list[str] = []

    class BreakError(Exception):
        pass

    def report(text: str) -> None:
        told.append(text)
        if len(told) == 3:
            raise BreakError

    monkeypatch.setattr(ladder, "PULSE", 0.001)
    crew = ladder.Crew(ExitStack(), ["torch"], Outcome(), report)
    with pytest.raises(BreakError):
        crew.wait({"torch": Future()}, "basic_net, default")
    assert told == ["basic_net, default"] * 3
