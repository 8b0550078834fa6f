"""float64's convolutions as matrix products, where XLA has no library for them.

On a CPU XLA has a library for float64's matrix products, and for convolutions of many channels. The
others, and all with zeros between the pixels, are loops of its own. They have to be optimised, and
to optimise them takes longer than most programs of the ladder run. All convolutions are one
primitive of JAX, also those in gradients.
"""

import math
from collections.abc import Sequence
from functools import cache, partial, reduce
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from flax_impl.engine.rewriting import Rules

MANY_CHANNELS = 32
"""With as many on either side XLA has a library, for a kernel and a result no larger than
the image; on some processors, see `_has_library`."""

MOST_PLACES = 128
"""A convolution that has more terms stays as it is: each is an operation to compile."""

FEWEST_PRODUCTS = 1 << 20
"""A convolution of fewer multiplications stays as it is: loops are compiled sooner."""

ROOM = 64 << 20
"""Bytes that the terms of a convolution may take side by side; beyond it they are added up."""


def _convolution(
    lhs: Array,
    rhs: Array,
    *,
    window_strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int],
    rhs_dilation: Sequence[int],
    dimension_numbers: Any,
    feature_group_count: int,
    batch_group_count: int,
    precision: Any,
    **_: Any,
) -> Array | None:
    """A convolution without groups; with N axes of space: x (B, S, C), and a kernel (K, C, O)."""
    groups = feature_group_count * batch_group_count
    if lhs.dtype != jnp.float64 or rhs.dtype != jnp.float64 or groups != 1 or lhs.ndim < 3:
        return None
    batch, channel, *space = dimension_numbers.lhs_spec
    out, into, *window = dimension_numbers.rhs_spec
    x, kernel = lhs.transpose(batch, *space, channel), rhs.transpose(*window, into, out)
    if 0 in x.shape or 0 in kernel.shape:
        return None
    images, size = x.shape[1:-1], kernel.shape[:-2]
    dilated = zip(padding, lhs_dilation, strict=True)
    around = [(low, high, step - 1) for (low, high), step in dilated]
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *around, (0, 0, 0)])
    reach = [(k - 1) * step + 1 for k, step in zip(size, rhs_dilation, strict=True)]
    steps = zip(x.shape[1:-1], reach, window_strides, strict=True)
    result = [(n - r) // step + 1 for n, r, step in steps]
    products = len(x) * math.prod(result) * kernel.size
    if min(result) < 1 or products < FEWEST_PRODUCTS:
        return None
    spread = any(step != 1 for step in lhs_dilation)
    within = all(max(r, m) <= n for r, m, n in zip(reach, result, images, strict=True))
    if not spread and within and max(kernel.shape[-2:]) >= MANY_CHANNELS and _has_library():
        return None
    convolved = _products(x, kernel, result, window_strides, rhs_dilation, precision)
    if convolved is None:
        return None
    batch, channel, *space = dimension_numbers.out_spec
    order = [0] * lhs.ndim
    for axis, place in enumerate((batch, *space, channel)):
        order[place] = axis
    return convolved.transpose(order)


def _products(
    x: Array,
    kernel: Array,
    result: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int],
    precision: Any,
) -> Array | None:
    """From x (B, S, C), with its zeros, and a kernel (K, C, O) to (B, S', O); `result` is S'.

    - Where the kernel has fewer places than the result, what each place of it sees is a slice
      (B, S', C); the slices side by side are multiplied by the kernel as (K C, O).
    - Where the result has fewer, as in a gradient by a kernel, what each place of the result sees
      is a slice (B, K, C), and is multiplied by the kernel as (K C, O).
    """
    size, (channels, filters) = kernel.shape[:-2], kernel.shape[-2:]
    by_kernel = math.prod(size) <= math.prod(result)
    places, seen = (size, result) if by_kernel else (result, size)
    apart, steps = (dilation, strides) if by_kernel else (strides, dilation)
    if math.prod(places) > MOST_PLACES:
        return None

    def seen_at(place: Sequence[int]) -> Array:
        starts = [i * distance for i, distance in zip(place, apart, strict=True)]
        ends = [i + (n - 1) * s + 1 for i, n, s in zip(starts, seen, steps, strict=True)]
        return lax.slice(x, (0, *starts, 0), (len(x), *ends, channels), (1, *steps, 1))

    times = partial(jnp.matmul, precision=precision)
    slices = [seen_at(place) for place in product(*map(range, places))]
    whole = kernel.reshape(-1, filters)
    if not by_kernel:
        rows = [times(piece.reshape(len(x), -1), whole) for piece in slices]
        return jnp.stack(rows, axis=1).reshape(len(x), *result, filters)
    if x.dtype.itemsize * sum(piece.size for piece in slices) <= ROOM:
        return times(jnp.concatenate(slices, axis=-1), whole)
    weights = kernel.reshape(-1, channels, filters)
    return reduce(jnp.add, map(times, slices, weights))


@cache
def _has_library() -> bool:
    """Whether XLA computes a convolution of many channels by a library here: it says so."""
    shapes = (1, 6, 6, 32), (3, 3, 32, 32)
    x, kernel = (jax.ShapeDtypeStruct(shape, jnp.float64) for shape in shapes)

    def convolve(x: Array, kernel: Array) -> Array:
        return lax.conv_general_dilated(
            x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    with jax.enable_x64(True):
        text = jax.jit(convolve).lower(x, kernel).compile().as_text()
    return "ynn" in (text or "")


RULES: Rules = {"conv_general_dilated": _convolution}
