"""MNISTClassifier: two convolutions and two dense layers."""

from __future__ import annotations

from shared.specs.model import Case, Network, Operations, Preset, Settings, Spec, Tensor
from shared.specs.parts import IMAGE, ODD_IMAGE, WIDE_IMAGE, classifier
from shared.specs.tasks import DIGITS


def _mnist_classifier(image: Tensor = IMAGE) -> Network:
    return classifier("mnist_cnn", "MNISTClassifier", {}, image, 10)


SPEC = Spec(
    "mnist_classifier",
    "two convolutions and two dense layers, with its training log",
    _mnist_classifier,
    parameters=421_642,
    operations=Operations(forward=8_482_304, training=24_995_328),
    task=DIGITS,
    settings=Settings(epochs=10),
    presets={
        # Five seeds in each backend give 99.07 to 99.22 %. One epoch gives 98.8 %; batches of 128,
        # and peaks below 0.003, give less than this.
        "fast": Preset(
            "the fewest seconds to 99 % of the full MNIST's test digits",
            Settings(epochs=2, learning_rate=5e-3),
            warmup=0.3,
        )
    },
    more_cases=(
        Case("4x196 image", _mnist_classifier(WIDE_IMAGE), parameters=421_642),
        Case("7x199 image", _mnist_classifier(ODD_IMAGE), parameters=421_642),
    ),
    shows="lists of layers, custom methods, a log of its own training",
    position=40,
)
