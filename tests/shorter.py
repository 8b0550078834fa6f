"""Short trainings: a comparison's, and of fewer steps the ladder's."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from shared.parity import recipes
from shared.parity.collect import Plan
from shared.specs import Settings
from shared.train.worker import Request


def quick(**changes: Any) -> Request:
    """A request for a short training, with these changes."""
    settings = Settings(epochs=1, batch_size=500)
    request = {
        "architecture": "basic_net",
        "data": "sample",
        "directory": None,
        "settings": settings,
        "seed": 0,
        "device": "cpu",
    }
    return Request(**{**request, **changes})


def shorter(plan: Callable[..., Plan], steps: int) -> Callable[..., Plan]:
    """What plans a case, with so many steps in each of its trainings."""

    def planned(*arguments: Any, **options: Any) -> Plan:
        whole = plan(*arguments, **options)
        return replace(
            whole,
            batches=whole.batches[: steps + recipes.FURTHER],
            steps=steps,
            combinations=whole.combinations[:2],
            recipes=whole.recipes[:2] if whole.combinations else whole.recipes,
        )

    return planned
