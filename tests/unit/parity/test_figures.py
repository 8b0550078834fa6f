"""A task's loss and counts by NumPy alone, on numbers that can be reckoned by hand."""

import numpy as np
import pytest

from shared.parity.judge import figures
from shared.specs import Objective, Task

LOGITS = np.log(np.array([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7], [0.2, 0.2, 0.6]]))
LABELS = np.array([0, 1, -1], np.int32)


def task(*objectives: Objective, metrics: tuple[str, ...] = ("accuracy",)) -> Task:
    return Task("t", "a task", objectives, metrics)


CLASSES = Objective("logits", "label", "cross_entropy")


def test_labels_that_do_not_count_are_in_no_figure() -> None:
    of = figures.reference(task(CLASSES), {"logits": LOGITS}, {"label": LABELS})
    assert of["loss"] == pytest.approx(-(np.log(0.5) + np.log(0.2)) / 2)
    assert (of["correct"], of["counted"]) == (1, 2)
    none = np.full(3, -1, np.int32)
    of = figures.reference(task(CLASSES), {"logits": LOGITS}, {"label": none})
    assert (of["loss"], of["correct"], of["counted"]) == (0, 0, 0)


def test_smoothing_spreads_over_all_classes_and_weights_multiply() -> None:
    smoothed = Objective("logits", "label", "cross_entropy", weight=3.0, smoothing=0.3)
    of = figures.reference(task(smoothed), {"logits": LOGITS[:1]}, {"label": LABELS[:1]})
    even = -np.log([0.5, 0.25, 0.25]).mean()
    assert of["loss"] == pytest.approx(3 * (0.7 * -np.log(0.5) + 0.3 * even))


def test_several_objectives_are_added() -> None:
    both = task(CLASSES, Objective("slant", "angle", "mean_squared_error", weight=0.5))
    outputs = {"logits": LOGITS, "slant": np.array([[1.0], [3.0], [0.0]])}
    targets = {"label": LABELS, "angle": np.array([[0.0], [1.0], [0.0]])}
    alone = figures.reference(task(CLASSES), outputs, targets)["loss"]
    assert figures.reference(both, outputs, targets)["loss"] == pytest.approx(alone + 0.5 * 5 / 3)


def test_metrics_count_pixels_exits_and_digits() -> None:
    outputs = {"logits": LOGITS, "early": np.vstack([LOGITS[:1], LOGITS[1:] + 1])}
    early = Objective("early", "label", "cross_entropy")
    everything = task(CLASSES, early, metrics=("mean_iou", "left_early", "decoded_accuracy"))
    labels = np.array([0, 1, 2], np.int32)
    tokens = np.array([0, 0, 2])
    of = figures.reference(everything, outputs, {"label": labels}, tokens)
    assert of["intersection"].tolist() == [1, 0, 1]
    assert of["union"].tolist() == [1, 1, 2]
    assert of["left"] == 1
    assert (of["digits"], of["decoded"]) == (2, 1)  # the last class is the end
    assert "decoded" not in figures.reference(everything, outputs, {"label": labels})
