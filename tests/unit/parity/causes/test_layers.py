"""Convolutions, dense layers, embeddings: what is odd on one side is named, with its side."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import signal, special

from tests.unit.parity.causes.simulated import (
    DTYPES,
    Array,
    check,
    conv,
    layer,
    values,
)

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
