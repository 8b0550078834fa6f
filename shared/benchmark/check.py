"""Ratios of a benchmark, which a machine changes less than it does seconds, against recorded ones.

Every ratio says how many times better one thing is than another: more is better. The margin is
wide, for people to look at what falls below it: a ratio is never a test's verdict.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared import formats, machine, strict
from shared.benchmark.measure import REFERENCE
from shared.benchmark.run import Outcome, Row
from shared.errors import DataError

RECORDED = Path(__file__).with_name("recorded.json")
"""What `triptych bench --record` wrote."""

MARGIN = 0.6
"""The part of a recorded ratio that one must reach."""

IDIOMATIC, TUNED = "idiomatic", "tuned"
LOOP = "the shared loop over a bare loop"
OLD_LOOP = "training.fit over a bare loop"
"""What version 0.1.0 called that ratio in its files."""


@dataclass(frozen=True)
class Checked:
    """One recorded ratio and today's; None where it was not measured."""

    name: str
    recorded: float
    now: float | None

    @property
    def fell(self) -> bool:
        """Whether it is below the margin."""
        return self.now is not None and self.now < MARGIN * self.recorded


@dataclass(frozen=True)
class Verdict:
    """All recorded ratios."""

    checked: tuple[Checked, ...]

    @property
    def passed(self) -> bool:
        """Whether some were measured and none fell."""
        measured = [each for each in self.checked if each.now is not None]
        return bool(measured) and not any(each.fell for each in measured)


def ratios(outcome: Outcome) -> dict[str, float]:
    """Every ratio of a benchmark, by name."""
    by_name: dict[str, float | None] = {}
    rows = {(row.architecture, row.backend, row.variant): row for row in outcome.rows}
    for (architecture, backend, variant), row in rows.items():
        for other in (IDIOMATIC, REFERENCE):
            base = rows.get((architecture, backend, other))
            if variant == TUNED and base:
                name = f"{architecture} {backend}, tuned over {other}"
                by_name |= {f"{name}: {what}": value for what, value in compared(row, base).items()}
    if outcome.costs:
        costs = outcome.costs
        for backend, loop in costs.loop.items():
            name = f"{costs.architecture} {backend}: {LOOP}"
            by_name[name] = loop.ratio
        for backend, trainings in costs.growth.items():
            name = f"{costs.architecture} {backend}: the speed of the largest training over"
            first = trainings[0]
            largest = max(trainings, key=lambda each: each.examples * each.epochs)
            by_name[f"{name} the smallest's"] = (
                first.seconds_per_example / largest.seconds_per_example
            )
        if costs.loader:
            by_name["batches over torchvision's loader"] = costs.loader.ratio
        if costs.command:
            by_name["triptych list over a bare interpreter"] = costs.command.ratio
    if outcome.accuracy:
        percent = f"{outcome.accuracy.goal.percent:g} %"
        by_name[f"time to {percent}, torch, tutorial over fast"] = outcome.accuracy.ratio
    return {name: value for name, value in by_name.items() if value is not None}


def compared(row: Row, base: Row) -> dict[str, float | None]:
    """How many times better one row is than another: faster, or smaller."""
    by_name: dict[str, float | None] = {"training": row.training.median / base.training.median}
    for size, figure in row.inference.items():
        if size in base.inference:
            by_name[f"inference of {size}"] = figure.median / base.inference[size].median
    if row.peak_memory_mib and base.peak_memory_mib:
        by_name["memory"] = base.peak_memory_mib / row.peak_memory_mib
    return by_name


def break_even(row: Row, base: Row, batch_size: int, per_example: int = 1) -> float | None:
    """After how many training steps a slower start pays off; None if it never does.

    The start is the building and the first step.
    """
    one, other = (batch_size * per_example / each.training.median for each in (row, base))
    one_begins, other_begins = (
        each.build_seconds + each.first_step_seconds for each in (row, base)
    )
    later = one_begins - other_begins
    if later <= 0:
        return 0.0
    return later / (other - one) if other > one else None


def record(outcome: Outcome, path: Path) -> None:
    """Write the ratios, with what they were measured on, to hold later ones against."""
    value = {
        **formats.stamp("ratios"),
        "machine": machine.describe(),
        "versions": {row.backend: row.versions for row in outcome.rows},
        "device": outcome.request.device,
        "dtype": outcome.request.dtype,
        "foreign_load": outcome.foreign_load,
        "ratios": {name: float(f"{ratio:.3g}") for name, ratio in ratios(outcome).items()},
    }
    strict.write(path, value)


def read(path: Path) -> dict[str, float]:
    """The ratios that `record` wrote.

    Raises:
        DataError: the file cannot be read, or is no such file.
    """
    if not path.exists():
        raise DataError(
            f"there are no recorded ratios in {path}; `triptych bench --record {path.name}` writes "
            "them"
        )
    return formats.read(
        path,
        "ratios",
        lambda content: {
            str(name).replace(OLD_LOOP, LOOP): _finite(of) for name, of in content["ratios"].items()
        },
        "has no ratios as `triptych bench --record` writes them",
    )


def _finite(value: Any) -> float:
    if not math.isfinite(number := float(value)):
        raise ValueError(f"{number} is no ratio")
    return number


def check(now: Mapping[str, float], recorded: Mapping[str, float]) -> Verdict:
    """Hold ratios against recorded ones."""
    return Verdict(tuple(Checked(name, old, now.get(name)) for name, old in recorded.items()))
