"""The rung of values that bite: between backends, and against what is known by itself."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from shared.differences import CEILING, bitwise_equal, gap
from shared.parity import edges as values
from shared.parity.evidence import Arrays, CaseEvidence
from shared.parity.judge.pair import Pair
from shared.parity.judge.results import Differences, Result
from shared.specs import Network, Task

LENT = "lent"
WEIGHTS = "edges/large/weights/"

TOGETHER = ("black", "large")
"""The kinds whose gradients are held to the largest of all of them: some are 0 but for rounding.

So are those of a softmax whose scores are large, or all alike.
"""

CERTAIN = {"float64": 1e-15, "float32": 1e-6}
"""How far from 1 / K the probabilities of K outputs may be that are all alike."""


def edges(pair: Pair) -> Iterator[tuple[str, Result]]:
    """Each kind's outputs, losses and gradients; what was lent is each backend's own affair."""
    sides = [e.under(pair.dtype, "edges") for e in (pair.a, pair.b)]
    kinds = dict.fromkeys(name.partition("/")[0] for side in sides for name in side)
    for kind in kinds:
        if kind != LENT:
            yield kind, _kind(pair, kind).result()


def _kind(pair: Pair, kind: str) -> Differences:
    """The differences of one kind."""
    differences = pair.compare([f"edges/{kind}"])
    if kind in TOGETHER:
        _by_largest_gradient(pair, differences)
    if kind == "large" and f"edges/{kind}/loss" in differences.values:
        _by_one(pair, f"edges/{kind}/loss", differences)
    for name in [name for name in differences.values if name.startswith(WEIGHTS)]:
        nearby = name.replace("/outputs/", "/nearby/")
        if nearby == name or pair.dtype == "float32":  # a ReLU, or a gate, is elsewhere
            del differences.values[name], differences.allowed[name]
        else:
            differences.allowed[name] = _by_nearby_inputs(pair, name, nearby)
    return differences


def _by_nearby_inputs(pair: Pair, name: str, nearby: str) -> float:
    """What outputs of large weights may differ by: what nearly the same inputs make of them."""
    moved = [
        gap(evidence.arrays[pair.dtype][name], evidence.arrays[pair.dtype][nearby])
        for evidence in (pair.a, pair.b)
        if nearby in evidence.arrays[pair.dtype]
    ]
    usual = pair.tolerances([name])[name]
    return min(max(usual, min(moved, default=0.0)), CEILING)


def _by_largest_gradient(pair: Pair, differences: Differences) -> None:
    """Gradients' differences over the largest gradient of their pass."""
    one, other = (e.arrays[pair.dtype] for e in (pair.a, pair.b))
    names = [name for name in differences.values if "gradients/" in name]
    largest = max((float(np.abs(one[name]).max()) for name in names), default=0.0)
    for name in names:
        distance = float(np.abs(one[name] - other[name]).max())
        if distance:
            differences.values[name] = distance / largest if largest else float("inf")
        else:
            differences.values[name] = 0.0


def _by_one(pair: Pair, name: str, differences: Differences) -> None:
    """A loss that is near 0 is rounded as the logarithm of what is near 1 is."""
    one, other = (e.arrays[pair.dtype][name] for e in (pair.a, pair.b))
    differences.values[name] = min(differences.values[name], float(np.abs(one - other).max()))


def alone(
    network: Network, task: Task | None, evidence: CaseEvidence, dtype: str
) -> Iterator[tuple[str, Result]]:
    """What one backend's values must be, whatever the others' are."""
    arrays = evidence.under(dtype, "edges")
    yield "finite", _finite(arrays)
    yield "alike", _alike(network, task, arrays, dtype)
    if task is not None and values.labelled(task):
        yield "uncounted", _uncounted(task, arrays)
    yield LENT, lent(arrays)


def _finite(arrays: Arrays) -> Result:
    """No value is too large, and none is no number."""
    floats = {name: array for name, array in arrays.items() if array.dtype.kind == "f"}
    bad = [name for name, array in floats.items() if not np.isfinite(array).all()]
    if bad or not floats:
        return _failed([f"there are values in {name} that are not finite" for name in bad[:4]])
    return Result("passed", detail=f"{len(floats)} arrays")


def _alike(network: Network, task: Task | None, arrays: Arrays, dtype: str) -> Result:
    """Of outputs that are all alike the first is the largest, and each has the same probability."""
    problems = []
    for name in values.classes(network, task):
        logits = arrays.get(f"alike/outputs/{name}")
        if logits is None or not (logits == logits[..., :1]).all():
            problems.append(f"{name} are not all alike")
    for name in ("classes", "tokens"):
        picked = arrays.get(f"alike/{name}")
        if picked is not None and np.any(picked != 0):
            problems.append(f"of {name} that are alike not the first is taken, but {picked.max()}")
    confidence = arrays.get("alike/confidence")
    if confidence is not None:
        share = 1 / network.outputs[values.classes(network, task)[0]].shape[-1]
        away = float(np.abs(confidence - share).max())
        if not away <= CERTAIN[dtype]:
            problems.append(f"the probability of each is {away:.1e} away from {share:.3g}")
    return _failed(problems) if problems else Result("passed")


def _uncounted(task: Task, arrays: Arrays) -> Result:
    """Without a label that counts the loss is 0, and so is each gradient; other targets count."""
    own = {n.removeprefix("uncounted/"): a for n, a in arrays.items() if n.startswith("uncounted/")}
    if "loss" not in own:
        return Result("missing", detail="there is no loss of labels that do not count")
    if len(values.labelled(task)) < len(task.objectives):
        return Result("passed", detail="another target counts: the loss is finite")
    wrong = [name for name, array in own.items() if np.any(array != 0)]  # NaN is not 0
    if wrong:
        return _failed([f"no label counts, and {name} is not 0" for name in wrong[:4]])
    return Result("passed", 0.0, 0.0, f"{len(own)} arrays of 0")


def lent(arrays: Arrays) -> Result:
    """Inputs, targets and weights are as they were, and read-only ones were not complained of."""
    before, after = (
        {name.removeprefix(start): a for name, a in arrays.items() if name.startswith(start)}
        for start in (f"{LENT}/before/", f"{LENT}/after/")
    )
    told = arrays.get(f"{LENT}/warnings")
    if not before or before.keys() != after.keys():
        return Result("missing", detail="there is nothing to tell whether inputs were changed")
    changed = [name for name in before if not bitwise_equal(before[name], after[name])]
    problems = [f"{name} was changed" for name in changed[:4]]
    if told is not None and np.any(told):
        problems.append("there is a warning of arrays that are read-only")
    return _failed(problems) if problems else Result("passed", detail=f"{len(before)} as before")


def _failed(problems: list[str]) -> Result:
    return Result("failed", detail="; ".join(problems) or "there are no values")
