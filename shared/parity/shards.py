"""The shards of a climb: disjoint parts of its cases, of about the same cost, a machine each.

They follow from the specs alone, so that every machine makes the same ones.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.errors import ConfigurationError
from shared.parity import combinations, recipes
from shared.specs import Case, Spec

PART, PASSES, WHOLE, TRAINED = 2.0, 3.0, 5.0, 15.0
"""Seconds on 2 cores for a part of a network, for a whole one without trainers and with them, and
more for what is trained of it.

Without --no-trainings that is optimizers, resumed trainings and trainers, with it trainers alone.
"""

A_SECOND = 30e6
"""How many operations of a whole network's training step go with a second more, for one example."""

_WRITTEN = re.compile(r"([1-9][0-9]{0,8})/([1-9][0-9]{0,8})")


@dataclass(frozen=True)
class Shard:
    """Which of so many shards: the first one has the number 1."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """The shard that is written so.

        Raises:
            ConfigurationError: it is not K/N with K from 1 to N.
        """
        written = _WRITTEN.fullmatch(text)
        shard = cls(int(written[1]), int(written[2])) if written else cls(0, 0)
        if not 1 <= shard.number <= shard.count:
            raise ConfigurationError(
                f"a shard must be K/N, such as 2/4: the K-th of N, with K from 1 to N, not {text!r}"
            )
        return shard

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


@dataclass(frozen=True)
class Part:
    """What is climbed of a whole: cases, in its order, and specs whose sources are compared."""

    cases: list[tuple[Spec, Case]] = field(default_factory=list)
    mirrored: list[Spec] = field(default_factory=list)


def part(specs: Sequence[Spec], shard: Shard | None) -> Part:
    """What a shard has of a climb; everything without a shard, and nothing beyond the last case."""
    if shard is None:
        return split(specs, 1)[0]
    parts = split(specs, shard.count)
    return parts[shard.number - 1] if shard.number <= len(parts) else Part()


def split(specs: Sequence[Spec], count: int) -> list[Part]:
    """The shards that have any case, or one that has none: as many as are asked for, at most.

    The dearest case first, each goes to the shard that has least to do by then (Graham, 1969: the
    longest processing time first). Of several such shards it is the first one.
    """
    pairs = cases(specs)
    parts = [Part() for _ in range(max(1, min(count, len(pairs))))]
    costs = [cost(spec, case) for spec, case in pairs]
    loads = [0.0] * len(parts)
    owners: dict[int, int] = {}
    for index in sorted(range(len(pairs)), key=lambda index: -costs[index]):
        owners[index] = min(range(len(parts)), key=loads.__getitem__)
        loads[owners[index]] += costs[index]
    seen: set[str] = set()
    for index, (spec, case) in enumerate(pairs):
        parts[owners[index]].cases.append((spec, case))
        if spec.name not in seen:
            parts[owners[index]].mirrored.append(spec)
        seen.add(spec.name)
    return parts


def cases(specs: Sequence[Spec]) -> list[tuple[Spec, Case]]:
    """Every case of the specs, each spec once, in the order of a climb."""
    each_once = {spec.name: spec for spec in specs}.values()
    return [(spec, case) for spec in each_once for case in spec.cases]


def cost(spec: Spec, case: Case) -> float:
    """About the seconds that a case takes: most is for compiling, large networks compute longer."""
    if not recipes.is_whole(spec, case):
        return PART
    seconds = WHOLE if recipes.has_trainers(spec, case) else PASSES
    seconds += max(spec.operations.training, spec.operations.forward) / A_SECOND
    if case == recipes.trained_case(spec):
        seconds += TRAINED * (2 if spec.name == combinations.ARCHITECTURE else 1)
    return seconds
