"""Random networks of the layers that have rules, for Hypothesis."""

from dataclasses import replace
from math import prod
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tests.across.drawn.description import Drawn, Layer, Shape

ACTIVATIONS = (
    "relu",
    "relu in place",
    "relu6",
    "gelu",
    "tanh gelu",
    "silu",
    "elu",
    "celu",
    "selu",
    "leaky relu",
    "tanh",
    "sigmoid",
    "log sigmoid",
    "hard silu",
    "hard tanh",
    "softplus",
    "softsign",
    "mish",
    "softmax",
    "log softmax",
)
"""Without a hard sigmoid, of which PyTorch rounds the slope of 1/6 to float32 in float64 too."""
EPSILONS = (1e-3, 1e-5, 1e-6)
CHANNELS = (1, 2, 3, 4, 6)
SEQUENCES = ("sequential",)
MOST_LAYERS = 5
MOST_SIZES = {0: 6, 1: 6, 2: 6, 3: 4}
"""How long an axis of the input is at most, by how many there are beside the channels'."""


def each(draw: DrawFn, count: int, low: int, high: int) -> tuple[int, ...]:
    """Whole numbers, one for each axis."""
    return tuple(draw(st.integers(low, high)) for _ in range(count))


def divisors(number: int) -> SearchStrategy[int]:
    """What divides a number."""
    return st.sampled_from([d for d in range(1, number + 1) if number % d == 0])


def affine(draw: DrawFn) -> bool:
    """Whether a norm has a scale and a bias: mostly."""
    return draw(st.sampled_from([True, True, False]))


def options(draw: DrawFn, kind: str, into: Shape, earlier: list[Shape]) -> dict[str, Any]:
    """What a layer of a kind is made with."""
    axes, channels = len(into) - 1, into[-1]
    match kind:
        case "dense":
            return {"out": draw(st.integers(1, 6)), "bias": draw(st.booleans())}
        case "conv":
            return convolution(draw, axes, channels)
        case "transposed":
            return transposed(draw, axes)
        case "batch norm":
            return {
                "momentum": draw(st.sampled_from([0.9, 0.99, 0.5])),
                "epsilon": draw(st.sampled_from(EPSILONS)),
                "affine": affine(draw),
                "fast": draw(st.booleans()),
            }
        case "layer norm":
            over = draw(st.integers(1, len(into)))
            scale = affine(draw)
            return {
                "over": over,
                "epsilon": draw(st.sampled_from(EPSILONS)),
                "affine": (scale, scale and draw(st.booleans())),
                "fast": draw(st.booleans()),
            }
        case "group norm":
            most = prod(into) // 3
            return {
                "groups": draw(divisors(channels).filter(lambda groups: groups <= most)),
                "epsilon": draw(st.sampled_from(EPSILONS)),
                "affine": affine(draw),
                "fast": draw(st.booleans()),
            }
        case "rms norm":
            # Keras's has a scale always.
            return {"epsilon": draw(st.sampled_from(EPSILONS)), "affine": True}
        case "dropout":
            return {"rate": draw(st.sampled_from([0.5, 0.1]))}
        case "activation":
            name = draw(st.sampled_from(ACTIVATIONS))
            alpha = {"alpha": draw(st.sampled_from([0.01, 0.2, 1.5]))}
            return {"name": name, **(alpha if name in ("elu", "leaky relu") else {})}
        case "max pool" | "mean pool":
            picture = len(into) == 3 and len(earlier) == 1
            return pool(draw, into, ["valid"] if picture else ["same", "valid"])
        case "add":
            alike = [index for index, shape in enumerate(earlier) if shape == into]
            return {"of": draw(st.sampled_from(alike))}
        case "concatenate":
            alike = [index for index, shape in enumerate(earlier) if shape[:-1] == into[:-1]]
            return {"of": draw(st.sampled_from(alike))}
    return {}


def convolution(draw: DrawFn, axes: int, channels: int) -> dict[str, Any]:
    """A convolution; its kernel is sometimes longer than what goes in."""
    stride = each(draw, axes, 1, 2)
    # Keras has no convolution with strides that is dilated too.
    dilation = each(draw, axes, 1, 2) if set(stride) == {1} else (1,) * axes
    borders = tuple((draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in range(axes))
    alike = tuple((first, first) for first, _ in borders)
    groups = draw(divisors(channels))
    return {
        "out": groups * draw(st.integers(1, max(1, 6 // groups))),
        "kernel": each(draw, axes, 1, 3),
        "stride": stride,
        "dilation": dilation,
        "padding": draw(st.sampled_from(["same", alike, borders])),
        "groups": groups,
        "bias": draw(st.booleans()),
    }


def transposed(draw: DrawFn, axes: int) -> dict[str, Any]:
    """A transposed convolution.

    With "same" Keras cuts as much off at either end, or more at the end than at the beginning. The
    latter PyTorch's layer has no arguments for.
    """
    kernel, stride = each(draw, axes, 1, 4), each(draw, axes, 1, 2)
    even = all(max(k - s, 0) % 2 == 0 for k, s in zip(kernel, stride, strict=True))
    return {
        "out": draw(st.integers(1, 6)),
        "kernel": kernel,
        "stride": stride,
        "padding": draw(st.sampled_from(["same", "valid"] if even else ["valid"])),
        "bias": draw(st.booleans()),
    }


def pool(draw: DrawFn, into: Shape, paddings: list[str]) -> dict[str, Any]:
    """A pool; its window fits, for TensorFlow ends the process where a maximum's does not."""
    return {
        "kernel": tuple(draw(st.integers(1, min(3, size))) for size in into[:-1]),
        "stride": each(draw, len(into) - 1, 1, 2),
        "padding": draw(st.sampled_from(paddings)),
    }


def after(layer: Layer, earlier: list[Shape]) -> Shape:
    """The shape of what a layer gives; an axis of which nothing is left has no positive size."""
    match layer.kind:
        case "dense":
            return (*layer.into[:-1], layer["out"])
        case "embedding":
            return (*layer.into, layer["out"])
        case "conv" | "max pool" | "mean pool":
            axes = zip(layer.into, layer.padding(), layer.spread(), layer["stride"], strict=False)
            channels = layer["out"] if layer.kind == "conv" else layer.channels
            sizes = [(size + sum(side) - far) // stride + 1 for size, side, far, stride in axes]
            return (*sizes, channels)
        case "transposed":
            reach = zip(layer.into, layer["kernel"], layer["stride"], layer.crops(), strict=False)
            sizes = [(size - 1) * s + max(k, s) - 2 * crop for size, k, s, crop in reach]
            return (*sizes, layer["out"])
        case "mean" | "maximum":
            return (layer.channels,)
        case "flatten":
            return (prod(layer.into),)
        case "concatenate":
            return (*layer.into[:-1], layer.channels + earlier[layer["of"]][-1])
    return layer.into


def kinds(into: Shape, style: str, first: bool) -> list[str]:
    """The kinds of layers that there are for a shape; those with tensors more often.

    A norm has three values or more: of fewer nothing is left but rounding. What PyTorch is given as
    a picture passes a layer of pictures first, for other layers do not tell where its channels are.
    No more does the function that pads a pool.
    """
    if style == "sequential":
        return ["dense", "activation", *(["layer norm", "rms norm"] if into[-1] > 2 else [])]
    channels, size = into[-1], prod(into)
    norms = ["batch norm"] + (["group norm"] if size > 2 else [])
    pictures = ["conv"] * 3 + ["transposed"] + norms
    if len(into) < 4:  # TensorFlow has pools of volumes in float32 alone
        pictures += ["max pool", "mean pool"]
    if first and len(into) == 3:
        return pictures
    plain = ["dense", "activation", "activation", "dropout", "add", "concatenate"]
    plain += ["layer norm", "rms norm"] if channels > 2 else []
    if len(into) == 1:
        return [*plain, *norms]
    return [*plain, *pictures, "mean", "maximum", "flatten"]


@st.composite
def networks(draw: DrawFn) -> Drawn:
    """A network of up to five layers, on vectors, sequences, pictures, volumes or tokens."""
    axes = draw(st.sampled_from([0, 1, 2, 2, 3]))
    start = (*each(draw, axes, 1, MOST_SIZES[axes]), draw(st.sampled_from(CHANNELS)))
    style = draw(st.sampled_from(["attributes", "list", "functional", *SEQUENCES[axes:1]]))
    vocabulary = draw(st.sampled_from([0, 0, 5])) if axes == 1 else 0
    layers, earlier = [], [start]
    if vocabulary:
        start = start[:1]
        layers = [Layer("embedding", start, {"tokens": 5, "out": draw(st.sampled_from(CHANNELS))})]
        earlier = [start, after(layers[0], [])]
    for _ in range(draw(st.integers(1, MOST_LAYERS - len(layers)))):
        into = earlier[-1]
        kind = draw(st.sampled_from(kinds(into, style, first=not layers)))
        layers.append(Layer(kind, into, options(draw, kind, into, earlier)))
        earlier.append(after(layers[-1], earlier))
        if min(earlier[-1]) < 1:
            break
    drawn = Drawn(start, draw(st.integers(3, 4)), vocabulary, style, tuple(layers))
    if drawn.has_tensors or not draw(st.integers(0, 9)):
        return drawn
    last = Layer("dense", earlier[-1], {"out": 2, "bias": True})
    return replace(drawn, layers=(*layers, last))
