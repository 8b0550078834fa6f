"""What two arrays say by themselves: not finite, rounded, or one made of the other.

Where nothing is known of what came before, as of a network's own outputs when all layers agree, the
one side's numbers may still be a known function of the other's: the last operation is then one that
the other does not make.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import permutations

import numpy as np
from scipy import special

from shared.differences import gap
from shared.parity.causes.formulas import ACTIVATIONS
from shared.parity.causes.match import (
    CLOSER,
    Cause,
    figure,
    multiple,
    rounding,
    tolerance,
    usable,
)


def not_finite(a_name: str, b_name: str, a: np.ndarray, b: np.ndarray) -> Cause | None:
    """One side alone has values that are not finite.

    Args:
        a_name: What the first side is called.
        b_name: What the second is called.
        a: The first side's array.
        b: The second's.
    """
    if a.shape != b.shape or a.dtype.kind != "f" or b.dtype.kind != "f":
        return None
    lost = [int((~np.isfinite(array)).sum()) for array in (a, b)]
    if bool(lost[0]) == bool(lost[1]):
        return None
    odd, plain = (a_name, b_name) if lost[0] else (b_name, a_name)
    text = f"{odd} has {max(lost)} of {a.size} values that are not finite, {plain} none"
    return Cause("not finite", text)


def rounded(a_name: str, b_name: str, a: np.ndarray, b: np.ndarray) -> Cause | None:
    """One side's values are all those of a coarser dtype, and most of the other's are not.

    Args:
        a_name: What the first side is called.
        b_name: What the second is called.
        a: The first side's array.
        b: The second's.
    """
    if a.shape != b.shape or a.dtype != b.dtype or a.dtype.kind != "f" or not usable(a, b):
        return None
    apart = gap(a, b)
    for name, unit, rest in COARSER:
        if unit < 16 * rounding(a, b) or apart > 8 * unit:
            continue
        shares = [float((rest(side) == 0).mean()) for side in (a, b)]
        if max(shares) == 1 and min(shares) < MOST:
            odd, plain = (a_name, b_name) if shares[0] == 1 else (b_name, a_name)
            text = f"{odd}'s values are rounded to {name}, {plain}'s are {a.dtype}"
            return Cause("precision", text)
    return None


def _lost(x: np.ndarray, kind: str) -> np.ndarray:
    """What is lost when values become another dtype."""
    with np.errstate(all="ignore"):
        return x - x.astype(kind).astype(x.dtype)


def _lost_bits(x: np.ndarray) -> np.ndarray:
    """What is lost in bfloat16, which has the first half of float32's bits."""
    single = x.astype(np.float32)
    short = (single.view(np.uint32) & 0xFFFF0000).view(np.float32)
    return x - short.astype(x.dtype)


COARSER: tuple[tuple[str, float, Callable[[np.ndarray], np.ndarray]], ...] = (
    ("bfloat16", 2.0**-8, _lost_bits),
    ("float16", 2.0**-10, lambda x: _lost(x, "float16")),
    ("float32", 2.0**-23, lambda x: _lost(x, "float32")),
)
MOST = 0.5
"""The share of values that a coarser dtype has by chance, at most."""


def explain_outputs(a_name: str, b_name: str, a: np.ndarray, b: np.ndarray) -> Cause | None:
    """Why a network's outputs differ although all of its layers agree.

    Args:
        a_name: What the first side is called.
        b_name: What the second is called.
        a: The first side's output (B, ...).
        b: The second's.
    """
    if (cause := not_finite(a_name, b_name, a, b)) is not None:
        return cause
    if a.shape != b.shape or not a.ndim or not usable(a, b):
        return None
    apart = gap(a, b)
    if apart <= 16 * rounding(a, b):
        return None
    limit = min(tolerance(a, b), apart / CLOSER)
    with np.errstate(all="ignore"):
        for odd, plain, ours, source in ((b_name, a_name, b, a), (a_name, b_name, a, b)):
            x, y = source.astype(float), ours.astype(float)
            for kind, words, function in _last(a.ndim, a.shape):
                value = function(x)
                if value.shape == y.shape and usable(value) and gap(y, value) <= limit:
                    text = words.format(f"{plain}'s")
                    return Cause(kind, f"{odd}'s output is {text}")
        return _scaled(a_name, b_name, a.astype(float), b.astype(float), limit) or rounded(
            a_name, b_name, a, b
        )


Last = tuple[str, str, Callable[[np.ndarray], np.ndarray]]


def _last(ndim: int, shape: tuple[int, ...]) -> Iterator[Last]:
    """What a network may do at last, with its outputs: "{}" stands for what they were before."""
    yield "last operation", "the softmax of {}", lambda x: special.softmax(x, axis=-1)
    words = "the logarithm of the softmax of {}"
    yield "last operation", words, lambda x: special.log_softmax(x, axis=-1)
    for activation in ACTIVATIONS[1:-1]:
        words = activation.says.removeprefix("applies ")
        yield "last operation", f"{words} of {{}}", activation.function
    yield "axis order", "{}, reversed along the last axis", lambda x: x[..., ::-1]
    for step in (1, -1):
        moved = partial(np.roll, shift=step, axis=0)
        yield "example order", f"{{}}, with its examples moved by {step}", moved
        moved = partial(np.roll, shift=step, axis=-1)
        yield "axis order", f"{{}}, moved by {step} along the last axis", moved
    for order in permutations(range(1, ndim)):
        if list(order) != sorted(order) and len(set(shape[1:])) < ndim - 1:
            words = f"{{}}, with its axes in the order {', '.join(map(str, order))}"
            yield "axes", words, partial(np.transpose, axes=(0, *order))


def _scaled(a_name: str, b_name: str, a: np.ndarray, b: np.ndarray, limit: float) -> Cause | None:
    """One output that is a number times the other, or moved by a number."""
    if a.size < 3:
        return None
    factor = float(np.vdot(a, b) / (np.vdot(a, a) or 1))
    if factor and gap(b, factor * a) <= limit:
        large, small = (b_name, a_name) if abs(factor) > 1 else (a_name, b_name)
        times = multiple(max(factor, 1 / factor, key=abs), 1e-6)
        return Cause("scale", f"{large}'s output is {times} times {small}'s")
    offset = float((b - a).mean())
    if gap(b, a + offset) <= limit:
        return Cause("offset", f"{b_name}'s output is {a_name}'s and {figure(offset, 1e-6)}")
    largest, least = float(np.abs(b).max()), float(np.abs(a).max())
    for odd, plain, ours, source, most in (
        (b_name, a_name, b, a, largest),
        (a_name, b_name, a, b, least),
    ):
        cut = np.clip(source, -most, most)
        if (np.abs(source) > most).sum() > 0 and gap(ours, cut) <= limit:
            text = f"{odd}'s output is {plain}'s, cut at {figure(most, 1e-6)}"
            return Cause("clipped output", text)
    return None
