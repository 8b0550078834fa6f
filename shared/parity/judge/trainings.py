"""The rungs of trainings: every step by itself, and where many of them lead."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from shared.differences import (
    CEILING,
    FACTOR,
    LOOSE,
    MOST_BOUNDED,
    TOLERANCES,
    UNIT,
    allowance,
    sketch,
    sketch_difference,
    usual,
)
from shared.parity import recipes, samples
from shared.parity.judge.pair import Pair
from shared.parity.judge.results import Differences, Result
from shared.parity.judge.shipped import shipped

TEACHER_FORCED_HOLDS = "each step from the same weights is within its own rounding"


def optimizer(pair: Pair, recipe: str, each_step: Result | None) -> Result:
    """Parameters, statistics and the optimizer's state after each step.

    float32 may have drifted no further at any step than the rounding of the better backend
    until then explains. More is bounded where every step from given weights is right, and the
    first step, which all trainings make from the same weights, is right or met a kink.
    """
    if recipe == recipes.SHIPPED:
        return shipped(pair)
    differences, bounded = drift(pair, f"steps/{recipe}", each_step, loose="adam" in recipe)
    if bounded is not None:
        return bounded
    failed = differences.failing or differences.problems
    return differences.result(pair.divergence(f"optimizers/{recipe}") if failed else None)


def drift(
    pair: Pair, rung: str, each_step: Result | None, *, loose: bool
) -> tuple[Differences, Result | None]:
    """How far trainings from the starting weights part, and a result where that is bounded."""
    start = samples.starting_weights(pair.a.tables[pair.dtype], "float32", recipes.SEED)
    tracks, problems = track(pair, rung, pair.dtype, start)
    limits = along(pair, rung, tracks, LOOSE if loose else FACTOR)
    differences, parted = _along(tracks, limits, problems)
    first = min(parted, default=0)
    held = is_held(each_step) and (first or 0 in teacher_forced_kinks(pair))
    most = max((float(steps.max()) for steps in tracks.values()), default=0.0)
    if not parted or problems or not held or not most <= most_bounded(pair, rung):
        return differences, None
    message = f"rounding that grows or a kink: {TEACHER_FORCED_HOLDS}"
    return differences, Result("bounded", most, None, message)


def resumed(pair: Pair, recipe: str, each_step: Result | None) -> Result:
    """A training that was saved in its midst, and goes on in both backends.

    The outputs at once, the optimizer's state as it is read out again, and each further step. In
    float32 a training may go as far as rounding takes the better backend; more is bounded where it
    takes the other one there, and each of its steps is known to be right.
    """
    rung = f"resume/{recipe}"
    begun = pair.compare([f"{rung}/outputs"])
    loaded, problems = track(pair, f"{rung}/loaded", pair.dtype)
    exact = 2 * UNIT if pair.dtype == "float32" else TOLERANCES["float64"]
    begun.values |= {f"{name}, loaded": float(steps.max()) for name, steps in loaded.items()}
    begun.allowed |= {f"{name}, loaded": exact for name in loaded}
    begun.problems += problems
    saved = recipes.saved(pair.a.tables[pair.dtype], recipe, pair.dtype)
    tracks, problems = track(pair, f"{rung}/steps", pair.dtype, saved.weights)
    limits = along(pair, f"{rung}/steps", tracks, LOOSE)
    going, parted = _along(tracks, limits, problems)
    right = not (begun.failing or begun.problems or problems)
    if parted and right and is_held(each_step):
        sides = rounding(pair, f"{rung}/steps", ("float64", f"{rung}/steps"))
        grown = {name: 2 * np.max(steps, axis=0) for name, steps in sides.items()}
        beyond = [n for n in tracks if (tracks[n] > np.maximum(limits[n], grown.get(n, 0))).any()]
        most = max(float(steps.max()) for steps in tracks.values())
        if not beyond and most <= most_bounded(pair, f"{rung}/steps"):
            message = f"rounding that grows or a kink: {TEACHER_FORCED_HOLDS}"
            return Result("bounded", most, None, message)
    whole = Differences(
        begun.values | going.values, begun.allowed | going.allowed, begun.problems + going.problems
    )
    return whole.result()


def _along(
    tracks: Mapping[str, np.ndarray], limits: Mapping[str, np.ndarray], problems: list[str]
) -> tuple[Differences, list[int]]:
    """Where each track is furthest above its limits, and the steps at which tracks part."""
    differences = Differences(problems=problems)
    parted: list[int] = []
    for name, steps in tracks.items():
        worst = int(np.argmax(steps / limits[name]))
        differences.values[name] = float(steps[worst])
        differences.allowed[name] = float(limits[name][worst])
        parted += [int(step) for step in np.flatnonzero(steps > limits[name])[:1]]
    return differences, parted


def along(
    pair: Pair, rung: str, tracks: Mapping[str, np.ndarray], factor: float
) -> dict[str, np.ndarray]:
    """What trainings may differ by at each step: in float32 by the drift until then."""
    measured = rounding(pair, rung, ("float64", rung)) if pair.dtype == "float32" else {}
    floors = {
        name: np.min([np.maximum.accumulate(steps) for steps in sides], axis=0)
        for name, sides in measured.items()
    }
    fixed = recipes.TRAINED if pair.dtype == "float64" else CEILING
    middle = usual(floors)
    return {
        name: allowance(floors.get(name, np.zeros(len(steps))), middle, factor)
        if floors
        else np.full(len(steps), fixed)
        for name, steps in tracks.items()
    }


def track(
    pair: Pair, rung: str, dtype: str, start: Mapping[str, np.ndarray] | None = None
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Relative differences by step of everything that was sketched.

    A training that began with the weights `start` has running variances that are made alike.
    """
    one, other = (e.under(dtype, rung) for e in (pair.a, pair.b))
    problems = [f"{name} is in one alone" for name in sorted(set(one) ^ set(other))]
    if not one:
        problems.append(f"there is nothing to compare in {rung}")
    tracks = {}
    for name in [name for name in one if name in other]:
        sides = [one[name], other[name]]
        if start is not None and pair.a.unbiased != pair.b.unbiased:
            index = int(pair.a.unbiased)
            sides[index] = _unified_track(pair, name, start, sides[index], sides[1 - index])
        try:
            tracks[name] = sketch_difference(sides[0], sides[1])
        except ValueError as error:
            problems.append(f"{name}: {error}")
    return tracks, problems


def _unified_track(
    pair: Pair, name: str, start: Mapping[str, np.ndarray], track: np.ndarray, other: np.ndarray
) -> np.ndarray:
    """Sketches as if of unbiased variances; their norm, not being linear, is the other side's."""
    if not name.endswith("running_var") or track.shape != other.shape:
        return track
    steps = np.arange(1, len(track) + 1)[:, None]
    sums = pair.unified(name, sketch(start[name])[:-1], track[:, :-1], steps, trained=True)
    return np.concatenate([sums, other[:, -1:]], axis=1)


def rounding(pair: Pair, single: str, double: tuple[str, str]) -> dict[str, list[np.ndarray]]:
    """How far each backend's float32 is from its own float64 along a training.

    `double` says in which dtype and under which name the steps of float64 are noted.
    """
    sides: dict[str, list[np.ndarray]] = {}
    for evidence in (pair.a, pair.b):
        ours, exact = evidence.under("float32", single), evidence.under(*double)
        for name in [name for name in ours if name in exact]:
            try:
                steps = sketch_difference(exact[name], ours[name])
            except ValueError:
                continue
            sides.setdefault(name, []).append(steps)
    return sides


def teacher_forced(pair: Pair) -> Result | None:
    """What each float32 step changes, all from the reference's weights.

    A step where a backend fell on the other side of a kink may change something else; those
    must be the fewer, and all others right to their rounding.
    """
    if any(not e.under(pair.dtype, "teacher-forced") for e in (pair.a, pair.b)):
        return None  # one alone has float64, or lacks what it must have
    tracks, problems = track(pair, "teacher-forced", pair.dtype)
    if pair.a.unbiased != pair.b.unbiased:  # held exactly in float64
        tracks = {n: steps for n, steps in tracks.items() if not n.endswith("running_var")}
    count = max((len(steps) for steps in tracks.values()), default=0)
    kinks = teacher_forced_kinks(pair)
    smooth = [step for step in range(count) if step not in kinks]
    floors = {
        name: min(float(steps[smooth].max(initial=0)) for steps in sides)
        for name, sides in rounding(
            pair, "teacher-forced", (pair.dtype, "teacher-forced float64")
        ).items()
    }
    middle = usual(floors)
    whole, rest = Differences(problems=problems), Differences(problems=problems)
    for name, steps in tracks.items():
        whole.values[name] = float(steps.max())
        rest.values[name] = float(steps[smooth].max(initial=0))
        whole.allowed[name] = float(allowance(floors.get(name, 0), middle, LOOSE))
    rest.allowed = whole.allowed
    result = whole.result()
    few = 2 * len(kinks) < count
    near = all(value <= MOST_BOUNDED for value in whole.values.values())
    if result.status == "failed" and few and near and rest.result().status == "passed":
        where = ", ".join(f"step {step + 1}: {place}" for step, place in sorted(kinks.items()))
        message = f"a kink: at {where}; every other step is within its rounding"
        return Result("bounded", result.difference, result.tolerance, message)
    return result


def teacher_forced_kinks(pair: Pair) -> dict[int, str]:
    """The steps of the teacher-forced training in which a backend fell on a kink's other side."""
    return {
        int(name.partition("/")[0]): f"{e.backend} at {name.partition('/')[2]}"
        for e in (pair.b, pair.a)
        for name in e.under(pair.dtype, "teacher-forced kinks")
    }


def most_bounded(pair: Pair, rung: str) -> float:
    """How far apart trainings may be that rounding drives apart: as both do by themselves.

    Where one alone is far from its own float64, that may be a kink; but not at any distance.
    """
    drifts = rounding(pair, rung, ("float64", rung)).values()
    lesser = (float(np.min([steps.max() for steps in sides])) for sides in drifts)
    return max(MOST_BOUNDED, 2 * max(lesser, default=0.0))


def is_held(each_step: Result | None) -> bool:
    """Whether every step of a training is known to be right by itself."""
    return each_step is not None and each_step.status in ("passed", "bounded")
