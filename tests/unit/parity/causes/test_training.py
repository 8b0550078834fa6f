"""Losses, gradients and statistics: what is odd on one side is named."""

import math
from typing import Any

import numpy as np
import pytest

from shared.parity.causes import (
    Cause,
    explain_buffers,
    explain_gradients,
    explain_loss,
)
from tests.unit.parity.causes.simulated import (
    DTYPES,
    Array,
    batch_weights,
    buffers,
    check,
    nudged,
    values,
)


def loss(a: str, b: str, plain: float, odd: float) -> Cause | None:
    return explain_loss(a, b, plain, odd, {"batch": 3, "labels": 12, "classes": 10})


def test_losses() -> None:
    for factor, kind, words in (
        (3, "loss reduction", "times 3, the number of batch"),
        (12, "loss reduction", "times 12, the number of labels"),
        (4, "loss reduction", "12 labels over 3 batch"),
        (2, "scale", "half"),
        (-1, "sign", "sign"),
    ):
        for a, b in ((0.7, 0.7 * factor), (0.7 * factor, 0.7)):
            cause = loss("torch", "keras", a, b)
            assert cause is not None
            assert cause.kind == kind
            assert words in cause.text
    cause = loss("torch", "keras", 0.7, 2.1)
    assert cause is not None
    assert cause.text.startswith("keras's loss is torch's times 3")
    two = explain_loss("torch", "keras", 0.7, 1.4, {"batch": 3, "labels": 6, "classes": 2})
    assert two == Cause("scale", "torch's loss is half of keras's")  # not what two classes make it
    for other in (0.7, 0.7 * (1 + 1e-14), 0.7123, math.nan, math.inf, 0.0):
        assert loss("torch", "keras", 0.7, other) is None


def gradients(dtype: str = "float64") -> dict[str, Array]:
    return {
        "conv.weight": values(4, 3, 3, 3, seed=1, dtype=dtype),
        "fc.weight": values(5, 5, seed=2, dtype=dtype),
        "fc.bias": values(5, seed=3, dtype=dtype),
        "noise.bias": 1e-17 * values(4, seed=4, dtype=dtype),  # a bias before batch norm
    }


@pytest.mark.parametrize("dtype", DTYPES)
def test_gradients(dtype: str) -> None:
    plain = gradients(dtype)

    def cause(**changed: Array) -> Cause:
        odd = {**plain, **{name.replace("_", "."): value for name, value in changed.items()}}
        odd["noise.bias"] = 1e-17 * values(4, seed=5, dtype=dtype)
        explained = explain_gradients("torch", "keras", plain, odd)
        assert explained is not None
        return explained

    def every(factor: float) -> dict[str, Array]:
        return {n.replace(".", "_"): (factor * v).astype(dtype) for n, v in plain.items()}

    assert cause(**every(3)).kind == "loss reduction"
    assert "every gradient of keras is 3 times torch's" in cause(**every(3)).text
    assert "every gradient of torch is 4 times keras's" in cause(**every(0.25)).text
    assert cause(**every(0.3141)).kind == "scale"
    assert cause(**every(-1)).kind == "sign"
    whole = math.sqrt(sum(float((v.astype(float) ** 2).sum()) for v in plain.values()))
    assert cause(**every(1 / whole)).kind == "clipping"
    stopped = cause(fc_weight=np.zeros_like(plain["fc.weight"]))
    assert stopped.kind == "gradient stopped"
    assert "keras has no gradient for fc.weight" in stopped.text
    silent = {**plain, "noise.bias": np.zeros_like(plain["noise.bias"])}
    assert explain_gradients("torch", "keras", plain, silent) is None
    assert cause(fc_weight=plain["fc.weight"].T.copy()).kind == "transposed kernel"
    assert cause(conv_weight=plain["conv.weight"][:, :, ::-1, ::-1]).kind == "flipped kernel"
    assert cause(fc_bias=2 * plain["fc.bias"]).text.endswith("in fc.bias, and equal elsewhere")
    own = {
        n.replace(".", "_"): (v / max(1, np.linalg.norm(v))).astype(dtype) for n, v in plain.items()
    }
    assert cause(**own).text.startswith("keras clips every tensor's gradient by itself")
    for size in (0.3, 0.0 if dtype == "float32" else 1e-15):
        odd = {name: nudged(value, size) for name, value in plain.items()}
        assert explain_gradients("torch", "keras", plain, odd) is None


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 4, 5, 6), (8, 4), (1, 3, 3, 1)])
def test_buffers(dtype: str, shape: tuple[int, ...]) -> None:
    x = (2 * values(*shape) + 0.5).astype(dtype)
    old = {n: v for n, v in batch_weights(shape[-1], dtype).items() if n.startswith("running")}
    count = x.size // shape[-1]

    def explain(a: str, b: str, a_new: Any, b_new: Any) -> Cause | None:
        return explain_buffers(a, b, old, x, a_new, b_new, count)

    def new(weight: float, **options: Any) -> dict[str, Array]:
        statistics = buffers(old, x.astype(float), weight, **options)
        return {name: value.astype(dtype) for name, value in statistics.items()}

    plain = new(0.1)
    check(explain, plain, new(0.01), "momentum", "a weight of 0.01")
    check(explain, plain, new(0.123), "momentum", "a weight of 0.123")
    check(explain, plain, new(0.1, ddof=0), "unbiased variance", "stores the biased variance")
    same = {name: old[name] for name in plain}
    check(explain, plain, same, "not updated", "updates no statistics")
    half = {**plain, "running_var": old["running_var"]}
    check(explain, plain, half, "not updated", "updates its mean")
    both = explain("torch", "keras", plain, new(0.01, ddof=0))
    assert both is not None
    assert both.kind == "momentum"
    assert "biased" in both.text
