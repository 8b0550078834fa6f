"""The rungs of one pass: tensors, activations, gradients, batch norm's statistics."""

from __future__ import annotations

from typing import Any

import numpy as np

from shared.differences import kinks, unequal, unpadded
from shared.parity import causes, recipes, samples
from shared.parity.evidence import digest
from shared.parity.judge.pair import Pair
from shared.parity.judge.results import Differences, Result
from shared.parity.locate import told


def tensors(pair: Pair) -> Result:
    """Names, shapes, dtypes and kinds; and that the weights that were computed with are one."""
    rows = [{row.name: row for row in e.tables[pair.dtype]} for e in (pair.a, pair.b)]
    problems = [
        f"{name}: {_row(rows[0].get(name))} and {_row(rows[1].get(name))}"
        for name in sorted({*rows[0], *rows[1]})
        if rows[0].get(name) != rows[1].get(name)
    ]
    weights = [e.under(pair.dtype, "weights") for e in (pair.a, pair.b)]
    changed = [] if problems else unequal(*weights)
    problems += [f"{name} does not hold the same values in both" for name in changed]
    if problems or not rows[0]:
        names = (pair.a.backend, pair.b.backend)
        ours, theirs = ({name: row.shape for name, row in of.items()} for of in rows)
        values = (weights[0], weights[1])
        wrong = causes.explain_tensors(*names, ours, theirs, *values) if problems else None
        first = None
        if wrong is not None:
            layer = wrong[0].rpartition(".")[0]
            first = told("tensors", "", layer, f"the tensor {wrong[0]}", np.inf, wrong[1])
        message = "; ".join(problems) or "there are no tensors"
        return Result("failed", detail=message, first=first)
    return Result("passed", detail=f"{len(rows[0])} tensors")


def exchanged(pair: Pair) -> Result:
    """Weights that either backend would give the other: both read out what they were given.

    Among them are numbers that a conversion may not keep.
    """
    problems = []
    for evidence in (pair.a, pair.b):
        sent = samples.odd_weights(evidence.tables[pair.dtype], pair.dtype, recipes.SEED)
        read = evidence.under(pair.dtype, "exchange")
        changed = unequal({name: digest(array) for name, array in sent.items()}, read)
        if changed:
            problems.append(f"{evidence.backend} changed on the way {', '.join(changed)}")
    ours, theirs = (e.under(pair.dtype, "exchange") for e in (pair.a, pair.b))
    if not problems and (other := unequal(ours, theirs)):
        problems.append(f"there is no exchange of {', '.join(other)}")
    if problems or not ours:
        return Result("failed", detail="; ".join(problems) or "there are no tensors")
    return Result("passed", 0.0, 0.0, f"{len(ours)} tensors, bit for bit")


def activations(pair: Pair) -> Result:
    """What every layer gives, in both modes; every layer with parameters must be in both."""
    differences = Differences()
    for mode in ("evaluation", "training"):
        one, other = (e.under(pair.dtype, mode) for e in (pair.a, pair.b))
        if not one and not other:
            continue
        both = {}
        for name in [name for name in one if name in other]:
            inputs = name.endswith(":in")
            first, second = one[name], other[name]
            if inputs:  # Keras pads before a convolution, PyTorch within
                first, second, _ = unpadded(first, second)
            if first.dtype.kind != "f" and np.array_equal(first, second):
                continue
            both[f"{mode}/{name}"] = (first, second)
        pair.measure(both, differences)
        last = mode == "training" or not pair.has("training")
        layers = {row.name.rpartition(".")[0] for row in pair.a.tables[pair.dtype]}
        absent = [n for n in sorted(layers) if last and f"{mode}/{n}:out" not in both]
        differences.problems += [f"{n} was not seen in both in {mode} mode" for n in absent]
    return pair.explained("activations", differences)


def gradients(pair: Pair) -> Result:
    """Gradients of parameters and inputs; in float32 a kink may explain what remains."""
    differences = pair.compare(["gradients", "input gradients"])
    for evidence in (pair.a, pair.b):
        of_side = evidence.under(pair.dtype, "gradients")
        if of_side and not any(gradient.any() for gradient in of_side.values()):
            differences.problems.append(f"all gradients of {evidence.backend} are 0")
    result = pair.explained("gradients", differences)
    if result.status != "failed" or differences.problems or pair.dtype == "float64":
        return result
    # Where the passes forward differ by more than rounding, that is no kink.
    forward = activations(pair).status == "failed"
    side = None if forward else kink(pair, differences.failing)
    if side is None:
        return result
    return Result("bounded", result.difference, result.tolerance, side)


def kink(pair: Pair, failing: list[str]) -> str | None:
    """The ReLU or max-pool that fell on the other side, if one explains these gradients.

    It changes gradients of its own layer and of those before it, never of those after it.
    """
    one, other = (e.under(pair.dtype, "training") for e in (pair.a, pair.b))
    order = [name.removesuffix(":out") for name in one if name.endswith(":out")]
    for name in reversed(order):
        key = f"{name}:out"
        if key not in other or one[key].shape != other[key].shape:
            continue
        at = kinks(one[key], other[key])
        if at is None:
            continue
        later = order[order.index(name) + 1 :]
        layers = {key.partition("/")[2].rpartition(".")[0] for key in failing}
        if layers & set(later):
            return None
        place, (left, right) = at
        return (
            f"a kink: at {place} of {name}'s output {pair.a.backend} has {left:.2e} and "
            f"{pair.b.backend} {right:.2e}, on two sides of a ReLU or a maximum"
        )
    return None


def buffers(pair: Pair) -> Differences:
    """Running statistics after one pass; PyTorch's variance is the unbiased one."""
    differences = Differences()
    one, other = (e.under(pair.dtype, "buffers") for e in (pair.a, pair.b))
    old = pair.a.under(pair.dtype, "weights")
    if one.keys() != other.keys():
        differences.problems.append(f"{sorted(set(one) ^ set(other))} are in one alone")
        return differences
    pairs = {}
    for name in one:
        sides = [one[name], other[name]]
        if pair.a.unbiased != pair.b.unbiased:
            index = int(pair.a.unbiased)
            sides[index] = pair.unified(name, old[name], sides[index], 1)
        pairs[f"buffers/{name}"] = (sides[0], sides[1])
    pair.measure(pairs, differences)
    return differences


def rates(pair: Pair) -> Result:
    """The dropout layers of both, and the shares that they drop."""
    ours, theirs = pair.a.dropouts, pair.b.dropouts
    problems = [
        f"{name} drops {ours.get(name, 'nothing')} in {pair.a.backend}, "
        f"{theirs.get(name, 'nothing')} in {pair.b.backend}"
        for name in dict.fromkeys([*ours, *theirs])
        if ours.get(name) != theirs.get(name)
    ]
    wrong = causes.explain_rates(pair.a.backend, pair.b.backend, ours, theirs)
    if wrong is not None:
        layer, cause = wrong
        size = abs(ours.get(layer, 0.0) - theirs.get(layer, 0.0))
        first = told("dropout", "training", layer, f"the rate of {layer}", size, cause)
        return Result("failed", detail="; ".join(problems), first=first)
    if not ours:
        return Result("failed", detail="there are no rates")
    return Result("passed", detail=f"{len(ours)} layers")


def _row(row: Any) -> str:
    return f"{row.kind} {row.shape} {row.dtype}" if row else "missing"
