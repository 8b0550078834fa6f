"""What a trained network says of test examples: a confusion matrix, and examples to be looked at.

Pictures are kept as they were before they were normalised, so that a saved result can be shown
where the digits are not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from shared.data import mnist
from shared.data.batches import batches
from shared.interface import Model
from shared.specs import END, Task

WRONG, SCENES = 24, 3
"""How many of each are kept."""

Rows = list[str]
"""Bytes of a picture (H, W): a row's in hexadecimal digits, so that JSON stays small."""


@dataclass(frozen=True)
class Wrong:
    """A digit that was taken for another: its number in the test set, its pixels (H, W)."""

    index: int
    label: int
    predicted: int
    confidence: float
    pixels: Rows


@dataclass(frozen=True)
class Scene:
    """A canvas (H, W), the class at every pixel, and the class that was seen there."""

    pixels: Rows
    mask: Rows
    predicted: Rows


@dataclass(frozen=True)
class Strip:
    """A strip (H, S), its digits, what was written, and the attention (T, S') for each token."""

    pixels: Rows
    length: int
    digits: list[int]
    written: list[int]
    attention: list[list[float]]


@dataclass(frozen=True)
class Examples:
    """What there is depends on the task; `confusion` (K, K) counts labels by row.

    It counts digits, or a segmentation's pixels, or the digits in sequences.
    """

    confusion: list[list[int]]
    wrong: list[Wrong] = field(default_factory=list)
    scenes: list[Scene] = field(default_factory=list)
    strips: list[Strip] = field(default_factory=list)


def look(model: Model, task: Task, test: Mapping[str, np.ndarray]) -> Examples:
    """Let a network predict the test examples of its task."""
    if task.name == "transcription":
        return _strips(model, test)
    objective = task.objectives[0]
    labels = test[objective.target]
    batches = list(_batches(model, task, test))
    predicted = np.concatenate([classes for classes, _ in batches])
    confidence = np.concatenate([share for _, share in batches])
    size = model.network.outputs[objective.output].shape[-1]
    counted = _confusion(labels, predicted, size)
    images = pixels(test["image"])
    if labels.ndim > 1:
        scenes = [
            Scene(rows(images[i]), rows(labels[i]), rows(predicted[i]))
            for i in range(min(SCENES, len(labels)))
        ]
        return Examples(counted, scenes=scenes)
    # The surest first: they say most about what was not understood.
    mistaken = np.flatnonzero(predicted != labels)
    surest = mistaken[np.argsort(-confidence[mistaken], kind="stable")][:WRONG]
    wrong = [
        Wrong(int(i), int(labels[i]), int(predicted[i]), float(confidence[i]), rows(images[i]))
        for i in surest
    ]
    return Examples(counted, wrong)


def _batches(
    model: Model, task: Task, test: Mapping[str, np.ndarray]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The likeliest class of each example or pixel, and its probability."""
    inputs = {name: test[name] for name in model.network.inputs}
    for batch in batches(inputs, task.evaluation_batch):
        logits = model(batch)[task.objectives[0].output].astype(np.float64)
        below = np.exp(logits - logits.max(axis=-1, keepdims=True))
        yield logits.argmax(axis=-1), 1 / below.sum(axis=-1)


def _strips(model: Model, test: Mapping[str, np.ndarray]) -> Examples:
    inputs = {name: test[name] for name in list(model.network.inputs)[:-1]}
    tokens, attention = model.decode(inputs)  # (N, T), (N, T, S')
    expected = test["following"]
    digits = (expected >= 0) & (expected < END)
    counted = _confusion(np.where(digits, expected, -1), tokens, END + 1)
    images = pixels(test["columns"].transpose(0, 2, 1)[..., None])
    strips = []
    for i in range(min(SCENES, len(expected))):
        ended = np.flatnonzero(tokens[i] == END)
        count = int(ended[0]) if len(ended) else tokens.shape[1]
        strips.append(
            Strip(
                rows(images[i]),
                int(test["length"][i]),
                expected[i][digits[i]].tolist(),
                tokens[i][:count].tolist(),
                attention[i][: count + 1].astype(float).round(5).tolist(),
            )
        )
    return Examples(counted, strips=strips)


def _confusion(labels: np.ndarray, predicted: np.ndarray, size: int) -> list[list[int]]:
    """How often each label (>= 0) was taken for each class: (size, size)."""
    counts = np.zeros((size, size), np.int64)
    labelled = labels >= 0
    np.add.at(counts, (labels[labelled], np.clip(predicted[labelled], 0, size - 1)), 1)
    return counts.tolist()


def rows(values: np.ndarray) -> Rows:
    """A picture (H, W) of values from 0 to 255 as text."""
    return [row.tobytes().hex() for row in values.astype(np.uint8)]


def picture(rows: Rows) -> np.ndarray:
    """What `rows` made a text of: uint8 (H, W)."""
    return np.stack([np.frombuffer(bytes.fromhex(row), np.uint8) for row in rows])


def pixels(images: np.ndarray) -> np.ndarray:
    """Normalised images (N, H, W, 1) as they were: uint8 (N, H, W)."""
    raw = images[..., 0] * mnist.STD + mnist.MEAN
    return np.rint(np.clip(raw, 0, 1) * 255).astype(np.uint8)
