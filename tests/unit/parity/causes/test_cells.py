"""Attention and gated cells: a mask, a scale, an order of gates that is odd on one side."""

from typing import Any

import numpy as np
import pytest

from tests.unit.parity.causes.simulated import DTYPES, Array, attention, between, check, gru, values


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("heads", [1, 2, 4])
def test_attention(dtype: str, heads: int) -> None:
    q, k, v = (values(3, 5, 8, seed=n, dtype=dtype) for n in (1, 2, 3))
    mask = np.random.default_rng(0).random((3, 5, 5)) < 0.7
    mask[:, :, 0] = True
    mask[0, 2] = False  # a row that attends to nothing
    before = {"x": values(3, 5, 8, dtype=dtype), "mask": mask, "query": q, "key": k, "value": v}
    explain = between(**before)

    def out(sense: Array | None, **options: Any) -> Array:
        return attention(q, k, v, heads, sense, **options)[0].astype(dtype)

    plain = out(mask)
    check(explain, plain, out(~mask), "mask sense", "where the mask is False")
    check(explain, plain, out(None), "mask", "ignores the mask")
    check(explain, plain, out(mask, scaled=False), "scale", "does not scale")
    past = np.tril(np.ones((5, 5), bool))[None].repeat(3, axis=0)
    check(explain, out(past), out(~past), "mask sense", "where the mask is False")
    if heads == 2:
        other = attention(q, k, v, 4, mask)[0].astype(dtype)
        cause = explain("torch", "keras", plain, other)
        assert cause is not None
        assert cause.kind == "heads"
    shares = [attention(q, k, v, heads, m)[1].astype(dtype) for m in (mask, ~mask)]
    check(explain, shares[0], shares[1], "mask sense")


def test_attention_to_lengths() -> None:
    q, k, v = values(3, 2, 4, seed=1), values(3, 6, 4, seed=2), values(3, 6, 4, seed=3)
    length = np.array([24, 9, 13], dtype=np.int32)
    mask = np.array([[[4 * s < n for s in range(6)]] * 2 for n in length])
    explain = between(length=length, query=q, key=k, value=v)
    plain, odd = (attention(q, k, v, 2, m)[0] for m in (mask, ~mask))
    check(explain, plain, odd, "mask sense", "is False")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", [1, 4])
def test_gate_order(dtype: str, batch: int) -> None:
    x, h, x2, h2 = (values(batch, 12, seed=n, dtype=dtype) for n in range(4))
    start = np.zeros((batch, 4))
    first = gru(x, h, start, "rzn")
    cells = {"input_gates": x, "hidden_gates": h}
    plain = first.astype(dtype)
    odd = gru(x, h, start, "zrn").astype(dtype)
    check(between(**cells), plain, odd, "gate order", "in the order z, r, n")
    odd = gru(x, h, start, "rzn", flip=True).astype(dtype)
    check(between(**cells), plain, odd, "gate order", "the new state by z")
    plain, odd = (gru(x2, h2, first, order).astype(dtype) for order in ("rzn", "znr"))
    cells |= {"input_gates 2": x2, "hidden_gates 2": h2}
    check(between(**cells), plain, odd, "gate order", "in the order z, n, r")
