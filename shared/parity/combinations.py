"""Settings that trainers are held against each other with: every pair of values stands in one.

The hyperparameters are those that people write, and not powers of two: float32 rounding of them
shows in nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from shared.specs import Settings, Spec, Task

ARCHITECTURE = "basic_net"
"""Whose trained case they are tried on. What an optimizer does with a tensor is the same in every
network, and this one compiles soonest."""

STEPS = 8
"""Enough to be past the warm-up and the fall of the learning rate."""

OPTIMIZERS: Mapping[str, Mapping[str, Any]] = {
    "sgd": {"optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.0},
    "momentum": {"optimizer": "sgd", "learning_rate": 0.03, "momentum": 0.9},
    "nesterov": {"optimizer": "sgd", "learning_rate": 0.03, "momentum": 0.9, "nesterov": True},
    "adam": {"optimizer": "adam", "learning_rate": 1e-3},
    "adamw": {"optimizer": "adamw", "learning_rate": 3e-3, "weight_decay": 0.01},
}
CLIPPING: Mapping[str, Mapping[str, Any]] = {
    "": {},
    "clipped": {"clip_norm": 0.3},
    "not reached": {"clip_norm": 1e3},
}
SCHEDULES: Mapping[str, Mapping[str, Any]] = {"": {}, "cosine": {"decay_steps": 4}}
WARM_UPS: Mapping[str, Mapping[str, Any]] = {"": {}, "warm-up": {"warmup_steps": 3}}
LOSSES: Mapping[str, Mapping[str, float]] = {
    "": {},
    "smoothed": {"smoothing": 0.1},
    "weighted": {"weight": 0.3},
}


@dataclass(frozen=True)
class Combination:
    """Settings, and what becomes of the task's objectives."""

    settings: Settings
    loss: Mapping[str, float]

    def task(self, task: Task) -> Task:
        """The task with the loss that belongs to it."""
        changes: Any = self.loss
        objectives = tuple(replace(one, **changes) for one in task.objectives)
        return replace(task, objectives=objectives)


def _combinations() -> dict[str, Combination]:
    """Each optimizer with each clipping; the rest goes round so that every pair is met."""
    rows = {}
    for i, (optimizer, of_optimizer) in enumerate(OPTIMIZERS.items()):
        for j, (clipping, of_clipping) in enumerate(CLIPPING.items()):
            schedule = [*SCHEDULES][(i + j) % 2]
            warm_up = [*WARM_UPS][((i + j) % 3 + i) % 2]
            loss = [*LOSSES][(i + j) % 3]
            words = (optimizer, clipping, schedule, warm_up, loss)
            rows[", ".join(filter(None, words))] = Combination(
                Settings(
                    dropout=False,
                    **of_optimizer,
                    **of_clipping,
                    **SCHEDULES[schedule],
                    **WARM_UPS[warm_up],
                ),
                LOSSES[loss],
            )
    return rows


COMBINATIONS = _combinations()


def of(spec: Spec) -> tuple[str, ...]:
    """Those that an architecture's trainers are tried with."""
    return tuple(COMBINATIONS) if spec.name == ARCHITECTURE else ()
