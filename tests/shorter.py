"""Trainings of fewer steps for the ladder."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from shared.parity import recipes
from shared.parity.collect import Plan


def shorter(plan: Callable[..., Plan], steps: int) -> Callable[..., Plan]:
    """What plans a case, with so many steps in each of its trainings."""

    def planned(*arguments: Any, **options: Any) -> Plan:
        whole = plan(*arguments, **options)
        return replace(whole, batches=whole.batches[: steps + recipes.FURTHER], steps=steps)

    return planned
