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
11. optimizers: parameters and optimizer states after each of 50 steps; forced: in float32, what
    each step changes when all start from the same weights;
12. resume: a training saved in one backend goes on in another, and lands where it would have;
13. ways: each backend's tuned way gives in float64 what its idiomatic way gives: outputs, losses,
    and what the steps of the trainers change that people train with.

Every backend works in its own process and gives evidence (`shared.parity.evidence`); what is
compared is compared here, with NumPy alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from itertools import combinations, permutations
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from shared import registry, weights
from shared.errors import DeviceMissingError, EvidenceError, TriptychError, WeightsError
from shared.interface import Slots
from shared.parity import arrays, collect, evidence, judge, mirror, recipes
from shared.parity.evidence import CaseEvidence, Evidence
from shared.parity.judge import TOLERANCES, Result, Status
from shared.parity.locate import Divergence
from shared.specs import PANELS, SPECS, Case, Spec
from shared.workers import ALONE, Worker

__all__ = [
    "BATCHES",
    "RUNGS",
    "TOLERANCES",
    "Check",
    "Outcome",
    "Status",
    "climb",
    "climbing",
    "compare_files",
]

RUNGS = (
    "mirror",
    "counts",
    "tensors",
    "outputs",
    "forward",
    "exchange",
    "activations",
    "loss",
    "gradients",
    "buffers",
    "dropout",
    "forced",
    "optimizers",
    "resume",
    "ways",
)
BATCHES = collect.BATCHES
AHEAD = 3
"""How many cases the workers may be ahead of the comparison: none waits for the slowest."""

Weights = dict[str, np.ndarray]


@dataclass(frozen=True)
class Check:
    """One thing that was held against another.

    `between` names the backend, or the pair, or the direction of an exchange; `part` what of the
    rung, such as the optimizer. `difference` is a relative one where numbers were compared, 0 where
    bytes were. "bounded" means that they differ, for a cause that is stated, by no more than it
    makes. A check is "missing" when a backend that should have taken part gave no result: that is
    no pass. `first` says where two backends part, if they do.
    """

    rung: str
    architecture: str
    case: str
    dtype: str
    between: str
    status: Status
    difference: float | None = None
    tolerance: float | None = None
    detail: str = ""
    first: Divergence | None = None
    part: str = ""


@dataclass
class Outcome:
    """All checks of a run, the backends that took part, and why others did not."""

    checks: list[Check] = field(default_factory=list)
    versions: dict[str, dict[str, str]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    device: str = "cpu"
    precision: str = "highest"
    notes: list[str] = field(default_factory=list)

    def count(self, status: Status) -> int:
        """How many checks ended so."""
        return sum(check.status == status for check in self.checks)

    @property
    def compared(self) -> bool:
        """Whether two backends' numbers were compared at all."""
        return any(check.rung == "forward" for check in self.checks)

    @property
    def proved(self) -> bool:
        """Whether there were comparisons, and each passed or is bounded by a stated cause."""
        good = self.count("passed") + self.count("bounded")
        return self.compared and good == len(self.checks)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain dictionaries, for JSON."""
        return {**asdict(self), "proved": self.proved}


@dataclass(frozen=True)
class Trained:
    """A training that was saved: the file of its weights, the optimizer's state, what follows."""

    file: Path
    slots: Slots
    outputs: Weights
    landed: Weights
    exact: Weights
    """Where float64 lands from the same state; nothing where it is not computed."""


_open: dict[str, collect.Session] = {}  # in a worker: the cases that are being climbed


def begin(backend: str, device: str, precision: str) -> dict[str, str]:  # in a worker
    """Set the arithmetic, see that the device is there, and tell the libraries' versions."""
    loaded = registry.load(backend)
    if precision == "highest":
        loaded.use_highest_precision()
    if device not in loaded.devices():
        raise DeviceMissingError(
            f"{backend} finds no {device} device on this machine; use the device cpu, "
            f"or leave {backend} out with --backends"
        )
    return loaded.versions()


def gather(backend: str, key: str, plan: collect.Plan) -> CaseEvidence:  # in a worker
    """Build a case's network and compute all evidence of it."""
    _open[key] = collect.Session(backend, plan)
    return _open[key].evidence()


def own_weights(key: str, dtype: str, seed: int) -> Weights:  # in a worker
    """Random weights as a backend reads them out after it took them."""
    model = _open[key].models[dtype]
    model.load_weights(arrays.sample_weights(model.table(), dtype, seed))
    return model.weights()


def give_back(key: str, dtype: str, given: Weights) -> Weights | str:  # in a worker
    """Load weights and read them out again; or why they are refused."""
    model = _open[key].models[dtype]
    try:
        model.load_weights(given)
    except WeightsError as error:
        return str(error)
    return model.weights()


def save(key: str, dtype: str, path: Path) -> Trained:  # in a worker
    """Save a training's weights, and see where it goes from there."""
    session = _open[key]
    state, slots = session.trained[dtype]
    weights.write(path, state, {})
    return Trained(path, slots, *_go_on(session, dtype, state, slots))


Way = tuple[Weights, Weights, Weights]


def resume(key: str, dtype: str, trained: Trained) -> Way:  # in a worker
    """Load what another backend saved, and go on."""
    state, _ = weights.read(trained.file)
    return _go_on(_open[key], dtype, state, trained.slots)


def _go_on(session: collect.Session, dtype: str, state: Weights, slots: Slots) -> Way:
    """A training's outputs, where it lands, and where float64 lands from the same state."""
    outputs, landed = session.go_on(dtype, state, slots)
    if dtype == "float64" or "float64" not in session.models:
        return outputs, landed, {}
    return outputs, landed, session.go_on("float64", state, slots)[1]


def close(key: str) -> None:  # in a worker
    """Forget a case."""
    _open.pop(key, None)


def climb(
    specs: Sequence[Spec],
    dtypes: Sequence[str] = ("float64", "float32"),
    *,
    device: str = "cpu",
    precision: str = "highest",
    backends: Sequence[str] = registry.BACKENDS,
    trainings: bool = True,
    ways: bool = True,
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
        ways: Whether to hold each backend's tuned way against its idiomatic one.
        report: Told what is being worked on.

    Raises:
        DeviceMissingError: a backend does not have the device.
    """
    outcome = Outcome(device=device, precision=precision)
    cases = [(spec, case) for spec in specs for case in spec.cases]
    for _ in climbing(
        outcome, cases, dtypes, backends=backends, trainings=trainings, ways=ways, report=report
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
    ways: bool = True,
    report: Callable[[str], None] = lambda _: None,
) -> Generator[tuple[Spec, Case]]:
    """Climb as `climb` does, but these cases alone: each that is given is whole in the outcome.

    The workers end when it is exhausted, or closed.
    """
    outcome.checks += [
        _mirror_check(spec) for spec in {spec.name: spec for spec, _ in cases}.values()
    ]
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for name in backends:
            if registry.missing(name):
                outcome.skipped[name] = registry.explain_missing(name)
                continue
            workers[name] = stack.enter_context(Worker(name, ALONE))
        for name, worker in workers.items():
            report(f"starting {name}")
            outcome.versions[name] = worker.call(begin, name, outcome.device, outcome.precision)
        waiting: list[_Climb] = []
        for spec, case in cases:
            plan = collect.plan(spec, case, dtypes, outcome.device, trainings=trainings, ways=ways)
            waiting.append(_Climb(workers, spec, plan))
            if len(waiting) > AHEAD:
                first = waiting.pop(0)
                outcome.checks += first.finish(report)
                yield first.spec, first.case
        for last in waiting:
            outcome.checks += last.finish(report)
            yield last.spec, last.case


def _mirror_check(spec: Spec) -> Check:
    problems = [problem for file in spec.files for problem in mirror.compare(file)]
    status: Status = "failed" if problems else "passed"
    panels = ", ".join(PANELS)
    return Check("mirror", spec.name, "sources", "", panels, status, detail="; ".join(problems))


class _Climb:
    """One case on its way: all workers have begun with it."""

    def __init__(
        self,
        workers: dict[str, Worker],
        spec: Spec,
        plan: collect.Plan,
    ) -> None:
        self.workers, self.spec, self.plan = workers, spec, plan
        self.case, self.dtypes = plan.case, plan.dtypes
        self.key = f"{spec.name}/{plan.case.label}"
        self.begun, self.errors = _start(
            workers, lambda name, worker: worker.submit(gather, name, self.key, self.plan)
        )

    def finish(self, report: Callable[[str], None]) -> Iterator[Check]:
        """Every check of the case, when the workers have given their evidence."""
        report(f"{self.spec.name}, {self.case.label}")
        found, errors = _wait(self.workers, self.begun)
        errors = self.errors | errors
        for dtype in self.dtypes:
            yield from case_checks(self.spec.name, self.case, dtype, [*self.workers], found, errors)
            yield from self._exchanges(dtype, found, errors)
            if self.plan.batches:
                yield from self._resumptions(dtype, found, errors)
        _wait(self.workers, _start(self.workers, lambda _, w: w.submit(close, self.key))[0])

    def _check(self, rung: str, dtype: str, between: str, result: Result, part: str = "") -> Check:
        return Check(
            rung, self.spec.name, self.case.label, dtype, between, **vars(result), part=part
        )

    def _exchanges(
        self, dtype: str, found: dict[str, CaseEvidence], errors: dict[str, str]
    ) -> Iterator[Check]:
        """Rung 6: each backend's weights go into each other one and back."""
        workers = {name: self.workers[name] for name in found}
        seeds = {name: 100 + list(PANELS).index(name) for name in workers}
        own, late = _gather(
            workers, lambda name, worker: worker.submit(own_weights, self.key, dtype, seeds[name])
        )
        there, lost = _gather(
            {(a, b): workers[b] for a, b in permutations(own, 2)},
            lambda pair, worker: worker.submit(give_back, self.key, dtype, own[pair[0]]),
        )
        back, lost_again = _gather(
            {(a, b): workers[a] for a, b in there if not isinstance(there[a, b], str)},
            lambda pair, worker: worker.submit(give_back, self.key, dtype, there[pair]),
        )
        for a, b in permutations(self.workers, 2):
            result = lost_to(errors | late, a, b) or lost_to(lost | lost_again, (a, b))
            if result is None:
                ways = [way for way in (there[a, b], back.get((a, b))) if way is not None]
                result = _exchanged(own[a], ways)
            yield self._check("exchange", dtype, f"{a}>{b}", result)

    def _resumptions(
        self, dtype: str, found: dict[str, CaseEvidence], errors: dict[str, str]
    ) -> Iterator[Check]:
        """Rung 12: each backend's training goes on in each other one."""
        workers = {name: self.workers[name] for name in found}
        with tempfile.TemporaryDirectory() as directory:
            saved, late = _gather(
                workers,
                lambda name, worker: worker.submit(
                    save, self.key, dtype, Path(directory) / f"{name}.safetensors"
                ),
            )
            ways, lost = _gather(
                {(a, b): workers[b] for a, b in permutations(saved, 2)},
                lambda pair, worker: worker.submit(resume, self.key, dtype, saved[pair[0]]),
            )
            for a, b in permutations(self.workers, 2):
                result = lost_to(errors | late, a, b) or lost_to(lost, (a, b))
                if result is None:
                    pair = judge.Pair(found[a], found[b], dtype)
                    result = _resumed(pair, saved[a], ways[a, b])
                yield self._check("resume", dtype, f"{a}>{b}", result, recipes.FORCED)


def _exchanged(sent: Weights, ways: Sequence[Weights | str]) -> Result:
    """Whether weights are the same after every way; a text is why they were refused."""
    changed: set[str] = set()
    for way in ways:
        if isinstance(way, str):
            return Result("failed", detail=way)
        changed |= {*arrays.unequal(sent, way)}
    if changed or not sent:
        return Result("failed", detail=f"changed on the way: {', '.join(sorted(changed))}")
    return Result("passed", 0.0, 0.0)


def _resumed(pair: judge.Pair, trained: Trained, way: Way) -> Result:
    """What the other backend computes at once, and where its training lands.

    In float32 a training may land as far away as rounding takes the better backend; more is
    bounded where it takes the other one there, and each of its steps is known to be right.
    """
    state, _ = weights.read(trained.file)
    outputs, landed, exact = way
    differences = judge.Differences()
    rounding: dict[str, list[float]] = {}
    for name in {**trained.landed, **landed}:
        if name not in landed or name not in trained.landed:
            differences.problems.append(f"{name} is in one alone")
            continue
        ours, theirs = trained.landed[name], landed[name]
        if pair.a.unbiased and not pair.b.unbiased:
            theirs = pair.unified(name, state[name], theirs, recipes.FURTHER, trained=True)
        elif pair.b.unbiased and not pair.a.unbiased:
            ours = pair.unified(name, state[name], ours, recipes.FURTHER, trained=True)
        try:
            differences.found[name] = arrays.difference(ours, theirs)
            if name in exact and name in trained.exact:
                rounding[name] = [
                    arrays.difference(double, single.astype(np.float64))
                    for double, single in (
                        (exact[name], landed[name]),
                        (trained.exact[name], trained.landed[name]),
                    )
                ]
        except ValueError as error:
            differences.problems.append(f"{name}: {error}")
    fixed = recipes.TRAINED if pair.dtype == "float64" else judge.CEILING
    lesser = {name: min(sides) for name, sides in rounding.items()}
    middle = judge.usual(lesser)
    differences.allowed = {
        name: float(judge.allowance(lesser.get(name, 0), middle, judge.LOOSE)) if lesser else fixed
        for name in differences.found
    }
    forward = {
        f"forward/{collect.BATCHES[-1]}/{name}": (trained.outputs[name], array)
        for name, array in outputs.items()
    }
    pair.measure(forward, differences)
    parted = differences.failing
    if parted and not differences.problems and judge.is_held(pair.forced()):
        grown = [n for n in parted if differences.found[n] <= 2 * max(rounding.get(n, [0]))]
        if grown == parted:
            most = max(differences.found.values())
            said = f"rounding that grows or a kink: {judge.FORCED_HOLDS}"
            return Result("bounded", most, None, said)
    return differences.result()


def case_checks(
    architecture: str,
    case: Case,
    dtype: str,
    backends: Sequence[str],
    found: dict[str, CaseEvidence],
    errors: dict[str, str],
) -> Iterator[Check]:
    """Every check of a case in one dtype that needs no framework."""

    def row(rung: str, between: str, result: Result, part: str = "") -> Check:
        return Check(rung, architecture, case.label, dtype, between, **vars(result), part=part)

    for a in backends:
        lost = lost_to(errors, a)
        yield row("counts", a, lost or _counts(found[a], case, dtype))
        yield row("outputs", a, lost or _outputs(found[a], case, dtype))
        if not lost:
            for part, result in judge.dropout(found[a], dtype):
                yield row("dropout", a, result, part)
            both = judge.ways(found[a]) if dtype == "float64" else None
            if both is not None:
                yield row("ways", a, both)
    for a, b in combinations(backends, 2):
        lost = lost_to(errors, a, b)
        if lost:
            for rung in ("tensors", "forward", "activations"):
                yield row(rung, f"{a}-{b}", lost)
            continue
        for rung, part, result in judge.Pair(found[a], found[b], dtype).rungs():
            yield row(rung, f"{a}-{b}", result, part)


def compare_files(paths: Sequence[Path], wanted: Sequence[str] = ("float64", "float32")) -> Outcome:
    """Hold recorded evidence against each other, without any framework, in the dtypes wanted.

    Raises:
        EvidenceError: a file cannot be read, or the files are not of one architecture.
    """
    read = [evidence.read(path) for path in paths]
    names = [one.architecture for one in read]
    if len(set(names)) > 1:
        said = ", ".join(f"{path.name} of {name}" for path, name in zip(paths, names, strict=True))
        raise EvidenceError(f"the files are not of one architecture: {said}")
    spec = SPECS.get(names[0])
    if spec is None:
        raise EvidenceError(f"there is no architecture {names[0]!r} here to hold the files against")
    labels = _labels(read)
    outcome = Outcome(
        versions={label: dict(one.versions) for label, one in zip(labels, read, strict=True)},
        device=", ".join(dict.fromkeys(one.device for one in read)),
        precision=", ".join(dict.fromkeys(one.precision for one in read)),
        notes=[
            "not compared from files: the sources (mirror), and what needs both frameworks at once "
            "(exchange, resume)"
        ],
    )
    for case in spec.cases:
        found = {
            label: one.cases[case.label]
            for label, one in zip(labels, read, strict=True)
            if case.label in one.cases
        }
        problem = _mismatch(case, read, labels)
        if problem:
            raise EvidenceError(problem)
        dtypes = [d for d in wanted if all(d in one.arrays for one in found.values())]
        for dtype in dtypes:
            outcome.checks += case_checks(spec.name, case, dtype, labels, found, {})
    if not outcome.checks:
        raise EvidenceError(
            f"the files do not all have {' or '.join(wanted)}; record all with the same --dtype"
        )
    return outcome


def _labels(read: Sequence[Evidence]) -> list[str]:
    """A name for each file: its backend, with a number where two are of one."""
    labels: list[str] = []
    for one in read:
        again = sum(label.split("#")[0] == one.backend for label in labels)
        labels.append(f"{one.backend}#{again + 1}" if again else one.backend)
    return labels


def _mismatch(case: Case, read: Sequence[Evidence], labels: Sequence[str]) -> str | None:
    """Why the files cannot be compared on a case, if they cannot."""
    for label, one in zip(labels, read, strict=True):
        if case.label not in one.cases:
            return f"the evidence of {label} lacks the case {case.label!r}; record it again"
        if one.networks[case.label] != case.network.plain_config():
            return (
                f"the evidence of {label} is of another {case.network.cls}: it has the arguments "
                f"{one.networks[case.label]}, and this version {case.network.plain_config()}"
            )
    first = read[0].cases[case.label]
    for label, one in zip(labels[1:], read[1:], strict=True):
        other = one.cases[case.label]
        for dtype in set(first.arrays) & set(other.arrays):
            for rung in ("inputs", "targets"):
                sides = first.under(dtype, rung), other.under(dtype, rung)
                if arrays.unequal(*sides):
                    return (
                        f"the evidence of {labels[0]} and of {label} was computed from other "
                        f"{rung} for {case.label!r}; record both with one version of Triptych"
                    )
    return None


def lost_to(errors: Mapping[Any, str], *names: Any) -> Result | None:
    """What keeps these backends from being compared, if anything does."""
    reasons = [errors[name] for name in names if name in errors]
    return Result("missing", detail="; ".join(reasons)) if reasons else None


Key = TypeVar("Key")


def _start(
    workers: Mapping[Key, Worker], start: Callable[[Key, Worker], Future[Any]]
) -> tuple[dict[Key, Future[Any]], dict[Key, str]]:
    """Let all workers begin at once; their futures, and what went wrong already, by key."""
    futures: dict[Key, Future[Any]] = {}
    errors: dict[Key, str] = {}
    for key, worker in workers.items():
        try:
            futures[key] = start(key, worker)
        except TriptychError as error:
            errors[key] = str(error)
    return futures, errors


def _wait(
    workers: Mapping[Key, Worker], futures: Mapping[Key, Future[Any]]
) -> tuple[dict[Key, Any], dict[Key, str]]:
    """What workers give, and what went wrong, by key."""
    results: dict[Key, Any] = {}
    errors: dict[Key, str] = {}
    for key, future in futures.items():
        try:
            results[key] = workers[key].result(future)
        except TriptychError as error:
            errors[key] = str(error)
    return results, errors


def _gather(
    workers: Mapping[Key, Worker], start: Callable[[Key, Worker], Future[Any]]
) -> tuple[dict[Key, Any], dict[Key, str]]:
    """Let all workers work at once, and wait for them."""
    futures, early = _start(workers, start)
    results, errors = _wait(workers, futures)
    return results, early | errors


def _counts(found: CaseEvidence, case: Case, dtype: str) -> Result:
    """Rung 2."""
    sizes = {
        kind: sum(row.size for row in found.tables[dtype] if row.kind == kind)
        for kind in ("parameter", "buffer")
    }
    counts = (sizes["parameter"], sizes["buffer"])
    wanted = (case.parameters, case.buffers)
    if counts == wanted:
        return Result("passed", detail=f"{counts[0]:,} parameters, {counts[1]:,} in buffers")
    return Result(
        "failed",
        detail=f"{counts[0]:,} parameters and {counts[1]:,} in buffers, where the spec has "
        f"{wanted[0]:,} and {wanted[1]:,}",
    )


def _outputs(found: CaseEvidence, case: Case, dtype: str) -> Result:
    """Rung 4."""
    wanted = {name: tensor.shape for name, tensor in case.network.outputs.items()}
    forward = found.under(dtype, "forward")
    problems = []
    for batch in BATCHES:
        given = {
            name.partition("/")[2]: (array.shape, str(array.dtype))
            for name, array in forward.items()
            if name.startswith(f"{batch}/")
        }
        right = {name: ((batch, *shape), dtype) for name, shape in wanted.items()}
        if given != right or list(given) != list(right):
            problems.append(f"batch {batch} gives {given}, where the spec has {right}")
    return Result("failed" if problems else "passed", detail="; ".join(problems))
