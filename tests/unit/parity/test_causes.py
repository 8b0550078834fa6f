"""Likely causes: every convention planted on one side is named, with its side, and nothing else is.

The sides are simulated here with loops and SciPy, apart from the code under test.
"""

import math
import time
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import signal, special

from shared.parity.causes import (
    Cause,
    explain_between,
    explain_buffers,
    explain_gradients,
    explain_layer,
    explain_loss,
    explain_update,
)

Array = np.ndarray
Explain = Callable[[str, str, Any, Any], Cause | None]
DTYPES = ("float64", "float32")


def values(*shape: int, seed: int = 0, dtype: str = "float64") -> Array:
    return np.random.default_rng((seed, *shape)).normal(size=shape).astype(dtype)


def check(explain: Explain, plain: Any, odd: Any, kind: str, *words: str) -> None:
    """The odd side is named first, in either place, with these words before the other's name."""
    for a, b, sides in (("torch", "keras", (plain, odd)), ("keras", "torch", (odd, plain))):
        cause = explain(a, b, *sides)
        assert cause is not None
        assert cause.kind == kind, cause
        parts = [part.split("torch")[0] for part in cause.text.split("; ")]
        assert all(part.startswith("keras ") for part in parts), cause
        about = "; ".join(parts)
        assert all(word in about for word in words), cause
    assert explain("torch", "keras", plain, plain) is None
    assert explain("torch", "keras", odd, odd) is None


def nudged(array: Array, size: float) -> Array:
    """An array with random changes of a relative size."""
    change = size * np.abs(array).max() * values(*array.shape, seed=99)
    return (array + change).astype(array.dtype)


# Layers: what they should be, computed the long way


def layer(weights: Mapping[str, Array], x: Array, train: bool = False) -> Explain:
    def explain(a: str, b: str, a_out: Array, b_out: Array) -> Cause | None:
        return explain_layer(a, b, weights, x, a_out, x, b_out, train)

    return explain


def batch_weights(channels: int, dtype: str = "float64") -> dict[str, Array]:
    return {
        "weight": values(channels, seed=1, dtype=dtype),
        "bias": values(channels, seed=2, dtype=dtype),
        "running_mean": values(channels, seed=3, dtype=dtype),
        "running_var": np.random.default_rng(4).uniform(0.5, 2, channels).astype(dtype),
    }


def batch_norm(
    w: Mapping[str, Array],
    x: Array,
    epsilon: float = 1e-5,
    *,
    train: bool = False,
    ddof: int = 0,
    outside: bool = False,
    scale: bool = True,
    offset: bool = True,
) -> Array:
    out = np.empty(x.shape)
    for c in range(x.shape[-1]):
        part = x[..., c].astype(float)
        mean = part.mean() if train else float(w["running_mean"][c])
        variance = part.var(ddof=ddof) if train else float(w["running_var"][c])
        root = math.sqrt(variance) + epsilon if outside else math.sqrt(variance + epsilon)
        out[..., c] = (part - mean) / root
        out[..., c] *= float(w["weight"][c]) if scale else 1
        out[..., c] += float(w["bias"][c]) if offset else 0
    return out.astype(x.dtype)


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


def layer_norm(
    w: Mapping[str, Array], x: Array, epsilon: float = 1e-5, *, axis: int = -1, ddof: int = 0,
    center: bool = True,
) -> Array:  # fmt: skip
    x = x.astype(float)
    moved = np.moveaxis(x, axis, -1)
    out = np.empty(moved.shape)
    for place in np.ndindex(moved.shape[:-1]):
        row = moved[place]
        mean = row.mean() if center else 0.0
        square = ((row - mean) ** 2).sum() / (len(row) - ddof)
        out[place] = (row - mean) / math.sqrt(square + epsilon)
    return np.moveaxis(out, -1, axis) * w["weight"].astype(float) + w.get("bias", 0)


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


def conv(
    x: Array,
    kernel: Array,
    stride: int = 1,
    padding: tuple[tuple[int, int], tuple[int, int]] = ((1, 1), (1, 1)),
    dilation: int = 1,
    groups: int = 1,
) -> Array:
    """With SciPy: every output channel is a sum of correlations, of which some places are kept."""
    x = np.pad(x.astype(float), [(0, 0), *padding, (0, 0)])
    wide = np.zeros((*kernel.shape[:2], *(dilation * (n - 1) + 1 for n in kernel.shape[2:])))
    wide[:, :, ::dilation, ::dilation] = kernel
    inputs, size = kernel.shape[1], len(kernel) // groups
    images = []
    for image in x:
        planes = []
        for o, each in enumerate(wide):
            part = image[..., o // size * inputs : (o // size + 1) * inputs]
            planes.append(
                sum(signal.correlate2d(part[..., i], each[i], mode="valid") for i in range(inputs))[
                    ::stride, ::stride
                ]
            )
        images.append(np.stack(planes, axis=-1))
    return np.stack(images)


BOTH, LATE, EARLY = ((1, 1), (1, 1)), ((0, 1), (0, 1)), ((1, 0), (1, 0))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [(8, 6), (4, 4)])
@pytest.mark.parametrize("batch", [1, 3])
def test_same_padding_at_stride_2(dtype: str, size: tuple[int, int], batch: int) -> None:
    x, w = values(batch, *size, 3, dtype=dtype), {"weight": values(5, 3, 3, 3, dtype=dtype)}
    plain = conv(x, w["weight"], 2, BOTH).astype(dtype)
    odd = conv(x, w["weight"], 2, LATE).astype(dtype)
    check(layer(w, x), plain, odd, "padding", "pads 0 before and 1 after, as SAME does")


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (lambda k: k[:, :, ::-1, ::-1], "flipped kernel", "flipped in height and width"),
        (lambda k: k[:, :, :, ::-1], "flipped kernel", "flipped in width"),
        (lambda k: k.swapaxes(2, 3), "transposed kernel", "height and width swapped"),
        (lambda k: k.swapaxes(0, 1), "kernel axes", "input and output channels swapped"),
    ],
)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 4])
def test_kernels_in_another_layout(
    change: Callable[[Array], Array], kind: str, words: str, dtype: str, channels: int
) -> None:
    if channels == 1 and kind == "kernel axes":
        return  # there is nothing to swap
    x, kernel = values(2, 6, 5, channels, dtype=dtype), values(channels, channels, 3, 3)
    w = {"weight": kernel.astype(dtype), "bias": values(channels, seed=5, dtype=dtype)}
    plain, odd = (
        (conv(x, k) + w["bias"]).astype(dtype) for k in (w["weight"], change(w["weight"]))
    )
    check(layer(w, x), plain, odd, kind, words)


def test_other_faults_of_a_convolution() -> None:
    x, kernel = values(2, 9, 7, 4), values(6, 4, 3, 3)
    w = {"weight": kernel, "bias": values(6, seed=5)}
    plain = conv(x, kernel) + w["bias"]
    wide = conv(x, kernel, padding=((2, 2), (2, 2)), dilation=2) + w["bias"]
    check(layer(w, x), plain, wide, "dilation", "dilates its kernel by 2")
    check(layer(w, x), plain, conv(x, kernel), "bias", "leaves its bias out")
    check(layer(w, x), plain, np.maximum(plain, 0), "activation", "applies relu")
    strided = conv(x, kernel, 2, ((0, 0), (0, 0))) + w["bias"]
    offset = conv(x[:, 1:, 1:], kernel, 2, ((0, 1), (0, 1))) + w["bias"]
    check(layer(w, x), strided, offset, "padding", "pads -1 before")


def test_depthwise_and_oblong_kernels() -> None:
    x, kernel = values(2, 8, 6, 4), values(8, 1, 3, 3)
    plain, odd = conv(x, kernel, 2, BOTH, groups=4), conv(x, kernel, 2, LATE, groups=4)
    check(layer({"weight": kernel}, x), plain, odd, "padding", "as SAME does")
    oblong = values(5, 4, 1, 7)
    plain, odd = (
        conv(x, k, padding=((0, 0), (3, 3))) for k in (oblong, oblong[:, :, :, ::-1].copy())
    )
    check(layer({"weight": oblong}, x), plain, odd, "flipped kernel")


def conv_transposed(x: Array, kernel: Array, stride: int) -> Array:
    """Zeros between the pixels, then a full convolution in the mathematical sense."""
    batch, height, width, inputs = x.shape
    wide = np.zeros((batch, (height - 1) * stride + 1, (width - 1) * stride + 1, inputs))
    wide[:, ::stride, ::stride] = x
    return np.stack(
        [
            np.stack(
                [
                    sum(signal.convolve2d(image[..., i], kernel[i, o]) for i in range(inputs))
                    for o in range(kernel.shape[1])
                ],
                axis=-1,
            )
            for image in wide
        ]
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("inputs", "outputs"), [(6, 3), (4, 4), (1, 1)])
def test_transposed_convolution_with_a_flipped_kernel(
    dtype: str, inputs: int, outputs: int
) -> None:
    x, kernel = values(2, 3, 4, inputs, dtype=dtype), values(inputs, outputs, 2, 2, dtype=dtype)
    w = {"weight": kernel, "bias": values(outputs, seed=3, dtype=dtype)}
    plain = (conv_transposed(x, kernel, 2) + w["bias"]).astype(dtype)
    odd = (conv_transposed(x, kernel[:, :, ::-1, ::-1], 2) + w["bias"]).astype(dtype)
    check(layer(w, x), plain, odd, "flipped kernel", "flipped in height and width")


def test_transposed_convolution_cut_off_elsewhere() -> None:
    x, kernel = values(2, 3, 4, 5), values(5, 2, 3, 3)
    whole = conv_transposed(x, kernel, 2)
    plain, odd = whole[:, :6, :8], whole[:, 1:7, 1:9]
    cause = layer({"weight": kernel}, x)("torch", "keras", plain, odd)
    assert cause is not None
    assert cause.kind == "padding"


@pytest.mark.parametrize("dtype", DTYPES)
def test_dense(dtype: str) -> None:
    x, weight = values(9, 5, dtype=dtype), values(5, 5, seed=1, dtype=dtype)
    w = {"weight": weight, "bias": values(5, seed=2, dtype=dtype)}
    plain = x @ weight.T + w["bias"]
    check(layer(w, x), plain, x @ weight + w["bias"], "transposed kernel", "weight transposed")
    check(layer(w, x), plain, x @ weight.T, "bias", "leaves its bias out")
    wrong = weight.copy()
    wrong[3, 1] += 0.25
    message = f"weight[3, 1] = {wrong[3, 1]:.3g}"[:16]
    check(layer(w, x), plain, x @ wrong.T + w["bias"], "weights", message)
    check(layer(w, x), plain, x @ weight[::-1].T + w["bias"], "weights", "20 of 30 differ")
    gelu = 0.5 * plain * (1 + special.erf(plain / math.sqrt(2)))
    cause = layer(w, x)("torch", "keras", plain, gelu.astype(dtype))
    assert cause is not None
    assert cause.kind == "activation"


def test_too_few_rows_do_not_determine_weights() -> None:
    w, other = {"weight": values(4, 5)}, values(4, 5, seed=7)
    for rows in (1, 3, 5, 6):
        x = values(rows, 5)
        assert layer(w, x)("torch", "keras", x @ w["weight"].T, values(rows, 4, seed=8)) is None
    x = values(7, 5)
    cause = layer(w, x)("torch", "keras", x @ w["weight"].T, x @ other.T)
    assert cause is not None
    assert cause.kind == "weights"


def test_embedding() -> None:
    tokens = np.random.default_rng(0).integers(0, 12, (3, 7)).astype(np.int32)
    tokens[0, 0] = 0
    table = values(12, 8)
    plain = np.stack([np.stack([table[t] for t in row]) for row in tokens])
    explain = layer({"weight": table}, tokens)
    check(explain, plain, plain * math.sqrt(8), "scale", "the root of 8")
    check(explain, plain, table[(tokens - 1) % 12], "rows", "one row before")
    zero = np.where((tokens == 0)[..., None], 0, plain)
    check(explain, plain, zero, "rows", "zeros for token 0")


# Between layers


def between(**before: Array) -> Explain:
    def explain(a: str, b: str, a_in: Array, b_in: Array) -> Cause | None:
        return explain_between(a, b, before, a_in, b_in)

    return explain


def relu(x: Array) -> Array:
    return np.where(x > 0, x, 0)


def leaky(x: Array, slope: float) -> Array:
    return np.where(x > 0, x, slope * x)


def erf_gelu(x: Array) -> Array:
    return x * (1 + special.erf(x / math.sqrt(2))) / 2


def tanh_gelu(x: Array) -> Array:
    return x / (1 + np.exp(-2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


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


def attention(
    q: Array, k: Array, v: Array, heads: int, mask: Array | None, scaled: bool = True
) -> tuple[Array, Array]:
    """With loops over examples, heads and steps."""
    batch, steps, width = q.shape
    size = width // heads
    out, weights = np.zeros(q.shape), np.zeros((batch, heads, steps, k.shape[1]))
    for b in range(batch):
        for n in range(heads):
            part = slice(n * size, (n + 1) * size)
            for t in range(steps):
                scores = [float(q[b, t, part] @ key) for key in k[b, :, part]]
                scores = [s / math.sqrt(size) if scaled else s for s in scores]
                if mask is not None:
                    scores = [s if m else -1e9 for s, m in zip(scores, mask[b, t], strict=True)]
                powers = [math.exp(s - max(scores)) for s in scores]
                share = np.array(powers) / sum(powers)
                out[b, t, part] = share @ v[b, :, part]
                weights[b, n, t] = share
    return out, weights


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


def gru(x: Array, h: Array, state: Array, order: str, flip: bool = False) -> Array:
    size = state.shape[1]
    at = {gate: slice(order.index(gate) * size, (order.index(gate) + 1) * size) for gate in "rzn"}
    r = 1 / (1 + np.exp(-(x[:, at["r"]] + h[:, at["r"]])))
    z = 1 / (1 + np.exp(-(x[:, at["z"]] + h[:, at["z"]])))
    n = np.tanh(x[:, at["n"]] + r * h[:, at["n"]])
    return z * n + (1 - z) * state if flip else n + z * (state - n)


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


# Training


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


def buffers(
    old: Mapping[str, Array], x: Array, weight: float, *, ddof: int = 1
) -> dict[str, Array]:
    axes = tuple(range(x.ndim - 1))
    new = {"running_mean": x.mean(axis=axes), "running_var": x.var(axis=axes, ddof=ddof)}
    return {name: old[name] + weight * (new[name] - old[name]) for name in new}


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


def settings(optimizer: str, **others: Any) -> Any:
    return SimpleNamespace(optimizer=optimizer, learning_rate=0.0625, **others)


def step(
    weights: Mapping[str, Array],
    gradients: Mapping[str, Array],
    optimizer: str,
    *,
    rate: float = 0.0625,
    epsilon: float = 1e-8,
    factor: float = 1.0,
    l2: float = 0.0,
    apart: float = 0.0,
    clip: float | None = None,
    own: bool = False,
    early: bool = False,
    corrected: bool = True,
    betas: type[np.floating] = np.float64,
) -> dict[str, Array]:
    """The first step, a value at a time where that is how it is defined."""
    whole = math.sqrt(sum(float((g.astype(float) ** 2).sum()) for g in gradients.values()))
    new = {}
    for name, w in weights.items():
        g = gradients[name].astype(float)
        norm = float(np.linalg.norm(g)) if own else whole
        if clip is not None and norm > clip:
            g = g * clip / norm
        g = g + l2 * w
        m, v = 0.1 * g, 0.001 * g**2
        if optimizer == "sgd":
            move = factor * g
        elif not corrected:
            move = m / (np.sqrt(v) + epsilon)
        elif early:
            first, second = (1 - float(betas(beta)) for beta in (0.9, 0.999))
            move = (m / first) * math.sqrt(second) / (np.sqrt(v) + epsilon)
        else:
            move = (m / 0.1) / (np.sqrt(v / 0.001) + epsilon)
        new[name] = (w - rate * move - apart * w).astype(w.dtype)
    return new


OPTIMIZERS: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any], str, str]] = [
    ("sgd", {"momentum": 0.9}, {}, {"factor": 1.9}, "nesterov", "Nesterov"),
    ("sgd", {"momentum": 0.9, "nesterov": True}, {"factor": 1.9}, {}, "nesterov", "plain"),
    ("sgd", {"momentum": 0.9}, {}, {"factor": 0.1}, "dampening", "damps"),
    ("sgd", {}, {}, {"rate": 0.625}, "learning rate", "0.625"),
    ("sgd", {}, {}, {"rate": -0.0625}, "learning rate", "climbs"),
    ("sgd", {"weight_decay": 0.02}, {"l2": 0.02}, {}, "weight decay", "does not decay"),
    ("sgd", {"weight_decay": 0.02}, {"l2": 0.02}, {"apart": 0.02}, "weight decay", "whatever"),
    ("sgd", {"clip_norm": 1.0}, {"clip": 1.0}, {}, "clipping", "does not clip"),
    ("sgd", {"clip_norm": 1.0}, {"clip": 1.0}, {"clip": 1.0, "own": True}, "clipping", "by itself"),
    ("sgd", {}, {}, {"clip": 1.0}, "clipping", "over all tensors"),
    ("adam", {}, {}, {"epsilon": 1e-7}, "adam epsilon", "epsilon 1e-07 to the root"),
    ("adam", {}, {}, {"epsilon": 1e-7, "early": True}, "adam epsilon", "1e-07 to the root before"),
    (
        "adam",
        {},
        {},
        {"epsilon": 1e-7, "early": True, "betas": np.float32},
        "adam epsilon",
        "1e-07 to the root before",
    ),
    ("adam", {}, {}, {"epsilon": 3.3e-4}, "adam epsilon", "0.00033"),
    ("adam", {}, {}, {"corrected": False}, "bias correction", "does not correct"),
    ("adam", {}, {}, {"rate": 0.03125}, "learning rate", "0.03125"),
    (
        "adam",
        {"weight_decay": 0.02},
        {"l2": 0.02},
        {"apart": 0.02 * 0.0625},
        "weight decay",
        "apart from the gradients",
    ),
    (
        "adamw",
        {"weight_decay": 0.02},
        {"apart": 0.02 * 0.0625},
        {"l2": 0.02},
        "weight decay",
        "adds 0.02 times the weights",
    ),
    (
        "adamw",
        {"weight_decay": 0.01},
        {"apart": 0.01 * 0.0625},
        {"apart": 0.004 * 0.0625},
        "weight decay",
        "0.004",
    ),
    (
        "adamw",
        {"weight_decay": 0.02},
        {"apart": 0.02 * 0.0625},
        {"apart": 0.033 * 0.0625},
        "weight decay",
        "0.033",
    ),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("optimizer", "asked", "usual", "fault", "kind", "words"), OPTIMIZERS)
def test_updates(
    dtype: str,
    optimizer: str,
    asked: dict[str, Any],
    usual: dict[str, Any],
    fault: dict[str, Any],
    kind: str,
    words: str,
) -> None:
    weights = {"weight": values(6, 5, dtype=dtype), "bias": values(6, seed=1, dtype=dtype)}
    grads = {"weight": values(6, 5, seed=2, dtype=dtype), "bias": values(6, seed=3, dtype=dtype)}
    grads["weight"][0] *= 1e-4  # so small that an epsilon is felt
    grads["weight"][1] *= 1e-6

    def explain(a: str, b: str, a_new: Any, b_new: Any) -> Cause | None:
        return explain_update(a, b, settings(optimizer, **asked), weights, grads, a_new, b_new)

    plain, odd = step(weights, grads, optimizer, **usual), step(weights, grads, optimizer, **fault)
    check(explain, plain, odd, kind, words)


def test_a_learning_rate_in_float32() -> None:
    weights, grads = {"w": values(50)}, {"w": values(50, seed=1)}
    asked = SimpleNamespace(optimizer="sgd", learning_rate=0.01)
    sides = [step(weights, grads, "sgd", rate=rate) for rate in (0.01, float(np.float32(0.01)))]
    cause = explain_update("torch", "keras", asked, weights, grads, *sides)
    assert cause is not None
    assert cause.text.startswith("keras holds its learning rate in float32")


# What is no known convention


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
        assert explain("torch", "keras", plain, broken) is None
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
    assert explain_gradients("torch", "keras", {"w": values(4)}, broken) is None


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
