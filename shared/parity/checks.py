"""What the ladder's checks are, and those that need no framework."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import Any

from shared import formats
from shared.differences import unequal
from shared.parity import judge
from shared.parity.collect import BATCHES
from shared.parity.evidence import Arrays, CaseEvidence
from shared.parity.judge import Result, Status
from shared.parity.locate import Divergence
from shared.specs import Case

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
    "teacher-forced",
    "optimizers",
    "resume",
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


@dataclass
class Outcome:
    """All checks of a run, the backends that took part, and why others did not.

    `skipped` are those that are not installed, `errors` those that failed, when they started or
    later: the first error of each.
    """

    checks: list[Check] = field(default_factory=list)
    versions: dict[str, dict[str, str]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
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
        return {**formats.stamp("parity"), **asdict(self), "proved": self.proved}


def case_checks(
    architecture: str,
    case: Case,
    dtype: str,
    backends: Sequence[str],
    evidence: dict[str, CaseEvidence],
    errors: dict[str, str],
) -> Iterator[Check]:
    """Every check of a case in one dtype that needs no framework."""

    def row(rung: str, between: str, result: Result, part: str = "") -> Check:
        return Check(rung, architecture, case.label, dtype, between, **vars(result), part=part)

    for a in backends:
        lost = lost_to(errors, a)
        yield row("counts", a, lost or _counts(evidence[a], case, dtype))
        yield row("outputs", a, lost or _outputs(evidence[a], case, dtype))
        if not lost:
            for part, result in judge.dropout(evidence[a], dtype):
                yield row("dropout", a, result, part)
            both = judge.variants(evidence[a]) if dtype == "float64" else None
            if both is not None:
                yield row("variants", a, both)
    for a, b in combinations(backends, 2):
        lost = lost_to(errors, a, b)
        if lost:
            for rung in ("tensors", "forward", "activations"):
                yield row(rung, f"{a}-{b}", lost)
            continue
        for rung, part, result in judge.rungs(judge.Pair(evidence[a], evidence[b], dtype)):
            yield row(rung, f"{a}-{b}", result, part)


def lost_to(errors: Mapping[Any, str], *names: Any) -> Result | None:
    """What keeps these backends from being compared, if anything does."""
    reasons = [errors[name] for name in names if name in errors]
    return Result("missing", detail="; ".join(reasons)) if reasons else None


def exchanged(sent: Arrays, received: Sequence[Arrays | str]) -> Result:
    """Whether weights are the same after every exchange; a text is why they were refused."""
    changed: set[str] = set()
    for weights in received:
        if isinstance(weights, str):
            return Result("failed", detail=weights)
        changed |= {*unequal(sent, weights)}
    if changed or not sent:
        return Result("failed", detail=f"changed on the way: {', '.join(sorted(changed))}")
    return Result("passed", 0.0, 0.0)


def _counts(evidence: CaseEvidence, case: Case, dtype: str) -> Result:
    """Rung 2."""
    sizes = {
        kind: sum(row.size for row in evidence.tables[dtype] if row.kind == kind)
        for kind in ("parameter", "buffer")
    }
    counts = (sizes["parameter"], sizes["buffer"])
    expected = (case.parameters, case.buffers)
    if counts == expected:
        return Result("passed", detail=f"{counts[0]:,} parameters, {counts[1]:,} in buffers")
    return Result(
        "failed",
        detail=f"{counts[0]:,} parameters and {counts[1]:,} in buffers, where the spec has "
        f"{expected[0]:,} and {expected[1]:,}",
    )


def _outputs(evidence: CaseEvidence, case: Case, dtype: str) -> Result:
    """Rung 4."""
    expected = {name: tensor.shape for name, tensor in case.network.outputs.items()}
    forward = evidence.under(dtype, "forward")
    problems = []
    for batch in BATCHES:
        actual = {
            name.partition("/")[2]: (array.shape, str(array.dtype))
            for name, array in forward.items()
            if name.startswith(f"{batch}/")
        }
        right = {name: ((batch, *shape), dtype) for name, shape in expected.items()}
        if actual != right or list(actual) != list(right):
            problems.append(f"batch {batch} gives {actual}, where the spec has {right}")
    return Result("failed" if problems else "passed", detail="; ".join(problems))
