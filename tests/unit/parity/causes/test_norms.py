"""Every convention of a norm planted on one side is named, with its side, and nothing else is."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from tests.unit.parity.causes.simulated import (
    DTYPES,
    Array,
    batch_norm,
    batch_weights,
    check,
    layer,
    layer_norm,
    values,
)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(4, 5, 3, 6), (7, 2), (1, 4, 6, 3), (3, 4, 4, 1)])
@pytest.mark.parametrize("train", [False, True])
def test_batch_norm_epsilon(dtype: str, shape: tuple[int, ...], train: bool) -> None:
    x, w = values(*shape, dtype=dtype), batch_weights(shape[-1], dtype)
    plain = batch_norm(w, x, train=train)
    for epsilon, number in ((1e-3, "1e-03"), (2.5e-3, "0.0025")):
        odd = batch_norm(w, x, epsilon, train=train)
        check(layer(w, x, train), plain, odd, "epsilon", f"epsilon {number}")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("train", "fault", "kind", "words"),
    [
        (False, {"train": True}, "train mode", "the batch's statistics"),
        (True, {"train": False}, "train mode", "the running statistics"),
        (True, {"ddof": 1}, "unbiased variance", "divides by the unbiased variance"),
        (False, {"outside": True, "epsilon": 1e-3}, "epsilon", "to the deviation"),
        (False, {"scale": False}, "scale", "leaves its scale out"),
        (False, {"offset": False}, "offset", "leaves its offset out"),
    ],
)
def test_batch_norm_oddities(
    dtype: str, train: bool, fault: dict[str, Any], kind: str, words: str
) -> None:
    x, w = values(3, 4, 5, 6, dtype=dtype) + 1, batch_weights(6, dtype)
    odd = batch_norm(w, x, **{"train": train, **fault})
    check(layer(w, x, train), batch_norm(w, x, train=train), odd, kind, words)


def test_both_sides_are_named_where_neither_is_usual() -> None:
    x, w = values(3, 4, 5, 6), batch_weights(6)
    cause = layer(w, x)("torch", "keras", batch_norm(w, x, 1e-3), batch_norm(w, x, 1e-2))
    assert cause is not None
    assert cause.kind == "epsilon"
    assert cause.text == "keras normalises with epsilon 1e-02, torch with epsilon 1e-03"


def group_norm(w: Mapping[str, Array], x: Array, groups: int, epsilon: float = 1e-5) -> Array:
    out = np.empty(x.shape)
    size = x.shape[-1] // groups
    for b in range(len(x)):
        for g in range(groups):
            part = x[b, ..., g * size : (g + 1) * size].astype(float)
            centred = part - part.mean()
            root = math.sqrt(float((centred**2).mean()) + epsilon)
            out[b, ..., g * size : (g + 1) * size] = centred / root
    return out * w["weight"] + w["bias"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ({"epsilon": 1e-6}, "epsilon", "1e-06"),
        ({"epsilon": 1e-3}, "epsilon", "1e-03"),
        ({"epsilon": 3e-4}, "epsilon", "0.0003"),
        ({"ddof": 1}, "unbiased variance", "unbiased"),
        ({"axis": 1}, "axes", "each channel by itself"),
        ({"center": False}, "mean", "does not subtract"),
    ],
)
def test_layer_norm(dtype: str, fault: dict[str, Any], kind: str, words: str) -> None:
    x = (0.5 * values(3, 5, 8) + 0.2).astype(dtype)
    w = {"weight": values(8, seed=1, dtype=dtype), "bias": values(8, seed=2, dtype=dtype)}
    plain, odd = layer_norm(w, x).astype(dtype), layer_norm(w, x, **fault).astype(dtype)
    check(layer(w, x), plain, odd, kind, words)


def test_group_norm() -> None:
    x, w = values(2, 3, 4, 8) + 0.3, {"weight": values(8, seed=1), "bias": values(8, seed=2)}
    plain = group_norm(w, x, 4)
    cause = layer(w, x)("torch", "keras", plain, group_norm(w, x, 4, 1e-3))
    assert cause is not None
    assert cause.kind == "epsilon"
    cause = layer(w, x)("torch", "keras", plain, group_norm(w, x, 2))
    assert cause is not None
    assert cause.kind == "axes"
    first, second = sorted(cause.text.split(", "), key=lambda part: "torch" in part)
    assert "keras" in first
    assert "4 channels" in first
    assert "torch" in second
    assert "2 channels" in second
