"""Arrays by themselves: a last operation, what is rounded, tensors, dropout, and activations."""

from typing import Any

import numpy as np
import pytest
from scipy import special

from shared.parity.causes import (
    Cause,
    explain_activation,
    explain_between,
    explain_layer,
    explain_outputs,
    explain_own,
    explain_rates,
    explain_tensors,
)
from shared.parity.causes.match import digits, figure
from tests.unit.parity.causes.simulated import (
    Array,
    attention,
    between,
    check,
    gru,
    layer,
    layer_norm,
    nudged,
    relu,
    values,
)

LOGITS = values(7, 5)


@pytest.mark.parametrize(
    ("odd", "kind", "words"),
    [
        (special.softmax(LOGITS, axis=-1), "last operation", "is the softmax of"),
        (special.log_softmax(LOGITS, axis=-1), "last operation", "the logarithm of the softmax of"),
        (np.tanh(LOGITS), "last operation", "is tanh of"),
        (relu(LOGITS), "last operation", "is relu of"),
    ],
)
def test_a_last_operation(odd: Array, kind: str, words: str) -> None:
    check(explain_outputs, LOGITS, odd, kind, words)


def test_outputs_in_another_order() -> None:
    square = values(3, 4, 4)
    for plain, odd, kind, words in (
        (LOGITS, np.roll(LOGITS, 1, axis=-1), "axis order", "moved by 1 along the last axis"),
        (LOGITS, np.roll(LOGITS, 1, axis=0), "example order", "with its examples moved by 1"),
        (LOGITS, LOGITS[:, ::-1], "axis order", "reversed along the last axis"),
        (square, square.transpose(0, 2, 1), "axes", "in the order 2, 1"),
    ):
        cause = explain_outputs("torch", "keras", plain, odd)
        assert cause is not None
        assert cause.kind == kind
        assert cause.text.startswith("keras's output is torch's, ")
        assert words in cause.text


def test_outputs_that_are_multiples() -> None:
    for sides in ((LOGITS, 2.5 * LOGITS), (0.4 * LOGITS, LOGITS)):
        cause = explain_outputs("torch", "keras", *sides)
        assert cause is not None
        assert cause.text == "keras's output is 2.5 times torch's"
    cause = explain_outputs("torch", "keras", LOGITS, LOGITS + 0.25)
    assert cause is not None
    assert cause.kind == "offset"
    for other in (
        nudged(LOGITS, 0.1),
        nudged(LOGITS, 1e-7),
        LOGITS,
        LOGITS[:3],
        values(7, 5, seed=9),
    ):
        assert explain_outputs("torch", "keras", LOGITS, other) is None


def test_what_is_rounded() -> None:
    x, w = values(6, 8, seed=1), values(8, 8, seed=2)
    plain = x @ w.T
    single = (x.astype("float32") @ w.astype("float32").T).astype(float)
    check(layer({"weight": w}, x), plain, single, "precision", "rounded to float32")
    half = plain.astype("float16").astype(float)
    check(layer({"weight": w}, x), plain, half, "precision", "rounded to float16")
    short = (plain.astype("float32").view(np.uint32) & 0xFFFF0000).view(np.float32).astype(float)
    check(layer({"weight": w}, x), plain, short, "precision", "rounded to bfloat16")
    whole = np.round(8 * plain) / 8  # what every dtype has, and far away
    assert layer({"weight": w}, x)("torch", "keras", plain, whole + 1) is None


def test_weights_of_another_layer() -> None:
    x = values(6, 8, seed=1)
    own, other = ({"weight": values(8, 8, seed=n), "bias": values(8, seed=n)} for n in (2, 3))

    def explain(a: str, b: str, ours: Array, theirs: Array) -> Cause | None:
        return explain_layer(a, b, own, x, ours, x, theirs, False, {"hidden.1": other})

    plain, odd = (x @ w["weight"].T + w["bias"] for w in (own, other))
    check(explain, plain, odd, "weights", "computes with the weights of hidden.1")


def test_a_bias_that_no_tensor_holds() -> None:
    x, w = values(6, 8, seed=1), values(5, 8, seed=2)
    plain = x @ w.T
    check(layer({"weight": w}, x), plain, plain + values(5, seed=3), "bias", "no tensor holds")


def test_an_epsilon_that_is_off_by_a_billionth() -> None:
    w = {"weight": values(8, seed=1), "bias": values(8, seed=2)}
    x = values(3, 5, 8)
    plain, odd = (layer_norm(w, x, epsilon) for epsilon in (1e-5, 1e-5 + 1e-9))
    check(layer(w, x), plain, odd, "epsilon", "normalises with epsilon 1.0001e-05")


def test_figures() -> None:
    shown = [figure(value) for value in (1e-5, 1.0001e-5, 0.0123, 0.25, 2.0, 1 / 3)]
    assert shown == ["1e-05", "1.0001e-05", "0.0123", "0.25", "2", "0.3333333"]
    assert [digits(value) for value in (0.5, 0.25, 1e-4, 0.1234, 1 / 3)] == [1, 2, 1, 4, 17]


# Attention, positions and gates


@pytest.mark.parametrize("heads", [2, 4])
def test_softmax_and_heads(heads: int) -> None:
    q, k, v = (values(3, 5, 8, seed=n) for n in (1, 2, 3))
    explain = between(query=q, key=k, value=v)
    plain = attention(q, k, v, heads, None)[0]
    parts = [x.reshape(3, 5, heads, -1).swapaxes(1, 2) for x in (q, k, v)]
    scores = parts[0] @ parts[1].swapaxes(-1, -2) / (8 / heads) ** 0.5

    def out(shares: Array) -> Array:
        return (shares @ parts[2]).swapaxes(1, 2).reshape(3, 5, 8)

    for axis, words in ((-2, "over the queries"), (1, "over the heads")):
        odd = out(special.softmax(scores, axis=axis))
        check(explain, plain, odd, "softmax axis", words)
    whole = special.softmax(scores, axis=-1) @ parts[2]
    check(explain, plain, whole.reshape(3, 5, 8), "heads", "as they lie")
    turns = whole.transpose(0, 2, 3, 1).reshape(3, 5, 8)
    check(explain, plain, turns, "heads", "take turns")
    across = [x.reshape(3, 5, -1, heads).transpose(0, 3, 1, 2) for x in (q, k, v)]
    shares = special.softmax(across[0] @ across[1].swapaxes(-1, -2) / (8 / heads) ** 0.5, axis=-1)
    odd = (shares @ across[2]).swapaxes(1, 2).reshape(3, 5, 8)
    check(explain, plain, odd, "heads", "splits a vector into heads whose values take turns")


def table(steps: range, width: int = 8) -> Array:
    rows = []
    for place in steps:
        angles = [place / 10_000 ** (i / width) for i in range(0, width, 2)]
        rows.append([f(angle) for angle in angles for f in (np.sin, np.cos)])
    return np.array(rows)


def test_positions() -> None:
    x = values(3, 5, 8)
    explain = between(fc=x)
    plain = x + table(range(5))
    for odd, words in (
        (x + table(range(1, 6)), "counts positions from 1"),
        (x + table(range(4, -1, -1)), "from the end"),
        (x, "adds no positions"),
    ):
        check(explain, plain, odd, "positions", words)


def test_a_reset_gate_before_the_product() -> None:
    x, h, w, b = values(4, 12), values(4, 4, seed=1), values(12, 4, seed=2), values(12, seed=3)
    from_state = h @ w.T + b
    before = {"h": h, "input_gates": x, "hidden_gates": from_state}
    tensors = {"hidden_gates.weight": w, "hidden_gates.bias": b}

    def explain(a_name: str, b_name: str, ours: Array, theirs: Array) -> Cause | None:
        return explain_between(a_name, b_name, before, ours, theirs, tensors)

    r = special.expit(x[:, :4] + from_state[:, :4])
    z = special.expit(x[:, 4:8] + from_state[:, 4:8])
    n = np.tanh(x[:, 8:] + (r * h) @ w[8:].T + b[8:])
    plain, odd = gru(x, from_state, h, "rzn"), (1 - z) * n + z * h
    check(explain, plain, odd, "reset gate", "resets the state before it is multiplied")
    check(explain, plain, np.zeros((4, 4)), "state", "zeros in every step")


# Gradients, tensors and dropout


def test_the_gradient_of_an_activation() -> None:
    x, w, v = values(3, 6), values(5, 6, seed=1), values(4, 5, seed=2)
    before = x @ w.T + 1
    after = relu(before)
    of_output = values(3, 4, seed=3)
    passed = of_output @ v
    behind = of_output.T @ after

    def explain(a: str, b: str, ours: Array, theirs: Array) -> Cause | None:
        return explain_activation(a, b, x, before, ours, theirs, after, behind, v)

    plain = (passed * (before > 0)).T @ x
    check(explain, plain, passed.T @ x, "activation gradient", "lets all gradients through")
    leaky = (passed * np.where(before > 0, 1, 0.1)).T @ x
    check(explain, plain, leaky, "activation gradient", "of slope 0.1")
    assert explain("torch", "keras", plain, nudged(plain, 0.1)) is None


def test_tensors() -> None:
    kernel, bias = values(4, 3, seed=1), values(4, seed=2)
    one = {"fc.weight": kernel, "fc.bias": bias}

    def explain(other: dict[str, Array]) -> tuple[str, Cause] | None:
        ours, theirs = ({n: t.shape for n, t in side.items()} for side in (one, other))
        return explain_tensors("torch", "keras", ours, theirs, one, other)

    cases: list[tuple[dict[str, Array], str, str]] = [
        ({"fc.weight": kernel}, "fc.bias", "absent tensor"),
        ({"fc.kernel": kernel, "fc.bias": bias}, "fc.kernel", "renamed tensor"),
        ({"fc.weight": kernel.T, "fc.bias": bias}, "fc.weight", "shape"),
        ({"fc.weight": kernel[:, ::-1], "fc.bias": bias}, "fc.weight", "flipped kernel"),
        ({"fc.weight": 0 * kernel, "fc.bias": bias}, "fc.weight", "zeros"),
        ({"fc.weight": kernel * (1 + 1e-6), "fc.bias": bias}, "fc.weight", "values"),
        (
            {"fc.weight": kernel.astype("float32").astype(float), "fc.bias": bias},
            "fc.weight",
            "precision",
        ),
    ]
    for other, name, kind in cases:
        wrong = explain(other)
        assert wrong is not None
        assert (wrong[0], wrong[1].kind) == (name, kind)
        assert "keras" in wrong[1].text
    assert explain(dict(one)) is None


def test_dropout() -> None:
    wrong = explain_rates("torch", "keras", {"drop": 0.25}, {"drop": 0.3})
    assert wrong == ("drop", Cause("dropout rate", "torch drops 0.25 of the values, keras 0.3"))
    wrong = explain_rates("torch", "keras", {"drop": 0.25}, {})
    assert wrong is not None
    assert wrong[1].text == "torch drops 0.25 of the values, keras nothing"
    assert explain_rates("torch", "keras", {"drop": 0.25}, {"drop": 0.25}) is None
    flags: dict[str, Any] = {"unlike": False, "unscaled": False, "still": False}
    assert explain_own("torch", 0.5, 0.5, **flags) is None
    kinds = {"unlike": "dropout rate", "unscaled": "scale", "still": "dropout"}
    for flag, kind in kinds.items():
        cause = explain_own("torch", 0.5, 0.7, **{**flags, flag: True})
        assert cause is not None
        assert cause.kind == kind
