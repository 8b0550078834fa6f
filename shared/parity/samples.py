"""Inputs and weights that cannot hide a difference."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import numpy as np

from shared.interface import TensorInfo
from shared.specs import Network, Tensor


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
