"""A task's loss and counts by NumPy alone, from a network's outputs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import log_softmax

from shared.specs import END, Objective, Task

Arrays = Mapping[str, np.ndarray]


COUNTS = ("correct", "counted", "intersection", "union", "left", "digits", "decoded")


def is_count(name: str) -> bool:
    """Whether an array's name is that of a count."""
    return name.rpartition("/")[2] in COUNTS


def is_known(name: str, dtype: str) -> bool:
    """Whether two backends must count the same: what is right may be decided by rounding."""
    return dtype == "float64" or name.rpartition("/")[2] in ("counted", "digits")


def reference(
    task: Task, outputs: Arrays, targets: Arrays, tokens: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """The figures that an evaluation must give, in float64.

    Args:
        task: Its objectives, with weights and smoothing, and its metrics.
        outputs: By name, (B, ..., K) for logits.
        targets: By name; labels below 0 do not count.
        tokens: What the network writes on its own, (B, T), for "decoded_accuracy"; without them
            its figures are left out.
    """
    losses = [
        objective.weight * _loss(objective, outputs[objective.output], targets[objective.target])
        for objective in task.objectives
    ]
    first = task.objectives[0]
    logits, labels = outputs[first.output], targets[first.target]
    likeliest = logits.argmax(axis=-1)
    counts = {
        "loss": sum(losses),
        "correct": (likeliest == labels).sum(),
        "counted": (labels >= 0).sum(),
    }
    if "mean_iou" in task.metrics:
        classes = range(logits.shape[-1])
        both = [(likeliest == k, labels == k) for k in classes]
        counts["intersection"] = np.array([(a & b).sum() for a, b in both])
        counts["union"] = np.array([(a | b).sum() for a, b in both])
    if "left_early" in task.metrics:
        early = outputs[task.objectives[1].output]
        counts["left"] = (logits == early).all(axis=-1).sum()
    if "decoded_accuracy" in task.metrics and tokens is not None:
        digits = (labels >= 0) & (labels < min(END, logits.shape[-1] - 1))
        counts["digits"] = digits.sum()
        counts["decoded"] = (digits & (tokens == labels)).sum()
    return {name: np.asarray(value, np.float64) for name, value in counts.items()}


def _loss(objective: Objective, output: np.ndarray, target: np.ndarray) -> np.floating:
    """One objective's mean."""
    values = output.astype(np.float64)
    if objective.loss == "mean_squared_error":
        return np.square(values - target).mean()
    log = log_softmax(values, axis=-1)
    labels, counts = np.maximum(target, 0), target >= 0
    picked = np.take_along_axis(log, labels[..., None], axis=-1)[..., 0]
    smooth = objective.smoothing
    losses = -(1 - smooth) * picked - smooth * log.mean(axis=-1)
    return (losses * counts).sum() / max(int(counts.sum()), 1)
