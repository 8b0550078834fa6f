"""The tuned variant: any JAX function, with what XLA computes slowly on a CPU written otherwise.

A few primitives are computed by other means, which give the same numbers but for rounding:

- convolutions 3x3 with stride 1, and their gradients, by Winograd's F(2x2, 3x3), which needs 4
  products where a convolution has 9 (Lavin and Gray, 2016, arXiv:1509.09308);
- convolutions 1x1, and other gradients by kernels, as matrix products over a few images at a time;
- the gradient of max-pooling by comparing slices.

bfloat16 is added up in float32 there, and rounded once: Winograd's sums would lose digits in it.

Since the jaxpr of a gradient is one like any other, `tuned` is put around the outermost function,
a whole train step. What it gives can be differentiated and compiled again.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from flax_impl.engine.rewriting import Rules, rewritten

FEWEST_PRODUCTS = {"training": 16 * 32, "inference": 64 * 64}
"""With fewer pairs of channels, transforming the pixels costs more than Winograd's method saves. In
inference XLA computes a convolution, ReLU and pooling in one, which it does better."""

FEWEST_TILES = {"training": 0, "inference": 512}
"""For fewer tiles of pixels, such as one image has, transforming the kernel costs more. A training
has batches."""

MOST_WASTE = 1.25
"""How many times the pixels may grow by being filled up to whole tiles."""

FEWEST_WEIGHTS = 16 * 16
"""With fewer pairs of channels XLA's own gradient by a kernel is as fast."""

MANY_WEIGHTS = 9
"""For larger kernels too."""

MANY_CHANNELS = 128
"""With as many, it pays for gradients by weights too."""

IN_COLUMNS = 7 << 19
TRANSFORMED = 20 << 20
"""Bytes that a piece of a batch may take while it is computed, as columns for a gradient by a
kernel or in Winograd's method: what stays in a cache is not read from memory again."""


def tuned(function: Callable[..., Any], purpose: str = "training") -> Callable[..., Any]:
    """The same function of arrays, computed by what is faster on a CPU.

    Args:
        function: Anything that `jax.jit` takes without static arguments.
        purpose: "training", for a function with gradients in it, or "inference".
    """
    return rewritten(function, rules(purpose))


def rules(purpose: str = "training") -> Rules:
    """What is computed otherwise, by the names of JAX's primitives; as `tuned`."""
    return {
        "conv_general_dilated": partial(
            _convolution, fewest=FEWEST_PRODUCTS[purpose], tiles=FEWEST_TILES[purpose]
        ),
        "select_and_scatter_add": _max_pool_gradient,
    }


Pair = tuple[int, int]


def _pair(sizes: Sequence[int]) -> Pair:
    return sizes[0], sizes[1]


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
    preferred_element_type: Any,
    fewest: int,
    tiles: int,
    **_: Any,
) -> Array | None:
    """A convolution of images, forward or in a gradient: all are this one primitive."""
    groups = feature_group_count * batch_group_count
    if groups != 1 or lhs.ndim != 4 or not jnp.issubdtype(lhs.dtype, jnp.floating):
        return None
    wide = jnp.promote_types(lhs.dtype, jnp.float32)  # what bfloat16 is added up in
    image = _transposed(lhs.astype(wide), dimension_numbers.lhs_spec, (0, 2, 3, 1))  # (B, H, W, C)
    kernel = _transposed(rhs.astype(wide), dimension_numbers.rhs_spec, (2, 3, 1, 0))  # (H, W, C, O)
    convolved = _convolve(
        image,
        kernel,
        _pair(window_strides),
        padding,
        _pair(lhs_dilation),
        _pair(rhs_dilation),
        fewest,
        tiles,
    )
    if convolved is None:
        return None
    batch, features, *space = dimension_numbers.out_spec
    order = [0, 0, 0, 0]
    for place, axis in zip((batch, *space, features), range(4), strict=True):
        order[place] = axis
    return convolved.transpose(order).astype(preferred_element_type or lhs.dtype)


def _transposed(array: Array, spec: Sequence[int], order: Sequence[int]) -> Array:
    """An array with its axes in another order of their meanings."""
    return array.transpose([spec[index] for index in order])


def _convolve(
    x: Array,
    kernel: Array,
    stride: Pair,
    padding: Any,
    spread: Pair,
    dilation: Pair,
    fewest: int,
    tiles: int,
) -> Array | None:
    """(B, H, W, C) and (h, w, C, O) to (B, H', W', O), or None where XLA's own way is as good."""
    size, ones = kernel.shape[:2], (1, 1)
    out_size = _pair(
        [
            ((n - 1) * s + 1 + low + high - ((k - 1) * d + 1)) // t + 1
            for n, s, (low, high), k, d, t in zip(
                x.shape[1:3], spread, padding, size, dilation, stride, strict=True
            )
        ]
    )
    if min(*out_size, *size, *x.shape[1:3]) < 1:
        return None
    if stride == ones and math.prod(size) > math.prod(out_size):
        if math.prod(out_size) > MANY_WEIGHTS or len(x) * kernel.shape[3] < FEWEST_WEIGHTS:
            return None
        if spread == ones:
            return _weight_gradient(x, kernel, padding, dilation, out_size)
        return _spread_weight_gradient(x, kernel, padding, spread, out_size, dilation)
    if dilation != ones or spread != ones:
        return None
    if size == ones:
        return _pad(x, padding)[:, :: stride[0], :: stride[1]] @ kernel[0, 0]
    if size == (3, 3) and stride == ones and _pays(len(x), kernel, out_size, fewest, tiles):
        return _winograd(x, kernel, padding, out_size)
    return None


def _pays(batch: int, kernel: Array, out_size: Pair, fewest: int, tiles: int) -> bool:
    """Whether Winograd's method is faster."""
    filled = math.prod(side + side % 2 for side in out_size)
    many = math.prod(kernel.shape[2:]) >= fewest and batch * filled // 4 >= tiles
    return many and filled <= MOST_WASTE * math.prod(out_size)


def _pad(x: Array, padding: Any) -> Array:
    """Rows and columns of zeros around images; fewer than none cuts some off."""
    (top, bottom), (left, right) = padding
    zero = jnp.zeros((), x.dtype)
    return lax.pad(x, zero, ((0, 0, 0), (top, bottom, 0), (left, right, 0), (0, 0, 0)))


# Winograd's F(2x2, 3x3): tiles of 4x4 pixels, each 2 from the next, give 2x2 pixels each. In one
# dimension pixels d, kernel k and result y are
#     y = A^T ((G k) * (B^T d)),   G = [1 0 0; 1/2 1/2 1/2; 1/2 -1/2 1/2; 0 0 1],
#     B^T = [1 0 -1 0; 0 1 1 0; 0 -1 1 0; 0 1 0 -1],   A^T = [1 1 1 0; 0 1 -1 -1],
# and in two the same along columns and rows. The product is a matrix product over the channels, for
# each of the 16 places in a tile by itself: lists of arrays, which XLA computes in one pass each.

Grid = Sequence[Sequence[Array]]


def _twice(step: Callable[..., Sequence[Array]], grid: Grid) -> Grid:
    """A transform down the columns of a grid, then along its rows."""
    columns = [step(*column) for column in zip(*grid, strict=True)]
    return [step(*row) for row in zip(*columns, strict=True)]


def _of_pixels(a: Array, b: Array, c: Array, d: Array) -> Sequence[Array]:
    return a - c, b + c, c - b, b - d


def _of_kernel(a: Array, b: Array, c: Array) -> Sequence[Array]:
    return a, (a + b + c) / 2, (a - b + c) / 2, c


def _to_kernel(a: Array, b: Array, c: Array, d: Array) -> Sequence[Array]:
    """The transpose of `_of_kernel`."""
    return a + (b + c) / 2, (b - c) / 2, (b + c) / 2 + d


def _to_result(a: Array, b: Array, c: Array, d: Array) -> Sequence[Array]:
    return a + b + c, b - c - d


def _of_result(a: Array, b: Array) -> Sequence[Array]:
    """The transpose of `_to_result`."""
    return a, a + b, a - b, -b


def _tiles(x: Array, padding: Any, out_size: Pair) -> Grid:
    """B^T d B: for each of 4x4 places (tiles, C)."""
    height, width = (-(-side // 2) for side in out_size)
    missing = [
        2 * n + 2 - (side + sum(pad))
        for n, side, pad in zip((height, width), x.shape[1:3], padding, strict=True)
    ]
    x = _pad(x, [(low, high + more) for (low, high), more in zip(padding, missing, strict=True)])
    pixels = [
        [x[:, i : i + 2 * height : 2, j : j + 2 * width : 2] for j in range(4)] for i in range(4)
    ]
    return _flat(_twice(_of_pixels, pixels))


def _flat(grid: Grid) -> Grid:
    """Arrays (B, h, w, C) as (B h w, C)."""
    return [[array.reshape(-1, array.shape[-1]) for array in row] for row in grid]


def _products(left: Grid, right: Grid) -> Grid:
    """A matrix product at each place."""
    return [[a @ b for a, b in zip(*rows, strict=True)] for rows in zip(left, right, strict=True)]


def _winograd(x: Array, kernel: Array, padding: Any, out_size: Pair) -> Array:
    """A convolution 3x3 with stride 1."""
    weights = _twice(_of_kernel, [[kernel[i, j] for j in range(3)] for i in range(3)])  # (C, O)
    height, width = (-(-side // 2) for side in out_size)

    def convolve(x: Array) -> Array:
        grid = _twice(_to_result, _products(_tiles(x, padding, out_size), weights))
        shape = (len(x), height, width, -1)
        return _interleave([[array.reshape(shape) for array in row] for row in grid], out_size)

    transformed = 16 * height * width * sum(kernel.shape[2:]) * x.dtype.itemsize
    cut = _cut(transformed, TRANSFORMED, x)
    if cut is None:
        return convolve(x)
    return lax.map(convolve, *cut).reshape(len(x), *out_size, -1)


def _interleave(grid: Grid, out_size: Pair) -> Array:
    """Images (B, H, W, C) from four, of every second row and column each."""
    batch, height, width, channels = grid[0][0].shape
    whole = (batch, height, 2, width, 2, channels)
    first_row = lax.broadcasted_iota(jnp.int32, whole, 2) == 0
    first_column = lax.broadcasted_iota(jnp.int32, whole, 4) == 0
    upper, lower = (
        jnp.where(first_column, left[:, :, None, :, None], right[:, :, None, :, None])
        for left, right in grid
    )
    image = jnp.where(first_row, upper, lower)
    return image.reshape(batch, 2 * height, 2 * width, channels)[:, : out_size[0], : out_size[1]]


def _weight_gradient(x: Array, g: Array, padding: Any, stride: Pair, out_size: Pair) -> Array:
    """The gradient by a kernel, of which XLA thinks as a convolution with a kernel of image size.

    The batch is the axis that is summed over, so it comes as channels: x (C, H, W, B) and
    g (H', W', B, O). The result is (C, h, w, O).
    """
    x, g = x.transpose(3, 1, 2, 0), g.transpose(2, 0, 1, 3)  # (B, H, W, C), (B, H', W', O)
    (height, width), channels, out = g.shape[1:3], x.shape[-1], g.shape[-1]
    if out_size == (3, 3) and stride == (1, 1) and min(channels, out) >= MANY_CHANNELS:
        return _winograd_weights(x, g, padding).transpose(2, 0, 1, 3)

    def look(x: Array, axis: int, places: range) -> list[Array]:
        """What the weights at some places along an axis see."""
        count, step = (height, width)[axis - 1], stride[axis - 1]
        return [lax.slice_in_dim(x, i, i + (count - 1) * step + 1, step, axis) for i in places]

    def product(x: Array, g: Array) -> Array:
        columns = jnp.concatenate(look(_pad(x, padding), 2, range(out_size[1])), axis=-1)
        rows = look(columns, 1, range(out_size[0]))
        turned = g.reshape(-1, out).T
        return jnp.stack([turned @ row.reshape(-1, row.shape[-1]) for row in rows])

    columns = x.shape[1] * width * out_size[1] * channels * x.dtype.itemsize
    gradient = _sum(product, (x, g), columns, IN_COLUMNS)
    return gradient.reshape(out_size[0], out, out_size[1], channels).transpose(3, 0, 2, 1)


def _sum(function: Callable[..., Array], batches: Sequence[Array], size: int, room: int) -> Array:
    """A sum over the images of some batches, in pieces: as `_cut`."""
    cut = _cut(size, room, *batches)
    if cut is None:
        return function(*batches)
    shape = jax.eval_shape(function, *batches)
    zeros = jnp.zeros(shape.shape, shape.dtype)
    return lax.scan(lambda total, piece: (total + function(*piece), None), zeros, cut)[0]


def _cut(size: int, room: int, *batches: Array) -> list[Array] | None:
    """Batches as equal pieces (pieces, B', ...) that take no more room, or None for one piece.

    Args:
        size: Bytes that an image takes.
        room: Bytes that a piece may take, if an image takes no more.
        batches: Arrays (B, ...).
    """
    batch = len(batches[0])
    pieces = next(
        n
        for n in range(1, batch + 1)
        if batch % n == 0 and (n == batch or batch // n * size <= room)
    )
    if pieces == 1:
        return None
    return [array.reshape(pieces, -1, *array.shape[1:]) for array in batches]


def _spread_weight_gradient(
    x: Array, g: Array, padding: Any, spread: Pair, out_size: Pair, dilation: Pair
) -> Array | None:
    """The gradient by a transposed convolution's kernel: x and g change places, and it is turned.

    A pixel p of x lies at p * spread, and so does what the weight at o is multiplied with in g, at
    p * spread + low - o.
    """
    if dilation != (1, 1):
        return None
    around = [
        (size - 1 - low, (pixels - 1) * step + low + 1 - side)
        for size, (low, _), pixels, step, side in zip(
            out_size, padding, x.shape[1:3], spread, g.shape[:2], strict=True
        )
    ]
    turned = _weight_gradient(
        g.transpose(3, 0, 1, 2), x.transpose(1, 2, 3, 0), around, spread, out_size
    )  # (O, h, w, C)
    return jnp.flip(turned, (1, 2)).transpose(3, 1, 2, 0)


def _winograd_weights(x: Array, g: Array, padding: Any) -> Array:
    """The gradient by a kernel 3x3 (3, 3, C, O)."""
    size = (g.shape[1], g.shape[2])
    g = _pad(g, [(0, side % 2) for side in size])

    def products(x: Array, g: Array) -> Array:
        spread = _flat(_twice(_of_result, [[g[:, i::2, j::2] for j in range(2)] for i in range(2)]))
        turned = [[array.T for array in row] for row in spread]
        return jnp.stack([jnp.stack(row) for row in _products(turned, _tiles(x, padding, size))])

    transformed = 4 * math.prod(g.shape[1:3]) * (x.shape[3] + g.shape[3]) * x.dtype.itemsize
    summed = _sum(products, (x, g), transformed, TRANSFORMED)
    grid = _twice(_to_kernel, [list(row) for row in summed])  # (O, C)
    return jnp.stack([jnp.stack(row) for row in grid]).swapaxes(2, 3)


def _pad_lowest(x: Array, padding: Sequence[Pair]) -> Array:
    """Minus infinity around images."""
    if not any(map(any, padding)):
        return x
    lowest = jnp.array(-jnp.inf, x.dtype)
    return lax.pad(x, lowest, [(low, high, 0) for low, high in padding])


def _shifts(x: Array, axis: int, window: Sequence[int], strides: Sequence[int]) -> list[Array]:
    """What each place of a window sees along one axis."""
    step = strides[axis]
    count = (x.shape[axis] - window[axis]) // step + 1
    return [
        lax.slice_in_dim(x, i, i + (count - 1) * step + 1, step, axis) for i in range(window[axis])
    ]


def _max_pool_gradient(
    g: Array,
    x: Array,
    *,
    select_prim: Any,
    window_dimensions: Sequence[int],
    window_strides: Sequence[int],
    padding: Sequence[Pair],
) -> Array | None:
    """Each window's gradient to its largest pixel, to the first of them where several are."""
    over_images = len(window_dimensions) == 4 and window_dimensions[0] == window_dimensions[3] == 1
    if select_prim is not lax.ge_p or not over_images:
        return None
    whole = _pad_lowest(x, padding)
    columns = _shifts(whole, 2, window_dimensions, window_strides)
    within_rows = reduce(jnp.maximum, columns)
    rows = _shifts(within_rows, 1, window_dimensions, window_strides)
    g = _to_first(g, rows, 1, within_rows.shape, window_strides)
    g = _to_first(g, columns, 2, whole.shape, window_strides)
    return lax.pad(g, jnp.zeros((), g.dtype), [(-low, -high, 0) for low, high in padding])


def _to_first(
    g: Array, seen: Sequence[Array], axis: int, shape: Sequence[int], strides: Sequence[int]
) -> Array:
    """A gradient along one axis to the first place that sees the largest value."""
    largest, step, size = reduce(jnp.maximum, seen), strides[axis], shape[axis]
    first = jnp.full(g.shape, len(seen) - 1, jnp.int8)
    for place in reversed(range(len(seen) - 1)):
        first = jnp.where(seen[place] == largest, jnp.int8(place), first)
    zero = jnp.zeros((), g.dtype)
    if step >= len(seen):  # windows do not overlap: every pixel is in one of them at most
        parts = [jnp.where(first == place, g, zero) for place in range(len(seen))]
        parts += [jnp.zeros_like(g)] * (step - len(seen))
        whole = jnp.stack(parts, axis=axis + 1)
        whole = whole.reshape(*g.shape[:axis], -1, *g.shape[axis + 1 :])
        rest = size - whole.shape[axis]
        return lax.pad(whole, zero, [(0, rest if a == axis else 0, 0) for a in range(4)])
    terms = []
    for place in range(len(seen)):
        part = jnp.where(first == place, g, zero)
        after = size - place - ((g.shape[axis] - 1) * step + 1)
        config = [(place, after, step - 1) if a == axis else (0, 0, 0) for a in range(4)]
        terms.append(lax.pad(part, zero, config))
    return reduce(jnp.add, terms)
