"""The training loop that all backends share: epochs, batch order, history, evaluation, progress.

What happens in one step is the backend's own (`training.py` in each panel).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from shared import mnist
from shared.errors import ConfigurationError, DivergedError
from shared.interface import Model, Trainer
from shared.specs import METRICS, Settings, Task
from shared.tasks import TaskData

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

    def to_dict(self, *, steps: bool = True) -> dict[str, Any]:
        """The same as plain dictionaries, for JSON; without `steps` only what is of epochs."""
        found = asdict(self)
        of_steps = () if steps else ("losses", "accuracies", "rates")
        return {name: value for name, value in found.items() if name not in of_steps}


@dataclass(frozen=True)
class Report:
    """Where a training stands, a few times a second."""

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
    report: Callable[[Report], None] | None = None,
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
        for batch in mnist.batches(
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
                        Report(number, settings.epochs, len(results), steps, loss, accuracy, rate)
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
            report(Report(number, settings.epochs, steps, steps, loss, accuracy, rate, epoch))

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


def evaluate(
    trainer: Trainer, task: Task, arrays: Mapping[str, np.ndarray]
) -> tuple[float, dict[str, float]]:
    """Mean loss over all labels that count, and the task's metrics, the score first."""
    losses = 0.0
    sums: dict[str, Any] = {}
    for batch in mnist.batches(arrays, task.evaluation_batch):
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
    found = {}
    for metric in dict.fromkeys([*task.metrics, "accuracy"]):
        if metric == "accuracy":
            share = sums["correct"] / sums["counted"]
        elif metric == "mean_iou":  # over the classes that are there, or were thought to be
            there = sums["union"] > 0
            share = (sums["intersection"][there] / sums["union"][there]).mean()
        elif metric == "decoded_accuracy":
            share = sums["decoded"] / sums["digits"]
        elif metric == "left_early":
            share = sums["left"] / examples
        else:
            raise ConfigurationError(
                f"there is no metric {metric!r}; there are {', '.join(METRICS)}"
            )
        found[metric] = 100.0 * float(share)
    return found


def _mean(results: list[Mapping[str, Any]]) -> tuple[float, float]:
    """Mean loss, and accuracy in percent, of full batches."""
    loss = sum(float(result["loss"]) for result in results) / len(results)
    correct = sum(int(result["correct"]) for result in results)
    return loss, 100.0 * correct / sum(int(result["counted"]) for result in results)


@contextmanager
def progress(label: str, console: Console) -> Iterator[Callable[[Report], None]]:
    """Show reports: a live bar on a terminal, a plain line an epoch elsewhere."""
    if not console.is_terminal:
        yield lambda report: _print_epoch(label, report, console)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bars:
        bar = bars.add_task(f"{label}: compiling", total=None, figures="")

        def show(report: Report) -> None:
            tested = report.finished
            bars.update(
                bar,
                description=f"{label} epoch {report.epoch}/{report.epochs}",
                total=report.epochs * report.steps,
                completed=(report.epoch - 1) * report.steps + report.step,
                figures=f"loss {report.loss:.4f}, accuracy {report.accuracy:.1f} %, "
                f"{report.images_per_second:,.0f} images/s"
                + (f", {_score(tested)}" if tested else ""),
            )

        yield show


def _score(epoch: Epoch) -> str:
    """The score as progress shows it."""
    metric, value = next(iter(epoch.test_scores.items()))
    return f"{METRICS[metric]} {value:.2f} %"


def _print_epoch(label: str, report: Report, console: Console) -> None:
    if report.finished:
        console.print(
            f"{label} epoch {report.epoch}/{report.epochs}: loss {report.loss:.4f}, "
            f"accuracy {report.accuracy:.2f} %, {_score(report.finished)}, "
            f"{report.images_per_second:,.0f} images/s",
            soft_wrap=True,
            highlight=False,
        )
