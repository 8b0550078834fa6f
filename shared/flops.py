"""How many floating-point operations a network takes for one example, from its configuration.

Counted are matrix products and convolutions, two operations for each multiply-add. Biases,
activations, normalisation, pooling and the optimizer are not. A convolution counts what it
nominally computes: also the products with the zeros of its padding. So it is the same count for
every backend, whatever their libraries really do.

Every class of the architecture files has a function here, which names its layers in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from shared.errors import ConfigurationError
from shared.specs import Network

Size = tuple[int, int]
"""The height and width of a feature map."""


@dataclass(frozen=True)
class Flops:
    """Floating-point operations for one example.

    `forward` is the pass in evaluation mode, `training` one step: the pass in training mode, the
    gradient by the weights, and the gradient by what the layers take, but not by the network's own
    inputs, which training does not need.
    """

    forward: int
    training: int

    def __add__(self, other: Flops) -> Flops:
        return Flops(self.forward + other.forward, self.training + other.training)

    def __mul__(self, times: int) -> Flops:
        return Flops(times * self.forward, times * self.training)


NONE = Flops(0, 0)


def count(network: Network) -> Flops:
    """The operations of one example whose inputs have the shapes in `network.inputs`.

    The configuration must be complete, as `shared.specs` makes it. An EarlyExitNet counts both of
    its stages in `forward`, though a batch that leaves early skips the second one. A Seq2Seq counts
    one pass with the right tokens known, not `decode`. An InferenceModel is not trained: its
    `training` is 0.

    Raises:
        ConfigurationError: there is no formula for the network's class.
    """
    name = f"{network.file}.{network.cls}"
    if name not in _FORMULAS:
        raise ConfigurationError(
            f"there is no formula for the operations of {network.cls!r}; "
            f"there are formulas for {', '.join(_FORMULAS)}"
        )
    return _FORMULAS[name](network)


# --- layers -----------------------------------------------------------------------------------
# `first` says that a layer takes the network's own input, or another tensor that depends on no
# weight: it needs no gradient by it.


def _product(multiply_adds: int, first: bool = False) -> Flops:
    """A product, and the two of the same size that give its gradients by weights and by input."""
    forward = 2 * multiply_adds
    return Flops(forward, (2 if first else 3) * forward)


def _dense(inputs: int, outputs: int, *, rows: int = 1, first: bool = False) -> Flops:
    """A dense layer, or one for each of several rows of an example."""
    return _product(rows * inputs * outputs, first)


def _conv(
    size: Size, in_channels: int, out_channels: int, kernel: int, *, first: bool = False
) -> Flops:
    """A convolution that gives a feature map of this size; a transposed one that takes it."""
    height, width = size
    return _product(height * width * kernel**2 * in_channels * out_channels, first)


def _sum(*parts: Flops) -> Flops:
    return sum(parts, NONE)


def _size(network: Network) -> Size:
    """The height and width of the network's image."""
    height, width, _ = network.inputs["image"].shape
    return height, width


def _half(size: Size) -> Size:
    """After a pooling by 2, which drops an odd row or column."""
    return size[0] // 2, size[1] // 2


def _strided(size: Size, stride: int) -> Size:
    """After a padded convolution with a stride, which rounds up."""
    return -(-size[0] // stride), -(-size[1] // stride)


# --- perceptrons: mlp.py, sequential.py, skip.py ----------------------------------------------


def _perceptron(network: Network) -> Flops:
    """BasicNet, and SequentialNet with the same layers."""
    config = network.config
    hidden = config["hidden_size"]
    return _sum(
        _dense(config["input_size"], hidden, first=True),  # fc1
        _dense(hidden, hidden // 2),  # fc2
        _dense(hidden // 2, config["output_size"]),  # fc3
    )


def _skip_mlp(network: Network) -> Flops:
    config = network.config
    width = config["width"]
    return _sum(
        _dense(config["input_size"], width, first=True),  # first
        _dense(width, width) * config["depth"],  # hidden
        _dense(width, config["num_classes"]),  # fc
    )


# --- mimo.py, mnist_cnn.py, branching.py ------------------------------------------------------


def _mimo_net(network: Network) -> Flops:
    config, size = network.config, _size(network)
    return _sum(
        _conv(size, 1, 32, 3, first=True),  # conv1
        _conv(_half(size), 32, 64, 3),  # conv2
        _dense(64 * 7 * 7, 128),  # image_fc
        _dense(config["metadata_size"], 64, first=True),  # meta_fc1
        _dense(64, 32),  # meta_fc2
        _dense(128 + 32, 128),  # combined_fc
        _dense(128, config["num_classes"]),  # class_output
        _dense(128, 1),  # reg_output
    )


def _mnist_classifier(network: Network) -> Flops:
    size = _size(network)
    return _sum(
        _conv(size, 1, 32, 3, first=True),  # features.0
        _conv(_half(size), 32, 64, 3),  # features.3
        _dense(64 * 7 * 7, 128),  # classifier.0
        _dense(128, 10),  # classifier.3
    )


def _branching_net(network: Network) -> Flops:
    size, width = _size(network), network.config["width"]
    return _sum(
        _conv(size, 1, width, 3, first=True),  # conv1
        _conv(size, width, width, 3),  # conv2a
        _conv(size, width, width, 3),  # conv3a
        _conv(size, width, width, 5),  # conv2b
        _conv(size, width, width, 3),  # conv3b
        _dense(width, network.config["num_classes"]),  # fc
    )


# --- residual.py ------------------------------------------------------------------------------


def _residual_block(
    size: Size, in_channels: int, out_channels: int, stride: int = 1, *, first: bool = False
) -> Flops:
    smaller = _strided(size, stride)
    shortcut = NONE
    if stride != 1 or in_channels != out_channels:
        shortcut = _conv(smaller, in_channels, out_channels, 1, first=first)
    return _sum(
        _conv(smaller, in_channels, out_channels, 3, first=first),  # conv1
        _conv(smaller, out_channels, out_channels, 3),  # conv2
        shortcut,
    )


def _simple_resnet(network: Network) -> Flops:
    size, blocks = _size(network), network.config["num_blocks"]
    smaller = _strided(size, 2)
    return _sum(
        _conv(size, 1, 64, 3, first=True),  # conv1
        _residual_block(size, 64, 64) * blocks,  # layer1
        _residual_block(size, 64, 128, stride=2),  # layer2
        _residual_block(smaller, 128, 128) * (blocks - 1),
        _dense(128 * 7 * 7, network.config["num_classes"]),  # fc
    )


# --- inception.py -----------------------------------------------------------------------------


def _inception_block(size: Size, in_channels: int, width: int, *, first: bool = False) -> Flops:
    reduced = max(width // 2, 1)
    return _sum(
        _conv(size, in_channels, width, 1, first=first),  # conv1
        _conv(size, in_channels, reduced, 1, first=first),  # reduce3
        _conv(size, reduced, width, 3),  # conv3
        _conv(size, in_channels, reduced, 1, first=first),  # reduce5
        _conv(size, reduced, width, 5),  # conv5
        _conv(size, in_channels, width, 1, first=first),  # pool_conv
    )


def _inception_net(network: Network) -> Flops:
    size, width = _size(network), network.config["width"]
    half = _half(size)
    return _sum(
        _conv(size, 1, width, 3, first=True),  # conv1
        _inception_block(half, width, width),  # block1
        _inception_block(_half(half), 4 * width, width),  # block2
        _dense(4 * width, network.config["num_classes"]),  # fc
    )


# --- dense.py ---------------------------------------------------------------------------------
# No convolution of its blocks is a first one: batch norm before it has weights.


def _dense_block(size: Size, in_channels: int, growth_rate: int, num_layers: int) -> Flops:
    seen = [in_channels + layer * growth_rate for layer in range(num_layers)]
    return _sum(*(_conv(size, channels, growth_rate, 3) for channels in seen))  # convs


def _transition(size: Size, in_channels: int, out_channels: int) -> Flops:
    return _conv(size, in_channels, out_channels, 1)  # conv


def _dense_net(network: Network) -> Flops:
    config, size = network.config, _size(network)
    growth_rate, num_layers = config["growth_rate"], config["num_layers"]
    stem = 2 * growth_rate
    wide = stem + num_layers * growth_rate
    last = wide // 2 + num_layers * growth_rate
    half = _half(size)
    return _sum(
        _conv(size, 1, stem, 3, first=True),  # conv1
        _dense_block(half, stem, growth_rate, num_layers),  # block1
        _transition(half, wide, wide // 2),  # transition
        _dense_block(_half(half), wide // 2, growth_rate, num_layers),  # block2
        _dense(last, config["num_classes"]),  # fc
    )


# --- unet.py ----------------------------------------------------------------------------------


def _double_conv(size: Size, in_channels: int, out_channels: int, *, first: bool = False) -> Flops:
    return _sum(
        _conv(size, in_channels, out_channels, 3, first=first),  # conv1
        _conv(size, out_channels, out_channels, 3),  # conv2
    )


def _up(size: Size, in_channels: int, out_channels: int, *, first: bool = False) -> Flops:
    """For a feature map of this size, and a skip of twice the height and width."""
    larger = 2 * size[0], 2 * size[1]
    return _sum(
        _conv(size, in_channels, out_channels, 2, first=first),  # up
        _double_conv(larger, 2 * out_channels, out_channels),  # conv
    )


def _unet(network: Network) -> Flops:
    config, size = network.config, _size(network)
    width = config["base_width"]
    parts = [
        _double_conv(size, config["in_channels"], width, first=True),  # stem
        _conv(size, width, config["num_classes"], 1),  # head
    ]
    for _ in range(config["depth"]):
        size = _half(size)
        parts.append(_double_conv(size, width, 2 * width))  # downs
        parts.append(_up(size, 2 * width, width))  # ups, from the last one
        width *= 2
    return _sum(*parts)


# --- attention.py, seq2seq.py -----------------------------------------------------------------
# How many heads there are changes nothing: each has its share of the width.


def _attention(
    embed_dim: int, steps: int, context: int, *, first: bool = False, first_context: bool = False
) -> Flops:
    """From so many steps to a context of so many others."""
    return _sum(
        _dense(embed_dim, embed_dim, rows=steps, first=first),  # query
        _dense(embed_dim, embed_dim, rows=context, first=first_context),  # key
        _dense(embed_dim, embed_dim, rows=context, first=first_context),  # value
        _product(steps * embed_dim * context),  # the scores
        _product(steps * context * embed_dim),  # the means of the values
        _dense(embed_dim, embed_dim, rows=steps),  # out
    )


def _feed_forward(embed_dim: int, steps: int) -> Flops:
    return _sum(
        _dense(embed_dim, 4 * embed_dim, rows=steps),  # fc1
        _dense(4 * embed_dim, embed_dim, rows=steps),  # fc2
    )


def _encoder_layer(embed_dim: int, steps: int) -> Flops:
    """Its attention is no first layer: layer norm before it has weights."""
    return _attention(embed_dim, steps, steps) + _feed_forward(embed_dim, steps)


def _decoder_layer(
    embed_dim: int, steps: int, context: int, *, first_context: bool = False
) -> Flops:
    return _sum(
        _attention(embed_dim, steps, steps),  # self_attention
        _attention(embed_dim, steps, context, first_context=first_context),  # cross_attention
        _feed_forward(embed_dim, steps),
    )


def _seq2seq(network: Network) -> Flops:
    config = network.config
    embed_dim, num_layers = config["embed_dim"], config["num_layers"]
    step = config["columns_per_step"]
    columns, rows = network.inputs["columns"].shape
    steps, (tokens,) = columns // step, network.inputs["tokens"].shape
    return _sum(
        _dense(step * rows, embed_dim, rows=steps, first=True),  # columns_fc
        _encoder_layer(embed_dim, steps) * num_layers,  # encoder
        _decoder_layer(embed_dim, tokens, steps) * num_layers,  # decoder
        _dense(embed_dim, config["num_classes"] + 1, rows=tokens),  # fc
    )


# --- recurrent.py -----------------------------------------------------------------------------


def _gru_cell(input_size: int, hidden_size: int, *, first: bool = False) -> Flops:
    """One step in time; `first` has a state of zeros before it. Each input is an image's row."""
    return _sum(
        _dense(input_size, 3 * hidden_size, first=True),  # input_gates
        _dense(hidden_size, 3 * hidden_size, first=first),  # hidden_gates
    )


def _row_gru(network: Network) -> Flops:
    config = network.config
    input_size, hidden_size = config["input_size"], config["hidden_size"]
    rows, _ = _size(network)
    return _sum(
        _gru_cell(input_size, hidden_size, first=True),  # cell, for each row
        _gru_cell(input_size, hidden_size) * (rows - 1),
        _dense(hidden_size, config["num_classes"]),  # fc
    )


# --- early_exit.py, inference.py --------------------------------------------------------------


def _early_exit_net(network: Network) -> Flops:
    size, classes = _size(network), network.config["num_classes"]
    half = _half(size)
    quarter = _half(half)
    return _sum(
        _conv(size, 1, 16, 3, first=True),  # conv1
        _conv(half, 16, 32, 3),  # conv2
        _dense(32 * 7 * 7, classes),  # early_fc
        _conv(quarter, 32, 64, 3),  # conv3
        _conv(quarter, 64, 64, 3),  # conv4
        _dense(64, classes),  # fc
    )


def _inference_model(network: Network) -> Flops:
    return Flops(count(network.config["base_model"]).forward, 0)


# --- parts on their own -----------------------------------------------------------------------


def _channels(network: Network) -> tuple[int, int]:
    return network.config["in_channels"], network.config["out_channels"]


def _lone_residual_block(network: Network) -> Flops:
    stride = network.config["stride"]
    return _residual_block(_size(network), *_channels(network), stride, first=True)


def _lone_inception_block(network: Network) -> Flops:
    config = network.config
    return _inception_block(_size(network), config["in_channels"], config["width"], first=True)


def _lone_dense_block(network: Network) -> Flops:
    return _dense_block(_size(network), **network.config)


def _lone_transition(network: Network) -> Flops:
    return _transition(_size(network), *_channels(network))


def _lone_double_conv(network: Network) -> Flops:
    return _double_conv(_size(network), *_channels(network), first=True)


def _lone_down(network: Network) -> Flops:
    return _double_conv(_half(_size(network)), *_channels(network), first=True)


def _lone_up(network: Network) -> Flops:
    return _up(_size(network), *_channels(network), first=True)


def _lone_attention(network: Network) -> Flops:
    steps, embed_dim = network.inputs["x"].shape
    context, _ = network.inputs["context"].shape
    return _attention(embed_dim, steps, context, first=True, first_context=True)


def _lone_encoder_layer(network: Network) -> Flops:
    steps, embed_dim = network.inputs["x"].shape
    return _encoder_layer(embed_dim, steps)


def _lone_decoder_layer(network: Network) -> Flops:
    steps, embed_dim = network.inputs["x"].shape
    context, _ = network.inputs["context"].shape
    return _decoder_layer(embed_dim, steps, context, first_context=True)


_FORMULAS: Mapping[str, Callable[[Network], Flops]] = {
    "mlp.BasicNet": _perceptron,
    "mimo.MIMONet": _mimo_net,
    "residual.ResidualBlock": _lone_residual_block,
    "residual.SimpleResNet": _simple_resnet,
    "mnist_cnn.MNISTClassifier": _mnist_classifier,
    "branching.BranchingNet": _branching_net,
    "sequential.SequentialNet": _perceptron,
    "skip.SkipMLP": _skip_mlp,
    "inception.InceptionBlock": _lone_inception_block,
    "inception.InceptionNet": _inception_net,
    "dense.DenseBlock": _lone_dense_block,
    "dense.Transition": _lone_transition,
    "dense.DenseNet": _dense_net,
    "unet.DoubleConv": _lone_double_conv,
    "unet.Down": _lone_down,
    "unet.Up": _lone_up,
    "unet.UNet": _unet,
    "attention.MultiHeadAttention": _lone_attention,
    "attention.EncoderLayer": _lone_encoder_layer,
    "attention.DecoderLayer": _lone_decoder_layer,
    "seq2seq.Seq2Seq": _seq2seq,
    "recurrent.RowGRU": _row_gru,
    "early_exit.EarlyExitNet": _early_exit_net,
    "inference.InferenceModel": _inference_model,
}
"""By file and class, as they stand in every panel: somebody's own UNet is not ours."""
