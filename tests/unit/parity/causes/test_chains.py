"""Between two layers: an activation, a pool, a flatten that is odd on one side."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.unit.parity.causes.simulated import (
    DTYPES,
    Array,
    between,
    check,
    erf_gelu,
    relu,
    tanh_gelu,
    values,
)


def leaky(x: Array, slope: float) -> Array:
    return np.where(x > 0, x, slope * x)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 4, 5, 6), (1, 9), (2, 3, 8), (4, 5, 5, 1)])
@pytest.mark.parametrize(
    ("plain", "odd", "kind", "words"),
    [
        (erf_gelu, tanh_gelu, "gelu", "tanh gelu"),
        (relu, lambda x: x, "activation", "no activation"),
        (relu, lambda x: x / (1 + np.exp(-x)), "activation", "silu"),
        (
            lambda x: leaky(x, 0.01),
            lambda x: leaky(x, 0.3),
            "leaky slope",
            "leaky relu of slope 0.3",
        ),
        (
            lambda x: leaky(x, 0.01),
            lambda x: leaky(x, 0.17),
            "leaky slope",
            "leaky relu of slope 0.17",
        ),
        (relu, lambda x: np.where(x > 0, x, np.exp(x) - 1), "activation", "elu"),
        (np.tanh, lambda x: 1 / (1 + np.exp(-x)), "activation", "sigmoid"),
        (relu, lambda x: 0.125 * relu(x), "scale", "multiplies by 0.125"),
    ],
)
def test_activations(
    dtype: str,
    shape: tuple[int, ...],
    plain: Callable[[Array], Array],
    odd: Callable[[Array], Array],
    kind: str,
    words: str,
) -> None:
    x = values(*shape, dtype=dtype)
    a, b = plain(x).astype(dtype), odd(x).astype(dtype)
    cause = between(image=values(*shape, seed=8), fc1=x)("torch", "keras", a, b)
    assert cause is not None
    assert cause.kind == kind
    assert f"keras applies {words}" in cause.text or f"keras {words}" in cause.text
    if words not in ("no activation", "sigmoid"):  # else it is the usual one of the two
        check(between(fc1=x), a, b, kind, words)


def pool(
    x: Array,
    size: int,
    stride: int,
    before: int,
    out: tuple[int, int],
    function: Callable[..., Any] = np.max,
    counted: bool = False,
) -> Array:
    """With loops: windows that reach beyond the image see less of it, or zeros."""
    result = np.empty((len(x), *out, x.shape[-1]))
    for i in range(out[0]):
        for j in range(out[1]):
            top, left = i * stride - before, j * stride - before
            part = x[:, max(0, top) : top + size, max(0, left) : left + size].astype(float)
            total = size * size if counted else part.shape[1] * part.shape[2]
            if function is np.mean:
                result[:, i, j] = part.sum(axis=(1, 2)) / total
            else:
                result[:, i, j] = function(part, axis=(1, 2))
    return result


@pytest.mark.parametrize("dtype", DTYPES)
def test_pools(dtype: str) -> None:
    x = values(3, 8, 6, 4, dtype=dtype)
    explain = between(conv1=x)
    halves = pool(x, 2, 2, 0, (4, 3)).astype(dtype)
    mean = pool(x, 2, 2, 0, (4, 3), np.mean).astype(dtype)
    check(explain, halves, mean, "pool", "averages 2x2 windows at stride 2")
    late, early = (pool(relu(x), 3, 2, p, (4, 3)).astype(dtype) for p in (0, 1))
    check(explain, early, late, "pool", "as SAME does")
    free = pool(x, 3, 1, 1, (8, 6), np.mean).astype(dtype)
    counted = pool(x, 3, 1, 1, (8, 6), np.mean, counted=True).astype(dtype)
    check(explain, counted, free, "pool", "does not count")
    once, all_places = x.mean(axis=(1, 2)), x.max(axis=(1, 2))
    check(explain, once, all_places, "pool", "takes the largest of all places")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", [1, 3])
def test_flatten_order(dtype: str, batch: int) -> None:
    x = values(batch, 4, 6, 3, dtype=dtype)
    first, last = x.transpose(0, 3, 1, 2).reshape(batch, -1), x.reshape(batch, -1)
    check(between(pool1=x), first, last, "flatten order", "flattens in the order H, W, C")
    small = pool(relu(x), 2, 2, 0, (2, 3)).astype(dtype)
    first, last = small.transpose(0, 3, 1, 2).reshape(batch, -1), small.reshape(batch, -1)
    check(between(conv1=x), first, last, "flatten order", "flattens in the order H, W, C")
    for slope in (0.1, 0.07):
        x = (values(batch, 4, 6, 3, dtype=dtype) - 1).astype(dtype)
        first = pool(relu(x), 2, 2, 0, (2, 3)).transpose(0, 3, 1, 2).reshape(batch, -1)
        first = first.astype(dtype)
        odd = leaky(x, slope).astype(dtype)
        odd = pool(odd, 2, 2, 0, (2, 3)).transpose(0, 3, 1, 2).reshape(batch, -1).astype(dtype)
        check(between(conv1=x), first, odd, "activation", f"{slope}")


def test_flatten_of_one_channel_hides_the_order() -> None:
    x = values(2, 4, 5, 1)
    flat = x.reshape(2, -1)
    assert between(conv1=x)("torch", "keras", flat, x.transpose(0, 3, 1, 2).reshape(2, -1)) is None


def test_rows_of_an_image() -> None:
    x = values(3, 5, 4, 2)
    row = x[:, 0].transpose(0, 2, 1).reshape(3, -1)
    check(between(image=x), row, x[:, 0].reshape(3, -1), "flatten order", "W, C")
    check(between(image=x), row, x[:, 1].transpose(0, 2, 1).reshape(3, -1), "step", "step 1")
