"""What a report is made of: the architectures, and what was measured of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.report.recorded import Origin, Recorded
from shared.report.survey import Survey
from shared.specs import Spec


@dataclass
class Study:
    """Everything about one architecture that a page can show.

    Attributes:
        spec: The architecture.
        surveys: What each backend tells of it.
        comparison: A comparison of trainings, as in the JSON of `triptych compare`, or None.
        checks: Parity checks, as in the JSON of `triptych parity`.
        bench: A benchmark with rows of this architecture, as in the JSON of `triptych bench`.
        gaps: Why a backend was not measured.
        asked: Whether the report was asked for it. All others are surveyed, and no more.
        origins: Where the "comparison" and the "parity" come from, and which file has the "bench".
    """

    spec: Spec
    surveys: Mapping[str, Survey] = field(default_factory=dict)
    comparison: Mapping[str, Any] | None = None
    checks: Sequence[Mapping[str, Any]] = ()
    bench: Mapping[str, Any] | None = None
    gaps: dict[str, str] = field(default_factory=dict)
    asked: bool = True
    origins: dict[str, Origin] = field(default_factory=dict)


@dataclass
class Report:
    """Everything that a folder of pages shows.

    Attributes:
        studies: The architectures.
        conventions: The libraries' defaults, as in the JSON of `triptych conventions`, or None.
        pitfalls: The errors that they make, as `shared.conventions.pitfalls` tells them, or None.
        guide: By chapter and backend what each of its cells printed, or why not; None if none ran.
        guide_origin: When and with what the chapters ran.
        machine: What it was measured on.
        made_from: The files that were read.
        failed: Why a backend that is installed failed: the first reason.
        recorded: What was recorded before, to be shown beside it.
    """

    studies: Sequence[Study]
    conventions: Mapping[str, Any] | None = None
    pitfalls: Mapping[str, Any] | None = None
    guide: Mapping[str, Any] | None = None
    guide_origin: Origin = field(default_factory=Origin)
    machine: Mapping[str, Any] = field(default_factory=dict)
    made_from: Sequence[str] = ()
    failed: dict[str, str] = field(default_factory=dict)
    recorded: Recorded = field(default_factory=Recorded)
