"""The rung of trainings that one backend saves and another one goes on with."""

from __future__ import annotations

import numpy as np

from shared import weights
from shared.differences import CEILING, LOOSE, allowance, difference, usual
from shared.parity import collect, recipes
from shared.parity.collect import Continued, Saved
from shared.parity.judge.pair import Pair
from shared.parity.judge.results import Differences, Result
from shared.parity.judge.trainings import TEACHER_FORCED_HOLDS, is_held, teacher_forced


def resumed(pair: Pair, saved: Saved, continued: Continued) -> Result:
    """What the other backend computes at once, and where its training lands.

    In float32 a training may land as far away as rounding takes the better backend; more is
    bounded where it takes the other one there, and each of its steps is known to be right.
    """
    state, _ = weights.read(saved.file)
    trained, landed, exact = saved.continued, continued.landed, continued.exact
    differences = Differences()
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
            differences.values[name] = difference(ours, theirs)
            if name in exact and name in trained.exact:
                rounding[name] = [
                    difference(double, single.astype(np.float64))
                    for double, single in (
                        (exact[name], landed[name]),
                        (trained.exact[name], trained.landed[name]),
                    )
                ]
        except ValueError as error:
            differences.problems.append(f"{name}: {error}")
    fixed = recipes.TRAINED if pair.dtype == "float64" else CEILING
    lesser = {name: min(sides) for name, sides in rounding.items()}
    middle = usual(lesser)
    differences.allowed = {
        name: float(allowance(lesser.get(name, 0), middle, LOOSE)) if lesser else fixed
        for name in differences.values
    }
    forward = {
        f"forward/{collect.BATCHES[-1]}/{name}": (trained.outputs[name], array)
        for name, array in continued.outputs.items()
    }
    pair.measure(forward, differences)
    parted = differences.failing
    if parted and not differences.problems and is_held(teacher_forced(pair)):
        grown = [n for n in parted if differences.values[n] <= 2 * max(rounding.get(n, [0]))]
        if grown == parted:
            most = max(differences.values.values())
            message = f"rounding that grows or a kink: {TEACHER_FORCED_HOLDS}"
            return Result("bounded", most, None, message)
    return differences.result()
