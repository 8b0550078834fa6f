"""What the ladder's checks are, and those that need no framework."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import Any

from shared import formats, strict
from shared.parity import expected, judge, recipes
from shared.parity.evidence import Asked, CaseEvidence
from shared.parity.judge import Result, Status
from shared.parity.locate import Divergence
from shared.parity.samples import BATCHES
from shared.specs import Case, Spec

_NAMED = 4
"""How many of the arrays that are missing are named."""

RUNGS = (
    "mirror",
    "counts",
    "tensors",
    "outputs",
    "forward",
    "exchange",
    "activations",
    "methods",
    "loss",
    "gradients",
    "buffers",
    "dropout",
    "edges",
    "teacher-forced",
    "optimizers",
    "resume",
    "trainers",
    "variants",
)


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


@dataclass(frozen=True)
class Request:
    """What a climb is asked for, and by which sources (`shared.parity.sources`) it is made.

    `shard` is written as in "2/4"; None stands for everything.
    """

    architectures: tuple[str, ...]
    dtypes: tuple[str, ...]
    backends: tuple[str, ...]
    trainings: bool
    variants: bool
    device: str
    precision: str
    shard: str | None
    sources: str


@dataclass
class Outcome:
    """All checks of a run, the backends that took part, and why others did not.

    `skipped` are those that are not installed, `errors` those that failed, when they started or
    later: the first error of each. `asked` is None for evidence of files.
    """

    checks: list[Check] = field(default_factory=list)
    versions: dict[str, dict[str, str]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    device: str = "cpu"
    precision: str = "highest"
    notes: list[str] = field(default_factory=list)
    asked: Request | None = None

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
        """The same as plain dictionaries, for JSON, with a sum that tells whether it is whole."""
        value = {**formats.stamp("parity"), **asdict(self), "proved": self.proved}
        return {**value, "sum": sum_of(value)}


def sum_of(value: Mapping[str, Any]) -> str:
    """SHA-256 of an outcome as plain dictionaries, but for the sum that stands in it."""
    return strict.digest({name: part for name, part in value.items() if name != "sum"})


UNCOMPARED = Result("missing", detail="what it lacks keeps the rest from being compared")
"""What becomes of evidence that is damaged."""


def case_checks(
    spec: Spec,
    case: Case,
    dtype: str,
    backends: Sequence[str],
    evidence: Mapping[str, CaseEvidence],
    errors: Mapping[str, str],
    asked: Asked,
) -> Iterator[Check]:
    """Every check of a case in one dtype, of evidence that was asked for this."""

    def row(rung: str, between: str, result: Result, part: str = "") -> Check:
        return Check(rung, spec.name, case.label, dtype, between, **vars(result), part=part)

    def of_one(a: str) -> Iterator[Check]:
        for part, result in judge.dropout(evidence[a], dtype):
            yield row("dropout", a, result, part)
        for part, result in judge.edges_alone(case.network, task, evidence[a], dtype):
            yield row("edges", a, result, part)
        if asked.methods:
            for part, result in judge.methods(case.network, asked, evidence[a], dtype):
                yield row("methods", a, result, part)
        if asked.variants and task is not None:
            for part, result in judge.alone(case.network, task, asked, evidence[a], dtype):
                yield row("trainers", a, result, part)
        if asked.passes or (asked.variants and task is not None):
            yield row("variants", a, judge.variants(evidence[a], dtype))
            for part, result in judge.variants_tried(evidence[a], asked, dtype):
                yield row("variants", a, result, part)

    def of_pair(a: str, b: str) -> Iterator[Check]:
        pair = judge.Pair(evidence[a], evidence[b], dtype)
        if pair.a.dropouts or pair.b.dropouts or expected.drops(case.network):
            yield row("dropout", f"{a}-{b}", judge.rates(pair), "rates")
        for rung, part, result in judge.rungs(pair, asked, trained=task is not None):
            yield row(rung, f"{a}-{b}", result, part)

    task = recipes.task_of(spec, case)
    damaged = False
    for a in backends:
        lost = lost_to(errors, a)
        yield row("counts", a, lost or _counts(evidence[a], case, dtype))
        yield row("outputs", a, lost or _outputs(evidence[a], case, dtype))
        if lost:
            continue
        absent = expected.absent(spec, case, asked, evidence[a], dtype)
        damaged = damaged or bool(absent)
        for rung, names in absent.items():
            yield row(rung, a, lacking(names), "evidence")
        yield from _whole(of_one(a), damaged, row("forward", a, UNCOMPARED, "evidence"))
    for a, b in combinations(backends, 2):
        lost = lost_to(errors, a, b)
        if lost:
            for rung in ("tensors", "forward", "exchange", "activations"):
                yield row(rung, f"{a}-{b}", lost)
            continue
        last = row("forward", f"{a}-{b}", UNCOMPARED, "evidence")
        yield from _whole(of_pair(a, b), damaged, last)


def _whole(checks: Iterator[Check], damaged: bool, last: Check) -> Iterator[Check]:
    """All of these checks; of damaged evidence those until it cannot be compared, and the last.

    Files may hold anything under any name: in another shape, in another dtype, or not at all.
    """
    try:
        yield from checks
    except (*formats.UNREADABLE, IndexError, ArithmeticError):
        if not damaged:
            raise
        yield last


def lacking(names: Sequence[str]) -> Result:
    """What evidence must show and does not."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return Result("missing", detail=f"there is no {', '.join(names[:_NAMED])}{more}")


def lost_to(errors: Mapping[Any, str], *names: Any) -> Result | None:
    """What keeps these backends from being compared, if anything does."""
    reasons = [errors[name] for name in names if name in errors]
    return Result("missing", detail="; ".join(dict.fromkeys(reasons))) if reasons else None


def _counts(evidence: CaseEvidence, case: Case, dtype: str) -> Result:
    """Rung 2."""
    sizes = {
        kind: sum(row.size for row in evidence.tables[dtype] if row.kind == kind)
        for kind in ("parameter", "buffer")
    }
    counts = (sizes["parameter"], sizes["buffer"])
    others = [row.name for row in evidence.tables[dtype] if row.dtype != dtype]
    if others:
        return Result("failed", detail=f"not in {dtype}: {', '.join(others)}")
    right = (case.parameters, case.buffers)
    if counts == right:
        return Result("passed", detail=f"{counts[0]:,} parameters, {counts[1]:,} in buffers")
    return Result(
        "failed",
        detail=f"{counts[0]:,} parameters and {counts[1]:,} in buffers, where the spec has "
        f"{right[0]:,} and {right[1]:,}",
    )


def _outputs(evidence: CaseEvidence, case: Case, dtype: str) -> Result:
    """Rung 4."""
    shapes = {name: tensor.shape for name, tensor in case.network.outputs.items()}
    forward = evidence.under(dtype, "forward")
    problems = []
    for batch in BATCHES:
        actual = {
            name.partition("/")[2]: (array.shape, str(array.dtype))
            for name, array in forward.items()
            if name.startswith(f"{batch}/")
        }
        right = {name: ((batch, *shape), dtype) for name, shape in shapes.items()}
        if actual != right or list(actual) != list(right):
            problems.append(f"batch {batch} gives {actual}, where the spec has {right}")
    return Result("failed" if problems else "passed", detail="; ".join(problems))
