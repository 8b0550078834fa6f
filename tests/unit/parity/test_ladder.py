"""How the ladder is climbed."""

import pytest

from shared.parity import ladder, sources
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
