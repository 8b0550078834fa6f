"""What fits no known convention is not explained."""

import numpy as np
import pytest

from shared.parity.causes import (
    explain_buffers,
    explain_gradients,
    explain_update,
    match,
)
from tests.unit.parity.causes.simulated import (
    Array,
    Explain,
    attention,
    batch_norm,
    batch_weights,
    between,
    buffers,
    conv,
    gru,
    layer,
    layer_norm,
    nudged,
    relu,
    settings,
    step,
    values,
)


def problems() -> list[tuple[str, Explain, Array]]:
    """Of every kind of array: how it is explained, and what it should be."""
    image, tokens = values(3, 6, 8, 4), values(3, 5, 8)
    kernel, square = values(4, 4, 3, 3), values(8, 8)
    w = batch_weights(4)
    ln = {"weight": values(8, seed=1), "bias": values(8, seed=2)}
    q, k, v = (values(3, 5, 8, seed=n) for n in (1, 2, 3))
    gates = {"input_gates": values(3, 12), "hidden_gates": values(3, 12, seed=1)}
    return [
        ("batch norm", layer(w, image), batch_norm(w, image)),
        ("batch norm, train", layer(w, image, True), batch_norm(w, image, train=True)),
        ("layer norm", layer(ln, tokens), layer_norm(ln, tokens)),
        ("conv", layer({"weight": kernel}, image), conv(image, kernel)),
        ("dense", layer({"weight": square}, tokens), tokens @ square.T),
        ("activation", between(fc=tokens), relu(tokens)),
        ("flatten", between(conv=image), image.transpose(0, 3, 1, 2).reshape(3, -1)),
        ("sum", between(one=q, two=k), q + k),
        ("concatenation", between(one=q, two=k), np.concatenate([q, k], axis=-1)),
        ("attention", between(query=q, key=k, value=v), attention(q, k, v, 2, None)[0]),
        (
            "gru",
            between(**gates),
            gru(gates["input_gates"], gates["hidden_gates"], np.zeros((3, 4)), "rzn"),
        ),
    ]


@pytest.mark.parametrize(("name", "explain", "plain"), problems())
def test_what_fits_nothing_is_not_explained(name: str, explain: Explain, plain: Array) -> None:
    assert name
    for size in (1.0, 1e-3, 1e-7, 1e-9, 1e-15):
        for sides in ((plain, nudged(plain, size)), (nudged(plain, size), plain)):
            assert explain("torch", "keras", *sides) is None
    for dtype in (np.float32, np.float16):
        rounded = plain.astype(dtype)
        assert explain("torch", "keras", rounded, np.nextafter(rounded, dtype(0))) is None
    for bad in (np.nan, np.inf):
        broken = plain.copy()
        broken.flat[1] = bad
        cause = explain("torch", "keras", plain, broken)
        assert cause is not None
        assert cause.kind == "not finite"
        assert cause.text.startswith("keras has 1 of ")
        assert explain("torch", "keras", broken, broken) is None
    one = plain.copy()
    one.flat[len(one) // 2] += 0.125  # a single value
    assert explain("torch", "keras", plain, one) is None


def test_two_unknown_sides_are_not_explained() -> None:
    for _, explain, plain in problems():
        assert explain("torch", "keras", nudged(plain, 1), nudged(plain, 0.5)) is None


def test_training_that_fits_nothing_is_not_explained() -> None:
    weights, grads = {"w": values(6, 5)}, {"w": values(6, 5, seed=1)}
    for optimizer in ("sgd", "adam", "adamw"):
        plain = step(weights, grads, optimizer)
        for size in (0.1, 1e-4, 1e-7, 1e-15):
            odd = {"w": nudged(plain["w"], size)}
            for sides in ((plain, odd), (odd, plain)):
                explained = explain_update(
                    "torch", "keras", settings(optimizer), weights, grads, *sides
                )
                assert explained is None
        broken = {"w": np.full((6, 5), np.nan)}
        assert (
            explain_update("torch", "keras", settings(optimizer), weights, grads, plain, broken)
            is None
        )
    old = {"running_mean": values(4), "running_var": values(4) ** 2 + 1}
    x = values(3, 4, 5, 4)
    new = buffers(old, x, 0.1)
    for size in (0.1, 1e-5, 1e-15):
        odd = {name: nudged(value, size) for name, value in new.items()}
        assert explain_buffers("torch", "keras", old, x, new, odd) is None
    assert explain_buffers("torch", "keras", old, x * np.nan, new, old) is None
    broken = {"w": values(4) * np.nan}
    cause = explain_gradients("torch", "keras", {"w": values(4)}, broken)
    assert cause is not None
    assert cause.kind == "not finite"
    assert explain_gradients("torch", "keras", broken, broken) is None


def test_unfamiliar_layers_are_not_explained() -> None:
    x = values(3, 5)
    for weights in ({}, {"weight": values(2, 3, 4)}, {"weight": values(7)}, {"alpha": values(5)}):
        assert layer(weights, x)("torch", "keras", x, x + 1) is None
    x, w = values(3, 4, 5, 6), batch_weights(6)
    assert layer(w, x)("torch", "keras", x, x[:, :2]) is None
    assert layer({"weight": values(6, 6, 3, 3)}, x)("torch", "keras", x, x[:, :2]) is None
    x = values(3, 5)
    assert between()("torch", "keras", x, x + 1) is None
    assert between(fc=values(4, 5))("torch", "keras", x, x + 1) is None


@pytest.mark.parametrize(
    ("one", "other", "texts"),
    [
        (0.999, 0.99, ("0.999", "0.99")),
        (0.999, float(np.float32(0.999)), ("0.999", "0.99900001")),
        (1.0, 1.0 + 1e-9, ("1", "1.000000001")),
        (0.5, 0.5, ("0.5", "0.5")),
    ],
)
def test_figures_that_differ_are_told_apart(
    one: float, other: float, texts: tuple[str, str]
) -> None:
    assert match.apart(one, other, 1e-6) == texts
    assert match.multiple(1 + 1e-9, 1e-6) == "1.000000001"
