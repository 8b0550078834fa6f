"""The benchmark as tables: for the terminal, and for a Markdown file between two marks."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from shared import machine, specs
from shared.benchmark import accuracy, check
from shared.benchmark.measure import REFERENCE
from shared.benchmark.run import Outcome, Row, unit
from shared.boundary import kept
from shared.errors import ConfigurationError
from shared.figures import Figure
from shared.terminal import colour, print_gaps
from shared.writing import put

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
"""The marks in a file between which `write` puts the tables."""

Column = tuple[str, Callable[[Any], str]]

NONE = "-"
"""Where there is nothing to measure: a reference has no inference, a GPU no known peak."""


def show(outcome: Outcome, console: Console) -> None:
    """Print two tables an architecture, what they come to, and under what circumstances."""
    for architecture in outcome.request.architectures:
        rows = outcome.of(architecture)
        if not rows:
            continue
        console.print(_table(_title(outcome, architecture), _speed(outcome, rows), rows))
        console.print(_table("what it takes", _cost(outcome), rows))
        for line in comparisons(outcome, architecture):
            console.print(line, highlight=False, soft_wrap=True)
    if outcome.accuracy:
        console.print(_table(_goal(outcome.accuracy), _ACCURACY, outcome.accuracy.rows))
    if outcome.accuracy:
        # Not in Markdown: a folder of this machine is nobody else's.
        console.print(
            f"the digits of the time to {outcome.accuracy.goal.percent:g} %: "
            f"{outcome.accuracy.source}",
            soft_wrap=True,
            highlight=False,
        )
    for line in [*accuracy_lines(outcome), *cost_lines(outcome), *circumstances(outcome)]:
        console.print(line, highlight=False, soft_wrap=True)
    for line in _settings(outcome):
        console.print(line, style="dim", highlight=False, soft_wrap=True)
    print_gaps(console, outcome.skipped)
    for line in warnings(outcome):
        console.print(line, style="yellow", highlight=False, soft_wrap=True)
    print_gaps(console, {}, outcome.errors)
    for row in outcome.wrong:
        console.print(
            f"{row.architecture} {row.title}: the first outputs differ from "
            f"{row.held_against}'s by {row.difference:.1e}, which rounding does not explain",
            style="red",
            highlight=False,
            soft_wrap=True,
        )


def show_check(verdict: check.Verdict, console: Console) -> None:
    """Print the recorded ratios beside today's."""
    table = Table(
        title=f"ratios, of which each may fall to {check.MARGIN:g} of the recorded one",
        title_justify="left",
    )
    table.add_column("ratio", overflow="fold")
    for title in ("recorded", "now", ""):
        table.add_column(title, justify="right")
    measured = 0
    for each in verdict.checked:
        if each.now is not None:
            measured += 1
            message, style = ("fell", "red") if each.fell else ("holds", None)
            table.add_row(
                each.name, f"{each.recorded:.2f}", f"{each.now:.2f}", message, style=style
            )
    if not measured:
        console.print("none of the recorded ratios was measured", style="red")
        return
    console.print(table)
    others = len(verdict.checked) - measured
    if others:
        console.print(f"{others:,} recorded ratios were not measured", highlight=False)


def _title(outcome: Outcome, architecture: str) -> str:
    request = outcome.request
    return (
        f"{architecture}: {request.dtype} on {request.device}, training in batches of "
        f"{request.batch_sizes[0]}, rounds {request.rounds} of {request.seconds:g} s"
    )


def _speed(outcome: Outcome, rows: Sequence[Row]) -> list[Column]:
    """The columns of what goes on: rates with their spread, and how near the machine's own."""
    kind = rows[0].unit
    columns: list[Column] = [
        ("", lambda row: row.title),
        (f"training, {kind}/s", lambda row: _figure(row.training)),
        ("of peak", lambda row: _share(row, "training")),
    ]
    for size in outcome.request.batch_sizes:
        columns += _inference(size, kind)
    single = kind.removesuffix("s") if kind != "pixels" else "image"
    return [*columns, (f"one {single}, p50 / p99", _latency)]


def _inference(size: int, kind: str) -> list[Column]:
    return [
        (f"inference of {size}, {kind}/s", lambda row: _figure(row.inference.get(size))),
        ("of peak", lambda row: _share(row, f"inference {size}")),
    ]


def _cost(outcome: Outcome) -> list[Column]:
    """The columns of what has to be paid before, and beside."""

    def disk(row: Row) -> str:
        size = outcome.environment_bytes.get(row.backend)
        return f"{size / 1e9:.2f} GB" if size else "not known"

    epochs = f"{outcome.request.epochs} epoch{'s' if outcome.request.epochs > 1 else ''} in all"
    return [
        ("", lambda row: row.title),
        ("start-up (process, import)", lambda row: _seconds(row.startup_seconds)),
        ("import", lambda row: _seconds(row.import_seconds)),
        ("build", lambda row: _seconds(row.build_seconds)),
        ("first step (compile)", lambda row: _seconds(row.first_step_seconds)),
        (epochs, lambda row: _seconds(row.total_seconds)),
        ("peak memory", _memory),
        ("environment", disk),
    ]


def _table(title: str, columns: Sequence[Column], rows: Sequence[Any]) -> Table:
    table = Table(title=title, title_justify="left")
    for index, (name, _) in enumerate(columns):
        table.add_column(name, justify="right" if index else "left", no_wrap=index == 0)
    for row in rows:
        name, *cells = (cell(row) for _, cell in columns)
        table.add_row(Text(name, colour(name)), *cells)
    return table


def _figure(figure: Figure | None) -> str:
    if figure is None:
        return NONE
    spread = "" if figure.spread is None else f" ±{figure.spread:.0f} %"
    return f"{figure.median:,.0f}{spread}"


def _share(row: Row, what: str) -> str:
    share = row.share.get(what)
    return NONE if share is None else f"{share:.0f} %"


def _latency(row: Row) -> str:
    if row.latency is None:
        return NONE
    return f"{1e3 * row.latency.p50:.2f} / {1e3 * row.latency.p99:.2f} ms"


def _seconds(seconds: float | None) -> str:
    return "not known" if seconds is None else f"{seconds:.2f} s"


def _memory(row: Row) -> str:
    return "not known" if row.peak_memory_mib is None else f"{row.peak_memory_mib:,.0f} MiB"


def comparisons(outcome: Outcome, architecture: str) -> list[str]:
    """How much better the tuned variant is than the others, at what price, a line for each.

    And how far all outputs are from the first candidate's, or in bfloat16 from float32's: speed is
    nothing if they are wrong.
    """
    rows = {(row.backend, row.variant): row for row in outcome.of(architecture)}
    lines = []
    for (backend, variant), row in rows.items():
        for other in (check.IDIOMATIC, REFERENCE):
            base = rows.get((backend, other))
            if variant != check.TUNED or base is None:
                continue
            better = ", ".join(
                f"{what} {value:.2f} x"
                for what, value in check.compared(row, base).items()
                if value is not None and what != "memory"
            )
            line = f"{backend}, tuned over {other}: {better}"
            if row.peak_memory_mib and base.peak_memory_mib:
                line += f"; memory {row.peak_memory_mib - base.peak_memory_mib:+,.0f} MiB"
            steps = check.break_even(
                row, base, outcome.request.batch_sizes[0], unit(specs.find(architecture))[1]
            )
            if steps:
                line += f"; its slower start pays off after {steps:,.0f} steps"
            lines.append(line)
    held = [row for row in rows.values() if row.difference is not None]
    if held:
        told = ", ".join(f"{row.title} {row.difference:.1e}" for row in held)
        lines.append(f"first outputs, difference from {held[0].held_against}'s: {told}")
    return lines


def _goal(trainings: accuracy.Accuracy) -> str:
    goal = trainings.goal
    return f"time to {goal.percent:g} % of the test digits of {goal.data}, seeds {goal.seeds}"


def _until(seconds: float) -> str:
    return f"{seconds:.1f} s" if math.isfinite(seconds) else "not reached"


def _from_to(values: Sequence[Any], cell: Callable[[Any], str] = str) -> str:
    """The lowest and the highest of sorted values; once if they are the same, with one unit."""
    low, high = cell(values[0]), cell(values[-1])
    unit = high.rpartition(" ")[2]
    return high if low == high else f"{low.removesuffix(f' {unit}')} to {high}"


_ACCURACY: Sequence[Column] = (
    ("", lambda row: row.title),
    ("reached by", lambda row: f"{row.reached} of {len(row.tries)}"),
    ("median", lambda row: _until(statistics.median(row.seconds))),
    ("of all seeds", lambda row: _from_to(row.seconds, _until)),
    ("epochs", lambda row: _from_to(row.epochs)),
    ("accuracy, median", lambda row: f"{statistics.median(row.accuracies):.2f} %"),
    ("of all", lambda row: _from_to(row.accuracies, "{:.2f} %".format)),
    ("start-up, besides", lambda row: _seconds(row.startup_seconds)),
)


def accuracy_lines(outcome: Outcome) -> list[str]:
    """How much sooner the preset is there, how the tutorial's loop is, and how quiet it was."""
    trainings = outcome.accuracy
    if trainings is None:
        return []
    lines = []
    if trainings.ratio:
        lines.append(
            f"torch, preset fast over the tutorial's loop: {trainings.goal.percent:g} % "
            f"{trainings.ratio:.2f} x sooner"
        )
    if trainings.foreign_load is not None:
        lines.append(f"foreign load meanwhile: {trainings.foreign_load:.1f} % of the CPU time")
    return lines


def cost_lines(outcome: Outcome) -> list[str]:
    """What the project adds to its frameworks, a line each."""
    costs = outcome.costs
    if costs is None:
        return []
    lines = []
    for backend, loop in costs.loop.items():
        lines.append(
            f"{costs.architecture} {backend}: an epoch of the shared loop takes {loop.ours:.2f} s, "
            f"as many native steps in a bare loop {loop.bare:.2f} s ({100 / loop.ratio - 100:+.0f}"
            " %)"
        )
    if costs.cache:
        lines.append(
            f"compilation cache: flax's first step takes {costs.cache.ours:.2f} s where an earlier "
            f"run compiled it, {costs.cache.bare:.2f} s where none did"
        )
    if costs.loader:
        lines.append(
            f"loading: an epoch of our batches takes {1e3 * costs.loader.ours:.2f} ms, "
            f"of torchvision's {1e3 * costs.loader.bare:.0f} ms ({costs.loader.ratio:,.0f} x)"
        )
    if costs.command:
        lines.append(
            f"triptych list takes {costs.command.ours:.2f} s, a bare interpreter "
            f"{costs.command.bare:.2f} s"
        )
    for backend, trainings in costs.growth.items():
        told = ", ".join(
            f"{each.examples:,} x {each.epochs}: {each.seconds:.2f} s"
            + (f" and {each.peak_memory_mib:,.0f} MiB" if each.peak_memory_mib else "")
            for each in trainings
        )
        lines.append(f"{costs.architecture} {backend}, examples x epochs: {told}")
    return lines


def circumstances(outcome: Outcome) -> list[str]:
    """On what it was measured, and how quiet that was."""
    about = machine.describe()
    lines = [f"{about['processor']}, {about['cpus']} CPUs, {about['system']}"]
    if outcome.peak:
        lines.append(
            f"peak: NumPy's products of {kept(outcome.request.dtype)} matrices, at most "
            f"{max(outcome.peak.rounds) / 1e9:,.0f} GFLOP/s, in the middle of the rounds "
            f"{outcome.peak.median / 1e9:,.0f}"
        )
    if outcome.foreign_load is None:
        lines.append("foreign load: not known on this system")
    else:
        lines.append(f"foreign load: {outcome.foreign_load:.1f} % of the machine's CPU time")
    for backend in outcome.environment_bytes:
        versions = next((row.versions for row in outcome.rows if row.backend == backend), {})
        if versions:
            lines.append(f"{backend}: {machine.libraries(versions)}")
    return lines


def _settings(outcome: Outcome) -> list[str]:
    """The settings that were in force, once for all rows that had the same."""
    told: dict[str, list[str]] = {}
    for row in outcome.rows:
        text = ", ".join(
            f"{name}: {value}"
            for name, value in row.resolved.items()
            if not name.startswith(("GLIBC_", "MALLOC_"))  # which "allocator" says already
        )
        told.setdefault(text, []).append(row.title)
    return [f"{', '.join(dict.fromkeys(titles))}: {text}" for text, titles in told.items()]


def warnings(outcome: Outcome) -> list[str]:
    """What makes the figures doubtful."""
    lines = machine.disturbance(outcome.foreign_load)
    trainings = outcome.accuracy
    if trainings and machine.is_disturbed(trainings.foreign_load):
        lines.append(
            f"WARNING: other processes took {trainings.foreign_load:.0f} % of the CPU time on the "
            f"way to {trainings.goal.percent:g} %"
        )
    if trainings and trainings.goal.data == "sample":
        lines.append(
            f"the time to {trainings.goal.percent:g} % is meant for the full MNIST: the sample's "
            "4,000 training digits are too few for 99 %"
        )
    for row in outcome.rows:
        unsteady = [what for what, warm in row.warm_up.items() if not warm.stable]
        if unsteady:
            lines.append(
                f"{row.architecture} {row.title}: {', '.join(unsteady)} did not become steady in "
                f"{max(row.warm_up[what].seconds for what in unsteady):.0f} s of warming up"
            )
    return lines


def markdown(outcome: Outcome) -> str:
    """The tables in Markdown, of the first architecture whole: measured, every number."""
    blocks = []
    measured = [name for name in outcome.request.architectures if outcome.of(name)]
    for architecture in measured[:1]:
        rows = outcome.of(architecture)
        speed, cost = _speed(outcome, rows), _cost(outcome)
        # No more columns than a page has room for.
        columns = [*speed[:3], *speed[-3:-2], speed[-1], *cost[1:2], *cost[4:7]]
        blocks.append(f"`{architecture}`, training in batches of {outcome.request.batch_sizes[0]}:")
        blocks.append(_markdown_table(columns, rows))
        blocks.append(_bullets(comparisons(outcome, architecture)))
    if len(measured) > 1:
        backends = ", ".join(dict.fromkeys(row.backend for row in outcome.rows))
        blocks.append(
            f"The tuned variant over the idiomatic, and the share of the peak that it trains at, "
            f"of {backends}:"
        )
        blocks.append(_markdown_table(_overview(outcome), measured))
    if outcome.accuracy:
        blocks.append(f"The {_goal(outcome.accuracy)}:")
        blocks.append(_markdown_table(_ACCURACY, outcome.accuracy.rows))
        blocks.append(_bullets(accuracy_lines(outcome)))
    blocks += ["Under these circumstances:", _bullets(circumstances(outcome))]
    if outcome.costs:
        blocks += ["What the project adds:", _bullets(cost_lines(outcome))]
    return "\n\n".join(filter(None, [*blocks, *warnings(outcome)]))


def _overview(outcome: Outcome) -> list[Column]:
    """The columns of a table with a row for each architecture, and all backends in a cell."""
    rows = {(row.architecture, row.backend, row.variant): row for row in outcome.rows}
    backends = list(dict.fromkeys(row.backend for row in outcome.rows))

    def cells(cell: Callable[[Row, Row], str]) -> Callable[[str], str]:
        def of(architecture: str) -> str:
            texts = []
            for backend in backends:
                row = rows.get((architecture, backend, check.TUNED))
                base = rows.get((architecture, backend, check.IDIOMATIC))
                texts.append(cell(row, base) if row and base else NONE)
            return ", ".join(texts)

        return of

    def ratio(what: str) -> Callable[[str], str]:
        def cell(row: Row, base: Row) -> str:
            value = check.compared(row, base).get(what)
            return NONE if value is None else f"{value:.2f}"

        return cells(cell)

    def memory(row: Row, base: Row) -> str:
        better = check.compared(row, base).get("memory")
        return f"{1 / better:.2f}" if better else NONE

    return [
        ("", lambda architecture: f"`{architecture}`"),
        ("training", ratio("training")),
        ("of peak", cells(lambda row, _: _share(row, "training"))),
        *(
            (f"inference of {size}", ratio(f"inference of {size}"))
            for size in (outcome.request.batch_sizes[-1], 1)
        ),
        ("memory", cells(memory)),
    ]


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _markdown_table(columns: Sequence[Column], rows: Sequence[Any]) -> str:
    lines = [[name for name, _ in columns], ["---", *["---:"] * (len(columns) - 1)]]
    lines += [[cell(row) for _, cell in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def check_marks(path: Path) -> None:
    """Find out whether `write` can write there.

    Raises:
        ConfigurationError: there is no such file, or it has not the two marks, each once.
    """
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError as error:
        raise ConfigurationError(f"{path} cannot be read: there is no such file") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} cannot be read: it is no text in UTF-8") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigurationError(f"{path} cannot be read: {reason}") from error
    right = text.count(BEGIN) == text.count(END) == 1 and text.index(BEGIN) < text.index(END)
    if not right:
        raise ConfigurationError(
            f"{path} must have the lines {BEGIN} and {END}, once each, to put the figures between"
        )


def write(outcome: Outcome, path: Path) -> None:
    """Put the tables between the marks of a file, in place of what is there.

    Raises:
        ConfigurationError: as `check_marks` does.
        DataError: the file cannot be written.
    """
    check_marks(path)
    before, _, rest = path.read_text("utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    put(path, f"{before}{BEGIN}\n{markdown(outcome)}\n{END}{after}")
