"""A drawn network of Keras's layers."""

from collections.abc import Callable
from typing import Any

import keras
from keras import layers, ops

from tests.across.drawn.description import Drawn, Layer

CONVS = {1: layers.Conv1D, 2: layers.Conv2D, 3: layers.Conv3D}
TRANSPOSED = {1: layers.Conv1DTranspose, 2: layers.Conv2DTranspose, 3: layers.Conv3DTranspose}
BORDERS = {1: layers.ZeroPadding1D, 2: layers.ZeroPadding2D, 3: layers.ZeroPadding3D}
MAXIMA = {1: layers.MaxPooling1D, 2: layers.MaxPooling2D, 3: layers.MaxPooling3D}
MEANS = {1: layers.AveragePooling1D, 2: layers.AveragePooling2D, 3: layers.AveragePooling3D}
MEAN = {
    1: layers.GlobalAveragePooling1D,
    2: layers.GlobalAveragePooling2D,
    3: layers.GlobalAveragePooling3D,
}
MAXIMUM = {1: layers.GlobalMaxPooling1D, 2: layers.GlobalMaxPooling2D, 3: layers.GlobalMaxPooling3D}
ACTIVATIONS: dict[str, Callable[[Layer], layers.Layer]] = {
    "relu in place": lambda _: layers.ReLU(),
    "tanh gelu": lambda _: layers.Activation(lambda x: ops.gelu(x, approximate=True)),
    "gelu": lambda _: layers.Activation(lambda x: ops.gelu(x, approximate=False)),
    "elu": lambda layer: layers.ELU(layer["alpha"]),
    "leaky relu": lambda layer: layers.LeakyReLU(layer["alpha"]),
    "softmax": lambda _: layers.Softmax(),
}


def make(layer: Layer, name: str) -> layers.Layer:
    """The layer that has the tensors, or does what is done."""
    kind = layer.kind
    simple: dict[str, Callable[..., layers.Layer]] = {
        "flatten": layers.Flatten,
        "add": layers.Add,
        "concatenate": layers.Concatenate,
        "mean": MEAN.get(layer.axes, layers.Layer),
        "maximum": MAXIMUM.get(layer.axes, layers.Layer),
    }
    if kind in simple:
        return simple[kind](name=name)
    match kind:
        case "dense":
            return layers.Dense(layer["out"], use_bias=layer["bias"], name=name)
        case "conv":
            return CONVS[layer.axes](
                layer["out"],
                layer["kernel"],
                layer["stride"],
                "same" if layer["padding"] == "same" else "valid",
                dilation_rate=layer["dilation"],
                groups=layer["groups"],
                use_bias=layer["bias"],
                name=name,
            )
        case "transposed":
            return TRANSPOSED[layer.axes](
                layer["out"],
                layer["kernel"],
                layer["stride"],
                layer["padding"],
                use_bias=layer["bias"],
                name=name,
            )
        case "max pool" | "mean pool":
            pool = (MAXIMA if kind == "max pool" else MEANS)[layer.axes]
            return pool(layer["kernel"], layer["stride"], layer["padding"], name=name)
        case "embedding":
            return layers.Embedding(layer["tokens"], layer["out"], name=name)
        case "dropout":
            return layers.Dropout(layer["rate"], name=name)
        case "activation" if layer["name"] in ACTIVATIONS:
            return ACTIVATIONS[layer["name"]](layer)
        case "activation":
            return layers.Activation(layer["name"].replace(" ", "_"), name=name)
    return norm(layer, name)


def norm(layer: Layer, name: str) -> layers.Layer:
    """A layer that normalises."""
    affine, epsilon = layer["affine"], layer["epsilon"]
    match layer.kind:
        case "batch norm":
            momentum = layer["momentum"]
            return layers.BatchNormalization(
                momentum=momentum, epsilon=epsilon, center=affine, scale=affine, name=name
            )
        case "layer norm":
            over = [*range(-layer["over"], 0)]
            return layers.LayerNormalization(
                over if len(over) > 1 else -1, epsilon, all(affine), affine[0], name=name
            )
        case "group norm":
            groups = layer["groups"]
            return layers.GroupNormalization(
                groups, epsilon=epsilon, center=affine, scale=affine, name=name
            )
        case "rms norm":
            return layers.RMSNormalization(epsilon=epsilon, name=name)
    raise AssertionError(layer.kind)


def before(layer: Layer) -> layers.Layer | None:
    """A border of zeros, which a convolution of Keras has no argument for."""
    if layer.kind != "conv" or layer["padding"] == "same" or not any(map(any, layer.padding())):
        return None
    sides = layer.padding()
    return BORDERS[layer.axes](sides[0] if layer.axes == 1 else sides)


def run(drawn: Drawn, parts: list[layers.Layer], x: Any, training: Any = None) -> Any:
    """Each layer on what the one before it gives, or on what came earlier."""
    seen = [x]
    for layer, part in zip(drawn.layers, parts, strict=True):
        border = before(layer)
        x = border(x) if border else x
        if layer.kind in ("add", "concatenate"):
            x = part([x, seen[layer["of"]]])
        elif layer.kind in ("batch norm", "dropout") and training is not None:
            x = part(x, training=training)
        else:
            x = part(x)
        seen.append(x)
    return x


class Net(keras.Model):
    """What is drawn, with its layers as attributes or in a list."""

    def __init__(self, drawn: Drawn) -> None:
        super().__init__()
        self.drawn = drawn
        inner = [make(layer, f"layer{i}") for i, layer in enumerate(drawn.layers)]
        if drawn.style == "list":
            self.parts = inner
        elif drawn.style == "sequential":
            self.body = keras.Sequential(inner)
        else:
            for index, layer in enumerate(inner):
                setattr(self, f"layer{index}", layer)

    def call(self, x: Any, training: bool = False) -> Any:
        """Run it."""
        if self.drawn.style == "sequential":
            return self.body(x, training=training)
        count = len(self.drawn.layers)
        own = [getattr(self, f"layer{index}", None) for index in range(count)]
        return run(self.drawn, self.parts if self.drawn.style == "list" else own, x, training)


def build(drawn: Drawn) -> keras.Model:
    """The built network, as somebody would pass it to `compare_models`."""
    if drawn.style == "functional":
        dtype = "int32" if drawn.vocabulary else "float32"
        x = keras.Input(drawn.shape, dtype=dtype)
        parts = [make(layer, f"layer{i}") for i, layer in enumerate(drawn.layers)]
        return keras.Model(x, run(drawn, parts, x))
    net = Net(drawn)
    net(drawn.inputs())
    return net
