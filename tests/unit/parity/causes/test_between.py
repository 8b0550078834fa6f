"""Between layers: dropout, orders, sums and concatenations that are odd on one side."""

import time

import numpy as np
import pytest

from tests.unit.parity.causes.simulated import (
    DTYPES,
    between,
    check,
    erf_gelu,
    nudged,
    relu,
    tanh_gelu,
    values,
)


@pytest.mark.parametrize("dtype", DTYPES)
def test_features_in_another_order(dtype: str) -> None:
    x = values(2, 4, 4, 7, dtype=dtype)
    order = np.random.default_rng(1).permutation(7)
    check(between(conv1=x), x, x[..., order], "flatten order", "in another order")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", [1, 4])
def test_dropout(dtype: str, batch: int) -> None:
    x = values(batch, 40, dtype=dtype)
    kept = np.random.default_rng(3).random(x.shape) < 0.75
    for function in (relu, lambda x: x):
        plain = function(x).astype(dtype)
        odd = (plain * kept / 0.75).astype(dtype)
        cause = between(fc1=x)("torch", "keras", plain, odd)
        assert cause is not None
        assert cause.kind == "dropout"
        assert cause.text.startswith("keras drops 0.25 of the values")
    other = (x * kept[:, ::-1] / 0.75).astype(dtype)
    cause = between(fc1=x)("torch", "keras", (x * kept / 0.75).astype(dtype), other)
    assert cause is not None
    assert cause.kind == "dropout"
    assert "both" in cause.text


@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_and_products(dtype: str) -> None:
    x, y, z = (values(2, 3, 4, 5, seed=seed, dtype=dtype) for seed in (1, 2, 3))
    explain = between(stem=z, conv1=x, conv2=y)
    total = relu(x + y).astype(dtype)
    cause = explain("torch", "keras", total, (x + y).astype(dtype))
    assert cause is not None
    assert cause.kind == "activation"
    assert "torch applies relu, keras" in cause.text
    assert "keras no activation" in cause.text
    cause = explain("torch", "keras", total, relu(y).astype(dtype))
    assert cause is not None
    assert cause.kind == "residual"
    assert "torch adds conv1 and conv2, keras reads conv2" in cause.text
    check(explain, total, relu(y + z).astype(dtype), "residual", "adds stem and conv2")
    check(explain, x + y, x * y, "residual", "multiplies")
    check(explain, total, relu(x) + y, "residual", "relu of conv1")
    check(explain, x + y, x + 0.5 * y, "residual", "0.5 times conv2")
    check(explain, x + y, x + y + z, "residual", "stem")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", [1, 3])
def test_concatenation_order(dtype: str, batch: int) -> None:
    x, y, z = (
        values(batch, 3, 4, n, seed=n, dtype=dtype) for n in (3, 4, 2)
    )  # of different widths
    explain = between(one=x, two=y, three=z)
    parts = [relu(part).astype(dtype) for part in (x, y, z)]
    plain = np.concatenate(parts, axis=-1)
    odd = np.concatenate([parts[1], parts[0], parts[2]], axis=-1)
    cause = explain("torch", "keras", plain, odd)
    assert cause is not None
    assert cause.kind == "concatenation order"
    assert cause.text == "torch concatenates one, two, three, keras two, one, three"
    cause = explain("torch", "keras", plain, np.concatenate([parts[0], y, parts[2]], axis=-1))
    assert cause is not None
    assert cause.kind == "activation"


def test_arrays_of_long_ago_and_arrays_given_twice() -> None:
    first, second = values(2, 4, 4, 3), values(2, 4, 4, 2)
    others = {f"conv{n}": values(2, 4, 4, 3, seed=n) for n in range(30)}
    again = {name + " in": array.copy() for name, array in others.items()}
    explain = between(skip=first, **others, **again, up=second)
    plain, odd = (np.concatenate(pair, axis=-1) for pair in ((second, first), (first, second)))
    cause = explain("torch", "keras", plain, odd)
    assert cause is not None
    assert cause.text == "torch concatenates up, skip, keras skip, up"
    one, two = others["conv29"], others["conv28"]
    check(explain, one + two, one - two, "residual", "subtracts conv28 from conv29")


@pytest.mark.parametrize("shape", [(64, 28, 28, 16), (100, 100, 100)])
def test_a_million_values_take_seconds(shape: tuple[int, ...]) -> None:
    x = values(*shape)
    start = time.process_time()
    cause = between(stem=values(*shape, seed=1), conv=x)(
        "torch", "keras", erf_gelu(x), tanh_gelu(x)
    )
    assert cause is not None
    assert cause.kind == "gelu"
    assert between(stem=values(*shape, seed=1), conv=x)("torch", "keras", x, nudged(x, 1)) is None
    assert time.process_time() - start < 10
