"""Why a layer gives other numbers than its twin: norms, convolutions, dense layers, embeddings.

Both had the same input and the same weights. What the layer is follows from its tensors; then every
known convention for such a layer is computed and held against both sides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from shared.differences import gap
from shared.parity.causes import norms
from shared.parity.causes.formulas import (
    ACTIVATIONS,
    Windows,
    convolve,
    convolve_transposed,
    padding_of,
    windows,
)
from shared.parity.causes.match import (
    CLOSER,
    Cause,
    Fact,
    Problem,
    Reading,
    Readings,
    examples,
    figure,
    rounding,
    tell_apart,
    tolerance,
    usable,
)
from shared.parity.causes.outputs import not_finite, rounded

STRIDES = (1, 2, 3, 4)
LIMIT = 30_000  # values of a layer's input that are looked at
CHANNELS = 8  # of a convolution's output
Tensors = Mapping[str, np.ndarray]


def explain_layer(
    a_name: str,
    b_name: str,
    weights: Tensors,
    a_in: np.ndarray,
    a_out: np.ndarray,
    b_in: np.ndarray,
    b_out: np.ndarray,
    train: bool,
    others: Mapping[str, Tensors] | None = None,
) -> Cause | None:
    """Why a layer's outputs differ although its inputs and weights agree.

    Args:
        a_name: What the first side is called.
        b_name: What the second is called.
        weights: The layer's own canonical tensors: "weight", "bias", "running_mean", "running_var".
        a_in: The first side's input: (B, H, W, C), (B, T, D), (B, D), or tokens.
        a_out: Its output.
        b_in: The second side's input, equal but for rounding.
        b_out: Its output.
        train: Whether the layer was in training mode.
        others: The tensors of the network's other layers, by name: perhaps it has theirs.
    """
    if not (a_in.ndim and a_out.ndim and b_in.ndim and b_out.ndim):
        return None
    if (cause := not_finite(a_name, b_name, a_out, b_out)) is not None:
        return cause
    if not usable(a_in, a_out, b_in, b_out, *weights.values()) or a_out.shape != b_out.shape:
        return None
    tensors = {name: value.astype(float) for name, value in weights.items()}
    with np.errstate(all="ignore"):
        near, names = tolerance(a_out, b_out), (a_name, b_name)
        problem = _problem(tensors, a_in, a_out, b_out, train)
        if problem is None:
            return rounded(a_name, b_name, a_out, b_out)
        shared = _activated(problem.shared, (problem.a, problem.b), near)
        return (
            _of_another(names, tensors, others or {}, (a_in, a_out, b_out), train, near)
            or tell_apart(names, replace(problem, shared=shared), near)
            or rounded(a_name, b_name, a_out, b_out)
        )


def _of_another(
    names: tuple[str, str],
    tensors: Tensors,
    others: Mapping[str, Tensors],
    arrays: tuple[np.ndarray, np.ndarray, np.ndarray],
    train: bool,
    near: float,
) -> Cause | None:
    """One side gives what it does with its own tensors, the other with another layer's."""
    x, *outs = arrays
    limit = min(near, gap(*outs) / CLOSER)

    def gives(weights: Tensors, out: np.ndarray) -> bool:
        problem = _problem(weights, x, out, out, train)
        if problem is None:
            return False
        first = next(iter(problem.shared), None)
        return first is not None and gap(problem.a, first.value) <= limit

    alike = {
        layer: {name: value.astype(float) for name, value in of_layer.items()}
        for layer, of_layer in others.items()
        if {n: v.shape for n, v in of_layer.items()} == {n: v.shape for n, v in tensors.items()}
        and usable(*of_layer.values())
    }
    if not alike or min(tensors["weight"].ndim if "weight" in tensors else 0, 2) < 2:
        return None
    own = [gives(tensors, out) for out in outs]
    if own[0] == own[1]:
        return None
    odd, plain, out = (*names, outs[0]) if own[1] else (*names[::-1], outs[1])
    for layer, weights in alike.items():
        if gives(weights, out):
            return Cause("weights", f"{odd} computes with the weights of {layer}, {plain} does not")
    return None


def _problem(
    weights: Tensors, x: np.ndarray, a: np.ndarray, b: np.ndarray, train: bool
) -> Problem | None:
    weight = weights.get("weight", np.zeros(()))
    if "running_mean" in weights and "running_var" in weights:
        return norms.batch_norm(weights, x.astype(float), a, b, train)
    if weight.ndim == 1 and x.ndim > 1 and x.shape[-1] == len(weight) and a.shape == x.shape:
        rows = examples(a, b, LIMIT)
        return norms.norm(weights, x.astype(float), a, b, rows)
    if weight.ndim == 2 and x.dtype.kind in "iu":
        return _embedding(weight, x, a, b)
    if weight.ndim == 2 and x.shape[-1] == weight.shape[1] and a.shape[-1] == weight.shape[0]:
        return _dense(weights, x.astype(float), a, b)
    if weight.ndim == 4 and x.ndim == a.ndim == 4:
        rows = examples(a, b, LIMIT * a[0].size // x[0].size)
        return _convolution(weights, x[rows].astype(float), a[rows], b[rows])
    return None


def _activated(readings: Readings, sides: Sequence[np.ndarray], near: float) -> Iterator[Reading]:
    """The readings; one that gives a side's numbers is followed by what it would be, activated."""
    none, *others = ACTIVATIONS
    for reading in readings:
        plain = Fact("activation", none.says, none.kind)
        yield replace(reading, facts=(*reading.facts, plain))
        if any(gap(side, reading.value) <= near for side in sides):
            for other in others:
                fact = Fact("activation", other.says, other.kind)
                yield Reading(other.function(reading.value), (*reading.facts, fact))


# Convolutions


def _convolution(weights: Tensors, x: np.ndarray, a: np.ndarray, b: np.ndarray) -> Problem:
    """Both a convolution and a transposed one, as far as the shapes allow."""
    weight, bias = weights["weight"], weights.get("bias")
    gaps = np.abs(a.astype(float) - b).max(axis=(0, 1, 2))
    seen = np.sort(np.argsort(-gaps, kind="stable")[:CHANNELS])

    def readings() -> Iterator[Reading]:
        for compute in (_convolved, _transposed):
            for value, facts in compute(x, weight, a.shape, seen):
                yield from _biased(value, facts, None if bias is None else bias[seen])

    def own(expected: np.ndarray) -> Iterator[Reading]:
        for compute in (_convolved, _transposed):
            for value, facts in compute(x, weight, a.shape, seen):
                yield from _added(value, facts, expected, None if bias is None else bias[seen])

    return Problem(a[..., seen], b[..., seen], readings(), own)


def _added(
    value: np.ndarray, facts: tuple[Fact, ...], expected: np.ndarray, bias: np.ndarray | None
) -> Iterator[Reading]:
    """What is computed without a bias, with one that no tensor holds, the same for all places."""
    places = expected.reshape(-1, expected.shape[-1])
    if len(places) < 4 or value.shape != expected.shape:
        return
    rest = places - value.reshape(places.shape)
    missing = np.median(rest, axis=0)
    if np.abs(rest - missing).max() > 1e-6 * np.abs(expected).max():
        return
    factor = 0.0 if bias is None else float(missing @ bias / (bias @ bias or 1))
    message = "adds a bias that no tensor holds"
    if bias is not None and factor and gap(missing, factor * bias) <= 1e-6:
        message = f"adds {figure(factor, 1e-5)} times its bias"
    yield Reading(value + missing, (*facts, Fact("bias", message)))


def _biased(
    value: np.ndarray, facts: tuple[Fact, ...], bias: np.ndarray | None
) -> Iterator[Reading]:
    if bias is None:
        yield Reading(value, (*facts, Fact("bias", "adds no bias")))
        return
    yield Reading(value + bias, (*facts, Fact("bias", "adds its bias")))
    yield Reading(value, (*facts, Fact("bias", "leaves its bias out")))


def _kernels(weight: np.ndarray) -> Iterator[tuple[np.ndarray, Fact]]:
    """A kernel as it is, and as a wrong layout or a wrong sense would have it."""

    def message(says: str, kind: str = "") -> Fact:
        return Fact("kernel", f"takes its kernel {says}", kind)

    yield weight, message("as it is")
    yield weight[:, :, ::-1, ::-1], message("flipped in height and width", "flipped kernel")
    yield weight[:, :, :, ::-1], message("flipped in width", "flipped kernel")
    yield weight[:, :, ::-1], message("flipped in height", "flipped kernel")
    if weight.shape[2] == weight.shape[3]:
        turned = weight.swapaxes(2, 3)
        yield turned, message("with height and width swapped", "transposed kernel")
    if weight.shape[0] == weight.shape[1]:
        crossed = weight.swapaxes(0, 1)
        yield crossed, message("with input and output channels swapped", "kernel axes")
        both = crossed[:, :, ::-1, ::-1]
        yield both, message("flipped, with input and output channels swapped", "kernel axes")


def _convolved(
    x: np.ndarray, weight: np.ndarray, shape: tuple[int, ...], seen: np.ndarray
) -> Iterator[tuple[np.ndarray, tuple[Fact, ...]]]:
    outputs, inputs = weight.shape[:2]
    if shape[-1] != outputs or x.shape[-1] % inputs:
        return
    groups = x.shape[-1] // inputs
    if outputs % groups:
        return
    likely, others = _places(x.shape, shape, weight.shape[2:])
    (plain, as_it_is), *changed = _kernels(weight)
    for kernel, fact, places in (
        (plain, as_it_is, likely + others),
        *((kernel, fact, likely) for kernel, fact in changed),
    ):
        for rows, columns in places:
            parts = []
            for o in seen.reshape(-1, 1) if groups > 1 else [seen]:
                first = inputs * (int(o[0]) // (outputs // groups))
                part = x[..., first : first + inputs] if groups > 1 else x
                parts.append(convolve(part, kernel[o], rows, columns))
            facts = (
                Fact("stride", f"moves its kernel by {rows.stride}"),
                Fact("dilation", f"dilates its kernel by {rows.dilation}"),
                Fact("padding", padding_of(rows, columns, x.shape)),
                fact,
            )
            yield np.concatenate(parts, axis=-1), facts


def _places(
    source: Sequence[int], expected: Sequence[int], size: Sequence[int]
) -> tuple[list[tuple[Windows, Windows]], list[tuple[Windows, Windows]]]:
    """Where windows may lie: both axes padded alike, and, for small kernels, all others."""
    likely, others = [], []
    for dilation, stride in product((1, 2, 3), STRIDES):
        if dilation > 1 and max(size) == 1:
            continue
        rows, columns = (
            windows(source[axis], expected[axis], size[axis - 1], stride, dilation)
            for axis in (1, 2)
        )
        for pair in product(rows, columns):
            style, other = pair[0].style(source[1]), pair[1].style(source[2])
            if style == other and (style != "odd" or pair[0].before == pair[1].before):
                likely.append(pair)
            elif dilation == 1 and size[0] * size[1] <= 9:
                others.append(pair)
    return likely, others


def _transposed(
    x: np.ndarray, weight: np.ndarray, shape: tuple[int, ...], seen: np.ndarray
) -> Iterator[tuple[np.ndarray, tuple[Fact, ...]]]:
    inputs, outputs = weight.shape[:2]
    if shape[-1] != outputs or x.shape[-1] != inputs or shape[1] < x.shape[1]:
        return
    for stride in STRIDES:
        spare = [
            (x.shape[axis] - 1) * stride + weight.shape[axis + 1] - shape[axis] for axis in (1, 2)
        ]
        if any(
            not -stride < each <= 2 * (size - 1)
            for each, size in zip(spare, weight.shape[2:], strict=True)
        ):
            continue
        longer = [(0, max(0, -each)) for each in spare]
        corners = list(product(*(range(max(0, each) + 1) for each in spare)))
        if spare[0] == spare[1]:
            corners = [(top, left) for top, left in corners if top == left]
        corners.sort(key=lambda c: abs(2 * c[0] - spare[0]) + abs(2 * c[1] - spare[1]))
        for kernel, fact in _kernels(weight):
            whole = convolve_transposed(x, kernel[:, seen], stride)
            whole = np.pad(whole, [(0, 0), *longer, (0, 0)])
            for top, left in corners:
                facts = (
                    Fact("stride", f"moves its kernel by {stride}"),
                    Fact("padding", f"cuts {top} rows and {left} columns off before"),
                    fact,
                )
                yield whole[:, top : top + shape[1], left : left + shape[2]], facts


# Dense layers and embeddings


def _dense(weights: Tensors, x: np.ndarray, a: np.ndarray, b: np.ndarray) -> Problem:
    weight, bias = weights["weight"], weights.get("bias")
    x = x.reshape(-1, x.shape[-1])
    a, b = a.reshape(len(x), -1), b.reshape(len(x), -1)
    rows = examples(a, b, max(LIMIT, 4 * weight.size))
    x, a, b = x[rows], a[rows], b[rows]

    same = Fact("weights", "computes with the weights that it was given")
    plain = Fact("transposed kernel", "takes its weight as it is")

    def readings() -> Iterator[Reading]:
        yield from _biased(x @ weight.T, (plain, same), bias)
        if weight.shape[0] == weight.shape[1]:
            turned = Fact("transposed kernel", "takes its weight transposed")
            yield from _biased(x @ weight, (turned, same), bias)

    def own(expected: np.ndarray) -> Iterator[Reading]:
        base = x @ weight.T + (0 if bias is None else bias)
        noise = 100 * rounding(a, b)
        for change, message in _other_weights(x, weight, bias, expected - base, noise):
            yield Reading(base + change, (plain, Fact("weights", message)))
        if bias is None:
            yield from _added(x @ weight.T, (plain, same), expected, bias)

    return Problem(a, b, readings(), own)


def _other_weights(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, change: np.ndarray, noise: float
) -> Iterator[tuple[np.ndarray, str]]:
    """What a change of the output says about changed weights, where the inputs determine that."""
    names = [f"weight[{{}}, {i}]" for i in range(x.shape[1])]
    inputs, matrix = x, weight
    if bias is not None:
        inputs, matrix = np.column_stack([x, np.ones(len(x))]), np.column_stack([weight, bias])
        names.append("bias[{}]")
    sizes = np.abs(change).max(axis=0)
    o = int(np.argmax(sizes))  # perhaps one column alone changed, and by one entry alone
    if len(x) >= 3:
        factors = (inputs * change[:, [o]]).sum(axis=0) / (inputs**2).sum(axis=0)
        rest = np.abs(inputs * factors - change[:, [o]]).max(axis=0)
        i = int(np.nanargmin(np.where(np.isfinite(rest), rest, np.inf)))
        value = np.zeros_like(change)
        value[:, o] = inputs[:, i] * factors[i]
        if np.abs(value - change).max() <= 1e-3 * sizes[o]:
            wrong = matrix[o, i] + factors[i]
            yield value, f"computes with {names[i].format(o)} = {wrong:.6g}, not {matrix[o, i]:.6g}"
            return
    if len(x) > inputs.shape[1] + 1:
        fitted, _, rank, _ = np.linalg.lstsq(inputs, change, rcond=None)
        if rank == inputs.shape[1]:
            count = int((np.abs(fitted) > noise * np.abs(matrix).max()).sum())
            yield inputs @ fitted, f"computes with other weights ({count} of {fitted.size} differ)"


def _embedding(weight: np.ndarray, x: np.ndarray, a: np.ndarray, b: np.ndarray) -> Problem | None:
    count, width = weight.shape
    if a.shape != (*x.shape, width):
        return None
    rows = examples(a, b, LIMIT)
    x, a, b = x[rows], a[rows], b[rows]

    def readings() -> Iterator[Reading]:
        for moved, message in (
            (x, "looks every token up in its own row"),
            (x - 1, "looks every token up one row before its own"),
            (x + 1, "looks every token up one row after its own"),
        ):
            value = weight[moved % count]
            row = Fact("rows", message)
            yield Reading(value, (row, Fact("scale", "does not scale what it looks up")))
            root = np.sqrt(width)
            message = f"multiplies what it looks up by the root of {width}"
            yield Reading(value * root, (row, Fact("scale", message)))
        zero = np.where((x == 0)[..., None], 0, weight[x % count])
        padding = Fact("rows", "gives zeros for token 0")
        yield Reading(zero, (padding, Fact("scale", "does not scale what it looks up")))

    return Problem(a, b, readings())
