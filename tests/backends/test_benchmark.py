"""What a benchmark measures in a backend: the frameworks' examples learn, costs are counted."""

import math

import numpy as np
import pytest

from shared.benchmark import costs, measure
from shared.benchmark.measure import Job
from shared.data import mnist
from shared.panels import PANELS
from tests.conftest import Lend


def try_reference(backend: str) -> tuple[list[float], dict[str, str]]:
    """In a worker: the mean losses of a few short epochs of the framework's own example."""
    session = measure.ReferenceSession(Job("mnist_classifier", backend, "reference", (16,)))
    session.few = 128
    session.prepare(None)
    assert session.train(1e-3).examples == 128
    reference = session._build()
    return [reference.train_epoch(256) for _ in range(6)], reference.resolved()


@pytest.mark.parametrize("backend", PANELS)
def test_the_frameworks_own_examples_learn(lend: Lend, backend: str) -> None:
    losses, resolved = lend(backend).call(try_reference, backend)
    assert losses[0] == pytest.approx(math.log(10), abs=0.7)
    assert losses[-1] < 0.8 * losses[0]
    assert resolved["compiled"]


def try_loader() -> tuple[np.ndarray, list[int]]:
    """In a worker: what PyTorch's own example makes of the first digits, put back in order."""
    from torch_impl.engine.reference import Digits, loader

    digits = mnist.load("sample").train
    data = Digits(digits.images, digits.labels)
    sizes = [len(labels) for _, labels in loader(data, 64, 150)]
    return np.stack([data[index][0].numpy() for index in range(20)]), sizes


def test_torchvisions_loader_gives_our_arrays(lend: Lend) -> None:
    arrays, sizes = lend("torch").call(try_loader)
    expected = mnist.normalise(mnist.load("sample").train.images[:20])
    np.testing.assert_array_equal(arrays.transpose(0, 2, 3, 1), expected)
    assert sizes == [64, 64, 22]


def try_costs(backend: str) -> tuple[costs.Pair, list[costs.Growth]]:
    """In a worker: both measurements of costs, made small."""
    costs.STEPS, costs.EPOCHS, costs.BATCH = 2, 2, 32
    cut, costs._some = costs._some, lambda arrays, count: cut(arrays, min(count, 128))
    growth = costs.growth("basic_net", backend, "cpu")
    return costs.loop("basic_net", backend, "cpu"), growth


@pytest.mark.parametrize("backend", PANELS)
def test_costs_are_measured(lend: Lend, backend: str) -> None:
    loop, growth = lend(backend).call(try_costs, backend)
    assert loop.rounds == 1
    assert min(loop.ours, loop.bare) > 0
    sizes = [(each.examples, each.epochs) for each in growth]
    assert sizes == [(992, 1), (1984, 1), (3968, 1), (992, 2), (992, 4)]
    assert all(each.seconds > 0 for each in growth)
