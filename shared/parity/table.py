"""The ladder's outcome as tables for people."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, zip_longest

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from shared import machine
from shared.parity.checks import Check, Outcome
from shared.parity.explanations import explain
from shared.terminal import block, draws, print_gaps, style

MEASURED = (
    "forward",
    "activations",
    "methods",
    "loss",
    "gradients",
    "buffers",
    "dropout",
    "edges",
    "teacher-forced",
    "optimizers",
    "resume",
    "trainers",
    "variants",
)
BROKEN = {
    "forward": "for-\nward",
    "activations": "activa-\ntions",
    "methods": "meth-\nods",
    "gradients": "gradi-\nents",
    "buffers": "buf-\nfers",
    "dropout": "drop-\nout",
    "teacher-forced": "teacher-\nforced",
    "optimizers": "optimi-\nzers",
    "trainers": "train-\ners",
    "variants": "vari-\nants",
}
"""Where titles may go on in the next line."""

STYLES = {"passed": "green", "bounded": "cyan", "failed": "bold red", "missing": "magenta"}
DEEP = 1e-2
"""A cell is bold if its differences take no larger share of what they may be."""

DECADES = 3
"""The share that the lowest block stands for is one over ten to the power of this, or less."""

INDENT = 2

PLUS = "+2: two more that are bounded by a stated cause"

_SHOWN = 12
"""How many failures are told one by one: more do not fit a screen, and --json has them."""


def show(outcome: Outcome, console: Console) -> None:
    """Print a table a dtype, what did not pass and where it begins, and a line that sums it up."""
    for backend, versions in outcome.versions.items():
        text = machine.libraries(versions)
        line = Text.assemble((backend, style(backend)), f": {text} on {outcome.device}")
        console.print(line, highlight=False)
    print_gaps(console, outcome.skipped, outcome.errors)
    dtypes = list(dict.fromkeys(check.dtype for check in outcome.checks if check.dtype))
    for dtype in dtypes:
        if console.is_terminal:
            _print_fitted(outcome, dtype, console)
        else:
            _print_whole(_table(outcome, dtype), console)
    if dtypes and console.is_terminal:
        for line in _legend(draws(console)):
            console.print(line)
    elif dtypes and outcome.count("bounded"):
        console.print(PLUS, highlight=False)
    for note in outcome.notes:
        console.print(note, highlight=False)
    _bounded(outcome, console)
    _failures(outcome, console)
    console.print(summary(outcome), style="green" if outcome.proved else "red", highlight=False)


def show_problems(outcome: Outcome, console: Console) -> None:
    """Print what did not pass, where it begins, and why backends gave no evidence."""
    print_gaps(console, outcome.skipped, outcome.errors)
    _failures(outcome, console)


def summary(outcome: Outcome) -> str:
    """One line: how many checks there were, and how they ended; and of which shard, if of one."""
    shard = outcome.asked.shard if outcome.asked else None
    line = (
        f"{len(outcome.checks):,} checks: {outcome.count('passed'):,} passed, "
        f"{outcome.count('bounded'):,} bounded by a stated cause, {outcome.count('failed'):,} "
        f"failed, {outcome.count('missing'):,} missing"
    )
    if shard:
        line = f"shard {shard}: {line}"
    if not outcome.compared:
        line += "; no two backends were compared, so nothing is proved"
    return line


def worst(outcome: Outcome) -> dict[tuple[str, str], Check]:
    """The check with the largest difference, by dtype and rung; bounded ones do not count."""
    largest: dict[tuple[str, str], Check] = {}
    for check in outcome.checks:
        key = (check.dtype, check.rung)
        if check.status != "passed" or check.difference is None:
            continue
        if key not in largest or check.difference > (largest[key].difference or 0):
            largest[key] = check
    return largest


def _failures(outcome: Outcome, console: Console) -> None:
    """A line for each cause, and what no cause explains; both in the order of the rungs."""
    told_before = {*outcome.errors.values()}
    told_before |= {part for text in told_before for part in text.split("; ")}
    causes, others = explain(check for check in outcome.checks if check.detail not in told_before)
    for cause in causes[:_SHOWN]:
        console.print(cause.text, style="bold red", highlight=False, soft_wrap=True)
        first = cause.checks[0]
        console.print(
            f"  in {', '.join(cause.rungs)}; {_words(first)}", highlight=False, soft_wrap=True
        )
    if len(causes) > _SHOWN:
        console.print(f"and {len(causes) - _SHOWN} more causes, which --json has", style="red")
    if causes and others:
        console.print("not explained by this:")
    for check in others[:_SHOWN]:
        console.print(
            f"{check.status.upper()} {_words(check)}",
            style="magenta" if check.status == "missing" else "red",
            highlight=False,
            soft_wrap=True,
        )
    if len(others) > _SHOWN:
        console.print(f"and {len(others) - _SHOWN} more, which --json has", style="red")


def _words(check: Check) -> str:
    """What became of a check, in a line."""
    part = f" ({check.part})" if check.part else ""
    return (
        f"{check.rung}{part}: {check.architecture}, {check.case}, {check.dtype} {check.between}: "
        f"{check.detail}"
    )


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


@dataclass(frozen=True)
class Cell:
    """What became of a case on a rung: the worst status, the largest difference, how many bounded.

    `share` is the largest that a difference that passed is of its tolerance.
    """

    text: str = ""
    status: str = ""
    bounded: int = 0
    share: float | None = None

    def plain(self) -> str:
        """The text alone, and how many were bounded."""
        return f"{self.text} +{self.bounded}" if self.bounded else self.text

    def drawn(self, blocks: bool) -> Text:
        """The same in colour, with a mark where a check failed, and perhaps a block."""
        mark = "!" if self.status == "failed" else ""
        if blocks and self.share is not None:
            mark = level(self.share)
        text = " ".join(filter(None, (self.text, mark, f"+{self.bounded}" if self.bounded else "")))
        deep = self.status == "passed" and self.share is not None and self.share <= DEEP
        return Text(text, f"{'bold ' if deep else ''}{STYLES.get(self.status, '')}")


@dataclass(frozen=True)
class Row:
    """A case's line: how many of its checks hold, of how many, and a cell for each rung."""

    architecture: str
    case: str
    good: int
    count: int
    cells: Sequence[Cell]

    def tally(self) -> Text:
        """How many of the checks hold; nothing where that stands elsewhere."""
        if not self.count:
            return Text()
        return Text(f"{self.good}/{self.count}", "green" if self.good == self.count else "red")

    def label(self, width: int = 0) -> Text:
        """The case and the tally, at both ends of a width, or a little apart."""
        label, tally = Text(" " * INDENT + self.case), self.tally()
        return label.append(" " * max(width - len(label) - len(tally), 2)).append_text(tally)


def level(share: float) -> str:
    """A block that is the higher, the more of what it may be a difference is; on a log scale."""
    least = 10.0**-DECADES
    return block(1 + round(7 * (1 + math.log10(min(max(share, least), 1)) / DECADES)))


def _title(outcome: Outcome, dtype: str) -> tuple[str, str]:
    pairs = ["-".join(pair) for pair in combinations(outcome.versions, 2)]
    about = f"the largest relative difference of {', '.join(pairs)}"
    if not pairs:
        alone = "".join(outcome.versions)
        about = f"{alone} alone, held against no other backend" if alone else "no backend took part"
    return f"Parity in {dtype}", about


def _rungs(outcome: Outcome, dtype: str) -> list[str]:
    """Those of which there is a check in a dtype."""
    return [r for r in MEASURED if any(c.rung == r and c.dtype == dtype for c in outcome.checks)]


def _rows(outcome: Outcome, dtype: str) -> list[Row]:
    """A row for each case, in the order in which they were climbed.

    What is checked once for all dtypes, the sources, has its row in the first dtype's table alone.
    """
    rows = []
    rungs = _rungs(outcome, dtype)
    first = next(check.dtype for check in outcome.checks if check.dtype)
    cases: dict[str, dict[str, list[Check]]] = {}
    for check in outcome.checks:
        if (check.dtype or first) == dtype:
            cases.setdefault(check.architecture, {}).setdefault(check.case, []).append(check)
    by_case = [(name, case, checks) for name, of in cases.items() for case, checks in of.items()]
    for architecture, case, of_case in by_case:
        good = sum(check.status in ("passed", "bounded") for check in of_case)
        cells = [_cell([c for c in of_case if c.rung == rung]) for rung in rungs]
        rows.append(Row(architecture, case, good, len(of_case), cells))
    return rows


def _cell(checks: Sequence[Check]) -> Cell:
    """The largest difference of a cell, or what became of it."""
    if not checks:
        return Cell()
    for status in ("missing", "failed"):
        of_status = [check for check in checks if check.status == status]
        if of_status:
            sizes = [check.difference for check in of_status if check.difference is not None]
            return Cell(f"{max(sizes):.0e}" if sizes else status, status)
    measured = [c for c in checks if c.status == "passed" and c.difference is not None]
    bounded = sum(check.status == "bounded" for check in checks)
    shares = [(c.difference or 0) / c.tolerance for c in measured if c.tolerance]
    shares = [share for share in shares if math.isfinite(share)]
    return Cell(
        f"{max(c.difference or 0 for c in measured):.0e}" if measured else "ok",
        "bounded" if bounded else "passed",
        bounded,
        max(shares, default=None),
    )


def _table(outcome: Outcome, dtype: str) -> Table:
    """The table for a pipe."""
    table = Table(title=": ".join(_title(outcome, dtype)))
    table.add_column("architecture, case", overflow="fold")
    table.add_column("checks", justify="right")
    for rung in _rungs(outcome, dtype):
        table.add_column(rung, justify="right")
    for row in _rows(outcome, dtype):
        cells = (cell.plain() for cell in row.cells)
        table.add_row(f"{row.architecture}\n  {row.case}", row.tally(), *cells)
    return table


def _print_whole(table: Table, console: Console) -> None:
    """Print a table as wide as it is: a file or a pipe has no width."""
    needed = Measurement.get(console, console.options.update(max_width=1000), table).maximum
    console.print(table, width=needed, crop=False, no_wrap=True, overflow="ignore")


def _print_fitted(outcome: Outcome, dtype: str, console: Console) -> None:
    """The table for a terminal."""
    title, about = _title(outcome, dtype)
    lines = _fitted(_rungs(outcome, dtype), _rows(outcome, dtype), console)
    for line in (Text(), Text(title, "bold"), Text(about, "dim"), Text(), *lines):
        console.print(line, highlight=False, soft_wrap=True)


def _fitted(rungs: Sequence[str], rows: Sequence[Row], console: Console) -> list[Text]:
    """The lines in the first of the forms that the width has room for, else in two tables."""
    for form in FORMS:
        lines = form.lines(rungs, rows, draws(console))
        if max(map(len, lines)) <= console.width:
            return lines
    if len(rungs) == 1:
        return lines
    half = (len(rungs) + 1) // 2
    first = [replace(row, cells=row.cells[:half]) for row in rows]
    second = [
        replace(row, cells=row.cells[half:], count=0)
        for row in rows
        if any(cell.text for cell in row.cells[half:])
    ]
    return [
        *_fitted(rungs[:half], first, console),
        Text(),
        *_fitted(rungs[half:], second, console),
    ]


@dataclass(frozen=True)
class Form:
    """How a table stands on a terminal: an architecture's name, and below it its cases.

    A case's label and tally are beside its figures or above them, the longest titles perhaps in two
    lines, blocks perhaps left out.
    """

    beside: bool
    gap: int
    broken: bool = False
    blocks: bool = True

    def lines(self, rungs: Sequence[str], rows: Sequence[Row], drawn: bool) -> list[Text]:
        """The lines, titles first."""
        titles = [BROKEN.get(rung, rung) if self.broken else rung for rung in rungs]
        parts = zip_longest(*(title.split("\n")[::-1] for title in titles), fillvalue="")
        head = [[Text(part, "bold") for part in line] for line in parts][::-1]
        body = [[cell.drawn(drawn and self.blocks) for cell in row.cells] for row in rows]
        widths = [max(map(len, column)) for column in zip(*head, *body, strict=True)]
        label = max(len(row.label()) for row in rows)
        start = label if self.beside else INDENT - self.gap

        def line(before: Text, cells: Iterable[Text]) -> Text:
            joined = before.copy()
            joined.pad_right(start - len(joined))
            for cell, width in zip(cells, widths, strict=True):
                joined.append(" " * self.gap).append_text(cell).append(" " * (width - len(cell)))
            joined.rstrip()
            return joined

        lines = [line(Text(), cells) for cells in head]
        architecture = ""
        for row, cells in zip(rows, body, strict=True):
            if row.architecture != architecture:
                lines.append(Text(row.architecture, "bold"))
            architecture = row.architecture
            if self.beside:
                lines.append(line(row.label(label), cells))
            else:
                lines += filter(None, (row.label(), line(Text(), cells)))
        return lines


FORMS = (
    Form(beside=True, gap=2),
    Form(beside=True, gap=1),
    Form(beside=True, gap=1, broken=True),
    Form(beside=False, gap=2),
    Form(beside=False, gap=1, broken=True),
    Form(beside=False, gap=1, broken=True, blocks=False),
)


def _legend(drawn: bool) -> list[Text]:
    """What marks, blocks and colours say."""
    marks = Text.assemble(
        (PLUS[:2], STYLES["bounded"]),
        f"{PLUS[2:]}   ",
        ("!", STYLES["failed"]),
        ": failed   ",
        ("missing", STYLES["missing"]),
        ": no result",
    )
    blocks = Text.assemble(
        (f"{level(0)} to {level(1)}", STYLES["passed"]),
        ": a thousandth, or less, to all of what a difference may be",
    )
    return [Text(), blocks, marks] if drawn else [Text(), marks]
