"""What is recorded for the pages: final scores, parity, and what the guide's chapters print.

To train everything whole, to climb every rung and to run every chapter takes hours. So a file keeps
what came of it once, and each report shows that beside what it measures itself. Nobody writes the
file by hand: `triptych report --record FILE` does, from what a report has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from shared import formats, strict
from shared.errors import DataError

RECORDED = Path(__file__).with_name("recorded.json")
"""What comes with the package."""

KIND = "recorded report"

Cells = Sequence[str | None]
"""What each cell of a chapter printed; None for text."""


@dataclass(frozen=True)
class Origin:
    """When something was measured, by which command, with what and on what; unknown is empty.

    Attributes:
        date: Such as "2026-11-22".
        command: What a user types for the same.
        versions: Of the libraries, by backend.
        machine: As `shared.machine` describes one.
        file: The file that a report read it from; never recorded.
    """

    date: str = ""
    command: str = ""
    versions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    machine: Mapping[str, Any] = field(default_factory=dict)
    file: str = ""

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Origin:
        """The origin that `to_dict` made JSON of."""
        return cls(**value)

    def to_dict(self) -> dict[str, Any]:
        """What is known, but for the file."""
        values = asdict(self)
        return {key: value for key, value in values.items() if value and key != "file"}


@dataclass(frozen=True)
class Score:
    """What whole trainings ended with: the metric, and by backend the score in percent."""

    metric: str
    percent: Mapping[str, float]
    origin: Origin


@dataclass(frozen=True)
class Parity:
    """What came of the ladder.

    Attributes:
        counts: By dtype how many checks ended with each status. The comparison of the sources has
            no dtype, and is counted under "sources".
        forward: By dtype the largest relative difference between two forward passes.
        origin: Where it comes from.
    """

    counts: Mapping[str, Mapping[str, int]]
    forward: Mapping[str, float]
    origin: Origin


@dataclass(frozen=True)
class Printed:
    """What the cells of a chapter printed in one backend."""

    cells: Cells
    origin: Origin


@dataclass(frozen=True)
class Recorded:
    """Everything in the file: by architecture, and by chapter and backend."""

    scores: Mapping[str, Score] = field(default_factory=dict)
    parity: Mapping[str, Parity] = field(default_factory=dict)
    guide: Mapping[str, Mapping[str, Printed]] = field(default_factory=dict)


def read(path: Path = RECORDED) -> Recorded:
    """A file that `write` wrote.

    Raises:
        DataError: it cannot be read, or is of another kind.
    """
    return formats.read(
        path, KIND, _recorded, f"is no {KIND}, which `triptych report --record` writes"
    )


def _recorded(value: Mapping[str, Any]) -> Recorded:
    if formats.kind_of(value) is None:
        raise DataError(f"it does not say that it is a {KIND}")
    scores, parities = {}, {}
    for name, one in value["architectures"].items():
        if score := one.get("score"):
            percent = {backend: float(of) for backend, of in score["percent"].items()}
            scores[name] = Score(score["metric"], percent, Origin.from_dict(score["origin"]))
        if parity := one.get("parity"):
            parities[name] = Parity(
                {dtype: dict(counts) for dtype, counts in parity["counts"].items()},
                {dtype: float(largest) for dtype, largest in parity["forward"].items()},
                Origin.from_dict(parity["origin"]),
            )
    guide = {
        chapter: {
            backend: Printed(tuple(one["cells"]), Origin.from_dict(one["origin"]))
            for backend, one in by_backend.items()
        }
        for chapter, by_backend in value["guide"].items()
    }
    return Recorded(scores, parities, guide)


def write(path: Path, recorded: Recorded) -> None:
    """Write the file."""
    names = dict.fromkeys([*recorded.scores, *recorded.parity])
    architectures = {
        name: {
            kind: _plain(of[name])
            for kind, of in (("score", recorded.scores), ("parity", recorded.parity))
            if name in of
        }
        for name in names
    }
    guide = {
        chapter: {backend: _plain(one) for backend, one in by_backend.items()}
        for chapter, by_backend in recorded.guide.items()
    }
    value = {**formats.stamp(KIND), "architectures": architectures, "guide": guide}
    strict.write(path, value)


def _plain(one: Score | Parity | Printed) -> dict[str, Any]:
    return {**asdict(one), "origin": one.origin.to_dict()}
