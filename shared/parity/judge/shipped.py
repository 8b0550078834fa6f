"""Each library's own Adam, whose epsilons have other values and places."""

from __future__ import annotations

import numpy as np

from shared.differences import CEILING, FACTOR, UNIT, difference
from shared.parity import recipes
from shared.parity.judge.pair import Pair
from shared.parity.judge.results import Result


def shipped(pair: Pair) -> Result:
    """One step of each library's own Adam, whose epsilons have other values and places.

    The difference is known for every value (`shipped_step`), and what is found must be that,
    to rounding.
    """
    one, other = (e.under(pair.dtype, f"first/{recipes.SHIPPED}") for e in (pair.a, pair.b))
    gradients = [e.under(pair.dtype, "first gradients") for e in (pair.a, pair.b)]
    worst, bound, left = 0.0, 0.0, 0.0
    allowed = 1e-9 if pair.dtype == "float64" else 1e-3
    for name, first in gradients[0].items():
        if name not in one or name not in other or name not in gradients[1]:
            return Result("failed", detail=f"{name} is in one alone")
        sides = [g[name].astype(np.float64) for g in gradients]
        steps = [shipped_step(e.backend, g) for e, g in zip((pair.a, pair.b), sides, strict=True)]
        try:
            worst = max(worst, difference(one[name], other[name]))
            predicted = one[name] + steps[0] - steps[1]
            rest = np.abs(other[name] - predicted) / recipes.RATE
        except ValueError as error:
            return Result("failed", detail=f"{name}: {error}")
        if pair.dtype == "float32":  # a small gradient's rounding is no small part of its step
            near = FACTOR * UNIT * np.abs(first).max()
            for e, g in zip((pair.a, pair.b), sides, strict=True):
                span = shipped_step(e.backend, g + near) - shipped_step(e.backend, g - near)
                rest = rest - np.abs(span) / recipes.RATE
        if not np.isfinite(rest).all():
            return Result("failed", detail=f"{name}: there are values that are not finite")
        left = max(left, float(rest.max()))
        bound = max(bound, float(np.abs(steps[0] - steps[1]).max() / np.abs(one[name]).max()))
    if not left <= allowed:
        message = f"{left:.1e} of a step is not as it is shipped, and {allowed:.0e} may be"
        divergence = pair.divergence(f"optimizers/{recipes.SHIPPED}")
        return Result("failed", worst, bound, message, divergence)
    if (pair.a.backend == "keras") == (pair.b.backend == "keras"):
        tolerance = recipes.TRAINED if pair.dtype == "float64" else CEILING
        if worst <= tolerance:
            return Result("passed", worst, tolerance)
        if pair.dtype == "float64":
            divergence = pair.divergence(f"optimizers/{recipes.SHIPPED}")
            message = f"the weights differ by {worst:.1e}, and may by {tolerance:.0e}"
            return Result("failed", worst, tolerance, message, divergence)
        message = "the gradients differ, by rounding or a kink"
        return Result("bounded", worst, bound, f"{message}; the steps made of them are Adam's")
    message = "Keras's epsilon is 1e-7, beside the uncorrected root, and its betas are float32"
    return Result("bounded", worst, bound, f"{message}; all but {left:.0e} of a step is that")


def shipped_step(backend: str, gradient: np.ndarray) -> np.ndarray:
    """The first step that a library's Adam makes, from its formula and defaults.

    PyTorch and optax: rate g / (|g| + 1e-8). Keras adds 1e-7 to the root before its bias is
    corrected, and the powers of the betas that correct it are of float32 numbers.
    """
    if backend != "keras":
        return recipes.RATE * gradient / (np.abs(gradient) + 1e-8)
    single = np.float32
    rate = recipes.RATE * np.sqrt(1 - float(single(0.999))) / (1 - float(single(0.9)))
    return rate * 0.1 * gradient / (np.sqrt(0.001) * np.abs(gradient) + 1e-7)
