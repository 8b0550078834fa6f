"""The shared loop, with a trainer that only notes what it is given."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from shared import mnist, training
from shared.errors import ConfigurationError, DivergedError
from shared.specs import DIGITS, EARLY_EXIT, SEGMENTATION, TRANSCRIPTION, Settings
from shared.tasks import TaskData

COUNT, TESTED = 10, 1003


class Recorder:
    """A model and its trainer: a loss of 1/step, and a network that is right on even labels."""

    def __init__(self, losses: float | None = None) -> None:
        self.batches: list[np.ndarray] = []
        self.evaluated: list[np.ndarray] = []
        self.epochs: list[tuple[float, float, float]] = []
        self.fixed = losses

    def trainer(self, *_: Any) -> "Recorder":
        return self

    def train_step(self, batch: Mapping[str, np.ndarray]) -> dict[str, Any]:
        assert (batch["image"][:, 0] == batch["label"]).all(), "rows must stay together"
        self.batches.append(batch["label"])
        loss = self.fixed if self.fixed is not None else 1 / len(self.batches)
        return {"loss": np.float32(loss), **self.count(batch)}

    def evaluation_step(self, batch: Mapping[str, np.ndarray]) -> dict[str, Any]:
        self.evaluated.append(batch["label"])
        return {"loss": np.float32(batch["label"].mean()), **self.count(batch)}

    @staticmethod
    def count(batch: Mapping[str, np.ndarray]) -> dict[str, Any]:
        labels = batch["label"]
        return {"correct": np.sum(labels % 2 == 0), "counted": len(labels)}

    def record_epoch(self, loss: float, train_accuracy: float, val_accuracy: float) -> None:
        self.epochs.append((loss, train_accuracy, val_accuracy))


def data() -> TaskData:
    def arrays(count: int) -> dict[str, np.ndarray]:
        labels = np.arange(count, dtype=np.int32)
        return {"image": labels[:, None].astype(np.float32), "label": labels}

    return TaskData(arrays(COUNT), arrays(TESTED), "made", "here")


def fit(model: Recorder, **changes: Any) -> training.History:
    settings = Settings(**{"epochs": 3, "batch_size": 4, **changes})
    return training.fit(model, DIGITS, data(), settings, seed=5)  # type: ignore[arg-type]


def test_batches_are_those_of_seed_and_epoch() -> None:
    model = Recorder()
    fit(model)
    expected = [
        batch["label"]
        for epoch in (1, 2, 3)
        for batch in mnist.batches(data().train, 4, seed=5, epoch=epoch, drop_last=True)
    ]
    assert len(model.batches) == len(expected) == 6
    for given, wanted in zip(model.batches, expected, strict=True):
        np.testing.assert_array_equal(given, wanted)
    orders = [np.concatenate(model.batches[i : i + 2]).tolist() for i in (0, 2, 4)]
    assert len({tuple(order) for order in orders}) == 3
    assert all(len(set(order)) == 8 for order in orders)


def test_history_holds_means_over_full_batches() -> None:
    model = Recorder()
    history = fit(model)
    assert [epoch.loss for epoch in history.epochs] == pytest.approx(
        [(1 + 1 / 2) / 2, (1 / 3 + 1 / 4) / 2, (1 / 5 + 1 / 6) / 2]
    )
    even = [sum(int((b % 2 == 0).sum()) for b in model.batches[i : i + 2]) for i in (0, 2, 4)]
    assert [epoch.train_accuracy for epoch in history.epochs] == [100 * e / 8 for e in even]
    assert model.epochs == [(e.loss, e.train_accuracy, e.test_accuracy) for e in history.epochs]
    assert history.images_per_second > 0
    assert history.first_step_seconds > 0
    assert history.seconds > sum(e.train_seconds for e in history.epochs)


def test_history_holds_every_step() -> None:
    model = Recorder()
    history = fit(model)
    assert history.losses == pytest.approx([1 / step for step in range(1, 7)])
    shares = [100 * float((batch % 2 == 0).mean()) for batch in model.batches]
    assert history.accuracies == pytest.approx(shares)


def test_rates_are_of_stretches_without_the_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "SECONDS_BETWEEN_REPORTS", -1)
    history = fit(Recorder(), epochs=2)
    assert len(history.rates) == 3  # of two steps in the second epoch, of one in the first
    assert min(history.rates) > 0


def test_a_training_too_short_for_stretches_has_one_rate() -> None:
    assert len(fit(Recorder()).rates) == 1
    assert fit(Recorder(), epochs=1, batch_size=10).rates == []


def test_evaluation_counts_every_example_once_and_weighs_short_batches() -> None:
    model = Recorder()
    history = fit(model, epochs=1)
    assert sorted(np.concatenate(model.evaluated)) == list(range(TESTED))
    assert len({len(batch) for batch in model.evaluated}) == 2
    assert history.epochs[0].test_loss == pytest.approx((TESTED - 1) / 2)
    assert history.epochs[0].test_accuracy == pytest.approx(100 * 502 / 1003)


def test_labels_that_do_not_count_weigh_nothing() -> None:
    """Batches of 2 with 1, 0 and 2 labels that count: the mean is over labels, not batches."""

    class Tokens(Recorder):
        def evaluation_step(self, batch: Mapping[str, np.ndarray]) -> dict[str, Any]:
            counted = int((batch["label"] >= 0).sum())
            return {"loss": batch["label"].max(), "correct": counted // 2, "counted": counted}

    task = replace(DIGITS, evaluation_batch=2)
    labels = np.array([8, -1, -1, -1, 3, 2])
    trainer: Any = Tokens()
    loss, found = training.evaluate(trainer, task, {"label": labels})
    assert loss == pytest.approx((1 * 8 + 0 + 2 * 3) / 3)
    assert found == {"accuracy": pytest.approx(100 * 1 / 3)}


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
    assert training.scores(SEGMENTATION, sums, 5) == {"mean_iou": 50.0, "accuracy": 75.0}
    assert list(training.scores(SEGMENTATION, sums, 5)) == ["mean_iou", "accuracy"]
    assert training.scores(TRANSCRIPTION, sums, 5) == {"decoded_accuracy": 90.0, "accuracy": 75.0}
    assert training.scores(EARLY_EXIT, sums, 5) == {"accuracy": 75.0, "left_early": 20.0}
    with pytest.raises(ConfigurationError, match="there is no metric 'f1'; there are accuracy, "):
        training.scores(replace(DIGITS, metrics=("f1",)), sums, 5)


def test_one_step_alone_has_no_steady_state() -> None:
    history = fit(Recorder(), epochs=1, batch_size=10)
    assert history.images_per_second == 0
    assert history.first_step_seconds > 0


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_ends_the_training(loss: float) -> None:
    model = Recorder(loss)
    with pytest.raises(DivergedError, match=r"epoch 1 with learning_rate 0.5; a smaller"):
        fit(model, learning_rate=0.5)
    assert model.epochs == []


def test_a_batch_larger_than_the_data_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="at most 10, the number of training examples"):
        fit(Recorder(), batch_size=11)


def reports(console: Console) -> str:
    model = Recorder()
    with training.progress("torch", console) as report:
        training.fit(
            model,  # type: ignore[arg-type]
            DIGITS,
            data(),
            Settings(epochs=2, batch_size=4),
            report=report,
        )
    return console.export_text()


def test_progress_without_a_terminal_is_a_plain_line_an_epoch() -> None:
    lines = reports(Console(record=True, width=40, force_terminal=False)).splitlines()
    assert [line.split(":")[0] for line in lines] == ["torch epoch 1/2", "torch epoch 2/2"]
    assert all("loss" in line and "images/s" in line and "test" in line for line in lines)
    assert "\x1b" not in "".join(lines)


def test_progress_on_a_terminal_is_a_bar_with_figures() -> None:
    text = reports(Console(record=True, width=150, force_terminal=True))
    last = text.strip().splitlines()[-1]
    assert "torch epoch 2/2" in last
    assert "100%" in last
    assert "images/s" in last
    assert "accuracy" in last
