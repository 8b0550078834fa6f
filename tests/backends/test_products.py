"""float64's convolutions of Flax as matrix products: what they give, and which they are."""

from typing import Any

import numpy as np
import pytest

from tests.assertions import close
from tests.conftest import Lend

# Space, channels, filters, kernel, stride, padding, zeros between pixels, and between weights.
Shape = tuple[tuple[int, ...], int, int, int, int, int, int, int]
CONVOLUTIONS: list[Shape] = [
    ((7, 10), 3, 5, 3, 1, 1, 1, 1),
    ((9, 6), 4, 2, 3, 2, 1, 1, 1),
    ((9, 6), 4, 2, 3, 1, 0, 1, 1),
    ((8, 9), 2, 3, 1, 1, 0, 1, 1),
    ((8, 9), 2, 3, 1, 3, 0, 1, 1),
    ((5, 6), 3, 4, 2, 1, 1, 2, 1),
    ((5, 6), 3, 4, 3, 2, 2, 3, 1),
    ((9, 8), 2, 3, 3, 1, 2, 1, 2),
    ((2, 9), 2, 3, 3, 1, 1, 1, 1),
    ((3, 3), 2, 3, 3, 1, 0, 1, 1),
    ((11,), 2, 3, 4, 2, 1, 1, 1),
    ((3, 5, 4), 2, 3, 2, 1, 1, 1, 1),
]


def computed(
    shape: Shape, batch: int, room: int, fewest: int, groups: int = 1
) -> dict[str, Any]:  # in a worker
    """A convolution and its gradients, by XLA and by products, and how many are left to XLA."""
    import jax
    from jax import lax

    from flax_impl.engine import products
    from flax_impl.engine.rewriting import rewritten

    space, channels, filters, size, stride, pad, spread, apart = shape
    axes, random = "XYZ"[: len(space)], np.random.default_rng(0)
    x = random.normal(size=(batch, *space, channels))
    kernel = random.normal(size=(*[size] * len(space), channels // groups, filters))

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

    before = products.ROOM, products.FEWEST_PRODUCTS, products.MANY_CHANNELS
    products.ROOM, products.FEWEST_PRODUCTS, products.MANY_CHANNELS = room, fewest, 32
    try:
        with jax.enable_x64(True):
            g = random.normal(size=jax.eval_shape(convolve, x, kernel).shape)

            def whole(x: Any, kernel: Any, g: Any) -> Any:
                output, back = jax.vjp(convolve, x, kernel)
                return (output, *back(g))

            again = rewritten(whole, products.RULES)
            return {
                "stock": [np.asarray(a) for a in jax.jit(whole)(x, kernel, g)],
                "products": [np.asarray(a) for a in jax.jit(again)(x, kernel, g)],
                "left": str(jax.make_jaxpr(again)(x, kernel, g)).count("conv_general_dilated["),
            }
    finally:
        products.ROOM, products.FEWEST_PRODUCTS, products.MANY_CHANNELS = before


@pytest.mark.parametrize("room", [0, 1 << 20], ids=["added up", "side by side"])
@pytest.mark.parametrize("shape", CONVOLUTIONS, ids=str)
def test_products_give_what_a_convolution_does(lend: Lend, shape: Shape, room: int) -> None:
    measured = lend("flax").call(computed, shape, 3 if room else 1, room, 0)
    assert measured["left"] == 0
    assert len(measured["products"]) == 3
    for stock, products in zip(measured["stock"], measured["products"], strict=True):
        assert close(products, stock, 1e-13)


def test_small_convolutions_and_those_in_groups_are_left_to_xla(lend: Lend) -> None:
    shape = ((7, 7), 4, 4, 3, 1, 1, 1, 1)
    assert lend("flax").call(computed, shape, 2, 0, 1 << 20)["left"] == 3
    grouped = lend("flax").call(computed, shape, 2, 0, 0, 4)
    assert grouped["left"] == 3
    for stock, products in zip(grouped["stock"], grouped["products"], strict=True):
        assert close(products, stock, 1e-13)


def slow_ones() -> dict[str, bool]:  # in a worker
    """Which convolutions products are for, where XLA has a library and where it has none."""
    import jax
    from jax import lax

    from flax_impl.engine import products
    from flax_impl.engine.rewriting import rewritten

    def left(space: tuple[int, int], channels: int, spread: int) -> bool:
        def convolve(x: Any, kernel: Any) -> Any:
            return lax.conv_general_dilated(
                x,
                kernel,
                (1, 1),
                "SAME" if spread == 1 else [(1, 2), (1, 2)],
                lhs_dilation=(spread, spread),
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
            )

        with jax.enable_x64(True):
            x = np.ones((16, *space, channels))
            kernel = np.ones((3, 3, channels, channels))
            jaxpr = jax.make_jaxpr(rewritten(convolve, products.RULES))(x, kernel)
        return "conv_general_dilated[" in str(jaxpr)

    before, left_alone = products._has_library, {}
    try:
        for library in (True, False):
            products._has_library = lambda library=library: library  # type: ignore[assignment]
            left_alone[f"usual, {library}"] = left((28, 28), 32, 1)
            left_alone[f"few channels, {library}"] = left((28, 28), 16, 1)
            left_alone[f"flat, {library}"] = left((2, 98), 64, 1)
            left_alone[f"spread, {library}"] = left((14, 14), 64, 2)
    finally:
        products._has_library = before
    return left_alone


def test_products_are_for_what_xla_has_no_library_for(lend: Lend) -> None:
    left = lend("flax").call(slow_ones)
    assert [name for name, is_left in left.items() if is_left] == ["usual, True"]
