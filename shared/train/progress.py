"""How a training that runs is shown: a live bar on a terminal, a line an epoch elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from shared.specs import METRICS
from shared.train.loop import Epoch, Progress

OTHERS = len("100%") + len("10:00:00") + 4
"""The columns that a bar's line has besides description, bar and figures, with those between."""


@contextmanager
def progress(label: str, console: Console) -> Iterator[Callable[[Progress], None]]:
    """Show reports: a live bar on a terminal, a plain line an epoch elsewhere."""
    if not console.is_terminal:
        yield lambda report: _print_epoch(label, report, console)
        return
    bar_width = min(max(console.width - 110, 10), 40)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width),
        TaskProgressColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=console) as bars:
        bar = bars.add_task(f"{label}: starting", total=None, figures="")

        def show(report: Progress) -> None:
            description = f"{label} epoch {report.epoch}/{report.epochs}"
            bars.update(
                bar,
                description=description,
                total=report.epochs * report.steps,
                completed=(report.epoch - 1) * report.steps + report.step,
                figures=_fitted(report, console.width - len(description) - bar_width - OTHERS),
            )

        yield show


def _fitted(report: Progress, width: int) -> str:
    """The figures that there is room for: the test's score first, rates last."""
    figures = [
        *([_score(report.finished)] if report.finished else []),
        f"loss {report.loss:.4f}",
        f"accuracy {report.accuracy:.1f} %",
        f"{report.images_per_second:,.0f} images/s",
    ]
    while len(figures) > 1 and len(", ".join(figures)) > width:
        figures.pop()
    return ", ".join(figures)


def _score(epoch: Epoch) -> str:
    """The score as progress shows it."""
    metric, value = next(iter(epoch.test_scores.items()))
    return f"{METRICS[metric]} {value:.2f} %"


def _print_epoch(label: str, report: Progress, console: Console) -> None:
    if report.finished:
        console.print(
            f"{label} epoch {report.epoch}/{report.epochs}: loss {report.loss:.4f}, "
            f"accuracy {report.accuracy:.2f} %, {_score(report.finished)}, "
            f"{report.images_per_second:,.0f} images/s",
            soft_wrap=True,
            highlight=False,
        )
