"""The ladder's outcome as tables for people."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from shared.parity.ladder import RUNGS, Check, Outcome

MEASURED = (
    "forward",
    "activations",
    "loss",
    "gradients",
    "buffers",
    "dropout",
    "forced",
    "optimizers",
    "resume",
    "ways",
)
_SHOWN = 12
"""How many failures are told one by one: more do not fit a screen, and --json has them."""


def show(outcome: Outcome, console: Console) -> None:
    """Print a table a dtype, what did not pass and where it begins, and a line that sums it up."""
    for backend, versions in outcome.versions.items():
        text = ", ".join(f"{name} {version}" for name, version in versions.items())
        console.print(f"{backend}: {text} on {outcome.device}", highlight=False)
    for backend, reason in outcome.skipped.items():
        console.print(f"{backend}: skipped; {reason}", style="yellow", highlight=False)
    for dtype in dict.fromkeys(check.dtype for check in outcome.checks if check.dtype):
        console.print(_table(outcome, dtype))
    for note in outcome.notes:
        console.print(note, highlight=False)
    _bounded(outcome, console)
    _failures(outcome, console)
    console.print(summary(outcome), style="green" if outcome.proved else "red", highlight=False)


def summary(outcome: Outcome) -> str:
    """One line: how many checks there were, and how they ended."""
    line = (
        f"{len(outcome.checks):,} checks: {outcome.count('passed'):,} passed, "
        f"{outcome.count('bounded'):,} bounded by a stated cause, {outcome.count('failed'):,} "
        f"failed, {outcome.count('missing'):,} missing"
    )
    if not outcome.compared:
        line += "; no two backends were compared, so nothing is proved"
    return line


def worst(outcome: Outcome) -> dict[tuple[str, str], Check]:
    """The check with the largest difference, by dtype and rung; bounded ones do not count."""
    found: dict[tuple[str, str], Check] = {}
    for check in outcome.checks:
        key = (check.dtype, check.rung)
        if check.status != "passed" or check.difference is None:
            continue
        if key not in found or check.difference > (found[key].difference or 0):
            found[key] = check
    return found


def _failures(outcome: Outcome, console: Console) -> None:
    """What failed, in the order of the rungs, with the first layer that differs and why."""
    bad = [check for check in outcome.checks if check.status in ("failed", "missing")]
    bad.sort(key=lambda check: RUNGS.index(check.rung))
    told: set[str] = set()
    for check in bad[:_SHOWN]:
        part = f" ({check.part})" if check.part else ""
        console.print(
            f"{check.status.upper()} {check.rung}{part}: {check.architecture}, {check.case}, "
            f"{check.dtype} {check.between}: {check.detail}",
            style="red",
            highlight=False,
            soft_wrap=True,
        )
        if check.first and check.first.text not in told:
            told.add(check.first.text)
            console.print(f"  {check.first.text}", style="bold", highlight=False, soft_wrap=True)
    if len(bad) > _SHOWN:
        console.print(f"and {len(bad) - _SHOWN} more, which --json has", style="red")


def _bounded(outcome: Outcome, console: Console) -> None:
    """Each stated cause once, with how often it was met."""
    causes: dict[str, list[Check]] = {}
    for check in outcome.checks:
        if check.status == "bounded":
            causes.setdefault(check.detail.partition(";")[0].partition(": at")[0], []).append(check)
    for cause, checks in causes.items():
        largest = max(checks, key=lambda check: check.difference or 0)
        console.print(
            f"bounded, {len(checks)} times: {cause} (most: {largest.difference:.1e}, "
            f"{largest.architecture}, {largest.between}, {largest.dtype} {largest.part})",
            style="cyan",
            highlight=False,
            soft_wrap=True,
        )


def _table(outcome: Outcome, dtype: str) -> Table:
    pairs = ["-".join(pair) for pair in combinations(outcome.versions, 2)]
    table = Table(title=f"Parity in {dtype}: the largest relative difference of {', '.join(pairs)}")
    table.add_column("architecture, case", overflow="fold")
    table.add_column("checks", justify="right")
    rungs = [r for r in MEASURED if any(c.rung == r and c.dtype == dtype for c in outcome.checks)]
    for rung in rungs:
        table.add_column(rung, justify="right")
    rows = dict.fromkeys((c.architecture, c.case) for c in outcome.checks if c.dtype == dtype)
    for architecture, case in rows:
        of_case = [
            c
            for c in outcome.checks
            if c.architecture == architecture
            and ((c.case == case and c.dtype == dtype) or c.rung == "mirror")
        ]
        table.add_row(
            f"{architecture}\n  {case}",
            _tally(of_case),
            *(_measure([c for c in of_case if c.rung == rung]) for rung in rungs),
        )
    return table


def _tally(checks: Iterable[Check]) -> Text:
    """How many of a row's checks hold."""
    checks = list(checks)
    good = sum(check.status in ("passed", "bounded") for check in checks)
    return Text(f"{good}/{len(checks)}", "green" if good == len(checks) else "red")


def _measure(checks: list[Check]) -> Text:
    """The largest difference of a cell, or what became of it."""
    if not checks:
        return Text("")
    for status in ("missing", "failed"):
        found = [check for check in checks if check.status == status]
        if found:
            sizes = [check.difference for check in found if check.difference is not None]
            return Text(f"{max(sizes):.0e}" if sizes else status, "red")
    passed = [c.difference for c in checks if c.status == "passed" and c.difference is not None]
    bounded = sum(check.status == "bounded" for check in checks)
    text = f"{max(passed):.0e}" if passed else "ok"
    return Text(f"{text} +{bounded}" if bounded else text, "cyan" if bounded else "green")
