"""The two trainings to a test accuracy, really run in each backend."""

from contextlib import nullcontext

import pytest

from shared import specs
from shared.benchmark import accuracy
from shared.benchmark.accuracy import Goal, Try
from shared.data import mnist
from shared.panels import PANELS
from tests.conftest import Lend
from tests.e2e.hurry import fewer_digits
from tests.flavours import ALL


def try_tutorial(goal: Goal) -> tuple[Try, float]:
    """In a worker: the tutorial's loop, and the share of right answers counted otherwise."""
    from torch_impl.engine.reference import Reference

    few = mnist.load("sample").test
    reference = Reference(few.images, few.labels, 64)
    reference.train_epoch(640)
    data = mnist.normalise(few.images).transpose(0, 3, 1, 2)
    import torch

    reference.model.eval()
    right = reference.model(torch.from_numpy(data)).argmax(dim=1).numpy() == few.labels
    assert reference.accuracy(few.images, few.labels, 300) == pytest.approx(100 * right.mean())
    with nullcontext() if ALL else fewer_digits():
        done, _ = accuracy.tutorial(goal, "torch", 0, "cpu")
    return done, float(right.mean())


def test_the_tutorial_really_runs(lend: Lend) -> None:
    done, share = lend("torch").call(try_tutorial, Goal(50, 1, "sample"))
    assert share > 0.2
    assert len(done.accuracies) < accuracy.TUTORIAL_EPOCHS
    assert done.accuracies[-1] >= 50
    assert done.seconds > 0


def try_fast(goal: Goal, backend: str) -> Try:
    """In a worker: the preset's training."""
    with nullcontext() if ALL else fewer_digits():
        return accuracy.fast(goal, backend, 0, "cpu")[0]


@pytest.mark.parametrize("backend", PANELS if ALL else ["torch", "keras"])
def test_the_preset_really_runs(lend: Lend, backend: str) -> None:
    done = lend(backend).call(try_fast, Goal(50, 1, "sample"), backend)
    assert len(done.accuracies) == specs.find("mnist_classifier").preset("fast").settings.epochs
    assert done.accuracies[-1] > (85 if ALL else 30)
