"""The ladder: checks that climb from the sources of two panels to trainings in two frameworks.

1. mirror: the three files have the same classes, arguments, defaults, attributes and methods;
2. counts: trainable parameters, and batch-norm buffers apart, are those of the spec;
3. tensors: canonical names, shapes, dtypes and kinds are the same;
4. outputs: names, shapes and dtypes for batches of 1, 2 and 7 are those of the spec;
5. forward: the values for the same weights and inputs, in evaluation mode;
6. exchange: weights go from one backend into another and back, bitwise equal;
7. activations: what every named layer takes and gives, in evaluation and in training mode;
8. loss: of the same outputs and targets;
9. gradients: of every parameter and of the inputs;
10. buffers: batch norm's statistics after one pass in training mode; dropout: the same masks give
    the same loss and gradients, and each framework's own keeps what it should;
11. optimizers: parameters and optimizer states after each of 50 steps; teacher-forced: in float32,
    what each step changes when all start from the same weights;
12. resume: a training saved in one backend goes on in another, and lands where it would have;
13. variants: each backend's tuned variant gives in float64 what its idiomatic variant gives:
    outputs, losses, and what the steps of the trainers change that people train with.

Every backend works in its own process and gives evidence (`shared.parity.evidence`); what is
compared is compared here, with NumPy alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from itertools import permutations
from pathlib import Path

from shared import registry
from shared.errors import BackendMissingError, DeviceMissingError, TriptychError
from shared.panels import PANELS
from shared.parity import collect, judge, mirror, recipes
from shared.parity.checks import Check, Outcome, case_checks, exchanged, lost_to
from shared.parity.evidence import CaseEvidence
from shared.parity.judge import Result, Status
from shared.parity.judge.resumption import resumed
from shared.specs import Case, Spec
from shared.together import begin, gather, wait
from shared.workers import ALONE, Worker

__all__ = ["climb", "climbing"]

AHEAD = 3
"""How many cases the workers may be ahead of the comparison: none waits for the slowest."""


def climb(
    specs: Sequence[Spec],
    dtypes: Sequence[str] = ("float64", "float32"),
    *,
    device: str = "cpu",
    precision: str = "highest",
    backends: Sequence[str] = registry.BACKENDS,
    trainings: bool = True,
    variants: bool = True,
    report: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Climb every rung for every case of the specs.

    Args:
        specs: The architectures.
        dtypes: "float64" tells meaning from rounding; "float32" is what people run.
        device: Where every backend computes.
        precision: "highest", or "default": on a GPU perhaps TF32 for float32.
        backends: Those to compare; one that is not installed is reported and left out.
        trainings: Whether to climb the last rungs, where networks are trained; they take longest.
        variants: Whether to hold each backend's tuned variant against its idiomatic one.
        report: Told what is being worked on.

    Raises:
        DeviceMissingError: a backend does not have the device.
    """
    outcome = Outcome(device=device, precision=precision)
    cases = [(spec, case) for spec in specs for case in spec.cases]
    for _ in climbing(
        outcome,
        cases,
        dtypes,
        backends=backends,
        trainings=trainings,
        variants=variants,
        report=report,
    ):
        pass
    return outcome


def climbing(
    outcome: Outcome,
    cases: Sequence[tuple[Spec, Case]],
    dtypes: Sequence[str] = ("float64", "float32"),
    *,
    backends: Sequence[str] = registry.BACKENDS,
    trainings: bool = True,
    variants: bool = True,
    report: Callable[[str], None] = lambda _: None,
) -> Generator[tuple[Spec, Case]]:
    """Climb as `climb` does, but these cases alone: each that is yielded is whole in the outcome.

    The workers end when it is exhausted, or closed.
    """
    outcome.checks += [
        _mirror_check(spec) for spec in {spec.name: spec for spec, _ in cases}.values()
    ]
    with ExitStack() as stack:
        usable, skipped = registry.usable(backends)
        outcome.skipped |= skipped
        workers = {name: stack.enter_context(Worker(name, ALONE)) for name in usable}
        for name, worker in workers.items():
            report(f"starting {name}")
            try:
                outcome.versions[name] = worker.call(
                    collect.begin, name, outcome.device, outcome.precision
                )
            except (BackendMissingError, DeviceMissingError):  # which the user can put right
                raise
            except TriptychError as error:
                outcome.errors[name] = str(error)
        lost = dict(outcome.errors)
        waiting: list[_Climb] = []
        for spec, case in cases:
            plan = collect.plan(
                spec, case, dtypes, outcome.device, trainings=trainings, variants=variants
            )
            waiting.append(_Climb(workers, spec, plan, lost))
            if len(waiting) > AHEAD:
                yield _finish(waiting.pop(0), outcome, report)
        for last in waiting:
            yield _finish(last, outcome, report)


def _finish(climb: _Climb, outcome: Outcome, report: Callable[[str], None]) -> tuple[Spec, Case]:
    """Add a case's checks, and the first error of each backend, to the outcome."""
    outcome.checks += climb.finish(report)
    outcome.errors = climb.errors | outcome.errors
    return climb.spec, climb.case


def _mirror_check(spec: Spec) -> Check:
    problems = [problem for file in spec.files for problem in mirror.compare(file)]
    status: Status = "failed" if problems else "passed"
    panels = ", ".join(PANELS)
    return Check("mirror", spec.name, "sources", "", panels, status, detail="; ".join(problems))


class _Climb:
    """One case on its way: all workers have begun with it, but those that did not start."""

    def __init__(
        self,
        workers: dict[str, Worker],
        spec: Spec,
        plan: collect.Plan,
        lost: Mapping[str, str],
    ) -> None:
        self.workers, self.spec, self.plan = workers, spec, plan
        self.case, self.dtypes = plan.case, plan.dtypes
        self.key = f"{spec.name}/{plan.case.label}"
        started = {name: worker for name, worker in workers.items() if name not in lost}
        self.begun, errors = begin(started, self._begin)
        self.errors = {**lost, **errors}

    def _begin(self, name: str, worker: Worker) -> Future[CaseEvidence]:
        worker.hold(self.key, collect.Session, name, self.plan)
        return worker.ask(self.key, "evidence")

    def finish(self, report: Callable[[str], None]) -> Iterator[Check]:
        """Every check of the case, when the workers have given their evidence."""
        report(f"{self.spec.name}, {self.case.label}")
        evidence, errors = wait(self.workers, self.begun)
        errors = self.errors = self.errors | errors
        for dtype in self.dtypes:
            yield from case_checks(
                self.spec.name, self.case, dtype, [*self.workers], evidence, errors
            )
            yield from self._exchanges(dtype, evidence, errors)
            if self.plan.batches:
                yield from self._resumptions(dtype, evidence, errors)
        # One that ended in an exchange says so here.
        _, late = gather(self.workers, lambda _, worker: worker.drop(self.key))
        self.errors = late | self.errors

    def _check(self, rung: str, dtype: str, between: str, result: Result, part: str = "") -> Check:
        return Check(
            rung, self.spec.name, self.case.label, dtype, between, **vars(result), part=part
        )

    def _exchanges(
        self, dtype: str, evidence: dict[str, CaseEvidence], errors: dict[str, str]
    ) -> Iterator[Check]:
        """Rung 6: each backend's weights go into each other one and back."""
        workers = {name: self.workers[name] for name in evidence}
        seeds = {name: 100 + list(PANELS).index(name) for name in workers}
        own, late = gather(
            workers, lambda name, worker: worker.ask(self.key, "random_weights", dtype, seeds[name])
        )
        sent, lost = gather(
            {(a, b): workers[b] for a, b in permutations(own, 2)},
            lambda pair, worker: worker.ask(self.key, "exchange", dtype, own[pair[0]]),
        )
        back, lost_again = gather(
            {(a, b): workers[a] for a, b in sent if not isinstance(sent[a, b], str)},
            lambda pair, worker: worker.ask(self.key, "exchange", dtype, sent[pair]),
        )
        for a, b in permutations(self.workers, 2):
            result = lost_to(errors | late, a, b) or lost_to(lost | lost_again, (a, b))
            if result is None:
                received = [x for x in (sent[a, b], back.get((a, b))) if x is not None]
                result = exchanged(own[a], received)
            yield self._check("exchange", dtype, f"{a}>{b}", result)

    def _resumptions(
        self, dtype: str, evidence: dict[str, CaseEvidence], errors: dict[str, str]
    ) -> Iterator[Check]:
        """Rung 12: each backend's training goes on in each other one."""
        workers = {name: self.workers[name] for name in evidence}
        with tempfile.TemporaryDirectory() as directory:
            saved, late = gather(
                workers,
                lambda name, worker: worker.ask(
                    self.key, "save", dtype, Path(directory) / f"{name}.safetensors"
                ),
            )
            continued, lost = gather(
                {(a, b): workers[b] for a, b in permutations(saved, 2)},
                lambda pair, worker: worker.ask(self.key, "resume", dtype, saved[pair[0]]),
            )
            for a, b in permutations(self.workers, 2):
                result = lost_to(errors | late, a, b) or lost_to(lost, (a, b))
                if result is None:
                    pair = judge.Pair(evidence[a], evidence[b], dtype)
                    result = resumed(pair, saved[a], continued[a, b])
                yield self._check("resume", dtype, f"{a}>{b}", result, recipes.TEACHER_FORCED)
