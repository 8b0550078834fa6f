"""The shared loop, with a trainer that only notes what it is given."""

import math
from typing import Any

import numpy as np
import pytest

from shared.data.batches import batches
from shared.errors import ConfigurationError, DivergedError
from shared.specs import DIGITS, Settings
from shared.train import loop
from tests.unit.train.recorder import TESTED, Recorder, data


def fit(model: Recorder, **changes: Any) -> loop.History:
    settings = Settings(**{"epochs": 3, "batch_size": 4, **changes})
    return loop.fit(model, DIGITS, data(), settings, seed=5)  # type: ignore[arg-type]


def test_batches_are_those_of_seed_and_epoch() -> None:
    model = Recorder()
    fit(model)
    expected = [
        batch["label"]
        for epoch in (1, 2, 3)
        for batch in batches(data().train, 4, seed=5, epoch=epoch, drop_last=True)
    ]
    assert len(model.batches) == len(expected) == 6
    for labels, ordered in zip(model.batches, expected, strict=True):
        np.testing.assert_array_equal(labels, ordered)
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
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_REPORTS", -1)
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
