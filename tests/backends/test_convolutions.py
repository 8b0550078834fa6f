"""float64's convolutions of Flax, put so that XLA has a library for them: what they give."""

import math
from typing import Any

import numpy as np
import pytest

from tests.assertions import close
from tests.conftest import Lend

# Space, channels, filters, kernel, stride, padding, zeros between pixels, and between weights.
Shape = tuple[tuple[int, ...], int, int, int, int, int, int, int]
USUAL: Shape = ((12, 13), 32, 33, 3, 1, 0, 1, 1)
PUT: list[Shape] = [
    ((12, 13), 3, 5, 3, 1, 1, 1, 1),
    ((12, 13), 4, 2, 3, 2, 1, 1, 1),
    ((12, 13), 2, 3, 1, 3, 0, 1, 1),
    ((2, 98), 32, 33, 3, 1, 1, 1, 1),
    ((1, 9), 33, 1, 3, 1, 1, 1, 1),
    ((5, 6), 32, 4, 2, 1, 1, 2, 1),
    ((5, 6), 3, 4, 3, 2, 2, 3, 1),
    ((12, 9), 2, 3, 3, 1, 2, 1, 2),
    ((11,), 2, 3, 4, 2, 1, 1, 1),
    ((3, 5, 4), 2, 3, 2, 1, 1, 1, 1),
]


def computed(
    shape: Shape, batch: int, fewest: int = 0, groups: int = 1, dtype: str = "float64"
) -> dict[str, Any]:  # in a worker
    """A convolution and its gradients, as they are and put otherwise; how often that is done."""
    import jax
    from jax import lax

    from flax_impl.engine import convolutions
    from flax_impl.engine.rewriting import rewritten

    space, channels, filters, size, stride, pad, spread, apart = shape
    axes, random = "XYZ"[: len(space)], np.random.default_rng(0)
    x = random.normal(size=(batch, *space, channels)).astype(dtype)
    kernel = random.normal(size=(*[size] * len(space), channels // groups, filters)).astype(dtype)

    def convolve(x: Any, kernel: Any) -> Any:
        return lax.conv_general_dilated(
            x,
            kernel,
            [stride] * len(space),
            [(pad, pad + 1)] * len(space),
            lhs_dilation=[spread] * len(space),
            rhs_dilation=[apart] * len(space),
            dimension_numbers=(f"N{axes}C", f"{axes}IO", f"N{axes}C"),
            feature_group_count=groups,
        )

    before = convolutions.FEWEST_PRODUCTS
    convolutions.FEWEST_PRODUCTS = fewest
    try:
        with jax.enable_x64(True):
            g = random.normal(size=jax.eval_shape(convolve, x, kernel).shape).astype(dtype)

            def whole(x: Any, kernel: Any, g: Any) -> Any:
                output, back = jax.vjp(convolve, x, kernel)
                return (output, *back(g))

            again = rewritten(whole, convolutions.RULES)
            return {
                "stock": [np.asarray(a) for a in jax.jit(whole)(x, kernel, g)],
                "put": [np.asarray(a) for a in jax.jit(again)(x, kernel, g)],
                "barriers": str(jax.make_jaxpr(again)(x, kernel, g)).count("optimization_barrier"),
            }
    finally:
        convolutions.FEWEST_PRODUCTS = before


@pytest.mark.parametrize("shape", PUT, ids=str)
def test_a_convolution_that_is_put_otherwise_gives_the_same(lend: Lend, shape: Shape) -> None:
    measured = lend("flax").call(computed, shape, 3)
    assert measured["barriers"] > 0
    assert len(measured["put"]) == 3
    for stock, put in zip(measured["stock"], measured["put"], strict=True):
        assert close(put, stock, 1e-13)


@pytest.mark.parametrize(
    ("fewest", "groups", "dtype"),
    [(1 << 20, 1, "float64"), (0, 4, "float64"), (0, 1, "float32")],
    ids=["small", "in groups", "float32"],
)
def test_other_convolutions_stay_as_they_are(
    lend: Lend, fewest: int, groups: int, dtype: str
) -> None:
    shape = ((12, 13), 4, 4, 3, 1, 1, 1, 1)
    measured = lend("flax").call(computed, shape, 3, fewest, groups, dtype)
    assert measured["barriers"] == 0
    for stock, put in zip(measured["stock"], measured["put"], strict=True):
        assert (put == stock).all()


Uneven = tuple[tuple[int, ...], tuple[tuple[int, int], ...], tuple[int, ...], tuple[int, ...], int]
# Space, padding, kernel, stride, groups.
ENDED: list[Uneven] = [
    ((4, 3), ((1, 2), (1, 1)), (2, 3), (2, 2), 2),
    ((3, 4), ((0, 2), (1, 1)), (3, 2), (2, 2), 1),
    ((6, 2), ((1, 1), (1, 1)), (2, 3), (2, 1), 2),
    ((6, 3, 4), ((1, 2), (1, 0), (1, 1)), (3, 3, 2), (1, 2, 2), 1),
]


def by_image(shape: Uneven) -> tuple[np.ndarray, np.ndarray]:  # in a worker
    """A convolution's gradient by its image, and by what it makes of each pixel alone."""
    import jax
    from jax import lax

    from flax_impl.engine.compiling import exactly

    space, padding, size, stride, groups = shape
    axes, random, pixels = "XYZ"[: len(space)], np.random.default_rng(0), 2 * math.prod(space)
    x = random.normal(size=(3, *space, 2))
    kernel: Any = random.normal(size=(*size, 2 // groups, 4))

    def convolve(x: Any) -> Any:
        return lax.conv_general_dilated(
            x,
            kernel,
            stride,
            padding,
            dimension_numbers=(f"N{axes}C", f"{axes}IO", f"N{axes}C"),
            feature_group_count=groups,
        )

    with jax.enable_x64(True):
        g = random.normal(size=jax.eval_shape(convolve, x).shape)
        gradient = exactly(lambda x: jax.vjp(convolve, x)[1](g)[0], kernel, "cpu")(x)
        alone = np.asarray(convolve(np.eye(pixels).reshape(pixels, *space, 2)))
        by_pixels = g.reshape(len(g), -1) @ alone.reshape(pixels, -1).T
        return np.asarray(gradient), by_pixels.reshape(x.shape)


@pytest.mark.parametrize("shape", ENDED, ids=str)
def test_a_kernel_that_is_not_as_high_as_wide_compiles(lend: Lend, shape: Uneven) -> None:
    """XLA ends the process otherwise."""
    gradient, by_pixels = lend("flax").call(by_image, shape)
    assert close(gradient, by_pixels, 1e-13)


def by_library(fewest: int) -> dict[str, bool]:  # in a worker
    """Which convolutions and gradients XLA computes by a library, where it has one at all."""
    import jax
    from jax import lax

    from flax_impl.engine import convolutions
    from flax_impl.engine.rewriting import rewritten

    seen, before = {}, convolutions.FEWEST_PRODUCTS
    convolutions.FEWEST_PRODUCTS = fewest
    try:
        for space, channels, filters, size, stride, pad, spread, apart in (USUAL, *PUT[:8]):

            def convolve(
                x: Any,
                kernel: Any,
                stride: int = stride,
                pad: int = pad,
                spread: int = spread,
                apart: int = apart,
            ) -> Any:
                return lax.conv_general_dilated(
                    x,
                    kernel,
                    (stride, stride),
                    [(pad, pad + 1)] * 2,
                    lhs_dilation=(spread, spread),
                    rhs_dilation=(apart, apart),
                    dimension_numbers=("NHWC", "HWIO", "NHWC"),
                )

            with jax.enable_x64(True):
                x, kernel = np.ones((3, *space, channels)), np.ones((size, size, channels, filters))
                put = jax.jit(rewritten(convolve, convolutions.RULES))
                text = put.lower(x, kernel).compile().as_text() or ""
                seen[str((space, channels, filters, size, stride, pad, spread, apart))] = (
                    "ynn" in text
                )
        return seen | {"has one": convolutions.has_library()}
    finally:
        convolutions.FEWEST_PRODUCTS = before


def test_what_is_put_otherwise_is_computed_by_the_library(lend: Lend) -> None:
    """Where this fails with a newer XLA, another rule is right for it."""
    put = lend("flax").call(by_library, 0)
    if not put["has one"]:
        pytest.skip("XLA has no library for float64's convolutions on this processor")
    assert all(put.values()), put
    as_they_are = lend("flax").call(by_library, 1 << 60)
    assert as_they_are[str(USUAL)]
    assert not as_they_are[str(PUT[3])]
    assert not as_they_are[str(PUT[5])]
