"""A drawn network of PyTorch's layers, written as its users write one: channels come first."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.across.drawn.description import Drawn, Layer

CONVS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED: dict[int, Any] = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
BATCH_NORMS = {0: nn.BatchNorm1d, 1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
MAXIMA = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
MEANS: dict[int, Any] = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
ACTIVATIONS: dict[str, Callable[[Layer], nn.Module]] = {
    "relu": lambda _: nn.ReLU(),
    "relu in place": lambda _: nn.ReLU(inplace=True),
    "relu6": lambda _: nn.ReLU6(),
    "gelu": lambda _: nn.GELU(),
    "tanh gelu": lambda _: nn.GELU(approximate="tanh"),
    "silu": lambda _: nn.SiLU(),
    "elu": lambda layer: nn.ELU(layer["alpha"]),
    "celu": lambda _: nn.CELU(),
    "selu": lambda _: nn.SELU(),
    "leaky relu": lambda layer: nn.LeakyReLU(layer["alpha"]),
    "tanh": lambda _: nn.Tanh(),
    "sigmoid": lambda _: nn.Sigmoid(),
    "log sigmoid": lambda _: nn.LogSigmoid(),
    "hard silu": lambda _: nn.Hardswish(),
    "hard tanh": lambda _: nn.Hardtanh(),
    "softplus": lambda _: nn.Softplus(),
    "softsign": lambda _: nn.Softsign(),
    "mish": lambda _: nn.Mish(),
    "softmax": lambda layer: nn.Softmax(1 if layer.axes == 2 else -1),
    "log softmax": lambda layer: nn.LogSoftmax(1 if layer.axes == 2 else -1),
}
CHANNELS_FIRST = {"conv", "transposed", "batch norm", "group norm", "max pool", "mean pool"}
CHANNELS_LAST = {"dense", "layer norm", "rms norm", "flatten"}


def make(layer: Layer) -> nn.Module | None:
    """A layer's module; none for what is a function."""
    size = layer.channels
    match layer.kind:
        case "dense":
            return nn.Linear(size, layer["out"], layer["bias"])
        case "conv":
            padding: Any = first(layer) if is_even(layer) else 0
            return CONVS[layer.axes](
                size,
                layer["out"],
                layer["kernel"],
                layer["stride"],
                padding,
                layer["dilation"],
                layer["groups"],
                layer["bias"],
            )
        case "transposed":
            more = [max(s - k, 0) for s, k in zip(layer["stride"], layer["kernel"], strict=True)]
            return TRANSPOSED[layer.axes](
                size,
                layer["out"],
                layer["kernel"],
                layer["stride"],
                layer.crops(),
                more,
                bias=layer["bias"],
            )
        case "batch norm":
            momentum = 1 - layer["momentum"]
            return BATCH_NORMS[layer.axes](size, layer["epsilon"], momentum, layer["affine"])
        case "layer norm":
            over = layer.into[-layer["over"] :]
            over = (over[-1], *over[:-1]) if as_it_is(layer) else over
            scale, bias = layer["affine"]
            return nn.LayerNorm(over, layer["epsilon"], scale, bias)
        case "group norm":
            return nn.GroupNorm(layer["groups"], size, layer["epsilon"], layer["affine"])
        case "rms norm":
            return nn.RMSNorm(size, layer["epsilon"], layer["affine"])
        case "embedding":
            return nn.Embedding(layer["tokens"], layer["out"])
        case "dropout":
            return nn.Dropout(layer["rate"])
        case "activation":
            return ACTIVATIONS[layer["name"]](layer)
        case "max pool" if is_even(layer):
            return MAXIMA[layer.axes](layer["kernel"], layer["stride"], first(layer))
        case "mean pool" if is_even(layer):
            border = first(layer)
            return MEANS[layer.axes](layer["kernel"], layer["stride"], border, False, False)
    return None


def is_even(layer: Layer) -> bool:
    """Whether a border is as wide after as before: PyTorch's layers have no other one."""
    return all(before == after for before, after in layer.padding())


def first(layer: Layer) -> tuple[int, ...]:
    """How wide a border is before, along each axis."""
    return tuple(before for before, _ in layer.padding())


def as_it_is(layer: Layer) -> bool:
    """Whether a norm takes a whole picture with its channels first: without a scale it is alike."""
    return layer.axes == 2 and layer["over"] == 3 and not layer["affine"][0]


def padded(layer: Layer, x: Tensor, value: float = 0.0) -> Tensor:
    """An array with its channels first and a border; PyTorch's function begins at the last axis."""
    sides = [side for pair in reversed(layer.padding()) for side in pair]
    return functional.pad(x, sides, value=value)


class Net(nn.Module):
    """What is drawn; pictures have their channels first from layer to layer, all else last."""

    def __init__(self, drawn: Drawn) -> None:
        super().__init__()
        self.drawn = drawn
        modules = [make(layer) for layer in drawn.layers]
        if drawn.style == "list":
            self.parts = nn.ModuleList([module or nn.Identity() for module in modules])
        else:
            for index, module in enumerate(modules):
                if module is not None:
                    setattr(self, f"layer{index}", module)

    def part(self, index: int) -> Any:
        """The module of a layer."""
        if self.drawn.style == "list":
            return self.parts[index]
        return getattr(self, f"layer{index}", None)

    def forward(self, x: Tensor) -> Tensor:
        """Each layer on what the one before it gives, or on what came earlier."""
        seen = [x]
        for index, layer in enumerate(self.drawn.layers):
            x = self.step(layer, self.part(index), x, seen)
            seen.append(x)
        return x

    def step(self, layer: Layer, module: Any, x: Tensor, seen: list[Tensor]) -> Tensor:
        """One layer, with the axes where it has them."""
        image = layer.axes == 2
        first = layer.kind in CHANNELS_FIRST and not image
        last = layer.kind in CHANNELS_LAST and image
        last = last and not (layer.kind == "layer norm" and as_it_is(layer))
        if layer.axes and (first or last):
            x = x.movedim(-1, 1) if first else x.movedim(1, -1)
        x = self.result(layer, module, x, seen)
        if layer.axes and layer.kind != "flatten" and (first or last):
            x = x.movedim(1, -1) if first else x.movedim(-1, 1)
        return x

    def result(self, layer: Layer, module: Any, x: Tensor, seen: list[Tensor]) -> Tensor:
        """What a layer gives."""
        match layer.kind:
            case "add":
                return x + seen[layer["of"]]
            case "concatenate":
                return torch.cat([x, seen[layer["of"]]], 1 if layer.axes == 2 else -1)
            case "flatten":
                return x.flatten(1)
            case "mean":
                return x.mean((2, 3) if layer.axes == 2 else tuple(range(1, layer.axes + 1)))
            case "maximum":
                return x.amax((2, 3) if layer.axes == 2 else tuple(range(1, layer.axes + 1)))
            case "conv" if not is_even(layer):
                return module(padded(layer, x))
            case "max pool" if not is_even(layer):
                maxima = MAXIMA[layer.axes](layer["kernel"], layer["stride"])
                return maxima(padded(layer, x, float("-inf")))
            case "mean pool" if not is_even(layer):
                # The others divide by the number of values that are not of the border.
                means = MEANS[layer.axes](layer["kernel"], layer["stride"])
                return means(padded(layer, x)) / means(padded(layer, torch.ones_like(x)))
        return module(x)


class Sequence(nn.Module):
    """What is drawn, of modules alone."""

    def __init__(self, drawn: Drawn) -> None:
        super().__init__()
        self.body = nn.Sequential(*[make(layer) or nn.Identity() for layer in drawn.layers])

    def forward(self, x: Tensor) -> Tensor:
        """Run it."""
        return self.body(x)


def build(drawn: Drawn) -> nn.Module:
    """The network, as somebody would pass it to `compare_models`."""
    return Sequence(drawn) if drawn.style == "sequential" else Net(drawn)
