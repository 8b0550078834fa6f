"""Inputs and weights that cannot hide a difference."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import numpy as np

from shared.interface import TensorInfo
from shared.specs import Network, Tensor

BATCHES = (1, 7)
"""Sizes of the batches that outputs are looked at for."""


def sample_inputs(network: Network, batch: int, dtype: str, seed: int = 0) -> dict[str, np.ndarray]:
    """Random inputs for a network: normally distributed numbers, of which no two are alike.

    Integers are drawn from all that the network takes, and masks let three of four through. What an
    input holds depends on its own name and shape alone.
    """

    def draw(name: str, tensor: Tensor) -> np.ndarray:
        shape = (batch, *tensor.shape)
        random = generator(name, shape, seed)
        if tensor.dtype == "int32":
            return random.integers(tensor.low, tensor.high + 1, shape).astype(np.int32)
        if tensor.dtype == "bool":
            return random.random(shape) < 0.75
        return random.normal(size=shape).astype(dtype)

    return {name: draw(name, tensor) for name, tensor in network.inputs.items()}


def generator(name: str, shape: tuple[int, ...], seed: int) -> np.random.Generator:
    """Random numbers for an array of this name and shape: one that is missing shifts no other."""
    return np.random.default_rng((seed, zlib.crc32(name.encode()), *shape))


def sample_weights(table: Iterable[TensorInfo], dtype: str, seed: int) -> dict[str, np.ndarray]:
    """Random values for every tensor: no bias is 0, no scale 1, no two statistics alike.

    Kernels are scaled by the root of their fan-in, so that activations keep their size; running
    variances and scales are positive. Drawn in float64, each by its own name and shape.
    """
    values = {}
    for row in table:
        random = generator(row.name, row.shape, seed)
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


def odd_weights(table: Iterable[TensorInfo], dtype: str, seed: int) -> dict[str, np.ndarray]:
    """Random values for every tensor, with some among them that a conversion may not keep.

    These are a negative zero, the smallest number above 0, and the largest one of the dtype.
    """
    limits = np.finfo(dtype)
    odd = np.array([-0.0, limits.smallest_subnormal, limits.max, -limits.max], dtype)
    values = sample_weights(table, dtype, seed)
    for name, value in values.items():
        flat = value.reshape(-1)
        at = generator(name, value.shape, seed + 1).permutation(flat.size)[: len(odd)]
        flat[at] = odd[: len(at)]
    return values


def slots(
    table: Iterable[TensorInfo], names: Iterable[str], dtype: str, seed: int
) -> dict[str, dict[str, np.ndarray]]:
    """An optimizer's state in the midst of a training, for every parameter.

    Means of gradients are of any sign; means of their squares are larger than those squared.
    """
    kinds = tuple(names)
    drawn: dict[str, dict[str, np.ndarray]] = {}
    for row in table:
        if row.kind != "parameter":
            continue
        random = generator(row.name, row.shape, seed)
        means = 0.01 * random.normal(size=row.shape)
        squares = means**2 * random.uniform(2.0, 8.0, row.shape) + 1e-6
        values = {"momentum_buffer": means, "exp_avg": means, "exp_avg_sq": squares}
        drawn[row.name] = {kind: values[kind].astype("float32").astype(dtype) for kind in kinds}
    return drawn


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
