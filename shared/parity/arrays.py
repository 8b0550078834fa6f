"""Inputs and weights that cannot hide a difference, and the strict measure of one."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from functools import cache

import numpy as np

from shared.interface import TensorInfo
from shared.specs import Network, Tensor
from shared.weights import bitwise_equal


def sample_inputs(network: Network, batch: int, dtype: str, seed: int = 0) -> dict[str, np.ndarray]:
    """Random inputs for a network: normally distributed numbers, of which no two are alike.

    Integers are drawn from all that the network takes, and masks let three of four through.
    """
    random = np.random.default_rng((seed, batch))

    def draw(tensor: Tensor) -> np.ndarray:
        shape = (batch, *tensor.shape)
        if tensor.dtype == "int32":
            return random.integers(tensor.low, tensor.high + 1, shape).astype(np.int32)
        if tensor.dtype == "bool":
            return random.random(shape) < 0.75
        return random.normal(size=shape).astype(dtype)

    return {name: draw(tensor) for name, tensor in network.inputs.items()}


def sample_weights(table: Iterable[TensorInfo], dtype: str, seed: int) -> dict[str, np.ndarray]:
    """Random values for every tensor: no bias is 0, no scale 1, no two statistics alike.

    Kernels are scaled by the root of their fan-in, so that activations keep their size; running
    variances and scales are positive. Drawn in float64, in the order of the names.
    """
    random = np.random.default_rng(seed)
    values = {}
    for row in sorted(table, key=lambda row: row.name):
        if row.name.endswith("running_var"):
            value = random.uniform(0.5, 2.0, row.shape)
        elif len(row.shape) == 1:
            value = random.normal(0.5, 0.25, row.shape)
        else:
            value = random.normal(size=row.shape) / np.sqrt(np.prod(row.shape[1:]))
        values[row.name] = value.astype(dtype)
    return values


def starting_weights(table: Iterable[TensorInfo], dtype: str, seed: int) -> dict[str, np.ndarray]:
    """Random values that a training can start from: scales near 1, biases and means near 0."""
    values = sample_weights(table, "float64", seed)
    for name, value in values.items():
        if value.ndim == 1 and not name.endswith("running_var"):
            scale = name.endswith("weight")
            values[name] = (1.0 if scale else 0.0) + (value - 0.5) / 5
    return {name: value.astype(dtype) for name, value in values.items()}


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


def unequal(a: Mapping[str, np.ndarray], b: Mapping[str, np.ndarray]) -> list[str]:
    """The names that only one side has, or whose tensors are not bitwise equal."""
    names = sorted({*a, *b})
    return [n for n in names if n not in a or n not in b or not bitwise_equal(a[n], b[n])]


def unpadded(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple[int, int] | None]:
    """Two inputs of a convolution alike, where one was padded with zeros before and one was not.

    Returns:
        Both arrays without the border, and the rows and columns before the image, if there was a
        border. Arrays that differ otherwise come back as they are.
    """
    if a.ndim != 4 or b.ndim != 4 or a.shape == b.shape:
        return a, b, None
    if (a.shape[1:3]) < (b.shape[1:3]):
        small, padded, offset = unpadded(b, a)
        return padded, small, offset
    height, width = b.shape[1:3]
    for top in range(a.shape[1] - height + 1):
        for left in range(a.shape[2] - width + 1):
            inner = a[:, top : top + height, left : left + width]
            # Counted, not summed: sums of float32 in another order are not the same.
            if inner.shape == b.shape and np.count_nonzero(inner) == np.count_nonzero(a):
                return inner, b, (top, left)
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


def dropout_mask(rate: float, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Which values a dropout layer keeps: the same for every backend, other for every layer."""
    random = np.random.default_rng(zlib.crc32(name.encode()))
    return random.random(shape) >= rate


def fitted(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Values of real data in another shape: the batch axis stays.

    As many values are the same values in another order of axes; otherwise each axis is sampled
    evenly. Several channels are made of several examples.
    """
    batch = len(array)
    if array.shape[1:] == shape:
        return array
    if np.prod(array.shape[1:]) == np.prod(shape):
        return array.reshape(batch, *shape)
    if array.ndim == 4 and len(shape) == 3 and shape[2] > array.shape[3]:
        channels = [np.roll(array[..., :1], index, axis=0) for index in range(shape[2])]
        array = np.concatenate(channels, axis=-1)
    if len(shape) == 1 and array.ndim > 2:
        array = array.reshape(batch, -1)
    for axis, size in enumerate(shape, start=1):
        picked = np.arange(size) * array.shape[axis] // size
        array = np.take(array, picked, axis=axis)
    return array
