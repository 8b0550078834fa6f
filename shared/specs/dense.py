"""DenseNet, its DenseBlock and its Transition."""

from __future__ import annotations

from shared.specs.model import Case, Network, Operations, Spec
from shared.specs.parts import block, classifier, image_of_any_size
from shared.specs.tasks import DIGITS


def _dense_net(
    growth_rate: int = 12,
    num_layers: int = 4,
    num_classes: int = 10,
    height: int = 28,
    breadth: int = 28,
) -> Network:
    config = {"growth_rate": growth_rate, "num_layers": num_layers, "num_classes": num_classes}
    image = image_of_any_size(height, breadth)
    return classifier("dense", "DenseNet", config, image, num_classes)


def _dense_block(
    in_channels: int, growth_rate: int, num_layers: int, height: int, breadth: int
) -> Network:
    config = {"in_channels": in_channels, "growth_rate": growth_rate, "num_layers": num_layers}
    wider = in_channels + num_layers * growth_rate
    image, features = (height, breadth, in_channels), (height, breadth, wider)
    return block("dense", "DenseBlock", config, image, features)


def _transition(in_channels: int, out_channels: int, height: int, breadth: int) -> Network:
    config = {"in_channels": in_channels, "out_channels": out_channels}
    image, features = (height, breadth, in_channels), (height // 2, breadth // 2, out_channels)
    return block("dense", "Transition", config, image, features)


SPEC = Spec(
    "dense_net",
    "dense blocks: every layer sees all before it, concatenated",
    _dense_net,
    parameters=46_210,
    operations=Operations(forward=10_755_024, training=31_926_384),
    buffers=1_080,
    task=DIGITS,
    more_cases=(
        Case(
            "9x14 image, growth 3, 3 layers, 4 classes",
            _dense_net(3, 3, 4, height=9, breadth=14),
            parameters=9 * 6
            + (2 + 9 * 3) * (6 + 9 + 12)
            + (2 * 15 + 15 * 7)
            + (2 + 9 * 3) * (7 + 10 + 13)
            + 2 * 16
            + (16 * 4 + 4),
            buffers=2 * ((6 + 9 + 12) + 15 + (7 + 10 + 13) + 16),
        ),
        Case(
            "4x13 image, growth 1, 1 layer, 640 classes",
            _dense_net(1, 1, 640, height=4, breadth=13),
            parameters=9 * 2
            + (2 + 9 * 1) * 2
            + (2 * 3 + 3 * 1)
            + (2 + 9 * 1) * 1
            + 2 * 2
            + (2 * 640 + 640),
            buffers=2 * (2 + 3 + 1 + 2),
        ),
        Case(
            "block 5 channels, growth 2, 3 layers",
            _dense_block(5, 2, 3, height=4, breadth=7),
            parameters=(2 + 9 * 2) * (5 + 7 + 9),
            buffers=2 * (5 + 7 + 9),
        ),
        Case(
            "transition 6 to 4, odd height",
            _transition(6, 4, height=7, breadth=10),
            parameters=2 * 6 + 6 * 4,
            buffers=2 * 6,
        ),
        Case(
            "block 1 channel, growth 1, 9 layers",
            _dense_block(1, 1, 9, height=5, breadth=4),
            parameters=(2 + 9 * 1) * (1 + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9),
            buffers=2 * (1 + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9),
        ),
        Case(
            "transition 13 to 1",
            _transition(13, 1, height=6, breadth=5),
            parameters=2 * 13 + 13 * 1,
            buffers=2 * 13,
        ),
    ),
    shows="concatenation in place of addition, batch norm before convolution",
    position=90,
)
