"""What the check on a GPU found, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from shared import machine
from shared.parity.checks import Check, Outcome

if TYPE_CHECKING:
    from tests.gpu.check import Report

RUNGS = ("forward", "activations", "gradients", "optimizers", "resume", "trainers", "variants")


def markdown(report: Report) -> str:
    """Sentences and tables, to be put into a document."""
    parts = [_about(report)]
    if report.climbs:
        parts += ["**The ladder**, the largest relative difference:", _climbs(report.climbs)]
    if report.against_cpu:
        parts += [
            f"**On {report.device} against the CPU**, one backend's evidence against its own:",
            _climbs(report.against_cpu),
        ]
    if report.tf32:
        parts += [
            "**What the library's own precision changes** of float32, which may be TF32:",
            _changes(report.tf32),
        ]
    if report.bench_table:
        parts += ["**Speed**:", report.bench_table]
    if failed := [check for outcome in report.outcomes for check in failures(outcome)]:
        parts += ["**Failed**:", _list(map(_told, failed))]
    if report.missing:
        parts += ["**Missing**:", _list(f"{n}: {why}" for n, why in report.missing.items())]
    return "\n\n".join(parts) + "\n"


def failures(outcome: Outcome) -> list[Check]:
    """The checks that failed, or are missing."""
    return [check for check in outcome.checks if check.status in ("failed", "missing")]


def _told(check: Check) -> str:
    part = f" {check.part}" if check.part else ""
    why = f"; {check.first.text}" if check.first else ""
    return (
        f"{check.rung}{part}, {check.architecture}, {check.case}, {check.dtype}, "
        f"{check.between}: {check.detail}{why}"
    )


def _about(report: Report) -> str:
    """The card, the machine and the libraries."""
    versions: dict[str, str] = {}
    for outcome in report.outcomes:
        for of_backend in outcome.versions.values():
            versions |= of_backend
    about = [
        report.gpu or "no GPU",
        f"{report.machine['cpus']} CPUs ({report.machine['processor']})",
        f"Python {report.machine['python']}",
        machine.libraries(versions),
    ]
    return f"{'; '.join(filter(None, about))}. The whole check took {report.seconds:.0f} s."


def _climbs(groups: Mapping[str, Mapping[str, Outcome]]) -> str:
    rows = []
    for architecture, group in groups.items():
        for key, outcome in group.items():
            for dtype in dict.fromkeys(check.dtype for check in outcome.checks):
                checks = [check for check in outcome.checks if check.dtype == dtype]
                good = sum(check.status in ("passed", "bounded") for check in checks)
                cells = [_cell([c for c in checks if c.rung == rung]) for rung in RUNGS]
                rows.append([f"`{architecture}`", key, dtype, f"{good} of {len(checks)}", *cells])
    return table(("architecture", "between", "dtype", "passed", *RUNGS), rows)


def _cell(checks: Sequence[Check]) -> str:
    """The largest difference of a rung, and what else became of it."""
    sizes = [c.difference for c in checks if c.status == "passed" and c.difference is not None]
    words = [f"{max(sizes):.0e}"] if sizes else []
    for status in ("bounded", "failed", "missing"):
        if count := sum(check.status == status for check in checks):
            words.append(f"{count} {status}")
    return ", ".join(words)


def _changes(changes: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    rungs = ("forward", "gradients")
    rows = [
        [f"`{architecture}`", panel, *(f"{rung[name]:.0e}" for name in rungs)]
        for architecture, panels in changes.items()
        for panel, rung in panels.items()
    ]
    return table(("architecture", "backend", *rungs), rows)


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
