"""What a report trains and proves itself: a short training, and the ladder without trainings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import date
from typing import Any

from shared import machine, registry, strict
from shared.compare import comparison
from shared.data import files, tasks
from shared.errors import TriptychError
from shared.parity import ladder
from shared.report.recorded import Origin
from shared.report.study import Report, Study
from shared.specs import Spec
from shared.train import loop
from shared.train.worker import Request
from shared.workers import Worker, environment

BATCH = 32
"""Examples in a step of a report's trainings."""

STEPS, MOST_OPERATIONS = 40, 1e11
"""How many steps they have, if they have no more floating-point operations than this."""

FEWEST_STEPS = 6

Log = Callable[[str], None]
"""What is told of what is being done."""


def request(spec: Spec, seed: int) -> Request:
    """A training that is short, and has no dropout: as many steps as are soon done."""
    task = spec.require_task()
    operations = BATCH * spec.operations.training
    steps = max(min(STEPS, int(MOST_OPERATIONS / operations)), FEWEST_STEPS)
    available = tasks.examples(task, files.COUNTS["sample"][0])
    settings = replace(spec.settings, epochs=1, batch_size=BATCH, dropout=False)
    loop.check_batch(settings, available)
    examples = min(steps * BATCH, available)
    return Request(spec.name, "sample", None, settings, seed, "cpu", examples=examples, quiet=True)


def train(report: Report, backends: Sequence[str], seed: int, log: Log) -> None:
    """Compare a training of each architecture that the report was asked for and that has none.

    One alone has processes of its own, as `compare` has. Several follow each other in one process
    a backend: to start and to import would take longer than to train.
    """
    rest = [s for s in report.studies if s.asked and s.comparison is None and s.spec.task]
    usable, _ = registry.usable(backends)
    with ExitStack() as stack:
        running = None
        if len(rest) > 1:
            running = {
                name: stack.enter_context(Worker(name, environment("tuned"))) for name in usable
            }
            for worker in running.values():  # none imports while another one trains
                with suppress(TriptychError):  # which the training says again
                    worker.wait_until_ready()
        for study in rest:
            study.comparison = _compared(report, study, backends, seed, log, running)
            if study.comparison is not None:
                study.origins["comparison"] = Origin(date=date.today().isoformat())


def _compared(
    report: Report,
    study: Study,
    backends: Sequence[str],
    seed: int,
    log: Log,
    running: Mapping[str, Worker] | None,
) -> Mapping[str, Any] | None:
    spec = study.spec

    def told(text: str) -> None:
        log(f"training {spec.name}, {text.partition(':')[0]}")

    try:
        short = request(spec, seed)
        outcome = comparison.compare(spec, short, "the embedded sample", backends, told, running)
    except TriptychError as error:
        for name in backends:
            study.gaps.setdefault(name, str(error))
            if not registry.missing(name):
                report.failed.setdefault(name, str(error))
        return None
    study.gaps.update({**outcome.skipped, **outcome.errors})
    report.failed = {**outcome.errors, **report.failed}
    return strict.finite(outcome.to_dict())


def climb(report: Report, backends: Sequence[str], log: Log) -> None:
    """Make the checks of each architecture that the report was asked for and that has none.

    Where the ladder cannot be climbed, the reason is a gap.
    """
    rest = {study.spec.name: study for study in report.studies if study.asked and not study.checks}
    usable, _ = registry.usable(backends)
    if not rest or not usable:
        return
    try:
        outcome = ladder.climb(
            [study.spec for study in rest.values()],
            ["float64"],
            backends=usable,
            trainings=False,
            variants=False,
            report=lambda text: log(f"parity: {text}"),
        )
    except TriptychError as error:
        for name in usable:
            report.failed.setdefault(name, str(error))
            for study in rest.values():
                study.gaps.setdefault(name, str(error))
        return
    report.failed = {**outcome.errors, **report.failed}
    origin = Origin(
        date=date.today().isoformat(), versions=outcome.versions, machine=machine.describe()
    )
    for check in strict.finite(outcome.to_dict())["checks"]:
        study = rest[check["architecture"]]
        study.checks = [*study.checks, check]
        study.origins["parity"] = origin
