"""The main job: one architecture trained in every backend, same weights, same batches.

The backends run one after the other, each in a process of its own, so that neither time nor memory
is shared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from shared import formats, machine, registry, workers
from shared.differences import largest_gap, most_by_rounding
from shared.errors import ConfigurationError, DeviceMissingError, TriptychError
from shared.specs import Spec
from shared.train import examples, loop
from shared.train.worker import Request, Run, train
from shared.workers import Worker


@dataclass
class Row:
    """One backend's column in the table."""

    versions: dict[str, str]
    parameters: int
    output_shapes: dict[str, tuple[int, ...]]
    difference: float
    history: loop.History
    startup_seconds: float | None
    peak_memory_mib: float | None
    examples: examples.Examples | None = None


@dataclass
class Comparison:
    """Everything that a comparison measured.

    `reference` is the backend that made the initial weights and the first forward pass; the others'
    `difference` from it is max |a - b| / max |a| over `FIRST_IMAGES` test images, the worst of the
    outputs. `judged` is False on a GPU, where float32 products may be TF32's. `foreign_load` is
    what other processes took of the machine's CPU time meanwhile, in percent; None where the system
    does not say.
    """

    request: Request
    source: str
    reference: str | None = None
    rows: dict[str, Row] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    foreign_load: float | None = None

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
        whole = {**asdict(self), "machine": machine.describe(), "passed": self.passed}
        return {**formats.stamp("comparison"), **whole}


def compare(
    spec: Spec,
    request: Request,
    source: str,
    backends: Sequence[str] = registry.BACKENDS,
    report: Callable[[str], None] = lambda _: None,
    running: Mapping[str, Worker] | None = None,
) -> Comparison:
    """Train the architecture in one backend after the other.

    Args:
        spec: The architecture; it must have a task.
        request: Data, settings, seed, device, variant and dtype.
        source: Where the data come from, for people.
        backends: Those to compare; one that is not installed is left out and named.
        report: Told which backend is at work.
        running: Workers that are there already, by backend, in place of new ones; how much memory
            the training takes is then not known, because theirs is that of all that they did.

    Raises:
        ConfigurationError: the architecture is not trained, or no backend is installed.
        TriptychError: no backend gave a result; what the first met, with what the others met.
    """
    spec.require_task()
    comparison = Comparison(request, source)
    weights, reference = None, None
    load = machine.ForeignLoad()
    failures: list[TriptychError] = []
    usable, comparison.skipped = registry.usable(backends)
    for name in usable:
        report(f"{name}: starting")
        try:
            with ExitStack() as stack:
                if running is None:
                    worker = stack.enter_context(Worker(name, workers.environment(request.variant)))
                else:
                    worker = running[name]
                stack.enter_context(load.watch())
                worker.wait_until_ready()
                run = worker.call(train, name, request, weights)
                startup = worker.startup_seconds
            if running is not None:
                run = replace(run, peak_memory_mib=None)
            if reference is None:
                comparison.reference, reference, weights = name, run.outputs, run.initial
            comparison.rows[name] = _row(run, reference, startup)
        except TriptychError as error:
            failures.append(error)
            comparison.errors[name] = str(error)
            if not isinstance(error, DeviceMissingError):  # soon told, by the table or at the end
                report(f"{name}: {error}")
    comparison.foreign_load = load.share
    if not comparison.rows:
        kind = type(failures[0]) if failures else ConfigurationError
        raise kind("; ".join([*comparison.errors.values(), *comparison.skipped.values()]))
    return comparison


def _row(run: Run, reference: dict[str, np.ndarray], startup: float | None) -> Row:
    """Hold a run against the reference's first forward pass."""
    return Row(
        run.versions,
        run.parameters,
        {name: array.shape for name, array in run.outputs.items()},
        largest_gap(reference, run.outputs),
        run.history,
        startup,
        run.peak_memory_mib,
        run.examples,
    )
