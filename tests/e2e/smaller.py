"""Less of the same: examples and commands on fewer digits and smaller networks.

`make test` runs them so, and `make test-all` as they stand.
"""

from collections.abc import Sequence
from typing import Any

import pytest

from shared.data import mnist
from shared.parity import collect, shards
from shared.report import asked
from shared.report.study import Study
from shared.specs import Case, Spec
from shared.workers import Worker
from tests.e2e.hurry import STEPS, fewer, hurry
from tests.flavours import smallest_of_each_class
from tests.shorter import shorter
from tests.warm import PREPARE

CHAPTERS = 2


def make_smaller(patch: pytest.MonkeyPatch) -> None:
    """Less of everything: digits, cases and steps on the ladder, surveys and chapters of pages."""
    patch.setenv(PREPARE, f"{hurry.__module__}:{hurry.__name__}")
    patch.setattr(collect, "plan", shorter(collect.plan, STEPS))
    patch.setattr(mnist, "load", fewer(mnist.load))
    cases = shards.cases

    def few_cases(specs: Sequence[Spec]) -> list[tuple[Spec, Case]]:
        return [(spec, case) for spec, case in cases(specs) if case in smallest_of_each_class(spec)]

    patch.setattr(shards, "cases", few_cases)
    chapters = asked.guide_chapters
    patch.setattr(asked, "guide_chapters", lambda: chapters()[:CHAPTERS])
    whole = asked.Asked

    def surveyed(worker: Worker, studies: Sequence[Study], *rest: Any) -> asked.Asked:
        return whole(worker, [study for study in studies if study.asked], *rest)

    patch.setattr(asked, "Asked", surveyed)
