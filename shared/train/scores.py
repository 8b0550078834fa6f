"""How well a network does on examples: its loss, and the metrics of its task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from shared.data.batches import batches
from shared.errors import ConfigurationError
from shared.interface import Trainer
from shared.specs import METRICS, Task


def evaluate(
    trainer: Trainer, task: Task, arrays: Mapping[str, np.ndarray]
) -> tuple[float, dict[str, float]]:
    """Mean loss over all labels that count, and the task's metrics, the score first."""
    losses = 0.0
    sums: dict[str, Any] = {}
    for batch in batches(arrays, task.evaluation_batch):
        result = {name: np.asarray(value) for name, value in trainer.evaluation_step(batch).items()}
        loss = float(result.pop("loss"))
        losses += loss * int(result["counted"])
        for name, value in result.items():
            sums[name] = sums.get(name, 0) + value.astype(np.int64)
    examples = len(next(iter(arrays.values())))
    return losses / int(sums["counted"]), scores(task, sums, examples)


def scores(task: Task, sums: Mapping[str, Any], examples: int) -> dict[str, float]:
    """The task's metrics in percent, the score first, and the accuracy in any case.

    Args:
        task: Names the metrics.
        sums: What an evaluation's steps gave, added up: see `shared.interface.Trainer`.
        examples: How many were evaluated.
    """
    percents = {}
    for metric in dict.fromkeys([*task.metrics, "accuracy"]):
        if metric == "accuracy":
            share = sums["correct"] / sums["counted"]
        elif metric == "mean_iou":  # over the classes that are there, or were thought to be
            present = sums["union"] > 0
            share = (sums["intersection"][present] / sums["union"][present]).mean()
        elif metric == "decoded_accuracy":
            share = sums["decoded"] / sums["digits"]
        elif metric == "left_early":
            share = sums["left"] / examples
        else:
            raise ConfigurationError(
                f"there is no metric {metric!r}; there are {', '.join(METRICS)}"
            )
        percents[metric] = 100.0 * float(share)
    return percents
