"""SequentialNet: the layers of BasicNet in one Sequential."""

from __future__ import annotations

from functools import partial

from shared.specs.model import Case, Operations, Settings, Spec, Tensor
from shared.specs.parts import perceptron
from shared.specs.tasks import DIGITS

_sequential_net = partial(perceptron, "sequential", "SequentialNet")

SPEC = Spec(
    "sequential_net",
    "basic_net's layers in one Sequential",
    _sequential_net,
    parameters=109_386,
    operations=Operations(forward=218_368, training=454_400),
    task=DIGITS,
    settings=Settings(epochs=10),
    more_cases=(
        Case(
            "6x5 image, 3 channels",
            _sequential_net(90, 24, 7, 0.5, image=Tensor("HWC", (6, 5, 3))),
            parameters=(90 * 24 + 24) + (24 * 12 + 12) + (12 * 7 + 7),
        ),
        Case(
            "vector of 2600, hidden 1, no dropout",
            _sequential_net(2600, 1, 3, 0.0),
            parameters=(2600 * 1 + 1) + (1 * 1 + 1) + (1 * 3 + 3),
        ),
    ),
    shows="BasicNet's layers in a `Sequential`: what subclassing adds",
    position=60,
)
