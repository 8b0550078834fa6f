"""A comparison as a table, a column a backend: with lines in a pipe, with bars on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

from rich.box import SIMPLE_HEAD, Box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from shared import machine
from shared.compare.comparison import Comparison, Row
from shared.specs import METRICS
from shared.terminal import bar, colour, draws, is_amount, means, plot, print_gaps, style
from shared.train.worker import Request

WIDEST = 32
"""How many characters a column takes on a terminal at most."""

SHORTEST = 3
"""How many characters the longest bar of a line has; where there is less room, there are none."""

RULE = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
"""A line below the titles, in ASCII."""

PLOT_HEIGHT = 4
GAP = 2
LEARNED = 1
"""The section of the losses, by its place."""


@dataclass(frozen=True)
class Line:
    """One line of the table: a cell for each backend.

    `amounts` are drawn as bars; `best` says which of them is. `shorter` are other forms of the
    cells, the last the narrowest.
    """

    title: str
    cells: Sequence[str]
    amounts: Sequence[float | None] = ()
    best: Callable[[Sequence[float]], float] = min
    shorter: Sequence[Sequence[str]] = ()

    def fitted(self, width: int) -> Sequence[str]:
        """The first form that fits into columns of a width, or the narrowest."""
        forms = [self.cells, *self.shorter]
        return next((form for form in forms if _width(form) <= width), forms[-1])

    def marked(self) -> list[bool]:
        """Which cells read as the best one does; none where all read alike."""
        present = [each for each in self.amounts if is_amount(each)]
        if len(present) < 2 or len(set(self.cells)) < 2:
            return [False] * len(self.cells)
        cell = self.cells[self.amounts.index(self.best(present))]
        return [other == cell for other in self.cells]


def _width(cells: Sequence[str]) -> int:
    return max(len(part) for cell in cells for part in cell.split("\n"))


def show(comparison: Comparison, console: Console) -> None:
    """Print the comparison as one table, and what went wrong, a sentence each.

    On a terminal three backends fit into 80 characters. Where it can be drawn, bars say how much
    each takes, and plots how the losses fell; the best of what is faster or smaller is bold.
    """
    rows = comparison.rows
    if rows and console.is_terminal:
        for text, look in zip(_titles(comparison.request), ("bold", "dim"), strict=True):
            console.print(text, style=look, highlight=False)
        console.print()
        console.print(_fitted(comparison, console))
    elif rows:
        console.print(_plain(comparison))
    print_gaps(console, comparison.skipped, comparison.errors)
    for line in machine.disturbance(comparison.foreign_load):
        console.print(line, style="yellow", highlight=False, soft_wrap=True)
    for name, row in rows.items():
        if comparison.judged and not row.difference <= comparison.tolerance:
            console.print(
                f"{name}: the first forward pass differs from {comparison.reference}'s by "
                f"{row.difference:.1e}, where {comparison.tolerance:.0e} is the most that rounding "
                "explains",
                style="red",
                highlight=False,
                soft_wrap=True,
            )


def _plain(comparison: Comparison) -> Table:
    """The table for a pipe."""
    table = Table(title=": ".join(_titles(comparison.request)), title_justify="left")
    table.add_column("")
    for name in comparison.rows:
        table.add_column(name, justify="right")
    for line in chain(*_sections(comparison)):
        table.add_row(line.title, *line.cells)
    return table


def _fitted(comparison: Comparison, console: Console) -> Table:
    """The table for a terminal, as wide as there is room."""
    names, sections = list(comparison.rows), _sections(comparison)
    lines = list(chain(*sections))
    room = (console.width - max(len(line.title) for line in lines)) // len(names) - GAP
    least = max(_width(names), *(_width(line.fitted(0)) for line in lines))
    width = max(least, min(room, WIDEST))
    longest = min(width, room) - 1 - max(_width(line.cells) for line in lines if line.amounts)
    if not draws(console) or longest < SHORTEST:
        longest = 0

    table = Table(
        box=RULE if console.options.ascii_only else SIMPLE_HEAD,
        border_style="dim",
        show_edge=False,
        pad_edge=False,
        padding=(0, 0, 0, GAP - 1),  # the box adds one
    )
    table.add_column("", overflow="fold")
    for name in names:
        table.add_column(
            name, header_style=style(name), justify="right", width=width, overflow="fold"
        )
    for section in sections:
        for line in section:
            table.add_row(line.title, *_cells(line, names, width, longest))
        if section is sections[LEARNED] and draws(console):
            _add_plots(table, comparison, width)
        table.add_section()
    return table


def _cells(line: Line, names: Sequence[str], width: int, longest: int) -> Iterator[Text]:
    """A line's cells; a bar begins where its column does, the text ends where it ends.

    A single amount has no bar: there is nothing that it is more or less than.
    """
    present = [each for each in line.amounts if is_amount(each)]
    largest = max(present) if len(present) > 1 else 0.0
    amounts = line.amounts if largest else [None] * len(names)
    cells = zip(names, line.fitted(width), amounts, line.marked(), strict=True)
    for name, text, amount, best in cells:
        drawn = bar(amount, largest, longest)
        room = width - len(drawn) if drawn else 0
        yield Text.assemble((drawn, colour(name)), (text.rjust(room), "bold" if best else ""))


def _add_plots(table: Table, comparison: Comparison, width: int) -> None:
    """How the losses fell, from the first step to the last; all on one scale."""
    columns = {n: means(row.history.losses, width) for n, row in comparison.rows.items()}
    largest = max((each for each in chain(*columns.values()) if is_amount(each)), default=0.0)
    if largest:
        plots = (
            Text("\n".join(plot(values, largest, PLOT_HEIGHT)), colour(name), justify="left")
            for name, values in columns.items()
        )
        scale = (f"from 0 to {largest:.2g}", "dim")
        table.add_row(Text.assemble("training loss, step by step\n", scale), *plots)


def _titles(request: Request) -> tuple[str, str]:
    """What was trained on what, and how."""
    settings = request.settings
    momentum = f" and momentum {settings.momentum:g}" if settings.optimizer == "sgd" else ""
    changes = {"up": settings.warmup_steps, "down": settings.decay_steps}
    dtype = "" if request.dtype == "float32" else f"{request.dtype}, "
    schedule = ", ".join(
        f"{direction} in {steps:,} steps" for direction, steps in changes.items() if steps
    )
    return (
        f"{request.architecture} on {request.data}",
        f"epochs {settings.epochs}, batch {settings.batch_size}, "
        f"{settings.optimizer} at {settings.learning_rate:g}{momentum}"
        f"{f' ({schedule})' if schedule else ''}, "
        f"seed {request.seed}, {dtype}{request.variant} on {request.device}",
    )


def _sections(comparison: Comparison) -> list[list[Line]]:
    """The table's lines: what was compared, what it learned, what it took."""
    rows = list(comparison.rows.values())

    def line(title: str, cell: Callable[[Row], str]) -> Line:
        return Line(title, [cell(row) for row in rows])

    def cost(title: str, form: str, amount: Callable[[Row], float | None]) -> Line:
        amounts = [amount(row) for row in rows]
        cells = ["not known" if each is None else form.format(each) for each in amounts]
        return Line(title, cells, amounts)

    metrics = rows[0].history.epochs[-1].test_scores
    rates = [row.history.images_per_second or None for row in rows]  # one step alone has none
    steady = ["not known" if rate is None else f"{rate:,.0f}" for rate in rates]
    return [
        [
            Line(
                "version",
                [row.versions.get(name, "not known") for name, row in comparison.rows.items()],
            ),
            line("parameters", lambda row: f"{row.parameters:,}"),
            _shapes(rows),
            Line("first forward pass, difference", _differences(comparison)),
        ],
        [
            line("final training loss", lambda row: f"{row.history.epochs[-1].loss:.4f}"),
            line("test loss", lambda row: f"{row.history.epochs[-1].test_loss:.4f}"),
            *(line(METRICS[metric], partial(_score, metric)) for metric in metrics),
        ],
        [
            Line("training, images/s, steady", steady, rates, max),
            cost("first step (compile)", "{:.2f} s", lambda row: row.history.first_step_seconds),
            cost("start-up (process, import)", "{:.2f} s", lambda row: row.startup_seconds),
            cost("training in all", "{:.1f} s", lambda row: row.history.seconds),
            cost("peak memory", "{:,.0f} MiB", lambda row: row.peak_memory_mib),
        ],
    ]


def _shapes(rows: Sequence[Row]) -> Line:
    """The outputs, in one line each; else the shapes below the names, else these without commas."""

    def cells(form: Callable[[str, tuple[int, ...]], str]) -> list[str]:
        return ["\n".join(form(*each) for each in row.output_shapes.items()) for row in rows]

    below = cells(lambda name, shape: f"{name}\n{shape}")
    dense = cells(lambda name, shape: f"{name}\n{'x'.join(map(str, shape))}")
    beside = cells(lambda name, shape: f"{name} {shape}")
    return Line("output shape", beside, shorter=[below, dense])


def _differences(comparison: Comparison) -> list[str]:
    return [
        "reference" if name == comparison.reference else f"{row.difference:.1e}"
        for name, row in comparison.rows.items()
    ]


def _score(metric: str, row: Row) -> str:
    return f"{row.history.epochs[-1].test_scores[metric]:.2f} %"
