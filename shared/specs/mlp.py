"""BasicNet: a perceptron with two hidden layers and dropout."""

from __future__ import annotations

from functools import partial

from shared.specs.model import Case, Operations, Settings, Spec, Tensor
from shared.specs.parts import perceptron
from shared.specs.tasks import DIGITS

_basic_net = partial(perceptron, "mlp", "BasicNet")

SPEC = Spec(
    "basic_net",
    "a perceptron with two hidden layers and dropout",
    _basic_net,
    parameters=109_386,
    operations=Operations(forward=218_368, training=454_400),
    task=DIGITS,
    settings=Settings(epochs=10),
    more_cases=(
        Case(
            "6x5 image, 3 channels",
            _basic_net(90, 24, 7, 0.5, image=Tensor("HWC", (6, 5, 3))),
            parameters=(90 * 24 + 24) + (24 * 12 + 12) + (12 * 7 + 7),
        ),
        Case(
            "vector of 2600, hidden 1, no dropout",
            _basic_net(2600, 1, 3, 0.0),
            parameters=(2600 * 1 + 1) + (1 * 1 + 1) + (1 * 3 + 3),
        ),
    ),
    shows="the smallest subclass; dropout",
    position=10,
)
