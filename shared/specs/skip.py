"""SkipMLP: a perceptron of any depth with overlapping skips."""

from __future__ import annotations

from shared.specs.model import Case, Network, Operations, Settings, Spec, Tensor
from shared.specs.parts import IMAGE, classifier, flat_image
from shared.specs.tasks import SMOOTHED_DIGITS


def _skip_mlp(
    depth: int = 4,
    width: int = 128,
    input_size: int = 784,
    num_classes: int = 10,
    image: Tensor = IMAGE,
) -> Network:
    config = {
        "depth": depth,
        "width": width,
        "input_size": input_size,
        "num_classes": num_classes,
    }
    return classifier("skip", "SkipMLP", config, flat_image(image, input_size), num_classes)


SPEC = Spec(
    "skip_mlp",
    "a perceptron of any depth with overlapping skips",
    _skip_mlp,
    parameters=167_818,
    operations=Operations(forward=334_336, training=802_304),
    task=SMOOTHED_DIGITS,
    settings=Settings(epochs=15, batch_size=32, optimizer="sgd", learning_rate=0.1, momentum=0.0),
    more_cases=(
        Case(
            "4x7 image, 3 channels, depth 3, 5 classes",
            _skip_mlp(3, 12, 84, 5, image=Tensor("HWC", (4, 7, 3))),
            parameters=(84 * 12 + 12) + 3 * (12 * 12 + 12) + (12 * 5 + 5),
        ),
        Case(
            "vector of 1600, depth 6, width 1",
            _skip_mlp(6, 1, 1600, 2),
            parameters=(1600 * 1 + 1) + 6 * (1 * 1 + 1) + (1 * 2 + 2),
        ),
    ),
    shows="skips written as plain Python over a list of layers",
    position=70,
)
