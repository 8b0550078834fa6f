"""What is kept of a trained network's answers, with a network whose answers are known."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from shared import specs
from shared.data import mnist
from shared.specs import DIGITS, END, SEGMENTATION, TRANSCRIPTION
from shared.train import examples

RNG = np.random.default_rng(3)


class Known:
    """A network that gives the answers it was made with, batch after batch."""

    def __init__(self, name: str, classes: np.ndarray, sure: np.ndarray) -> None:
        self.network = specs.find(name).network
        self.classes, self.sure, self.done = classes, sure, 0

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        start, self.done = self.done, self.done + len(next(iter(batch.values())))
        classes, sure = (array[start : self.done] for array in (self.classes, self.sure))
        ((name, tensor),) = self.network.outputs.items()
        count = tensor.shape[-1]
        even = np.repeat(((1 - sure) / (count - 1))[..., None], count, axis=-1)
        np.put_along_axis(even, classes[..., None], sure[..., None], axis=-1)
        return {name: np.log(even).astype(np.float32)}

    def decode(self, inputs: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        assert "tokens" not in inputs
        return self.classes, self.sure


def look(model: Any, task: Any, test: Mapping[str, np.ndarray]) -> examples.Examples:
    return examples.look(model, task, test)


def test_digits_are_counted_and_the_surest_mistakes_come_first() -> None:
    count = 1200  # several batches
    raw = RNG.integers(0, 256, (count, 28, 28), np.uint8)
    labels = RNG.integers(0, 10, count).astype(np.int32)
    predicted, sure = labels.copy(), 0.5 + 0.4 * RNG.random(count)
    wrong = RNG.choice(count, 60, replace=False)
    predicted[wrong] = (labels[wrong] + 1) % 10
    model = Known("basic_net", predicted, sure)
    images = mnist.normalise(raw)[..., None]
    shown = look(model, DIGITS, {"image": images, "label": labels})
    matrix = np.array(shown.confusion)
    assert matrix.shape == (10, 10)
    assert matrix.sum() == count
    assert matrix.trace() == count - 60
    for label in range(10):
        assert matrix[label].sum() == (labels == label).sum()
    first = sorted(wrong, key=lambda i: -sure[i])[: examples.WRONG]
    assert [each.index for each in shown.wrong] == first
    for each in shown.wrong:
        assert (each.label, each.predicted) == (labels[each.index], predicted[each.index])
        assert each.confidence == pytest.approx(sure[each.index], rel=1e-5)
        assert np.array_equal(examples.picture(each.pixels), raw[each.index])
    assert shown.scenes == shown.strips == []


def test_a_network_that_is_right_has_no_mistakes() -> None:
    labels = np.arange(10, dtype=np.int32)
    images = mnist.normalise(np.zeros((10, 28, 28), np.uint8))[..., None]
    shown = look(
        Known("basic_net", labels, np.full(10, 0.9)), DIGITS, {"image": images, "label": labels}
    )
    assert shown.wrong == []
    assert np.array_equal(shown.confusion, np.eye(10))


def test_scenes_show_every_pixels_class() -> None:
    raw = RNG.integers(0, 256, (5, 8, 12), np.uint8)
    labels = RNG.integers(0, 11, (5, 8, 12)).astype(np.int32)
    predicted = RNG.integers(0, 11, (5, 8, 12))
    model = Known("unet", predicted, np.full(predicted.shape, 0.9))
    shown = look(model, SEGMENTATION, {"image": mnist.normalise(raw)[..., None], "mask": labels})
    assert np.array(shown.confusion).sum() == labels.size
    assert len(shown.scenes) == examples.SCENES
    for i, scene in enumerate(shown.scenes):
        assert np.array_equal(examples.picture(scene.pixels), raw[i])
        assert np.array_equal(examples.picture(scene.mask), labels[i])
        assert np.array_equal(examples.picture(scene.predicted), predicted[i])


def test_strips_end_where_the_network_ends_them() -> None:
    raw = RNG.integers(0, 256, (4, 28, 24), np.uint8)
    following = np.array(
        [[3, 1, 4, END, -1], [1, 5, END, -1, -1], [9, 2, 6, END, -1], [5, END] + 3 * [-1]]
    )
    tokens = np.array([[3, 1, 4, END, 0], [1, 5, 5, 5, 5], [END, 0, 0, 0, 0], [7, END, 0, 0, 0]])
    attention = RNG.random((4, 5, 6)).astype(np.float32)
    arrays = {
        "columns": mnist.normalise(raw).transpose(0, 2, 1),
        "length": np.array([24, 16, 24, 8], np.int32),
        "tokens": np.zeros((4, 5), np.int32),
        "following": following.astype(np.int32),
    }
    shown = look(Known("seq2seq", tokens, attention), TRANSCRIPTION, arrays)
    assert [strip.written for strip in shown.strips] == [[3, 1, 4], [1, 5, 5, 5, 5], []]
    assert [strip.digits for strip in shown.strips] == [[3, 1, 4], [1, 5], [9, 2, 6]]
    assert [len(strip.attention) for strip in shown.strips] == [4, 5, 1]
    for i, strip in enumerate(shown.strips):
        assert np.array_equal(examples.picture(strip.pixels), raw[i])
    matrix = np.array(shown.confusion)
    assert matrix.sum() == 3 + 2 + 3 + 1
    assert matrix[3, 3] == matrix[4, 4] == matrix[5, 5] == 1
    assert matrix[1, 1] == 2
    assert matrix[9, END] == matrix[5, 7] == 1
