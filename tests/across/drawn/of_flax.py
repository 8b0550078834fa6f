"""A drawn network of Flax's layers."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from tests.across.drawn.description import Drawn, Layer

ACTIVATIONS: dict[str, Callable[..., jax.Array]] = {
    "relu": nn.relu,
    "relu in place": nn.relu,
    "relu6": nn.relu6,
    "tanh gelu": nn.gelu,
    "silu": nn.silu,
    "celu": nn.celu,
    "selu": nn.selu,
    "tanh": nn.tanh,
    "sigmoid": nn.sigmoid,
    "log sigmoid": nn.log_sigmoid,
    "hard silu": nn.hard_silu,
    "hard tanh": nn.hard_tanh,
    "softplus": nn.softplus,
    "softsign": nn.soft_sign,
    "mish": jax.nn.mish,
    "softmax": nn.softmax,
    "log softmax": nn.log_softmax,
}


def activation(layer: Layer) -> Callable[[jax.Array], jax.Array]:
    """An activation as a function of one array."""
    match layer["name"]:
        case "gelu":
            return lambda x: nn.gelu(x, approximate=False)
        case "elu":
            return lambda x: nn.elu(x, layer["alpha"])
        case "leaky relu":
            return lambda x: nn.leaky_relu(x, layer["alpha"])
    return ACTIVATIONS[layer["name"]]


def padding(layer: Layer) -> Any:
    """What a convolution is told of its border."""
    return "SAME" if layer["padding"] == "same" else layer.padding()


def make(layer: Layer, **name: Any) -> Any:
    """A layer's module, or function."""
    match layer.kind:
        case "dense":
            return nn.Dense(layer["out"], layer["bias"], **name)
        case "conv":
            return nn.Conv(
                layer["out"],
                layer["kernel"],
                layer["stride"],
                padding(layer),
                kernel_dilation=layer["dilation"],
                feature_group_count=layer["groups"],
                use_bias=layer["bias"],
                **name,
            )
        case "transposed":
            border: Any = "SAME"
            if layer["padding"] != "same":
                reach = zip(layer["kernel"], layer["stride"], strict=True)
                border = [(k - 1, max(k, s) - 1) for k, s in reach]
            return nn.ConvTranspose(
                layer["out"],
                layer["kernel"],
                layer["stride"],
                border,
                use_bias=layer["bias"],
                transpose_kernel=True,
                **name,
            )
        case "batch norm":
            return nn.BatchNorm(
                momentum=layer["momentum"],
                epsilon=layer["epsilon"],
                use_scale=layer["affine"],
                use_bias=layer["affine"],
                use_fast_variance=layer["fast"],
                **name,
            )
        case "layer norm":
            scale, bias = layer["affine"]
            over = tuple(range(-layer["over"], 0))
            return nn.LayerNorm(
                epsilon=layer["epsilon"],
                use_scale=scale,
                use_bias=scale and bias,
                reduction_axes=over,
                feature_axes=over,
                use_fast_variance=layer["fast"],
                **name,
            )
        case "group norm":
            return nn.GroupNorm(
                layer["groups"],
                epsilon=layer["epsilon"],
                use_scale=layer["affine"],
                use_bias=layer["affine"],
                use_fast_variance=layer["fast"],
                **name,
            )
        case "rms norm":
            return nn.RMSNorm(epsilon=layer["epsilon"], use_scale=layer["affine"], **name)
        case "embedding":
            return nn.Embed(layer["tokens"], layer["out"], **name)
        case "dropout":
            return nn.Dropout(layer["rate"], **name)
    return function(layer)


def function(layer: Layer) -> Callable[..., jax.Array]:
    """What is no module in Flax."""
    spatial = tuple(range(1, layer.axes + 1))
    match layer.kind:
        case "activation":
            return activation(layer)
        case "max pool":
            return lambda x: nn.max_pool(x, layer["kernel"], layer["stride"], pooled(layer))
        case "mean pool":
            return lambda x: nn.avg_pool(
                x, layer["kernel"], layer["stride"], pooled(layer), count_include_pad=False
            )
        case "mean":
            return lambda x: x.mean(spatial)
        case "maximum":
            return lambda x: x.max(spatial)
        case "flatten":
            return lambda x: x.reshape(len(x), -1)
        case "add":
            return lambda x, other: x + other
        case "concatenate":
            return lambda x, other: jnp.concatenate([x, other], -1)
    raise AssertionError(layer.kind)


def pooled(layer: Layer) -> str:
    """What a pool is told of its border."""
    return "SAME" if layer["padding"] == "same" else "VALID"


def run(drawn: Drawn, parts: list[Any], x: jax.Array, train: bool) -> jax.Array:
    """Each layer on what the one before it gives, or on what came earlier."""
    seen = [x]
    for layer, part in zip(drawn.layers, parts, strict=True):
        match layer.kind:
            case "add" | "concatenate":
                x = part(x, seen[layer["of"]])
            case "batch norm":
                x = part(x, use_running_average=not train)
            case "dropout":
                x = part(x, deterministic=not train)
            case _:
                x = part(x)
        seen.append(x)
    return x


class Net(nn.Module):
    """What is drawn, with its layers where they are called."""

    drawn: Drawn

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Run it."""
        parts = [make(layer, name=f"layer{i}") for i, layer in enumerate(self.drawn.layers)]
        return run(self.drawn, parts, x, train)


class Listed(nn.Module):
    """What is drawn, with its layers in a list."""

    drawn: Drawn

    def setup(self) -> None:
        """Make the layers."""
        self.parts = [make(layer) for layer in self.drawn.layers]

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Run it."""
        return run(self.drawn, self.parts, x, train)


class Sequence(nn.Module):
    """What is drawn as a sequence, without layers that have two modes."""

    drawn: Drawn

    def setup(self) -> None:
        """Make the layers."""
        self.body = nn.Sequential([make(layer) for layer in self.drawn.layers])

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Run it."""
        del train
        return self.body(x)


def build(drawn: Drawn) -> tuple[nn.Module, Any]:
    """The network and variables of zeros, as somebody would pass it to `compare_models`."""
    module: Any = {"list": Listed, "sequential": Sequence}.get(drawn.style, Net)(drawn)
    init = partial(module.init, train=False)
    shapes = jax.eval_shape(init, jax.random.key(0), jnp.asarray(drawn.inputs()))
    return module, jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), shapes)
