"""The rungs of the trainers that people train with: between backends, by themselves, by variant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from shared.differences import (
    LOOSE,
    MOST_BOUNDED,
    TOLERANCES,
    allowance,
    bitwise_equal,
    difference,
    gap,
    usual,
)
from shared.interface import VARIANTS
from shared.parity import edges, recipes, samples
from shared.parity.evidence import Arrays, Asked, CaseEvidence
from shared.parity.judge import figures
from shared.parity.judge.edges import lent
from shared.parity.judge.pair import Pair
from shared.parity.judge.results import Differences, Result
from shared.parity.judge.trainings import drift
from shared.specs import Network, Task

_MOMENTS = {
    "before": "before the training",
    "after": "after the training",
    "alike": "of outputs that are alike",
    "uncounted": "of labels that do not count",
}

SAME = {"float64": 1e-12, "float32": 1e-5}
"""What a loss may differ by that was computed twice from the same numbers."""


def trainers(pair: Pair, asked: Asked) -> Result:
    """What the trainers of two backends do: figures, and changes of every step.

    What is right is counted in float64, where no near tie is decided by rounding.
    """
    sides = [idiomatic(e, pair.dtype) for e in (pair.a, pair.b)]
    differences = Differences()
    compared: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    varied = any(row.name.endswith("running_var") for row in pair.a.tables[pair.dtype])
    own_statistics = varied and pair.a.unbiased != pair.b.unbiased
    for name in dict.fromkeys([*sides[0], *sides[1]]):
        if name.startswith("forward/") and name in sides[0] and name in sides[1]:
            compared[f"variants/idiomatic/{name}"] = (sides[0][name], sides[1][name])
    # In float64 single steps are made of the probe's gradients.
    for recipe in dict.fromkeys([*recipes.trainers(asked, pair.dtype), recipes.SINGLE]):
        if pair.a.unbiased != pair.b.unbiased:
            index = int(pair.a.unbiased)
            steps = asked.singles if recipe == recipes.SINGLE else asked.variants
            sides[index] = _unified(pair, recipe, steps, sides[index])
        for name in dict.fromkeys([*sides[0], *sides[1]]):
            if not name.startswith(f"{recipe}/"):
                continue
            if own_statistics and (name.startswith(f"{recipe}/after") or "/evaluated/" in name):
                continue  # each has those of its own kind
            if name not in sides[0] or name not in sides[1]:
                absent = pair.b.backend if name in sides[0] else pair.a.backend
                differences.problems.append(f"{absent} has no {name}")
            elif not figures.is_count(name):
                compared[f"variants/idiomatic/{name}"] = (sides[0][name], sides[1][name])
            elif figures.is_known(name, pair.dtype) and gap(sides[0][name], sides[1][name]):
                ours, theirs = (side[name].tolist() for side in sides)
                differences.problems.append(
                    f"{name}: {pair.a.backend} counts {ours}, {pair.b.backend} {theirs}"
                )
    pair.measure(compared, differences)
    if pair.dtype == "float64":
        differences.allowed = {n: _exactly(n) for n in differences.values}
    return _settled(differences, pair.dtype, asked.singles)


def tried(pair: Pair, name: str, each_step: Result | None) -> Result:
    """The trainers with a combination of settings: losses, and the weights after each step."""
    rung = f"combinations/idiomatic/{name}"
    steps, bounded = drift(pair, f"{rung}/steps", each_step, loose=True)
    losses = [e.arrays[pair.dtype].get(f"{rung}/losses") for e in (pair.a, pair.b)]
    one, other = losses
    if one is None or other is None:
        steps.problems.append("there are no losses")
        return steps.result()
    if bounded is not None:
        return bounded
    pair.measure({f"{rung}/losses": (one, other)}, steps)
    if pair.dtype == "float64":
        steps.allowed[f"{rung}/losses"] = recipes.TRAINED
    elif f"{rung}/losses" in steps.values:
        floor = pair.floor(f"{rung}/losses") or 0.0
        steps.allowed[f"{rung}/losses"] = float(allowance(floor, 0.0, LOOSE))
    return steps.result()


def variants_tried(
    evidence: CaseEvidence, asked: Asked, dtype: str
) -> Iterator[tuple[str, Result]]:
    """Both variants of one backend with every combination of settings."""
    sides = [_view(evidence, variant) for variant in VARIANTS]
    for name in asked.combinations:
        yield name, tried(Pair(sides[0], sides[1], dtype), name, None)


def _view(evidence: CaseEvidence, variant: str) -> CaseEvidence:
    """Evidence of which a variant's combinations stand where the idiomatic variant's do."""
    start, instead = f"combinations/{variant}/", "combinations/idiomatic/"
    arrays = {
        dtype: {
            instead + name.removeprefix(start): array
            for name, array in of_dtype.items()
            if name.startswith(start)
        }
        for dtype, of_dtype in evidence.arrays.items()
    }
    return replace(evidence, backend=variant, arrays=arrays)


def idiomatic(evidence: CaseEvidence, dtype: str) -> Arrays:
    """What the trainers of the idiomatic variant gave, but dropout's."""
    of_variant = evidence.under(dtype, "variants/idiomatic")
    return {n: array for n, array in of_variant.items() if not n.startswith("dropout/")}


_FIRST = ("/forward/", "/before/", "/0/", "/loss/", "/gradients/", "/buffers/")
"""Parts of the names of what is computed of given weights."""


def _exactly(name: str) -> float:
    """What float64 may differ by: the first step starts from given weights, the others do not."""
    first = any(part in name for part in _FIRST)
    return TOLERANCES["float64"] if first else recipes.TRAINED


def _unified(pair: Pair, recipe: str, steps: int, side: Arrays) -> Arrays:
    """The changes of running variances as if they were made of unbiased variances."""
    start = samples.starting_weights(pair.a.tables[pair.dtype], "float32", recipes.SEED)
    unified = dict(side)
    for name in start:
        if not name.endswith("running_var") or f"{recipe}/0/{name}" not in side:
            continue
        value = before = old = start[name].astype(pair.dtype)
        for step in range(steps):
            value = value + side[f"{recipe}/{step}/{name}"]
            count = 1 if recipe == recipes.SINGLE else step + 1
            after = pair.unified(name, old, value, count)
            unified[f"{recipe}/{step}/{name}"] = after - before
            value, before = (old, old) if recipe == recipes.SINGLE else (value, after)
    return unified


def alone(
    network: Network, task: Task, asked: Asked, evidence: CaseEvidence, dtype: str
) -> Iterator[tuple[str, Result]]:
    """What each variant's trainers show by themselves: figures, what was lent, and dropout."""
    for variant in VARIANTS:
        arrays = evidence.under(dtype, f"variants/{variant}")
        if recipes.trainers(asked, dtype):
            yield f"figures, {variant}", _figures(network, task, asked, arrays, dtype)
        yield f"lent, {variant}", lent(arrays)
        masked = {n: a for n, a in arrays.items() if n.startswith("dropout/")}
        if masked:
            drops = any(evidence.dropouts.values())
            yield f"dropout, {variant}", _dropout(masked, dtype, drops=drops)


def _figures(network: Network, task: Task, asked: Asked, arrays: Arrays, dtype: str) -> Result:
    """The figures of evaluations, against those of the outputs by NumPy alone."""
    targets = recipes.sample_targets(network, task, recipes.EVALUATED)
    trained = recipes.task_of_trainers(task, dtype)
    problems, worst, count = [], 0.0, 0
    for recipe in recipes.trainers(asked, dtype):
        outputs = {
            "before": {n: arrays.get(f"forward/{n}") for n in network.outputs},
            "after": {n: arrays.get(f"{recipe}/after/outputs/{n}") for n in network.outputs},
            "alike": {n: arrays.get(f"{recipe}/alike/outputs/{n}") for n in network.outputs},
        }
        outputs["uncounted"] = outputs["before"]
        labels = {
            "alike": edges.first_labels(trained, targets),
            "uncounted": edges.uncounted(trained, targets),
        }
        for moment, of_moment in outputs.items():
            known = {name: array for name, array in of_moment.items() if array is not None}
            if len(known) < len(of_moment):
                problems.append(f"there are no outputs {_MOMENTS[moment]}")
                continue
            tokens = arrays.get(f"{recipe}/after/tokens") if moment == "after" else None
            held = targets | labels.get(moment, {})
            expected = figures.reference(trained, known, held, tokens)
            for name, value in expected.items():
                actual = arrays.get(f"{recipe}/{moment}/{name}")
                size = float("inf") if actual is None else gap(value, actual)
                if size > (SAME[dtype] if name == "loss" else 0):
                    shown = None if actual is None else actual.tolist()
                    problems.append(
                        f"{name} {_MOMENTS[moment]} is {shown}, where the outputs give "
                        f"{value.tolist()}"
                    )
                else:
                    worst, count = max(worst, size), count + 1
    if problems or not count:
        return Result("failed", detail="; ".join(problems) or "there are no figures")
    return Result("passed", worst, SAME[dtype], f"{count} figures of evaluations")


def _dropout(masked: Mapping[str, np.ndarray], dtype: str, *, drops: bool) -> Result:
    """Every step has masks of its own, which the seed decides; an evaluation has none.

    Layers of which none drops anything change nothing in training either.
    """
    losses = {name.removeprefix("dropout/"): array for name, array in masked.items()}
    names = ("one", "again", "another", "none", "evaluated", "evaluated without", "moved")
    absent = [name for name in names if name not in losses]
    if absent:
        return Result("missing", detail=f"there are no losses of {', '.join(absent)}")
    if not all(np.isfinite(array).all() for array in losses.values()):
        return Result("failed", detail="there are losses that are not finite")
    one, again, another, none, evaluated, without, moved = (losses[name] for name in names)
    near = SAME[dtype] * float(np.abs(none).max())
    problems = {
        "the same seed gives other masks": not bitwise_equal(one, again),
        "another seed gives the same masks": drops and _alike(one, another, near),
        "several steps have the same masks": drops
        and any(abs(a - b) <= near for a, b in pairwise(one)),
        "without dropout the loss of one batch changes": np.ptp(none) > near,
        "there is no dropout in training": drops and _alike(one, none, near),
        "a share of 0 is dropped": not drops
        and any((np.abs(array - none) > near).any() for array in (one, another)),
        "there is dropout in an evaluation": bool((np.abs(evaluated - without) > near).any()),
        "with dropout no weight moves": not moved > 0,
    }
    if any(problems.values()):
        return Result("failed", detail="; ".join(n for n, is_so in problems.items() if is_so))
    detail = "masks of each step's own, by the seed" if drops else "nothing is dropped"
    return Result("passed", detail=detail)


def _alike(one: np.ndarray, other: np.ndarray, near: float) -> bool:
    """Whether any step of two trainings has the same loss."""
    return bool((np.abs(one - other) <= near).any())


def variants(evidence: CaseEvidence, dtype: str) -> Result:
    """Both variants of one backend: outputs, figures, and what every step changes.

    In float64 they are the same; in float32 within the rounding that their own float64 measures.
    """
    sides = [_of_variant(evidence, dtype, variant) for variant in VARIANTS]
    one, other = sides
    differences, floors = Differences(), dict[str, float]()
    for name in dict.fromkeys([*one, *other]):
        if name not in one or name not in other:
            differences.problems.append(f"{name} is in one variant alone")
            continue
        if one[name].dtype.kind != "f":
            if gap(one[name], other[name]):
                differences.problems.append(f"{name} is not the same")
            continue
        try:
            differences.values[name] = difference(one[name], other[name])
        except ValueError as error:
            differences.problems.append(f"{name}: {error}")
    if dtype == "float32":
        floors = _rounding(evidence, list(differences.values))
    middle = usual(floors)
    for name in differences.values:
        if dtype == "float64":
            differences.allowed[name] = _exactly(f"/{name}")
        elif floors:
            differences.allowed[name] = float(allowance(floors.get(name, 0), middle, LOOSE))
        else:
            differences.allowed[name] = TOLERANCES[dtype]
    return _settled(differences, dtype, evidence.asked.singles)


def _settled(differences: Differences, dtype: str, steps: int) -> Result:
    """The result; in float32 a kink may explain few of the steps, which start from given weights.

    One value on the other side of a ReLU changes every gradient before it, and no loss.
    """
    result = differences.result()
    if dtype == "float64" or result.status == "passed" or differences.problems:
        return result
    matches = [_GRADIENT.search(name) for name in differences.failing]
    changed = {int(match[1]) for match in matches if match}
    near = all(differences.values[name] <= MOST_BOUNDED for name in differences.failing)
    if not all(matches) or not near or 2 * len(changed) >= steps:
        return result
    message = f"a kink in {len(changed)} of {steps} steps; the others are within their rounding"
    return Result("bounded", result.difference, result.tolerance, message)


_GRADIENT = re.compile(rf"{recipes.SINGLE}/(\d+)/(?!figures/)(?!.*\.running_)")
"""A step by itself, and a parameter that it changes."""


def _of_variant(evidence: CaseEvidence, dtype: str, variant: str, *, whole: bool = False) -> Arrays:
    """What a variant gave, but dropout's, whose masks are its own, and what the probe saw."""
    arrays = evidence.under(dtype, f"variants/{variant}")
    left_out = ("dropout/", "lent/", *([] if whole or dtype == "float32" else [recipes.SINGLE]))
    return {name: array for name, array in arrays.items() if not name.startswith(left_out)}


def _rounding(evidence: CaseEvidence, names: Sequence[str]) -> dict[str, float]:
    """How far the idiomatic variant's float32 is from its float64."""
    single, double = (
        _of_variant(evidence, d, "idiomatic", whole=True) for d in ("float32", "float64")
    )
    floors = {}
    for name in names:
        if name in single and name in double and single[name].shape == double[name].shape:
            floors[name] = gap(double[name], single[name].astype(np.float64))
    return {name: floor for name, floor in floors.items() if np.isfinite(floor)}
