"""The ladder: checks that climb from the sources of two panels to the numbers that they compute.

1. mirror: the three files have the same classes, arguments, defaults, attributes and methods;
2. counts: trainable parameters, and batch-norm buffers apart, are those of the spec;
3. tensors: canonical names, shapes, dtypes and kinds are the same;
4. outputs: names, shapes and dtypes for batches of 1, 2 and 7 are those of the spec;
5. forward: the values for the same weights and inputs, in evaluation mode;
6. exchange: weights go from one backend into another and back, bitwise equal.

Every backend works in its own process; what comes back is compared here, with NumPy alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from itertools import combinations, permutations
from typing import Any, Literal

import numpy as np

from shared import registry
from shared.errors import DeviceMissingError, TriptychError, WeightsError
from shared.interface import Model, TensorInfo
from shared.parity import arrays, mirror
from shared.specs import PANELS, Case, Network, Spec
from shared.workers import Worker

RUNGS = ("mirror", "counts", "tensors", "outputs", "forward", "exchange")
BATCHES = (1, 2, 7)
TOLERANCES = {"float64": 1e-12, "float32": 1e-5}
COMMON_SEED = 1
Weights = dict[str, np.ndarray]
Status = Literal["passed", "failed", "missing"]


@dataclass(frozen=True)
class Check:
    """One thing that was held against another.

    `between` names the backend, or the pair, or the direction of an exchange. `difference` is a
    relative one where numbers were compared, 0 where bytes were. A check is "missing" when a
    backend that should have taken part gave no result: that is no pass.
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


@dataclass
class Outcome:
    """All checks of a run, the backends that took part, and why others did not."""

    checks: list[Check] = field(default_factory=list)
    versions: dict[str, dict[str, str]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    device: str = "cpu"

    def count(self, status: Status) -> int:
        """How many checks ended so."""
        return sum(check.status == status for check in self.checks)

    @property
    def compared(self) -> bool:
        """Whether two backends' numbers were compared at all."""
        return any(check.rung == "forward" for check in self.checks)

    @property
    def proved(self) -> bool:
        """Whether there were comparisons and every check passed."""
        return self.compared and self.count("passed") == len(self.checks)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain dictionaries, for JSON."""
        return {**asdict(self), "proved": self.proved}


@dataclass(frozen=True)
class Result:
    """How one test ended."""

    status: Status
    difference: float | None = None
    tolerance: float | None = None
    detail: str = ""


@dataclass(frozen=True)
class Facts:
    """What one backend says of a case before any numbers are compared."""

    table: list[TensorInfo]
    weights: Weights


@dataclass(frozen=True)
class Values:
    """A backend's outputs for the common weights by batch size, and others' weights given back.

    `refused` has the reasons why it would not take weights, by where they came from.
    """

    outputs: dict[int, dict[str, np.ndarray]]
    returned: dict[str, Weights]
    refused: dict[str, str]


_model: Model | None = None  # in a worker: the network of the case that is being climbed


def describe(
    backend: str, network: Network, dtype: str, device: str, seed: int
) -> Facts:  # in a worker
    """Build a case's network, give it random weights of its own, and say what it has."""
    global _model
    _model = registry.load(backend).build(network, dtype=dtype, device=device)
    table = _model.table()
    _model.load_weights(arrays.sample_weights(table, dtype, seed))
    return Facts(table, _model.weights())


def compute(
    common: Weights, others: dict[str, Weights], inputs: dict[int, Weights]
) -> Values:  # in a worker
    """Take the others' weights in turn and give them back, then compute with the common ones."""
    assert _model is not None
    returned, refused, outputs = {}, {}, {}
    for name, weights in others.items():
        try:
            returned[name] = give_back(weights)
        except WeightsError as error:
            refused[name] = str(error)
    try:
        give_back(common)
        outputs = {batch: _model(given) for batch, given in inputs.items()}
    except WeightsError as error:
        refused["common"] = str(error)
    return Values(outputs, returned, refused)


def give_back(weights: Weights) -> Weights:  # in a worker
    """Load weights, and read them out again."""
    assert _model is not None
    _model.load_weights(weights)
    return _model.weights()


def begin(backend: str, device: str) -> dict[str, str]:  # in a worker
    """Set the arithmetic, see that the device is there, and tell the libraries' versions."""
    loaded = registry.load(backend)
    loaded.use_highest_precision()
    if device not in loaded.devices():
        raise DeviceMissingError(
            f"{backend} finds no {device} device on this machine; use the device cpu, "
            f"or leave {backend} out with --backends"
        )
    return loaded.versions()


def climb(
    specs: Sequence[Spec],
    dtypes: Sequence[str] = ("float64", "float32"),
    *,
    device: str = "cpu",
    backends: Sequence[str] = registry.BACKENDS,
    report: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Climb every rung for every case of the specs.

    Args:
        specs: The architectures.
        dtypes: "float64" tells meaning from rounding; "float32" is what people run.
        device: Where every backend computes.
        backends: Those to compare; one that is not installed is reported and left out.
        report: Told what is being worked on.

    Raises:
        DeviceMissingError: a backend does not have the device.
    """
    outcome = Outcome(device=device)
    for spec in specs:
        outcome.checks.append(_mirror_check(spec))
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for name in backends:
            if registry.missing(name):
                outcome.skipped[name] = registry.explain_missing(name)
                continue
            workers[name] = stack.enter_context(Worker(name))
        for name, worker in workers.items():
            report(f"starting {name}")
            outcome.versions[name] = worker.call(begin, name, device)
        for spec in specs:
            for case in spec.cases:
                for dtype in dtypes:
                    report(f"{spec.name}, {case.label}, {dtype}")
                    outcome.checks += _climb_case(workers, spec, case, dtype, device)
    return outcome


def _mirror_check(spec: Spec) -> Check:
    problems = [problem for file in spec.files for problem in mirror.compare(file)]
    status: Status = "failed" if problems else "passed"
    panels = ", ".join(PANELS)
    return Check("mirror", spec.name, "sources", "", panels, status, detail="; ".join(problems))


def _climb_case(
    workers: dict[str, Worker], spec: Spec, case: Case, dtype: str, device: str
) -> Iterator[Check]:
    """Rungs 2 to 6 of one case in one dtype."""
    facts, errors = _gather(
        workers,
        lambda name, worker: worker.submit(
            describe, name, case.network, dtype, device, 100 + list(PANELS).index(name)
        ),
    )
    common = next(
        (arrays.sample_weights(f.table, dtype, COMMON_SEED) for f in facts.values()), Weights()
    )
    inputs = {batch: arrays.sample_inputs(case.network, batch, dtype) for batch in BATCHES}
    values, failed = _gather(
        {name: workers[name] for name in facts},
        lambda name, worker: worker.submit(
            compute,
            common,
            {other: f.weights for other, f in facts.items() if other != name},
            inputs,
        ),
    )
    late = errors | failed | {n: v.refused["common"] for n, v in values.items() if not v.outputs}
    back = _send_back(workers, values)

    def row(rung: str, between: str, result: Result) -> Check:
        return Check(rung, spec.name, case.label, dtype, between, **vars(result))

    for a in workers:
        yield row("counts", a, _lost(errors, a) or _counts(facts[a], case))
        yield row("outputs", a, _lost(late, a) or _outputs(values[a], case, dtype))
    for a, b in combinations(workers, 2):
        pair = f"{a}-{b}"
        yield row("tensors", pair, _lost(errors, a, b) or _tensors(facts[a], facts[b]))
        yield row("forward", pair, _lost(late, a, b) or _forward(values[a], values[b], dtype))
    for a, b in permutations(workers, 2):
        lost = _lost(errors | failed, a, b)
        yield row("exchange", f"{a}>{b}", lost or _returned(facts[a], a, values[b], back[a, b]))


def _lost(errors: dict[str, str], *names: str) -> Result | None:
    """What keeps these backends from being compared, if anything does."""
    reasons = [errors[name] for name in names if name in errors]
    return Result("missing", detail="; ".join(reasons)) if reasons else None


def _gather(
    workers: dict[str, Worker], start: Callable[[str, Worker], Future[Any]]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Let all workers work at once; what they give, and what went wrong, by name."""
    futures: dict[str, Future[Any]] = {}
    results, errors = {}, {}
    for name, worker in workers.items():
        try:
            futures[name] = start(name, worker)
        except TriptychError as error:
            errors[name] = str(error)
    for name, future in futures.items():
        try:
            results[name] = workers[name].result(future)
        except TriptychError as error:
            errors[name] = str(error)
    return results, errors


def _send_back(
    workers: dict[str, Worker], values: dict[str, Values]
) -> dict[tuple[str, str], Weights | str]:
    """What each `a` reads out after `b` gave its weights back, or why there is nothing."""
    back: dict[tuple[str, str], Weights | str] = {}
    for a, b in permutations(values, 2):
        try:
            weights = values[b].returned.get(a)
            back[a, b] = workers[a].call(give_back, weights) if weights else "nothing came back"
        except TriptychError as error:
            back[a, b] = str(error)
    return back


def _counts(facts: Facts, case: Case) -> Result:
    """Rung 2."""
    sizes = {
        kind: sum(row.size for row in facts.table if row.kind == kind)
        for kind in ("parameter", "buffer")
    }
    found = (sizes["parameter"], sizes["buffer"])
    wanted = (case.parameters, case.buffers)
    if found == wanted:
        return Result("passed", detail=f"{found[0]:,} parameters, {found[1]:,} in buffers")
    return Result(
        "failed",
        detail=f"{found[0]:,} parameters and {found[1]:,} in buffers, where the spec has "
        f"{wanted[0]:,} and {wanted[1]:,}",
    )


def _tensors(a: Facts, b: Facts) -> Result:
    """Rung 3."""
    ours, theirs = ({row.name: row for row in facts.table} for facts in (a, b))
    problems = [
        f"{name}: {_row(ours.get(name))} and {_row(theirs.get(name))}"
        for name in sorted({*ours, *theirs})
        if ours.get(name) != theirs.get(name)
    ]
    if problems or not ours:
        return Result("failed", detail="; ".join(problems) or "there are no tensors")
    return Result("passed", detail=f"{len(ours)} tensors")


def _row(row: TensorInfo | None) -> str:
    return f"{row.kind} {row.shape} {row.dtype}" if row else "missing"


def _outputs(values: Values, case: Case, dtype: str) -> Result:
    """Rung 4."""
    wanted = {name: tensor.shape for name, tensor in case.network.outputs.items()}
    problems = []
    for batch in BATCHES:
        found = {
            name: (array.shape, str(array.dtype)) for name, array in values.outputs[batch].items()
        }
        right = {name: ((batch, *shape), dtype) for name, shape in wanted.items()}
        if found != right or list(found) != list(right):
            problems.append(f"batch {batch} gives {found}, where the spec has {right}")
    return Result("failed" if problems else "passed", detail="; ".join(problems))


def _forward(a: Values, b: Values, dtype: str) -> Result:
    """Rung 5: the worst of all outputs and batches."""
    worst, tolerance = 0.0, TOLERANCES[dtype]
    for batch in BATCHES:
        if a.outputs[batch].keys() != b.outputs[batch].keys() or not a.outputs[batch]:
            return Result("failed", None, tolerance, f"batch {batch} has different outputs")
        for name in a.outputs[batch]:
            try:
                distance = arrays.difference(a.outputs[batch][name], b.outputs[batch][name])
            except ValueError as error:
                return Result("failed", None, tolerance, f"{name}, batch {batch}: {error}")
            worst = max(worst, distance)
    passed = worst <= tolerance
    detail = "" if passed else f"{worst:.1e} is above {tolerance:.0e}"
    return Result("passed" if passed else "failed", worst, tolerance, detail)


def _returned(sent: Facts, sender: str, other: Values, back: Weights | str) -> Result:
    """Rung 6: what the other read out, and what the sender read out of that."""
    if sender in other.refused:
        return Result("failed", detail=other.refused[sender])
    if isinstance(back, str):
        return Result("failed", detail=back)
    changed = {
        name
        for received in (other.returned[sender], back)
        for name in arrays.unequal(sent.weights, received)
    }
    if changed or not sent.weights:
        return Result("failed", detail=f"changed on the way: {', '.join(sorted(changed))}")
    return Result("passed", 0.0, 0.0)
