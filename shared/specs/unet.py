"""UNet, and its parts: double convolutions, a way down, a way up."""

from __future__ import annotations

from dataclasses import replace

from shared.specs.model import Case, Network, Operations, Settings, Spec, Tensor
from shared.specs.parts import block
from shared.specs.tasks import SEGMENTATION


def _unet(
    in_channels: int = 1,
    num_classes: int = 11,
    base_width: int = 16,
    depth: int = 3,
    height: int = 64,
    breadth: int = 64,
) -> Network:
    return Network(
        "unet",
        "UNet",
        {
            "in_channels": in_channels,
            "num_classes": num_classes,
            "base_width": base_width,
            "depth": depth,
        },
        {"image": Tensor("HWC", (height, breadth, in_channels), any_size=True, divisor=2**depth)},
        {"logits": Tensor("HWK", (height, breadth, num_classes))},
    )


def _unet_part(cls: str, in_channels: int, out_channels: int, height: int, width: int) -> Network:
    config = {"in_channels": in_channels, "out_channels": out_channels}
    factor = {"DoubleConv": 1.0, "Down": 0.5, "Up": 2.0}[cls]
    features = (int(height * factor), int(width * factor), out_channels)
    network = block("unet", cls, config, (height, width, in_channels), features)
    if cls == "Up":
        skip = Tensor("HWC", features, any_size=True)
        network = replace(network, inputs={**network.inputs, "skip": skip})
    return network


def _double_conv_count(in_channels: int, out_channels: int) -> int:
    """The parameters of a double convolution, with those of its batch norms."""
    return 9 * (in_channels + out_channels) * out_channels + 4 * out_channels


SPEC = Spec(
    "unet",
    "an encoder and a decoder with skips; a class at every pixel",
    _unet,
    parameters=482_619,
    operations=Operations(forward=288_882_688, training=865_468_416),
    buffers=1_408,
    task=SEGMENTATION,
    settings=Settings(epochs=8, batch_size=16),
    more_cases=(
        Case(
            "8x12 canvas, 2 channels, 3 classes, depth 2",
            _unet(2, 3, 3, 2, height=8, breadth=12),
            parameters=sum(
                _double_conv_count(i, o) for i, o in ((2, 3), (3, 6), (6, 12), (12, 6), (6, 3))
            )
            + (4 * 12 * 6 + 6)
            + (4 * 6 * 3 + 3)
            + (3 * 3 + 3),
            buffers=2 * 2 * (3 + 6 + 12 + 6 + 3),
        ),
        Case(
            # Of width 2 rounding decides a tie of the first pool.
            "16x48 canvas, 2 classes, width 4, depth 4",
            _unet(1, 2, 4, 4, height=16, breadth=48),
            parameters=sum(
                _double_conv_count(i, o)
                for i, o in (
                    *((1, 4), (4, 8), (8, 16), (16, 32), (32, 64)),
                    *((64, 32), (32, 16), (16, 8), (8, 4)),
                )
            )
            + sum(4 * 2 * o * o + o for o in (32, 16, 8, 4))
            + (4 * 2 + 2),
            buffers=2 * 2 * (64 + 2 * (4 + 8 + 16 + 32)),
        ),
        Case(
            "6x2 canvas, 3 channels, width 8, depth 1",
            _unet(3, 2, 8, 1, height=6, breadth=2),
            parameters=sum(_double_conv_count(i, o) for i, o in ((3, 8), (8, 16), (16, 8)))
            + (4 * 16 * 8 + 8)
            + (8 * 2 + 2),
            buffers=2 * 2 * (8 + 16 + 8),
        ),
        Case(
            "double convolution 3 to 5",
            _unet_part("DoubleConv", 3, 5, height=4, width=7),
            parameters=_double_conv_count(3, 5),
            buffers=2 * 2 * 5,
        ),
        Case(
            "down 3 to 5",
            _unet_part("Down", 3, 5, height=6, width=8),
            parameters=_double_conv_count(3, 5),
            buffers=2 * 2 * 5,
        ),
        Case(
            "down 42 to 1, odd sizes",
            _unet_part("Down", 42, 1, height=7, width=5),
            parameters=_double_conv_count(42, 1),
            buffers=2 * 2 * 1,
        ),
        Case(
            "up 6 to 4",
            _unet_part("Up", 6, 4, height=3, width=5),
            parameters=(4 * 6 * 4 + 4) + _double_conv_count(8, 4),
            buffers=2 * 2 * 4,
        ),
        Case(
            "up 130 to 1",
            _unet_part("Up", 130, 1, height=2, width=3),
            parameters=(4 * 130 * 1 + 1) + _double_conv_count(2, 1),
            buffers=2 * 2 * 1,
        ),
    ),
    shows="encoder, decoder, skips by concatenation, transposed convolution; a class at "
    "every pixel",
    position=100,
)
