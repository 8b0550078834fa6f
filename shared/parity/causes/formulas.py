"""Activations, windows, convolutions and attention in plain NumPy, in float64.

Written for the search for causes: small, and open to every convention that frameworks disagree on.
Images are NHWC, kernels OIHW.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal

import numpy as np
from scipy import special

Function = Callable[[np.ndarray], np.ndarray]
STYLES = ("even", "SAME", "odd")


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x))."""
    return special.expit(x)


def hard_sigmoid(x: np.ndarray) -> np.ndarray:
    """A straight line of slope 1/6, cut at 0 and 1."""
    return np.clip(x / 6 + 0.5, 0, 1)


def gelu(x: np.ndarray) -> np.ndarray:
    """The product of x and the normal distribution function."""
    return x * special.ndtr(x)


def tanh_gelu(x: np.ndarray) -> np.ndarray:
    """The approximation of `gelu` with tanh (Hendrycks and Gimpel, 2016)."""
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def leaky(slope: float) -> Function:
    """Keep x above 0, take slope * x below."""
    return lambda x: np.where(x > 0, x, slope * x)


def elu(x: np.ndarray) -> np.ndarray:
    """Keep x above 0, take exp(x) - 1 below."""
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def selu(x: np.ndarray) -> np.ndarray:
    """A scaled `elu` that keeps mean and variance (Klambauer et al., 2017)."""
    return 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * elu(x))


@dataclass(frozen=True)
class Activation:
    """A function of every value, what it says of itself, and what kind of convention it is."""

    says: str
    function: Function
    kind: str = "activation"


NONE = Activation("applies no activation", lambda x: x)
RELU = Activation("applies relu", lambda x: np.maximum(x, 0))
ACTIVATIONS = (
    NONE,
    RELU,
    Activation("applies exact gelu", gelu, "gelu"),
    Activation("applies tanh gelu", tanh_gelu, "gelu"),
    *(
        Activation(f"applies leaky relu of slope {slope:g}", leaky(slope), "leaky slope")
        for slope in (0.01, 0.2, 0.3, 0.1)
    ),
    Activation("applies silu", lambda x: x * sigmoid(x)),
    Activation("applies elu", elu),
    Activation("applies sigmoid", sigmoid),
    Activation("applies hard sigmoid", hard_sigmoid),
    Activation("applies tanh", np.tanh),
    Activation("applies relu, cut at 6,", lambda x: np.clip(x, 0, 6)),
    Activation("applies softplus", lambda x: np.logaddexp(x, 0)),
    Activation("applies selu", selu),
    Activation("applies softmax", lambda x: special.softmax(x, axis=-1)),
)


@dataclass(frozen=True)
class Windows:
    """How windows lie along one axis: `size` places, `stride` apart, the first `before` the start.

    `dilation` is the step between the values of a window of `width`.
    """

    size: int
    width: int
    stride: int
    before: int
    dilation: int = 1

    def after(self, length: int) -> int:
        """How far the last window reaches beyond the end."""
        last = (self.size - 1) * self.stride + self.dilation * (self.width - 1) + 1
        return last - length - self.before

    def style(self, length: int) -> Literal["even", "SAME", "odd"]:
        """Whether the padding can be the same on both sides, or is what SAME means, or neither."""
        before, after = self.before, self.after(length)
        if before >= 0 and 0 <= before - after < self.stride:
            return "even"
        return "SAME" if before == max(0, before + after) // 2 else "odd"

    def padding(self, length: int) -> str:
        """What padding this is, in words."""
        if self.style(length) == "even":
            return f"pads {self.before} on every side"
        message = f"pads {self.before} before and {max(0, self.after(length))} after"
        return f"{message}, as SAME does" if self.style(length) == "SAME" else message


def padding_of(rows: Windows, columns: Windows, shape: Sequence[int]) -> str:
    """What is padded of an image (B, H, W, C), in words."""
    height, width = rows.padding(shape[1]), columns.padding(shape[2])
    return height if height == width else f"{height} in height and {width} in width"


def windows(length: int, size: int, width: int, stride: int, dilation: int = 1) -> list[Windows]:
    """Every layout of `size` windows on an axis: symmetric padding first, SAME next."""
    reach = dilation * (width - 1)
    layouts = []
    for before in range(1 - stride, reach + 1):
        layout = Windows(size, width, stride, before, dilation)
        if -stride < layout.after(length) <= reach:
            layouts.append(layout)
    return sorted(layouts, key=lambda layout: STYLES.index(layout.style(length)))


def spread(x: np.ndarray, rows: Windows, columns: Windows, fill: float) -> np.ndarray:
    """Images (B, H, W, C) with what the windows see of their surroundings, set to `fill`."""
    around = []
    for layout, length in ((rows, x.shape[1]), (columns, x.shape[2])):
        around.append((max(0, layout.before), max(0, layout.after(length))))
    if any(map(any, around)):  # np.pad is many times slower where images are small
        (top, bottom), (left, right) = around
        batch, height, width, channels = x.shape
        wide = np.full((batch, top + height + bottom, left + width + right, channels), fill)
        wide[:, top : top + height, left : left + width] = x
        x = wide
    return x[:, max(0, -rows.before) :, max(0, -columns.before) :]


def views(x: np.ndarray, rows: Windows, columns: Windows) -> Iterator[tuple[int, int, np.ndarray]]:
    """For every place (i, j) in a window, what all windows have there: (B, H', W', C)."""
    for i in range(rows.width):
        for j in range(columns.width):
            top, left = i * rows.dilation, j * columns.dilation
            bottom = top + (rows.size - 1) * rows.stride + 1
            right = left + (columns.size - 1) * columns.stride + 1
            yield i, j, x[:, top : bottom : rows.stride, left : right : columns.stride]


def convolve(x: np.ndarray, kernel: np.ndarray, rows: Windows, columns: Windows) -> np.ndarray:
    """The convolution of images (B, H, W, I) with a kernel (O, I, h, w), as networks mean it."""
    x = spread(x, rows, columns, 0.0)
    total = np.zeros((len(x), rows.size, columns.size, len(kernel)))
    for i, j, view in views(x, rows, columns):
        total += view @ kernel[:, :, i, j].T
    return total


def convolve_transposed(x: np.ndarray, kernel: np.ndarray, stride: int) -> np.ndarray:
    """Every pixel of (B, H, W, I) laid down as a kernel (I, O, h, w); nothing is cut off."""
    batch, height, width, _ = x.shape
    h, w = kernel.shape[2:]
    total = np.zeros((batch, (height - 1) * stride + h, (width - 1) * stride + w, kernel.shape[1]))
    for i in range(h):
        for j in range(w):
            bottom, right = i + (height - 1) * stride + 1, j + (width - 1) * stride + 1
            total[:, i:bottom:stride, j:right:stride] += x @ kernel[:, :, i, j]
    return total


def largest(x: np.ndarray, rows: Windows, columns: Windows, fill: float = -np.inf) -> np.ndarray:
    """The largest value of every window; padding is never the largest unless it is filled."""
    x = spread(x, rows, columns, fill)
    return reduce(np.maximum, (view for _, _, view in views(x, rows, columns)))


def average(x: np.ndarray, rows: Windows, columns: Windows, counted: bool) -> np.ndarray:
    """The mean of every window; padding counts as zeros, or not at all."""
    total = _total(spread(x, rows, columns, 0.0), rows, columns)
    if counted:
        return total / (rows.width * columns.width)
    ones = spread(np.ones((1, *x.shape[1:3], 1)), rows, columns, 0.0)
    return total / _total(ones, rows, columns)


def _total(x: np.ndarray, rows: Windows, columns: Windows) -> np.ndarray:
    return reduce(np.add, (view for _, _, view in views(x, rows, columns)))


SPLITS: tuple[tuple[str, Callable[[np.ndarray, int], np.ndarray]], ...] = (
    (
        "splits a vector into heads one after the other",
        lambda x, heads: x.reshape(*x.shape[:2], heads, -1).swapaxes(1, 2),
    ),
    (
        "splits a vector into heads whose values take turns",
        lambda x, heads: x.reshape(*x.shape[:2], -1, heads).transpose(0, 3, 1, 2),
    ),
    (
        "splits a sequence, not its vectors, into heads",
        lambda x, heads: x.reshape(len(x), heads, x.shape[1], -1),
    ),
)
"""Of vectors (B, T, D) heads (B, N, T, d)."""

JOINS: tuple[tuple[str, Function], ...] = (
    (
        "joins the heads one after the other",
        lambda x: x.swapaxes(1, 2).reshape(len(x), x.shape[2], -1),
    ),
    (
        "joins the heads so that their values take turns",
        lambda x: x.transpose(0, 2, 3, 1).reshape(len(x), x.shape[2], -1),
    ),
    ("joins the heads as they lie, not step by step", lambda x: x.reshape(len(x), x.shape[2], -1)),
)
"""Of heads (B, N, T, d) vectors (B, T, D)."""

AXES = {
    -1: "takes its softmax over the keys",
    -2: "takes its softmax over the queries",
    -3: "takes its softmax over the heads",
}


def attend(
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    heads: int,
    factor: float,
    mask: np.ndarray | None,
    *,
    axis: int = -1,
    split: int = 0,
    join: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Values (B, T, D) and weights (B, N, T, S) of attention with `heads` heads.

    The mask is True where attention may go, (B, T, S) or what broadcasts to it. `axis` is the
    softmax's, `split` and `join` are places in `SPLITS` and `JOINS`.
    """
    _, parted = SPLITS[split]
    scores = parted(q, heads) @ parted(k, heads).swapaxes(-1, -2) * factor
    if mask is not None:
        scores = np.where(mask[:, None], scores, -1e9)
    weights = special.softmax(scores, axis=axis)
    return JOINS[join][1](weights @ parted(v, heads)), weights


def positions(steps: int, width: int, first: int, *, halves: bool = False) -> np.ndarray:
    """Sines and cosines (T, D) of the steps from `first` on, by turns or in two halves."""
    angles = np.arange(first, first + steps)[:, None] / 10_000 ** (np.arange(0, width, 2) / width)
    pair = [np.sin(angles), np.cos(angles)]
    if halves:
        return np.concatenate(pair, axis=-1)[:, :width]
    return np.stack(pair, axis=-1).reshape(steps, -1)[:, :width]


def gated(
    from_input: np.ndarray,
    from_state: np.ndarray,
    h: np.ndarray,
    order: str,
    *,
    new_by_z: bool,
    whole: bool,
    reset: bool = True,
) -> np.ndarray:
    """The next state of a GRU from the two halves of its gates, (B, 3H) each.

    Args:
        from_input: The half from the input.
        from_state: The half from the state.
        h: The state before, (B, H).
        order: How the gates lie: "rzn" for reset, update, new.
        new_by_z: Whether the update gate weighs the new state, not the old one.
        whole: Whether the reset gate multiplies the input's share of the new state too.
        reset: Whether it multiplies anything at all here.
    """
    ours = dict(zip(order, np.split(from_input, 3, axis=-1), strict=True))
    theirs = dict(zip(order, np.split(from_state, 3, axis=-1), strict=True))
    r = sigmoid(ours["r"] + theirs["r"]) if reset else 1.0
    z = sigmoid(ours["z"] + theirs["z"])
    n = np.tanh(r * (ours["n"] + theirs["n"]) if whole else ours["n"] + r * theirs["n"])
    return z * n + (1 - z) * h if new_by_z else (1 - z) * n + z * h
