"""The training loop that all backends share: epochs, batch order, history, evaluation.

What happens in one step is the backend's own (`training.py` in each panel).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from shared import reprs
from shared.data.batches import batches
from shared.data.tasks import TaskData
from shared.errors import ConfigurationError, DivergedError
from shared.interface import Model
from shared.specs import METRICS, Settings, Task
from shared.train.scores import evaluate

SECONDS_BETWEEN_REPORTS = 0.1


@dataclass(frozen=True)
class Epoch:
    """One pass over the training data. Accuracies and scores are in percent.

    `loss` and `train_accuracy` are means over the epoch's batches, each before its own step;
    `test_loss`, `test_accuracy` and `test_scores` are those of the network after the epoch.
    `test_scores` has the task's metrics by name, the one that counts first.
    """

    loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float
    train_seconds: float
    evaluation_seconds: float
    test_scores: Mapping[str, float] = field(default_factory=dict)


@dataclass
class History:
    """What a training was and what came of it; `seconds` is everything, evaluation included.

    `first_step_seconds` holds the compilation; `images_per_second` is of all later steps. `losses`
    and `accuracies` (in percent) are each step's, on its own batch before its change. `rates` are
    images/s of short stretches of the training, each waited for; the first step is in none.
    """

    settings: Settings
    seed: int
    epochs: list[Epoch] = field(default_factory=list)
    first_step_seconds: float = 0.0
    images_per_second: float = 0.0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"<History: {self._summary}>"

    def _repr_html_(self) -> str:
        scores = list(self.epochs[-1].test_scores) if self.epochs else []
        titles = [METRICS[name] for name in scores]
        columns = ("epoch", "loss", "training accuracy", "test loss", *titles, "time")
        rows = (
            (
                number,
                f"{epoch.loss:.4f}",
                f"{epoch.train_accuracy:.2f} %",
                f"{epoch.test_loss:.4f}",
                *(f"{epoch.test_scores[name]:.2f} %" for name in scores),
                f"{epoch.train_seconds + epoch.evaluation_seconds:.1f} s",
            )
            for number, epoch in enumerate(self.epochs, 1)
        )
        return reprs.table(f"History: {self._summary}", columns, rows, numbers=columns)

    @property
    def _summary(self) -> str:
        """The epochs, how the loss fell, and the score in the end."""
        if not self.epochs:
            return "no epoch yet"
        first, last = self.epochs[0], self.epochs[-1]
        loss = reprs.short(last.loss)
        if len(self.epochs) > 1:
            loss = f"{reprs.short(first.loss)} to {loss}"
        name, score = next(iter(last.test_scores.items()), ("accuracy", last.test_accuracy))
        epochs = "1 epoch" if len(self.epochs) == 1 else f"{len(self.epochs)} epochs"
        return f"{epochs}, loss {loss}, {METRICS[name]} {score:.1f} %"

    def to_dict(self, *, steps: bool = True) -> dict[str, Any]:
        """The same as plain dictionaries, for JSON; without `steps` only what is of epochs."""
        whole = asdict(self)
        of_steps = () if steps else ("losses", "accuracies", "rates")
        return {name: value for name, value in whole.items() if name not in of_steps}


@dataclass(frozen=True)
class Progress:
    """Where a training stands, a few times a second.

    Epochs and steps are counted from 1, the steps of this epoch alone. The loss is the mean of its
    last 50 steps, `accuracy` theirs in percent; at the epoch's end, which `finished` tells of, both
    are the whole epoch's.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    accuracy: float
    images_per_second: float
    finished: Epoch | None = None


def fit(
    model: Model,
    task: Task,
    data: TaskData,
    settings: Settings,
    *,
    seed: int = 0,
    report: Callable[[Progress], None] | None = None,
) -> History:
    """Train a model.

    The order of the batches is a function of (seed, epoch) alone, so every backend sees the same
    ones. A last batch that is not full is left out of an epoch; another order brings its examples
    into the next.

    Args:
        model: Changed in place; a network that keeps a log of its training is told of each epoch.
        task: Names the losses.
        data: Arrays to train on and to test with.
        settings: Epochs, batch size, optimizer.
        seed: Of the order of the batches, and of dropout.
        report: Called a few times a second, and at the end of each epoch.

    Raises:
        ConfigurationError: the batch is larger than the training data.
        DivergedError: the loss is no longer finite.
    """
    count = len(next(iter(data.train.values())))
    check_batch(settings, count)
    history = History(settings, seed)
    steps = count // settings.batch_size
    began = time.perf_counter()
    trainer = model.trainer(task, settings, seed)
    later_seconds, later_images = 0.0, 0

    for number in range(1, settings.epochs + 1):
        results: list[Mapping[str, Any]] = []
        start = reported = waited = time.perf_counter()
        done = 0
        for batch in batches(
            data.train, settings.batch_size, seed=seed, epoch=number, drop_last=True
        ):
            results.append(trainer.train_step(batch))
            if number == 1 and len(results) == 1:
                float(results[0]["loss"])  # wait for it: frameworks may compute in the background
                waited = time.perf_counter()
                history.first_step_seconds, done = waited - start, 1
            if time.perf_counter() - reported > SECONDS_BETWEEN_REPORTS:
                float(results[-1]["loss"])  # wait for it
                reported = time.perf_counter()
                if len(results) > done:
                    images = (len(results) - done) * settings.batch_size
                    history.rates.append(images / (reported - waited))
                    waited, done = reported, len(results)
                if report:
                    loss, accuracy = _mean(results[-50:])
                    rate = len(results) * settings.batch_size / (reported - start)
                    report(
                        Progress(number, settings.epochs, len(results), steps, loss, accuracy, rate)
                    )
        loss, accuracy = _mean(results)  # waits for the last step
        trained = time.perf_counter()
        if not history.rates and len(results) > done:
            history.rates.append((len(results) - done) * settings.batch_size / (trained - waited))
        for result in results:
            one_loss, one_accuracy = _mean([result])
            history.losses.append(one_loss)
            history.accuracies.append(one_accuracy)
        if not math.isfinite(loss):
            raise DivergedError(
                f"the loss is {loss} in epoch {number} with learning_rate "
                f"{settings.learning_rate}; a smaller one may keep it finite"
            )
        later_seconds += trained - start
        later_images += len(results) * settings.batch_size
        test_loss, scores = evaluate(trainer, task, data.test)
        evaluated = time.perf_counter()
        epoch = Epoch(
            loss,
            accuracy,
            test_loss,
            scores["accuracy"],
            trained - start,
            evaluated - trained,
            scores,
        )
        history.epochs.append(epoch)
        model.record_epoch(loss, accuracy, epoch.test_accuracy)
        if report:
            rate = len(results) * settings.batch_size / epoch.train_seconds
            report(Progress(number, settings.epochs, steps, steps, loss, accuracy, rate, epoch))

    history.seconds = time.perf_counter() - began
    later_images -= settings.batch_size
    if later_images:
        later_seconds -= history.first_step_seconds
        history.images_per_second = later_images / later_seconds
    return history


def check_batch(settings: Settings, count: int) -> None:
    """Raise ConfigurationError if `count` training examples do not fill one batch."""
    if settings.batch_size > count:
        raise ConfigurationError(
            f"batch_size must be at most {count}, the number of training examples, "
            f"not {settings.batch_size}"
        )


def _mean(results: list[Mapping[str, Any]]) -> tuple[float, float]:
    """Mean loss, and accuracy in percent, of full batches."""
    loss = sum(float(result["loss"]) for result in results) / len(results)
    correct = sum(int(result["correct"]) for result in results)
    return loss, 100.0 * correct / sum(int(result["counted"]) for result in results)
