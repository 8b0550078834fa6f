"""Two sides of which one is odd, simulated with loops and SciPy, apart from the code under test."""

import math
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy import signal, special

from shared.parity.causes import (
    Cause,
    explain_between,
    explain_layer,
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
        assert all(part.startswith(("keras ", "keras's ")) for part in parts), cause
        about = "; ".join(parts)
        assert all(word in about for word in words), cause
    assert explain("torch", "keras", plain, plain) is None
    assert explain("torch", "keras", odd, odd) is None


def nudged(array: Array, size: float) -> Array:
    """An array with random changes of a relative size."""
    change = size * np.abs(array).max() * values(*array.shape, seed=99)
    return (array + change).astype(array.dtype)


def layer(weights: Mapping[str, Array], x: Array, train: bool = False) -> Explain:
    def explain(a: str, b: str, a_out: Array, b_out: Array) -> Cause | None:
        return explain_layer(a, b, weights, x, a_out, x, b_out, train)

    return explain


def between(**before: Array) -> Explain:
    def explain(a: str, b: str, a_in: Array, b_in: Array) -> Cause | None:
        return explain_between(a, b, before, a_in, b_in)

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


def relu(x: Array) -> Array:
    return np.where(x > 0, x, 0)


def erf_gelu(x: Array) -> Array:
    return x * (1 + special.erf(x / math.sqrt(2))) / 2


def tanh_gelu(x: Array) -> Array:
    return x / (1 + np.exp(-2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


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


def gru(x: Array, h: Array, state: Array, order: str, flip: bool = False) -> Array:
    size = state.shape[1]
    at = {gate: slice(order.index(gate) * size, (order.index(gate) + 1) * size) for gate in "rzn"}
    r = 1 / (1 + np.exp(-(x[:, at["r"]] + h[:, at["r"]])))
    z = 1 / (1 + np.exp(-(x[:, at["z"]] + h[:, at["z"]])))
    n = np.tanh(x[:, at["n"]] + r * h[:, at["n"]])
    return z * n + (1 - z) * state if flip else n + z * (state - n)


def buffers(
    old: Mapping[str, Array], x: Array, weight: float, *, ddof: int = 1
) -> dict[str, Array]:
    axes = tuple(range(x.ndim - 1))
    new = {"running_mean": x.mean(axis=axes), "running_var": x.var(axis=axes, ddof=ddof)}
    return {name: old[name] + weight * (new[name] - old[name]) for name in new}


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
