"""The ladder: checks that climb from the sources of two panels to trainings in two frameworks.

1. mirror: the three files have the same classes, arguments, defaults, attributes and methods;
2. counts: trainable parameters, and batch-norm buffers apart, are those of the spec;
3. tensors: canonical names, shapes, dtypes and kinds are the same;
4. outputs: names, shapes and dtypes for batches of 1 and 7 are those of the spec;
5. forward: the values for the same weights and inputs, in evaluation mode;
6. exchange: the same weights go into each backend and come out of it, bitwise equal, so that each
    one's may be another's;
7. activations: what every named layer takes and gives, in evaluation and in training mode;
8. methods: classes, features, sequences and logs are what the outputs and layers of the same
    network give; no gradient passes what is frozen; the network that is made again of its
    configuration and of the framework's own file is the same;
9. loss: of the same outputs and targets;
10. gradients: of every parameter and of the inputs;
11. buffers: batch norm's statistics after one pass in training mode; dropout: the same masks give
    the same loss and gradients, and each framework's own keeps what it should;
12. edges: values that bite. Exact ties, black images, large inputs and weights, masks and lengths
    at their limits, no label that counts, batches of other sizes; inputs, targets and weights are
    as they were afterwards;
13. optimizers: parameters and optimizer states after each of 50 steps; teacher-forced: in float32,
    what each step changes when all start from the same weights;
14. resume: the same training that was saved in its midst goes on in each backend alike, so that
    one's may go on in another;
15. trainers: what those give and change that people train with, between backends; evaluations
    against a reference in NumPy; dropout; combinations of settings;
16. variants: each backend's tuned variant gives what its idiomatic variant gives: outputs, losses,
    and what the steps of its trainers change.

Every backend works in its own process and gives evidence (`shared.parity.evidence`); what is
compared is compared here, with NumPy alone. What evidence must show follows from the spec
(`shared.parity.expected`), so that nothing that is absent can pass.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent import futures
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from shared import registry
from shared.errors import BackendMissingError, DeviceMissingError, TriptychError
from shared.interface import Trace
from shared.panels import PANELS
from shared.parity import collect, kept, mirror, places, shards, sources
from shared.parity.checks import Check, Outcome, Request, case_checks
from shared.parity.evidence import CaseEvidence
from shared.parity.judge import Status
from shared.parity.kept import Kept, Question
from shared.parity.shards import Shard
from shared.specs import Case, Spec
from shared.together import begin, gather, wait
from shared.workers import ALONE, Worker

__all__ = ["climb", "climbing"]

PULSE = 0.2
"""Seconds between two reports of what is waited for."""

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
    keeps: bool = False,
    shard: Shard | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Climb every rung for every case of the specs, or of one shard of them.

    Args:
        specs: The architectures.
        dtypes: "float64" tells meaning from rounding; "float32" is what people run.
        device: Where every backend computes.
        precision: "highest", or "default": on a GPU perhaps TF32 for float32.
        backends: Those to compare; one that is not installed is reported and left out.
        trainings: Whether to climb the last rungs, where networks are trained; they take longest.
        variants: Whether to hold each backend's tuned variant against its idiomatic one.
        keeps: Whether to read evidence that was kept, and to keep what is made: see
            `shared.parity.kept`.
        shard: The part to climb; without one it is everything. One without a case starts no worker.
        report: Told what is being worked on.

    Raises:
        DeviceMissingError: a backend does not have the device.
    """
    asked = Request(
        architectures=tuple(spec.name for spec in specs),
        dtypes=tuple(dtypes),
        backends=tuple(backends),
        trainings=trainings,
        variants=variants,
        device=device,
        precision=precision,
        shard=str(shard) if shard else None,
        sources=sources.digest(),
    )
    outcome = Outcome(device=device, precision=precision, asked=asked)
    part = shards.part(specs, shard)
    if shard and not part.cases:
        return outcome
    for _ in climbing(
        outcome,
        part.cases,
        dtypes,
        backends=backends,
        trainings=trainings,
        variants=variants,
        keeps=keeps,
        mirrored=part.mirrored,
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
    keeps: bool = False,
    mirrored: Sequence[Spec] | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> Generator[tuple[Spec, Case]]:
    """Climb as `climb` does, but these cases alone: each that is yielded is whole in the outcome.

    `mirrored` are the specs whose sources are compared: all of these cases', if None. The workers
    end when it is exhausted, or closed.
    """
    question = Question(tuple(dtypes), outcome.device, outcome.precision, trainings, variants)
    if mirrored is None:
        mirrored = [*{spec.name: spec for spec, _ in cases}.values()]
    outcome.checks += [_mirror_check(spec) for spec in mirrored]
    usable, skipped = registry.usable(backends)
    outcome.skipped |= skipped
    earlier = kept.opened(question) if keeps else None
    with ExitStack() as stack:
        crew = Crew(stack, usable, outcome, report)
        crew.start(earlier.lacking(usable, cases) if earlier else usable)
        waiting: list[_Climb] = []
        for spec, case in cases:
            plan = collect.plan(
                spec, case, dtypes, outcome.device, trainings=trainings, variants=variants
            )
            waiting.append(_begun(spec, plan, crew, earlier))
            if len(waiting) > AHEAD:
                yield waiting.pop(0).finish(outcome, report)
        for last in waiting:
            yield last.finish(outcome, report)
    known = outcome.versions
    outcome.versions = {name: known[name] for name in usable if name in known}
    if earlier and earlier.used:
        outcome.notes.append(earlier.notice(len(usable) * len(cases)))


def _begun(spec: Spec, plan: collect.Plan, crew: Crew, earlier: Kept | None) -> _Climb:
    """A case of which the workers begin with what was not kept."""
    outcome = crew.outcome
    keys = {name: earlier.key(name, spec, plan.case) for name in crew.backends} if earlier else {}
    known = earlier.checks(keys) if earlier else None
    if known:
        outcome.versions |= known[1]
        return _Climb(spec, plan, crew, earlier, keys, checked=known[0])
    evidence = {}
    for name, key in keys.items():
        read = earlier.read(key) if earlier else None
        if read:
            evidence[name], outcome.versions[name] = read
    begun, errors = crew.collect(plan, [name for name in crew.backends if name not in evidence])
    return _Climb(spec, plan, crew, earlier, keys, evidence, begun, errors)


def _mirror_check(spec: Spec) -> Check:
    problems = [problem for file in spec.files for problem in mirror.compare(file)]
    status: Status = "failed" if problems else "passed"
    panels = ", ".join(PANELS)
    return Check("mirror", spec.name, "sources", "", panels, status, detail="; ".join(problems))


Collected = tuple[CaseEvidence, list[str]]
"""Evidence, and the files from elsewhere that it was made by: see `shared.parity.sources`."""


def _collected(backend: str, plan: collect.Plan) -> Collected:  # in a worker
    evidence = collect.collect(backend, plan)
    return evidence, sources.elsewhere(("shared", PANELS[backend]))


@dataclass
class Crew:
    """A worker for each backend of which something is to be made, started when it is needed."""

    stack: ExitStack
    backends: Sequence[str]
    outcome: Outcome
    report: Callable[[str], None]
    workers: dict[str, Worker] = field(default_factory=dict)
    starting: dict[str, Future[dict[str, str]]] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)

    def start(self, names: Sequence[str]) -> None:
        """Start those that are not there yet, all at once, and do not wait for them.

        Raises:
            BackendMissingError: a backend lacks a package.
        """
        started = {
            name: self.stack.enter_context(Worker(name, ALONE, whole=False))
            for name in names
            if name not in self.workers
        }
        self.workers |= started
        for name in started:
            self.report(f"starting {name}")
        device, precision = self.outcome.device, self.outcome.precision
        starting, lost = begin(
            started, lambda name, worker: worker.submit(collect.begin, name, device, precision)
        )
        self.starting |= starting
        self.lost |= lost

    def trace(self, plan: collect.Plan) -> dict[str, Trace]:
        """What runs in a case, by backend; of those that have nothing else to do here, nothing."""
        traces, _ = gather(
            {name: self.workers[name] for name in self.workers if name not in self.lost},
            lambda name, worker: worker.submit(collect.trace, name, plan),
        )
        return traces

    def collect(
        self, plan: collect.Plan, names: Sequence[str]
    ) -> tuple[dict[str, Future[Collected]], dict[str, str]]:
        """Let backends begin with a case, as soon as they have started; and why some cannot."""
        self.start(names)
        return begin(
            {name: self.workers[name] for name in names},
            lambda name, worker: worker.submit(_collected, name, plan),
        )

    def wait(
        self, begun: Mapping[str, Future[Collected]], label: str
    ) -> tuple[dict[str, Collected], dict[str, str]]:
        """What backends give, and why some do not: that they did not start, if they did not.

        Meanwhile the label is reported again and again: whoever is told may break it off.

        Raises:
            DeviceMissingError: a backend does not have the device.
        """
        pending: list[Future[Any]] = [*self.starting.values(), *begun.values()]
        while futures.wait(pending, PULSE).not_done:
            self.report(label)
        for name in [*self.starting]:
            try:
                self.outcome.versions[name] = self.workers[name].result(self.starting.pop(name))
            except (BackendMissingError, DeviceMissingError):  # which the user can put right
                raise
            except TriptychError as error:
                self.lost[name] = str(error)
        self.outcome.errors = self.lost | self.outcome.errors
        results, errors = wait(self.workers, begun)
        return results, errors | {name: self.lost[name] for name in begun if name in self.lost}


@dataclass(frozen=True)
class _Climb:
    """One case on its way: the workers have begun with what was not kept."""

    spec: Spec
    plan: collect.Plan
    crew: Crew
    earlier: Kept | None
    keys: Mapping[str, str]
    known: Mapping[str, CaseEvidence] = field(default_factory=dict)
    begun: Mapping[str, Future[Collected]] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    checked: list[Check] | None = None
    """The checks, where they were kept."""

    def finish(self, outcome: Outcome, report: Callable[[str], None]) -> tuple[Spec, Case]:
        """Add the case's checks, and the first error of each backend, to the outcome."""
        spec, case = self.spec, self.plan.case
        label = f"{spec.name}, {case.label}"
        report(label)
        if self.checked is not None:
            outcome.checks += self.checked
            return spec, case
        results, late = self.crew.wait(self.begun, label)
        new = {name: evidence for name, (evidence, _) in results.items()}
        evidence, errors = {**self.known, **new}, {**self.errors, **late}
        checks = [
            check
            for dtype in self.plan.dtypes
            for check in case_checks(
                spec, case, dtype, self.crew.backends, evidence, errors, self.plan.asked
            )
        ]
        if any(check.first for check in checks):
            checks = places.placed(checks, self.crew.trace(self.plan))
        outcome.checks += checks
        outcome.errors = errors | outcome.errors
        elsewhere = {file for _, files in results.values() for file in files}
        if self.earlier and not elsewhere:
            complete = [] if errors else checks
            self.earlier.keep(self.keys, spec, new, complete, outcome.versions)
        return spec, case
