"""BranchingNet: two branches and a skip, added."""

from __future__ import annotations

from shared.specs.model import Case, Network, Operations, Settings, Spec
from shared.specs.parts import classifier, image_of_any_size
from shared.specs.tasks import DIGITS


def _branching_net(
    width: int = 32, num_classes: int = 10, height: int = 28, breadth: int = 28
) -> Network:
    config = {"width": width, "num_classes": num_classes}
    image = image_of_any_size(height, breadth)
    return classifier("branching", "BranchingNet", config, image, num_classes)


SPEC = Spec(
    "branching_net",
    "two branches and a skip, added; global average",
    _branching_net,
    parameters=54_026,
    operations=Operations(forward=83_945_088, training=251_383_680),
    task=DIGITS,
    settings=Settings(epochs=8, learning_rate=1e-2),
    more_cases=(
        Case(
            "9x14 image, width 6, 3 classes",
            _branching_net(6, 3, height=9, breadth=14),
            parameters=(54 + 6) + 3 * (324 + 6) + (900 + 6) + (18 + 3),
        ),
        Case(
            "1x1 image, width 1, 1000 classes",
            _branching_net(1, 1000, height=1, breadth=1),
            parameters=4 * (9 + 1) + (25 + 1) + (1000 + 1000),
        ),
    ),
    shows="one path splits in two and a skip, and they are added",
    position=50,
)
