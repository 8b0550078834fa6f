"""Climbs without a framework: real in what is climbed and in which order, made up in what came."""

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any

import pytest

from shared import registry, strict
from shared.interface import Trace
from shared.parity import collect, ladder, sources
from shared.parity.checks import Check, Outcome
from shared.parity.locate import Divergence
from shared.parity.shards import Shard
from shared.specs import Case, Spec

PAIRS = ("tensors", "forward", "exchange", "activations", "loss", "optimizers")
FIRST = Divergence("forward", "evaluation", "conv", "the output of conv", math.inf, "padding", "x")
OTHERS: list[dict[str, Any]] = [
    {"status": "bounded", "difference": 1e-3, "tolerance": None, "part": "adam"},
    {"status": "failed", "difference": math.inf, "detail": "not finite", "first": FIRST},
    {"status": "failed", "difference": 2.0, "detail": "far apart"},
    {"status": "failed", "difference": None, "tolerance": None, "detail": "another shape"},
    {"status": "missing", "difference": None, "tolerance": None, "detail": "it died"},
]
"""How checks end that do not pass."""

VERSIONS = {"torch": {"torch": "9.1"}, "flax": {"jax": "9.2", "flax": "9.3"}, "keras": {}}


class FakeWorker:
    """In place of a worker: it knows the versions of a backend's libraries."""

    def __init__(self, backend: str, _: object, **__: object) -> None:
        self.backend = backend

    def __enter__(self) -> "FakeWorker":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, function: object, *_: object) -> Future[Any]:
        future: Future[Any] = Future()
        nothing = Trace((), {}, {}, {})
        future.set_result(nothing if function is collect.trace else dict(VERSIONS[self.backend]))
        return future

    def result(self, future: Future[Any]) -> Any:
        return future.result()


def fake(
    monkeypatch: pytest.MonkeyPatch, *, bad: float = 0.0, skipped: Mapping[str, str] | None = None
) -> None:
    """Let the ladder climb without a framework.

    Args:
        monkeypatch: Puts everything back.
        bad: The share of checks that do not pass.
        skipped: Backends that are not installed, and why.
    """
    lacking = skipped or {}

    def usable(names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        skipped_now = {name: lacking[name] for name in names if name in lacking}
        return [name for name in names if name not in lacking], skipped_now

    def plan(
        spec: Spec, case: Case, dtypes: Sequence[str], device: str, **_: object
    ) -> collect.Plan:
        del spec
        return collect.Plan(case, tuple(dtypes), device)

    def case_checks(
        spec: Spec, case: Case, dtype: str, backends: Sequence[str], *_: object
    ) -> Iterator[Check]:
        yield from made_up(spec, case, dtype, backends, bad)

    def wait(workers: Mapping[str, Any], _: object) -> tuple[dict[str, Any], dict[str, str]]:
        return {}, {"keras": "it died"} if bad and "keras" in workers else {}

    monkeypatch.setattr(sources, "digest", lambda: "1" * 64)
    monkeypatch.setattr(registry, "usable", usable)
    monkeypatch.setattr(ladder, "Worker", FakeWorker)
    monkeypatch.setattr(collect, "plan", plan)
    monkeypatch.setattr(ladder, "wait", wait)
    monkeypatch.setattr(ladder, "case_checks", case_checks)


def made_up(
    spec: Spec, case: Case, dtype: str, backends: Sequence[str], bad: float
) -> Iterator[Check]:
    """Checks of a case as a climb has them, which end by chance: each time in the same manner."""
    random = Random(f"{spec.name} {case.label} {dtype}")

    def check(rung: str, between: str) -> Check:
        passed = Check(rung, spec.name, case.label, dtype, between, "passed", 1e-13, 1e-12, "well")
        if random.random() >= bad:
            return replace(passed, difference=random.random() * 1e-12)
        other: dict[str, Any] = random.choice(OTHERS)
        return replace(passed, **other)

    for backend in backends:
        yield from (check(rung, backend) for rung in ("counts", "outputs"))
        yield from (check("edges", backend) for _ in range(random.randint(0, 2)))
    for pair in combinations(backends, 2):
        yield from (check(rung, "-".join(pair)) for rung in PAIRS)


def write_shards(
    folder: Path, specs: Sequence[Spec], count: int, *rest: Any, **options: Any
) -> list[Path]:
    """Climb so many shards, and write each one's JSON: in the order of the shards."""
    paths = []
    for number in range(1, count + 1):
        outcome = ladder.climb(specs, *rest, shard=Shard(number, count), **options)
        paths.append(folder / f"{number}.json")
        strict.write(paths[-1], outcome.to_dict())
    return paths


def counted(outcome: Outcome) -> dict[tuple[str, str, str], int]:
    """How many checks each case has in each dtype."""
    counts: dict[tuple[str, str, str], int] = {}
    for check in outcome.checks:
        place = (check.architecture, check.case, check.dtype)
        counts[place] = counts.get(place, 0) + 1
    return counts
