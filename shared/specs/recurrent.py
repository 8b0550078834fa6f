"""RowGRU: a recurrent network over the rows of an image."""

from __future__ import annotations

from shared.specs.model import Case, Network, Operations, Settings, Spec, Tensor
from shared.specs.parts import IMAGE, classifier
from shared.specs.tasks import DIGITS


def _row_gru(
    input_size: int = 28, hidden_size: int = 64, num_classes: int = 10, image: Tensor = IMAGE
) -> Network:
    config = {"input_size": input_size, "hidden_size": hidden_size, "num_classes": num_classes}
    return classifier("recurrent", "RowGRU", config, image, num_classes)


SPEC = Spec(
    "row_gru",
    "a recurrent network with a cell of its own, over the rows of an image",
    _row_gru,
    parameters=18_698,
    operations=Operations(forward=990_464, training=2_645_760),
    task=DIGITS,
    settings=Settings(epochs=10, learning_rate=3e-3),
    more_cases=(
        Case(
            "7x10 image, 3 channels, 4 classes",
            _row_gru(30, 12, 4, Tensor("HWC", (7, 10, 3))),
            parameters=(36 * 30 + 36) + (36 * 12 + 36) + (12 * 4 + 4),
        ),
        Case(
            "1x200 image, 3 channels, hidden 1",
            _row_gru(600, 1, 10, Tensor("HWC", (1, 200, 3))),
            parameters=(3 * 600 + 3) + (3 * 1 + 3) + (1 * 10 + 10),
        ),
        Case(
            "6x1 image, hidden 24, 4 classes",
            _row_gru(1, 24, 4, Tensor("HWC", (6, 1, 1))),
            parameters=(72 * 1 + 72) + (72 * 24 + 72) + (24 * 4 + 4),
        ),
    ),
    shows="the loop over time: Python's `for`, `nn.scan`, `layers.RNN`; a cell with the "
    "same parameters in all three",
    position=120,
)
