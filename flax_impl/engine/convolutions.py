"""float64's convolutions put so that XLA computes them by its library.

On a CPU XLA has a library for them where they have channels enough, and no zeros between the pixels
or wider than the image around it. The others are loops of its own. They have to be optimised, and
to optimise them takes longer than most programs of the ladder run. So zeros are put in beforehand
here, and filters of zeros where they are too few. All convolutions are one primitive of JAX, also
those in gradients.

Zeros between pixels are put in beforehand too where a kernel is not as high as it is wide: there
XLA swaps image and kernel, confuses their axes for some sizes, and ends the process. That is the
gradient of a convolution with strides by its image.
"""

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from flax_impl.engine.rewriting import Rules

FEWEST_PRODUCTS = 1 << 20
"""A convolution of fewer multiplications stays as it is: its loops take no time."""

CHANNELS = 32
"""With as many, of an image or of the result, XLA uses its library."""


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
    preferred_element_type: Any,
    **_: Any,
) -> Array | None:
    """A large convolution without groups, or one that XLA would fail to compile."""
    if lhs.dtype != jnp.float64 or rhs.dtype != jnp.float64:
        return None
    zero, space = jnp.zeros((), lhs.dtype), dimension_numbers.lhs_spec[2:]
    filters_axis, channels_axis, *window = dimension_numbers.rhs_spec
    filters, channels = rhs.shape[filters_axis], rhs.shape[channels_axis]

    around = [(0, 0, 0)] * lhs.ndim
    for axis, (low, high), step in zip(space, padding, lhs_dilation, strict=True):
        around[axis] = (low, high, step - 1)

    def convolve(x: Array, kernel: Array) -> Array:
        return lax.conv_general_dilated(
            x,
            kernel,
            window_strides,
            [(0, 0)] * len(space),
            rhs_dilation=rhs_dilation,
            dimension_numbers=dimension_numbers,
            feature_group_count=feature_group_count,
            batch_group_count=batch_group_count,
            precision=precision,
            preferred_element_type=preferred_element_type,
        )

    spread = any(step != 1 for step in lhs_dilation)
    if spread and len({rhs.shape[axis] for axis in window}) > 1:
        return convolve(lax.optimization_barrier(lax.pad(lhs, zero, around)), rhs)
    if feature_group_count * batch_group_count != 1 or not has_library():
        return None
    padded = jax.eval_shape(lambda: lax.pad(lhs, zero, around))
    shape = jax.eval_shape(convolve, padded, rhs).shape
    if math.prod(shape) * rhs.size < FEWEST_PRODUCTS * filters:
        return None
    reach = [
        (rhs.shape[axis] - 1) * step + 1 for axis, step in zip(window, rhs_dilation, strict=True)
    ]
    result = [shape[axis] for axis in dimension_numbers.out_spec[2:]]
    images = [lhs.shape[axis] for axis in space]
    wide = any(max(r, m) > n for r, m, n in zip(reach, result, images, strict=True))
    few = max(channels, filters) < CHANNELS
    if not (wide or spread or few):
        return None
    missing = [(0, 0, 0)] * rhs.ndim
    missing[filters_axis] = (0, CHANNELS - filters if few else 0, 0)
    # Without the barrier XLA makes the zeros a part of the convolution again.
    x = lax.optimization_barrier(lax.pad(lhs, zero, around))
    convolved = convolve(x, lax.pad(rhs, zero, missing))
    return lax.slice_in_dim(convolved, 0, filters, axis=dimension_numbers.out_spec[1])


RULES: Rules = {"conv_general_dilated": _convolution}


@cache
def has_library() -> bool:
    """Whether XLA has a library for convolutions in float64 on this processor."""
    x = jax.ShapeDtypeStruct((1, 6, 6, CHANNELS), jnp.float64)
    kernel = jax.ShapeDtypeStruct((3, 3, CHANNELS, CHANNELS), jnp.float64)

    def convolve(x: Array, kernel: Array) -> Array:
        numbers = ("NHWC", "HWIO", "NHWC")
        return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=numbers)

    with jax.enable_x64(True), jax.default_device(jax.devices("cpu")[0]):
        compiled = jax.jit(convolve).lower(x, kernel).compile().as_text()
    return "ynn" in (compiled or "")
