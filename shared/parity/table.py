"""The ladder's outcome as a table for people."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from shared.parity.ladder import TOLERANCES, Check, Outcome


def show(outcome: Outcome, console: Console) -> None:
    """Print a table a dtype, then every check that did not pass, then a line that sums it up."""
    for backend, versions in outcome.versions.items():
        text = ", ".join(f"{name} {version}" for name, version in versions.items())
        console.print(f"{backend}: {text} on {outcome.device}", highlight=False)
    for backend, reason in outcome.skipped.items():
        console.print(f"{backend}: skipped; {reason}", style="yellow", highlight=False)
    for dtype in dict.fromkeys(check.dtype for check in outcome.checks if check.dtype):
        console.print(_table(outcome, dtype))
    for check in outcome.checks:
        if check.status != "passed":
            console.print(
                f"{check.status.upper()} {check.rung}: {check.architecture}, {check.case}, "
                f"{check.dtype} {check.between}: {check.detail}",
                style="red",
                highlight=False,
                soft_wrap=True,
            )
    total, passed = len(outcome.checks), outcome.count("passed")
    line = (
        f"{total} checks: {passed} passed, {outcome.count('failed')} failed, "
        f"{outcome.count('missing')} missing"
    )
    if not outcome.compared:
        line += "; no two backends were compared, so nothing is proved"
    console.print(line, style="green" if outcome.proved else "red", highlight=False)


def _table(outcome: Outcome, dtype: str) -> Table:
    pairs = ["-".join(pair) for pair in combinations(outcome.versions, 2)]
    table = Table(title=f"Parity in {dtype}: forward values within {TOLERANCES[dtype]:.0e}")
    table.add_column("architecture, case", overflow="fold")
    for title in ("mirror", "counts", "tensors", "outputs", *pairs, "exchange"):
        table.add_column(title, justify="right", overflow="fold")
    rows = dict.fromkeys((c.architecture, c.case) for c in outcome.checks if c.dtype == dtype)
    for architecture, case in rows:
        of_case = [
            c
            for c in outcome.checks
            if c.architecture == architecture
            and ((c.case == case and c.dtype == dtype) or c.rung == "mirror")
        ]
        by_rung = {
            rung: [c for c in of_case if c.rung == rung] for rung in {c.rung for c in of_case}
        }
        forward = by_rung.get("forward", [])
        table.add_row(
            f"{architecture}\n  {case}",
            *(_tally(by_rung.get(rung, [])) for rung in ("mirror", "counts", "tensors", "outputs")),
            *(_measure([c for c in forward if c.between == pair]) for pair in pairs),
            _tally(by_rung.get("exchange", [])),
        )
    return table


def _tally(checks: Iterable[Check]) -> Text:
    """How many of a cell's checks passed."""
    checks = list(checks)
    passed = sum(check.status == "passed" for check in checks)
    style = "green" if checks and passed == len(checks) else "red"
    return Text(f"{passed}/{len(checks)}" if checks else "none", style)


def _measure(checks: list[Check]) -> Text:
    """The measured difference of one check."""
    if not checks:
        return Text("none", "red")
    check = checks[0]
    if check.difference is None:
        return Text(check.status, "red")
    return Text(f"{check.difference:.1e}", "green" if check.status == "passed" else "red")
