"""Inputs and weights that cannot hide a difference, and the strict measure of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

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
