"""Less of the same: examples and commands on fewer digits and smaller networks.

`make test` runs them so, and `make test-all` as they stand.
"""

from collections.abc import Generator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from shared import mnist
from shared.benchmark import measure
from shared.parity import collect, ladder, recipes
from shared.report import run as report
from shared.specs import Case, Spec
from tests.flavours import smallest_of_each_class
from tests.warm import PREPARE

TRAIN, TEST = 640, 160
CHAPTERS = 2
STEPS = 5


def hurry() -> None:
    """In a worker that starts: leave a part of the sample, and be warm soon."""
    mnist.load = _fewer(mnist.load)  # type: ignore[assignment]
    measure.warm_up = partial(measure.warm_up, least=0.1, most=0.5)  # type: ignore[assignment]


def _fewer(load: Any) -> Any:
    def loaded(name: str, *arguments: Any, **options: Any) -> mnist.Dataset:
        data = load(name, *arguments, **options)
        if name != "sample":
            return data
        return replace(data, train=_first(data.train, TRAIN), test=_first(data.test, TEST))

    return loaded


def _first(split: mnist.Split, count: int) -> mnist.Split:
    return mnist.Split(split.images[:count], split.labels[:count])


def _shorter(plan: Any) -> Any:
    def planned(*arguments: Any, **options: Any) -> collect.Plan:
        whole = plan(*arguments, **options)
        batches = whole.batches[: STEPS + recipes.FURTHER]
        return replace(whole, batches=batches, steps=STEPS)

    return planned


def make_smaller(patch: pytest.MonkeyPatch) -> None:
    """Fewer digits, the smallest case of each class on the ladder, fewer steps and chapters."""
    patch.setenv(PREPARE, f"{__name__}:{hurry.__name__}")
    patch.setattr(collect, "plan", _shorter(collect.plan))
    patch.setattr(mnist, "load", _fewer(mnist.load))
    climbing = ladder.climbing

    def shorter(
        outcome: ladder.Outcome, cases: Sequence[tuple[Spec, Case]], *rest: Any, **options: Any
    ) -> Generator[tuple[Spec, Case]]:
        few = [(spec, case) for spec, case in cases if case in smallest_of_each_class(spec)]
        yield from climbing(outcome, few, *rest, **options)

    patch.setattr(ladder, "climbing", shorter)
    chapters = report.guide_chapters
    patch.setattr(report, "guide_chapters", lambda: chapters()[:CHAPTERS])
