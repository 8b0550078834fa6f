"""MIMONet: image and metadata in, class and slant out."""

from __future__ import annotations

from shared.specs.model import Case, Network, Operations, Spec, Tensor
from shared.specs.parts import IMAGE, ODD_IMAGE, WIDE_IMAGE
from shared.specs.tasks import DIGITS_AND_SLANT


def _mimo_net(metadata_size: int = 10, num_classes: int = 10, image: Tensor = IMAGE) -> Network:
    return Network(
        "mimo",
        "MIMONet",
        {"metadata_size": metadata_size, "num_classes": num_classes},
        {"image": image, "metadata": Tensor("D", (metadata_size,))},
        {"class_output": Tensor("K", (num_classes,)), "reg_output": Tensor("D", (1,))},
    )


SPEC = Spec(
    "mimo_net",
    "two inputs, image and metadata; two outputs, class and slant",
    _mimo_net,
    parameters=445_163,
    operations=Operations(forward=8_528_896, training=25_133_824),
    task=DIGITS_AND_SLANT,
    more_cases=(
        Case(
            "4x196 image, 3 metadata, 4 classes",
            _mimo_net(3, 4, WIDE_IMAGE),
            parameters=445_163 - 7 * 64 - 6 * 129,
        ),
        Case(
            "7x199 image, 1 metadata",
            _mimo_net(1, 10, ODD_IMAGE),
            parameters=445_163 - 9 * 64,
        ),
    ),
    shows="two inputs, two outputs, two losses",
    position=20,
)
