"""Which of many known readings of a value gives one side's numbers, and which the other's.

Two backends disagree about an array. Every known convention is a `Reading`: what the array would
be, and the facts that this supposes. A cause is named when one reading gives one side's numbers
and another the other's, both far closer than the sides are to each other: the cause is the facts
in which these two readings differ. When a side fits no reading, nothing is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from shared.differences import gap

Readings = Iterable["Reading"]
Own = Callable[[np.ndarray], Readings]

CLOSER = 10
"""How many times closer a reading must be to a side than the two sides are to each other."""

PREFERRED = 4
"""A reading that fits this many times worse than the best is no longer an explanation."""


@dataclass(frozen=True)
class Cause:
    """Why two sides differ: a stable key, and a sentence for people.

    The sentence begins with the side that departs from the usual, where that can be told.
    """

    kind: str
    text: str


@dataclass(frozen=True)
class Fact:
    """One thing that a reading supposes.

    Readings are compared topic by topic. `says` is a predicate: "pads 1 on every side". The cause's
    kind is that of the facts if they have the same one, or one has none; otherwise it is the topic.
    What is drawn by `chance` differs even where the words are the same.
    """

    topic: str
    says: str
    kind: str = ""
    chance: bool = False


@dataclass(frozen=True)
class Reading:
    """What an array would be, and what that supposes."""

    value: np.ndarray
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class Fit:
    """A reading that gives a side's numbers: its place in the list, its distance, its facts."""

    rank: int
    distance: float
    facts: dict[str, Fact]


@dataclass
class _Side:
    name: str
    expected: np.ndarray
    fits: list[Fit] = field(default_factory=list)

    def hold(self, rank: int, reading: Reading, limit: float) -> None:
        """Keep a reading's facts if it gives this side's numbers."""
        distance = gap(self.expected, reading.value)
        if distance <= limit:
            facts = {fact.topic: fact for fact in reading.facts}
            self.fits.append(Fit(rank, distance, facts))

    def best(self, rounding: float) -> list[Fit]:
        """The fits that are as good as the best one."""
        limit = PREFERRED * max(rounding, min(fit.distance for fit in self.fits))
        return [fit for fit in self.fits if fit.distance <= limit]


@dataclass(frozen=True)
class Problem:
    """What of both sides' numbers is compared, the readings for it, and those for one side alone.

    `own` gets one side's numbers, and gives readings whose unknowns are estimated from them. `unit`
    is the numbers' rounding, relative to the largest, where it is not that of their dtype.
    """

    a: np.ndarray
    b: np.ndarray
    shared: Readings
    own: Own | None = None
    unit: float | None = None


def usable(*arrays: np.ndarray) -> bool:
    """Whether all arrays have values, and finite ones."""
    return all(array.size > 0 and bool(np.isfinite(array).all()) for array in arrays)


def rounding(*arrays: np.ndarray) -> float:
    """The unit of rounding of the coarsest floating dtype; float64's if there is none."""
    kinds = [array.dtype for array in arrays if array.dtype.kind == "f"]
    return max((float(np.finfo(kind).eps) for kind in kinds), default=float(np.finfo(float).eps))


def tolerance(*arrays: np.ndarray) -> float:
    """How near a reading must come, relative to the largest value: 1e-6, in float32 2e-5."""
    return max(1e-6, 170 * rounding(*arrays))


def figure(value: float, near: float = 1e-7) -> str:
    """A number with as many digits as tell it, relative: 1e-05, 1.0001e-05, 0.0123."""
    shown = (f"{value:.{digits}g}" for digits in range(1, 12))
    return next(
        (text for text in shown if abs(float(text) - value) <= near * abs(value)), f"{value}"
    )


def apart(value: float, other: float, near: float = 1e-7) -> tuple[str, str]:
    """Two numbers with as many digits as tell them, and tell them apart."""
    gap_between = abs(value - other) / max(abs(value), abs(other), 1e-300)
    near = min(near, gap_between / 4) if gap_between else near
    return figure(value, near), figure(other, near)


def multiple(factor: float, near: float = 1e-7) -> str:
    """A factor with as many digits as tell it from 1."""
    return apart(factor, 1.0, near)[0]


def digits(value: float) -> int:
    """How many digits a number has that was chosen by people; 17 where it has too many for that."""
    text = figure(value, 1e-9)
    mantissa = text.partition("e")[0].replace(".", "").lstrip("-0").rstrip("0")
    return len(mantissa) if abs(float(text) / value - 1) <= 1e-9 and len(mantissa) < 6 else 17


def telling(a: np.ndarray, b: np.ndarray, limit: int) -> np.ndarray:
    """Flat indices of at most `limit` values: half where the sides differ most, half spread out."""
    if a.size <= limit:
        return np.arange(a.size)
    gaps = np.abs(a.ravel().astype(float) - b.ravel())
    most = np.argpartition(gaps, -(limit // 2))[-(limit // 2) :]
    spread = np.linspace(0, a.size - 1, limit // 2).astype(int)
    return np.unique(np.concatenate([most, spread]))


def examples(a: np.ndarray, b: np.ndarray, limit: int) -> np.ndarray:
    """Those rows of a batch that differ most, as many as have `limit` values; at least one."""
    count = max(1, limit // max(1, a[0].size))
    if a.shape != b.shape:
        return np.arange(min(count, len(a), len(b)))
    gaps = np.abs(a.astype(float) - b).reshape(len(a), -1).max(axis=1)
    return np.sort(np.argsort(-gaps, kind="stable")[:count])


def tell_apart(names: tuple[str, str], problem: Problem, near: float | None = None) -> Cause | None:
    """The facts in which the readings that give the two sides' numbers differ.

    Args:
        names: The two sides'.
        problem: Their numbers and the readings, the usual ones first. Those for one side alone are
            only asked for when no shared one fits that side.
        near: How near a reading must come; `tolerance` unless given.
    """
    a, b = problem.a, problem.b
    apart, unit = gap(b, a), problem.unit or rounding(a, b)
    if not usable(a, b) or apart <= 16 * unit:
        return None
    limit = min(tolerance(a, b) if near is None else near, apart / CLOSER)
    sides = [_Side(name, array.astype(float)) for name, array in zip(names, (a, b), strict=True)]
    rank = -1
    for rank, reading in enumerate(problem.shared):
        for side in sides:
            side.hold(rank, reading, limit)
    for side in sides:
        if not side.fits and problem.own is not None:
            for later, reading in enumerate(problem.own(side.expected), rank + 1):
                side.hold(later, reading, limit)
        if not side.fits:
            return None
    ours, theirs = (side.best(2 * unit) for side in sides)
    pairs = product(ours, theirs)
    first, second = min(pairs, key=_order)
    return _describe(names, first, second)


def _order(pair: tuple[Fit, Fit]) -> tuple[bool, int, int, float]:
    """Pairs of readings by how little they differ, but they must; the usual ones first."""
    first, second = pair
    topics = _differing(first, second)
    return (not topics, len(topics), first.rank + second.rank, first.distance)


def _differing(a: Fit, b: Fit) -> list[str]:
    """The topics that both readings know and tell differently."""
    return [
        topic
        for topic, fact in a.facts.items()
        if topic in b.facts and (fact.chance or fact.says != b.facts[topic].says)
    ]


def _describe(names: tuple[str, str], a: Fit, b: Fit) -> Cause | None:
    topics = _differing(a, b)
    if not topics:
        return None
    odd, plain, last, first = a, b, names[1], names[0]
    if b.rank > a.rank:
        odd, plain, last, first = b, a, names[0], names[1]
    sentences = []
    for topic in topics:
        ours, theirs = odd.facts[topic], plain.facts[topic]
        if ours.says == theirs.says:
            sentences.append(f"{first} and {last} both {ours.says}, and not alike")
        else:
            verb, _, rest = theirs.says.partition(" ")
            same = rest and ours.says.startswith(f"{verb} ")
            sentences.append(f"{first} {ours.says}, {last} {rest if same else theirs.says}")
    ours, theirs = odd.facts[topics[0]], plain.facts[topics[0]]
    kinds = {ours.kind, theirs.kind} - {""}
    return Cause(kinds.pop() if len(kinds) == 1 else topics[0], "; ".join(sentences))
