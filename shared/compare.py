"""The main job: one architecture trained in every backend, same weights, same batches.

The backends run one after the other, each in a process of its own, so that neither time nor memory
is shared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from shared import examples, machine, mnist, registry, tasks, training, workers
from shared.errors import ConfigurationError, TriptychError
from shared.parity import arrays
from shared.parity.judge import most_by_rounding
from shared.specs import METRICS, Settings, Spec, find
from shared.workers import Worker

FIRST_IMAGES = 64


@dataclass(frozen=True)
class Request:
    """What every backend is to do."""

    architecture: str
    data: str
    directory: str | None
    settings: Settings
    seed: int
    device: str
    way: str = "tuned"
    dtype: str = "float32"
    examples: int | None = None
    """Of the training data and of the test data the first ones alone, at most so many of each."""
    quiet: bool = False
    """Whether a worker says nothing of its progress."""


@dataclass(frozen=True)
class Run:
    """What one backend's process sends back: weights before and after, the outputs before."""

    versions: dict[str, str]
    parameters: int
    outputs: dict[str, np.ndarray]
    initial: dict[str, np.ndarray]
    trained: dict[str, np.ndarray]
    history: training.History
    peak_memory_mib: float | None
    examples: examples.Examples


@dataclass
class Row:
    """One backend's column in the table."""

    versions: dict[str, str]
    parameters: int
    output_shapes: dict[str, tuple[int, ...]]
    difference: float
    history: training.History
    startup_seconds: float | None
    peak_memory_mib: float | None
    examples: examples.Examples | None = None


@dataclass
class Comparison:
    """Everything that a comparison measured.

    `reference` is the backend that made the initial weights and the first forward pass; the others'
    `difference` from it is max |a - b| / max |a| over `FIRST_IMAGES` test images, the worst of the
    outputs. `judged` is False on a GPU, where float32 products may be TF32's.
    """

    request: Request
    source: str
    reference: str | None = None
    rows: dict[str, Row] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def judged(self) -> bool:
        """Whether the first forward passes must agree within `tolerance`."""
        return self.request.device == "cpu"

    @property
    def tolerance(self) -> float:
        """The most that rounding explains."""
        return most_by_rounding(self.request.dtype)

    @property
    def passed(self) -> bool:
        """Whether every backend ran and the forward passes agree."""
        close = all(row.difference <= self.tolerance for row in self.rows.values())
        return bool(self.rows) and not self.errors and (close or not self.judged)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain dictionaries, for JSON."""
        return {**asdict(self), "machine": machine.describe(), "passed": self.passed}


def compare(
    spec: Spec,
    request: Request,
    source: str,
    backends: Sequence[str] = registry.BACKENDS,
    report: Callable[[str], None] = lambda _: None,
) -> Comparison:
    """Train the architecture in one backend after the other.

    Args:
        spec: The architecture; it must have a task.
        request: Data, settings, seed, device, way and dtype.
        source: Where the data come from, for people.
        backends: Those to compare; one that is not installed is left out and named.
        report: Told which backend is at work.

    Raises:
        ConfigurationError: the architecture is not trained, or no backend is installed.
        TriptychError: no backend gave a result; what the first met, with what the others met.
    """
    spec.require_task()
    comparison = Comparison(request, source)
    weights, reference = None, None
    failures: list[TriptychError] = []
    for name in backends:
        if registry.missing(name):
            comparison.skipped[name] = registry.explain_missing(name)
            continue
        report(f"{name}: starting")
        try:
            with Worker(name, workers.environment(request.way)) as worker:
                worker.wait_until_ready()
                run = worker.call(train, name, request, weights)
                startup = worker.startup_seconds
            if reference is None:
                comparison.reference, reference, weights = name, run.outputs, run.initial
            comparison.rows[name] = _row(run, reference, startup)
        except TriptychError as error:
            failures.append(error)
            comparison.errors[name] = str(error)
            report(f"{name}: {error}")
    if not comparison.rows:
        kind = type(failures[0]) if failures else ConfigurationError
        raise kind("; ".join([*comparison.errors.values(), *comparison.skipped.values()]))
    return comparison


def train(backend: str, request: Request, weights: dict[str, np.ndarray] | None) -> Run:
    """In a worker: build, take the common weights, compute once, train, and tell everything."""
    spec = find(request.architecture)
    task = spec.require_task()
    data = tasks.build(task, mnist.load(request.data, request.directory, download=False))
    if request.examples is not None:
        data = data.first(request.examples)
    loaded = registry.load(backend)
    model = loaded.build(
        spec.network,
        seed=request.seed,
        dtype=request.dtype,
        device=request.device,
        way=request.way,
    )
    if weights is not None:
        model.load_weights(weights)
    initial = model.weights()
    first = {name: data.test[name][:FIRST_IMAGES] for name in spec.network.inputs}
    outputs = model(first)
    console = Console(stderr=True, markup=False, quiet=request.quiet)
    with training.progress(backend, console) as report:
        history = training.fit(
            model, task, data, request.settings, seed=request.seed, report=report
        )
    parameters = sum(row.size for row in model.table() if row.kind == "parameter")
    return Run(
        loaded.versions(),
        parameters,
        outputs,
        initial,
        model.weights(),
        history,
        machine.peak_memory_mib(),
        examples.look(model, task, data.test),
    )


def _row(run: Run, reference: dict[str, np.ndarray], startup: float | None) -> Row:
    """Hold a run against the reference's first forward pass."""
    try:
        worst = max(arrays.difference(reference[name], run.outputs[name]) for name in reference)
    except ValueError:  # not finite, or of another shape: as different as can be
        worst = float("inf")
    return Row(
        run.versions,
        run.parameters,
        {name: array.shape for name, array in run.outputs.items()},
        worst,
        run.history,
        startup,
        run.peak_memory_mib,
        run.examples,
    )


def _score(metric: str, row: Row) -> str:
    return f"{row.history.epochs[-1].test_scores[metric]:.2f} %"


def show(comparison: Comparison, console: Console) -> None:
    """Print the comparison as one table, a column a backend."""
    request, rows = comparison.request, comparison.rows
    settings = request.settings
    momentum = f" and momentum {settings.momentum:g}" if settings.optimizer == "sgd" else ""
    changes = {"up": settings.warmup_steps, "down": settings.decay_steps}
    dtype = "" if request.dtype == "float32" else f"{request.dtype}, "
    schedule = ", ".join(f"{way} in {steps:,} steps" for way, steps in changes.items() if steps)
    table = Table(
        title=f"{request.architecture} on {request.data}: epochs {settings.epochs}, batch "
        f"{settings.batch_size}, {settings.optimizer} at {settings.learning_rate:g}{momentum}"
        f"{f' ({schedule})' if schedule else ''}, "
        f"seed {request.seed}, {dtype}{request.way} on {request.device}",
        title_justify="left",
    )
    table.add_column("")
    for name in rows:
        table.add_column(name, justify="right")

    def line(title: str, cell: Callable[[Row], str]) -> None:
        table.add_row(title, *(cell(row) for row in rows.values()))

    line("version", lambda row: next(iter(row.versions.values())))
    line("parameters", lambda row: f"{row.parameters:,}")
    line(
        "output shape",
        lambda row: "\n".join(f"{n} {s}" for n, s in row.output_shapes.items()),
    )
    table.add_row(
        "first forward pass, difference",
        *(
            "reference" if name == comparison.reference else f"{row.difference:.1e}"
            for name, row in rows.items()
        ),
    )
    line("final training loss", lambda row: f"{row.history.epochs[-1].loss:.4f}")
    line("test loss", lambda row: f"{row.history.epochs[-1].test_loss:.4f}")
    for metric in next(iter(rows.values())).history.epochs[-1].test_scores if rows else ():
        line(METRICS[metric], partial(_score, metric))
    line("training, images/s, steady", lambda row: f"{row.history.images_per_second:,.0f}")
    line("first step (compile)", lambda row: f"{row.history.first_step_seconds:.2f} s")
    line("start-up (process, import)", lambda row: f"{row.startup_seconds or 0:.2f} s")
    line("training in all", lambda row: f"{row.history.seconds:.1f} s")
    line(
        "peak memory",
        lambda row: f"{row.peak_memory_mib:,.0f} MiB" if row.peak_memory_mib else "not known",
    )
    if rows:
        console.print(table)
    for name, reason in comparison.skipped.items():
        console.print(f"{name}: skipped; {reason}", style="yellow", highlight=False, soft_wrap=True)
    for name, reason in comparison.errors.items():
        console.print(f"{name}: {reason}", style="red", highlight=False, soft_wrap=True)
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
