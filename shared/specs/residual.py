"""SimpleResNet, and its ResidualBlock."""

from __future__ import annotations

from shared.specs.model import Case, Network, Operations, Settings, Spec, Tensor
from shared.specs.parts import IMAGE, WIDE_IMAGE, block, classifier
from shared.specs.tasks import DIGITS


def _simple_resnet(num_blocks: int = 2, num_classes: int = 10, image: Tensor = IMAGE) -> Network:
    config = {"num_blocks": num_blocks, "num_classes": num_classes}
    return classifier("residual", "SimpleResNet", config, image, num_classes)


def _residual_block(
    in_channels: int, out_channels: int, stride: int, height: int, width: int
) -> Network:
    config = {"in_channels": in_channels, "out_channels": out_channels, "stride": stride}
    smaller = (-(-height // stride), -(-width // stride), out_channels)
    return block("residual", "ResidualBlock", config, (height, width, in_channels), smaller)


SPEC = Spec(
    "simple_resnet",
    "residual blocks with batch norm in two stages",
    _simple_resnet,
    parameters=736_970,
    operations=Operations(forward=437_760_512, training=1_312_378_368),
    buffers=2 * (64 + 4 * 64 + 5 * 128),
    task=DIGITS,
    settings=Settings(epochs=2),
    more_cases=(
        Case(
            "4x196 image, 1 block, 6 classes",
            _simple_resnet(1, 6, WIDE_IMAGE),
            parameters=64 * 9 + 128 + 73_984 + 230_144 + 6272 * 6 + 6,
            buffers=2 * (64 + 2 * 64 + 3 * 128),
        ),
        Case(
            "block 64 to 64",
            _residual_block(64, 64, 1, height=5, width=8),
            parameters=73_984,
            buffers=2 * 2 * 64,
        ),
        Case(
            "block 64 to 128, stride 2",
            _residual_block(64, 128, 2, height=6, width=8),
            parameters=230_144,
            buffers=2 * 3 * 128,
        ),
        Case(
            "block 3 to 5, stride 2, odd height",
            _residual_block(3, 5, 2, height=7, width=10),
            parameters=5 * 3 * 9 + 5 * 5 * 9 + 5 * 3 + 3 * 10,
            buffers=2 * 3 * 5,
        ),
    ),
    shows="blocks within blocks, batch norm, a shortcut that may change the shape",
    position=30,
)
