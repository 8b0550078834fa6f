"""The strict measure of how much two arrays differ, and how much they may by rounding alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from itertools import product
from typing import Any

import numpy as np

Measure = Callable[[np.ndarray, np.ndarray], float]

TOLERANCES = {"float64": 1e-12, "float32": 1e-5}
"""For passes; float32's only where no float64 was computed that could tell its rounding."""

FACTOR = 16.0
"""How many times the measured rounding a difference in float32 may be."""

LOOSE = 128.0
"""The same for gradients, sums over all pixels that one library adds in sequence and another in
pairs, and for steps of Adam, which divides by them."""

CEILING = 1e-2
"""More than this never passes, whatever rounding was measured: it would say nothing."""

MOST_BOUNDED = 0.5
"""More than this is neither rounding that grew nor a kink, whatever else is known."""

UNIT = 2.0**-23
MIXED_UNIT = 2.0**-8
"""bfloat16's unit roundoff."""


def most_by_rounding(dtype: str) -> float:
    """What outputs of the same weights may differ by that were computed in a dtype.

    In bfloat16 it is the same multiple of the unit roundoff as float32 may have of what was
    measured; whether they are held against each other or against float32's.
    """
    return FACTOR * MIXED_UNIT if dtype == "bfloat16" else TOLERANCES[dtype]


def allowance(floor: Any, usual: Any, factor: float = FACTOR) -> Any:
    """What float32 may differ by: a multiple of the rounding that was measured.

    Where that is less than is usual among such arrays, of the usual: a single value may be right by
    chance.
    """
    return np.minimum(factor * np.maximum(np.maximum(floor, usual), UNIT), CEILING)


def usual(floors: Mapping[str, Any]) -> Any:
    """The rounding that is usual among arrays, or along trainings at every step."""
    return np.median([*floors.values()], axis=0) if floors else UNIT


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """The largest difference over the largest value, max |a - b| / max |a|.

    Raises:
        ValueError: shapes or dtypes differ (nothing is broadcast), there are no values, or one is
            not finite: such arrays have no difference that could be small.
    """
    if a.shape != b.shape:
        raise ValueError(f"shapes {a.shape} and {b.shape} differ")
    if a.dtype != b.dtype:
        raise ValueError(f"dtypes {a.dtype} and {b.dtype} differ")
    if a.size == 0:
        raise ValueError("there are no values to compare")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("there are values that are not finite")
    largest = float(np.abs(a).max())
    distance = float(np.abs(a - b).max())
    return distance / largest if largest else (0.0 if distance == 0 else float("inf"))


ROW_FLOOR = 2.0**-10
"""What a row counts for at least, of the largest value of all.

A small value may be what is left of large ones. It is then only as exact as these are: float64's
1e-12 of this is four to five units of the largest value's last place.
"""


def row_difference(a: np.ndarray, b: np.ndarray) -> float:
    """The largest difference in a row over the row's own largest value, the worst of all rows.

    Rows run along the last axis. So 1e6 in one row does not hide what is wrong with 1e-7 in another
    one. A row counts for `ROW_FLOOR` of the largest value at least.

    Raises:
        ValueError: as `difference`.
    """
    whole = difference(a, b)
    if a.ndim < 2 or whole in (0.0, float("inf")):
        return whole
    sizes = np.abs(a).max(axis=-1)
    return float((np.abs(a - b).max(axis=-1) / np.maximum(sizes, ROW_FLOOR * sizes.max())).max())


def bitwise_equal(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays have one shape, one dtype and the same bytes."""
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def gap(expected: np.ndarray, actual: np.ndarray) -> float:
    """As `difference`, whatever the dtypes; infinite where there is none that could be small.

    Whole numbers are equal, or as far apart as can be.
    """
    return _gap(expected, actual, difference)


def row_gap(expected: np.ndarray, actual: np.ndarray) -> float:
    """As `gap`, by `row_difference`."""
    return _gap(expected, actual, row_difference)


def _gap(expected: np.ndarray, actual: np.ndarray, measure: Measure) -> float:
    if expected.dtype.kind != "f" and actual.dtype.kind != "f":
        same = expected.shape == actual.shape and expected.tolist() == actual.tolist()
        return 0.0 if same else float("inf")  # as Python's numbers, which have no largest one
    try:
        kind = np.result_type(expected, actual)
        with np.errstate(over="ignore"):
            return measure(expected.astype(kind, copy=False), actual.astype(kind, copy=False))
    except (TypeError, ValueError):
        return float("inf")


def largest_gap(expected: Mapping[str, np.ndarray], actual: Mapping[str, np.ndarray]) -> float:
    """The largest `gap` of named arrays; infinite where one lacks a name, or both have none."""
    if not expected or expected.keys() != actual.keys():
        return float("inf")
    return max(gap(array, actual[name]) for name, array in expected.items())


def unequal(a: Mapping[str, np.ndarray], b: Mapping[str, np.ndarray]) -> list[str]:
    """The names that only one side has, or whose tensors are not bitwise equal."""
    names = sorted({*a, *b})
    return [n for n in names if n not in a or n not in b or not bitwise_equal(a[n], b[n])]


def unpadded(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple[int, ...] | None]:
    """Two inputs of a convolution alike, where one was padded with zeros before and one was not.

    Returns:
        Both arrays without the border, and how many places are before the image, or the sequence,
        along each of its axes, if there was a border. Arrays that differ otherwise come back as
        they are.
    """
    if a.ndim != b.ndim or a.ndim < 3 or a.shape == b.shape:
        return a, b, None
    if a.shape < b.shape:
        small, padded, offset = unpadded(b, a)
        return padded, small, offset
    sizes = b.shape[1:-1]
    ranges = [range(whole - own + 1) for whole, own in zip(a.shape[1:-1], sizes, strict=True)]
    # Counted, not summed: sums of float32 in another order are not the same.
    count, best = np.count_nonzero(a), None
    for starts in product(*ranges):
        within = [slice(start, start + size) for start, size in zip(starts, sizes, strict=True)]
        inner = a[(slice(None), *within)]
        if inner.shape == b.shape and np.count_nonzero(inner) == count:
            # Where the image itself ends with zeros, several places would do.
            size = np.abs(inner - b).max(initial=0)
            if best is None or size < best[0]:
                best = (size, inner, starts)
    if best is not None:
        return best[1], b, best[2]
    return a, b, None


_BUCKETS = 8


def sketch(array: np.ndarray) -> np.ndarray:
    """A few numbers that tell arrays of one shape apart: sums with random signs, and the norm.

    The difference of two sketches is, in the mean, as large as the Euclidean norm of the
    difference of the arrays (Charikar et al., 2002, doi:10.1007/3-540-45465-9_59), so a long
    training can be compared step by step without keeping all of it. The sums are linear.
    """
    flat = array.astype(np.float64).ravel()
    whole = flat.size // _BUCKETS * _BUCKETS
    signs = _signs(flat.size)
    sums = np.einsum(
        "ij,ij->j", flat[:whole].reshape(-1, _BUCKETS), signs[:whole].reshape(-1, _BUCKETS)
    )
    rest = flat.size - whole
    sums[:rest] += flat[whole:] * signs[whole:]
    return np.append(sums, np.linalg.norm(flat))


@cache
def _signs(size: int) -> np.ndarray:
    return np.random.default_rng(size).choice([-1.0, 1.0], size)


def sketch_difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The relative difference (steps,) of two arrays by their sketches (steps, k).

    Raises:
        ValueError: as `difference`.
    """
    if a.shape != b.shape:
        raise ValueError(f"shapes {a.shape} and {b.shape} differ")
    if a.size == 0:
        raise ValueError("there are no values to compare")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("there are values that are not finite")
    distance, size = np.linalg.norm((a - b)[..., :-1], axis=-1), a[..., -1]
    distance = np.maximum(distance, np.abs(size - b[..., -1]))  # the norms differ by no more
    alike = np.where(distance == 0, 0.0, np.inf)
    return np.divide(distance, size, out=alike, where=size > 0)


def kinks(a: np.ndarray, b: np.ndarray) -> tuple[str, tuple[float, float]] | None:
    """A place where two arrays are on different sides of 0, or where another value is the largest.

    The largest is looked for in windows of 2 x 2, as pools have them.
    """
    flipped = np.argwhere((a > 0) != (b > 0))
    if len(flipped):
        place = tuple(flipped[0])
        return str([int(i) for i in place]), (float(a[place]), float(b[place]))
    if a.ndim != 4 or a.shape[1] < 2 or a.shape[2] < 2:
        return None
    height, width = a.shape[1] // 2 * 2, a.shape[2] // 2 * 2
    views = [
        x[:, :height, :width]
        .reshape(len(x), height // 2, 2, width // 2, 2, -1)
        .transpose(0, 1, 3, 5, 2, 4)
        .reshape(len(x), height // 2, width // 2, x.shape[-1], 4)
        for x in (a, b)
    ]
    order = [view.argmax(axis=-1) for view in views]
    other = np.argwhere((order[0] != order[1]) & (views[0].max(axis=-1) > 0))
    if not len(other):
        return None
    place = tuple(other[0])
    indices = (order[0][place], order[1][place])
    gap = float(views[0][place][indices[0]] - views[0][place][indices[1]])
    back = float(views[1][place][indices[0]] - views[1][place][indices[1]])
    return f"the window {[int(i) for i in place]}", (gap, back)
