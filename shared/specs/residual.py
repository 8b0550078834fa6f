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
            "27x29 image, 3 blocks, 3 classes",
            _simple_resnet(3, 3, Tensor("HWC", (27, 29, 1))),
            parameters=64 * 9 + 128 + 3 * 73_984 + 230_144 + 2 * 295_424 + 6272 * 3 + 3,
            buffers=2 * (64 + 6 * 64 + 7 * 128),
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
            "block 6 to 6, stride 2",
            _residual_block(6, 6, 2, height=5, width=8),
            parameters=2 * 6 * 6 * 9 + 6 * 6 + 3 * 12,
            buffers=2 * 3 * 6,
        ),
        Case(
            "block 5 to 7",
            _residual_block(5, 7, 1, height=5, width=4),
            parameters=7 * 5 * 9 + 7 * 7 * 9 + 7 * 5 + 3 * 14,
            buffers=2 * 3 * 7,
        ),
        Case(
            "block 45 to 1, stride 3",
            _residual_block(45, 1, 3, height=7, width=8),
            parameters=1 * 45 * 9 + 1 * 1 * 9 + 1 * 45 + 3 * 2,
            buffers=2 * 3 * 1,
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
