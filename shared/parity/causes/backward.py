"""Why the gradient of a dense layer differs although that of the layer behind it agrees.

A dense layer's gradient is its output's gradient times its input. Where there are fewer examples
than inputs, the output's gradient follows from both; so what an activation between two dense layers
makes of a gradient can be read on both sides.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from shared.parity.causes.formulas import RELU, gelu, sigmoid
from shared.parity.causes.match import Cause, Fact, Problem, Reading, tell_apart, usable

NEAR = 1e-6


def explain_activation(
    a_name: str,
    b_name: str,
    layer_in: np.ndarray,
    layer_out: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    behind_in: np.ndarray,
    behind: np.ndarray,
    weight: np.ndarray,
) -> Cause | None:
    """What an activation between two dense layers makes of a gradient.

    Args:
        a_name: What the first side is called.
        b_name: What the second is called.
        layer_in: The layer's input (B, I).
        layer_out: Its output (B, O).
        a: The gradient of its weight (O, I) on the first side.
        b: The same on the second.
        behind_in: The input of the layer behind the activation (B, O).
        behind: The gradient of that layer's weight (P, O), which agrees.
        weight: That layer's weight (P, O).
    """
    arrays = (layer_in, layer_out, a, b, behind_in, behind, weight)
    if not usable(*arrays) or any(array.ndim != 2 for array in arrays):
        return None
    if layer_out.shape != behind_in.shape or behind_in.shape[1] != weight.shape[1]:
        return None
    if a.shape != (layer_out.shape[1], layer_in.shape[1]) or a.shape != b.shape:
        return None
    above = _gradient(behind, behind_in)
    sides = [_gradient(side, layer_in) for side in (a, b)]
    if above is None or sides[0] is None or sides[1] is None:
        return None
    passed = above @ weight.astype(float)
    problem = Problem(sides[0], sides[1], _readings(passed, layer_out, behind_in), unit=1e-12)
    with np.errstate(all="ignore"):
        return tell_apart((a_name, b_name), problem, NEAR)


def _gradient(of_weight: np.ndarray, x: np.ndarray) -> np.ndarray | None:
    """The gradient (B, O) of an output, from that of the weight (O, I) and the input (B, I)."""
    x, of_weight = x.astype(float), of_weight.astype(float)
    if len(x) > x.shape[1] or np.linalg.matrix_rank(x) < len(x):
        return None
    gradient = (of_weight @ np.linalg.pinv(x)).T
    rest = np.abs(gradient.T @ x - of_weight).max()
    return gradient if rest <= NEAR * np.abs(of_weight).max() else None


def _readings(passed: np.ndarray, before: np.ndarray, after: np.ndarray) -> Iterator[Reading]:
    """What is left of a gradient behind each activation: by its output, or by what goes into it."""
    above = (after > 0).astype(float)
    root = np.sqrt(2 * np.pi)
    slopes = [
        ("relu's gradients", above),
        ("all gradients", np.ones_like(above)),
        ("those of its own outputs above 0", (RELU.function(before) > 0).astype(float)),
        ("sigmoid's gradients", after * (1 - after)),
        ("tanh's gradients", 1 - after**2),
        ("gelu's gradients", gelu(before) / before + before * np.exp(-(before**2) / 2) / root),
        ("silu's gradients", sigmoid(before) * (1 + before * (1 - sigmoid(before)))),
        ("no gradients", np.zeros_like(above)),
        *(
            (f"the gradients of leaky relu of slope {s:g}", above + s * (1 - above))
            for s in (0.01, 0.1, 0.2)
        ),
    ]
    for words, slope in slopes:
        yield Reading(passed * slope, (Fact("activation gradient", f"lets {words} through"),))
