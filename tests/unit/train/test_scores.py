"""What is counted of a test set, and the figures that come of it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from shared.errors import ConfigurationError
from shared.specs import DIGITS, EARLY_EXIT, SEGMENTATION, TRANSCRIPTION
from shared.train.scores import evaluate, scores


def test_labels_that_do_not_count_weigh_nothing() -> None:
    """Batches of 2 with 1, 0 and 2 labels that count: the mean is over labels, not batches."""

    class Tokens:
        def evaluation_step(self, batch: Mapping[str, np.ndarray]) -> dict[str, Any]:
            counted = int((batch["label"] >= 0).sum())
            return {"loss": batch["label"].max(), "correct": counted // 2, "counted": counted}

    task = replace(DIGITS, evaluation_batch=2)
    labels = np.array([8, -1, -1, -1, 3, 2])
    trainer: Any = Tokens()
    loss, figures = evaluate(trainer, task, {"label": labels})
    assert loss == pytest.approx((1 * 8 + 0 + 2 * 3) / 3)
    assert figures == {"accuracy": pytest.approx(100 * 1 / 3)}


def test_scores_are_percentages_of_their_sums() -> None:
    sums = {
        "correct": 3,
        "counted": 4,
        "intersection": np.array([2, 0, 1]),
        "union": np.array([4, 0, 2]),
        "left": 1,
        "digits": 10,
        "decoded": 9,
    }
    # A class that is neither there nor thought to be has no part in the mean.
    assert scores(SEGMENTATION, sums, 5) == {"mean_iou": 50.0, "accuracy": 75.0}
    assert list(scores(SEGMENTATION, sums, 5)) == ["mean_iou", "accuracy"]
    assert scores(TRANSCRIPTION, sums, 5) == {"decoded_accuracy": 90.0, "accuracy": 75.0}
    assert scores(EARLY_EXIT, sums, 5) == {"accuracy": 75.0, "left_early": 20.0}
    with pytest.raises(ConfigurationError, match="there is no metric 'f1'; there are accuracy, "):
        scores(replace(DIGITS, metrics=("f1",)), sums, 5)
