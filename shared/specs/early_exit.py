"""EarlyExitNet: two exits, of which the first one may do."""

from __future__ import annotations

from shared.specs.model import Case, Network, Operations, Spec, Tensor
from shared.specs.parts import IMAGE, ODD_IMAGE, WIDE_IMAGE
from shared.specs.tasks import EARLY_EXIT


def _early_exit_net(
    threshold: float = 0.9, num_classes: int = 10, image: Tensor = IMAGE
) -> Network:
    logits = Tensor("K", (num_classes,))
    return Network(
        "early_exit",
        "EarlyExitNet",
        {"threshold": threshold, "num_classes": num_classes},
        {"image": image},
        {"logits": logits, "early_logits": logits},
    )


SPEC = Spec(
    "early_exit_net",
    "two exits: a batch that the first one is sure of skips the second stage",
    _early_exit_net,
    parameters=76_564,
    operations=Operations(forward=7_483_776, training=22_225_536),
    task=EARLY_EXIT,
    more_cases=(
        Case(
            "4x196 image, 4 classes, never leaves",
            _early_exit_net(0.999, 4, WIDE_IMAGE),
            parameters=76_564 - 6 * 1569 - 6 * 65,
        ),
        Case(
            "leaves or stays by the batch",
            _early_exit_net(0.4),
            parameters=76_564,
            trainers=True,
        ),
        Case(
            "4x196 image, always leaves",
            # The least that the largest of four probabilities can be: reached where all are alike.
            _early_exit_net(0.25, 4, WIDE_IMAGE),
            parameters=76_564 - 6 * 1569 - 6 * 65,
            trainers=True,
        ),
        Case(
            "7x199 image",
            _early_exit_net(0.9, 10, ODD_IMAGE),
            parameters=76_564,
        ),
    ),
    shows="computation that depends on the data: `if`, `nn.cond`, `ops.cond`, compiled too",
    position=130,
)
