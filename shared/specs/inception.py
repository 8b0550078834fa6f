"""InceptionNet, and its InceptionBlock of four branches."""

from __future__ import annotations

from shared.specs.model import Case, Network, Operations, Settings, Spec
from shared.specs.parts import block, classifier, image_of_any_size
from shared.specs.tasks import DIGITS


def _inception_net(
    width: int = 16, num_classes: int = 10, height: int = 28, breadth: int = 28
) -> Network:
    config = {"width": width, "num_classes": num_classes}
    image = image_of_any_size(height, breadth)
    return classifier("inception", "InceptionNet", config, image, num_classes)


def _inception_block(in_channels: int, width: int, height: int, breadth: int) -> Network:
    config = {"in_channels": in_channels, "width": width}
    image, features = (height, breadth, in_channels), (height, breadth, 4 * width)
    return block("inception", "InceptionBlock", config, image, features)


SPEC = Spec(
    "inception_net",
    "blocks of four branches, concatenated by channels",
    _inception_net,
    parameters=13_514,
    operations=Operations(forward=2_961_664, training=8_659_200),
    task=DIGITS,
    settings=Settings(epochs=8, learning_rate=3e-3),
    more_cases=(
        Case(
            "9x14 image, width 6, 4 classes",
            _inception_net(6, 4, height=9, breadth=14),
            parameters=(9 * 6 + 6)
            + (2 * (6 * 6 + 6) + 2 * (6 * 3 + 3) + (27 * 6 + 6) + (75 * 6 + 6))
            + (2 * (24 * 6 + 6) + 2 * (24 * 3 + 3) + (27 * 6 + 6) + (75 * 6 + 6))
            + (24 * 4 + 4),
        ),
        Case(
            "4x4 image, width 1, 400 classes",
            _inception_net(1, 400, height=4, breadth=4),
            parameters=(9 + 1)
            + (4 * (1 + 1) + (9 + 1) + (25 + 1))
            + (4 * (4 + 1) + (9 + 1) + (25 + 1))
            + (4 * 400 + 400),
        ),
        Case(
            "block 5 channels to 4 times 6",
            _inception_block(5, 6, height=4, breadth=7),
            parameters=2 * (5 * 6 + 6) + 2 * (5 * 3 + 3) + (27 * 6 + 6) + (75 * 6 + 6),
        ),
    ),
    shows="parallel branches joined by channels: axis 1 in PyTorch, -1 in the others",
    position=80,
)
