"""MNIST's digits turned into each task's inputs and targets: the same arrays for every backend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from shared import reprs
from shared.data import mnist
from shared.errors import ConfigurationError
from shared.specs import END, START, Task

Arrays = dict[str, np.ndarray]

METADATA = (
    "mean intensity",
    "share of pixels above one half",
    "centre of mass, x",
    "centre of mass, y",
    "spread, x",
    "spread, y",
    "width of the bounding box",
    "height of the bounding box",
    "left-right symmetry",
    "top-bottom symmetry",
)
"""What the metadata of a digit are, in order; positions and lengths are in units of the image."""


CANVAS_SIDE, CELL = 64, 32
"""A canvas is four cells, of which two to four hold a digit that is not cut by its cell."""

BACKGROUND = 10
"""The class of a canvas's pixels that are no ink; a digit's ink has the digit's class."""

STRIP_COLUMNS = 168
"""Six digits of 28 columns: the most that a strip is long."""

UNCOUNTED = -1
"""A label that counts neither in a loss nor in a score: what follows the end of a strip."""


@dataclass(frozen=True)
class TaskData:
    """A task's arrays: inputs and targets by name, to train on and to test with."""

    train: Mapping[str, np.ndarray]
    test: Mapping[str, np.ndarray]
    name: str
    source: str

    def first(self, count: int) -> TaskData:
        """The first examples to train on and to test with, at most so many of each."""
        train, test = (
            {name: array[:count] for name, array in arrays.items()}
            for arrays in (self.train, self.test)
        )
        return replace(self, train=train, test=test)

    def __repr__(self) -> str:
        return reprs.data("TaskData", self.name, self.train, self.test)

    def _repr_html_(self) -> str:
        return reprs.data_html("TaskData", self.name, self.train, self.test)


def build(task: Task, dataset: mnist.Dataset, seed: int = 0) -> TaskData:
    """A data set's arrays for a task: float32 inputs, int32 labels and tokens, float32 targets.

    Args:
        task: Which arrays to make.
        dataset: The digits. Training arrays are made of its training digits alone, test arrays of
            its test digits; where a scene has several digits, none is in two scenes.
        seed: Of the scenes' layout; the same seed gives the same arrays.

    Raises:
        ConfigurationError: the task is not known.
    """
    maker = _MAKERS.get(task.name)
    if maker is None:
        raise ConfigurationError(f"there is no task {task.name!r}; there are {', '.join(_MAKERS)}")
    return TaskData(
        maker(dataset.train, np.random.default_rng((seed, 0))),
        maker(dataset.test, np.random.default_rng((seed, 1))),
        dataset.name,
        dataset.source,
    )


def examples(task: Task, digits: int) -> int:
    """How many examples of a task so many digits make."""
    return digits // {"segmentation": 4, "transcription": 6}.get(task.name, 1)


def _digits(split: mnist.Split, _: np.random.Generator) -> Arrays:
    return {"image": mnist.normalise(split.images), "label": split.labels}


def _digits_and_slant(split: mnist.Split, random: np.random.Generator) -> Arrays:
    return {
        **_digits(split, random),
        "metadata": metadata(split.images),
        "slant": slant(split.images),
    }


def _segmentation(split: mnist.Split, random: np.random.Generator) -> Arrays:
    images, masks = canvases(split, random)
    return {"image": mnist.normalise(images), "mask": masks}


def _transcription(split: mnist.Split, random: np.random.Generator) -> Arrays:
    images, length, digits = strips(split, random)
    return {**columns(images, length), **tokens(digits)}


_MAKERS: dict[str, Callable[[mnist.Split, np.random.Generator], Arrays]] = {
    "digits": _digits,
    "digits_and_slant": _digits_and_slant,
    "segmentation": _segmentation,
    "transcription": _transcription,
}


def canvases(split: mnist.Split, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Canvases uint8 (N // 4, 64, 64, 1) of N digits, and their masks int32 (N // 4, 64, 64).

    Each of the four cells of a canvas has a digit of its own, somewhere in the cell; in a third
    each of the canvases one cell, two or none are left empty. A mask has the digit where ink is
    brighter than one half, else `BACKGROUND`.
    """
    count = len(split.labels) // 4
    chosen = random.permutation(len(split.labels))[: 4 * count].reshape(count, 4)
    filled = random.permuted(np.tile(np.arange(4), (count, 1)), axis=1) < random.integers(
        2, 5, (count, 1)
    )
    images = np.zeros((count, CANVAS_SIDE, CANVAS_SIDE, 1), np.uint8)
    masks = np.full((count, CANVAS_SIDE, CANVAS_SIDE), BACKGROUND, np.int32)
    side = np.arange(split.images.shape[1])
    for cell in range(4):
        here = np.flatnonzero(filled[:, cell])
        digits = split.images[chosen[here, cell]]  # (n, 28, 28, 1)
        corner = random.integers(0, CELL - len(side) + 1, (2, len(here), 1))
        rows, across = corner + CELL * np.array(divmod(cell, 2)).reshape(2, 1, 1) + side
        place = here[:, None, None], rows[:, :, None], across[:, None, :]
        images[place] = digits
        classes = split.labels[chosen[here, cell]][:, None, None]
        masks[place] = np.where(digits[..., 0] > 127, classes, BACKGROUND)
    return images, masks


def strips(
    split: mnist.Split, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Strips uint8 (N // 6, 28, 168), their lengths int32 (N // 6,) in columns, and their digits.

    A strip has three to six digits, each 22 to 28 columns after the one before: their margins may
    overlap. Digits are int32 (N // 6, 6), `UNCOUNTED` after the last.
    """
    count, height = len(split.labels) // 6, split.images.shape[1]
    chosen = random.permutation(len(split.labels))[: 6 * count].reshape(count, 6)
    held = random.integers(3, 7, count)
    starts = np.cumsum(random.integers(22, 29, (count, 6)), axis=1)
    starts -= starts[:, :1]  # (N, 6), the first at 0
    images = np.zeros((count, height, STRIP_COLUMNS), np.uint8)
    for place in range(6):
        here = np.flatnonzero(held > place)
        across = starts[here, place, None] + np.arange(28)  # (n, 28)
        at = here[:, None, None], np.arange(height)[None, :, None], across[:, None, :]
        images[at] = np.maximum(images[at], split.images[chosen[here, place], :, :, 0])
    length = starts[np.arange(count), held - 1] + 28
    digits = np.where(np.arange(6) < held[:, None], split.labels[chosen], UNCOUNTED)
    return images, length.astype(np.int32), digits.astype(np.int32)


def columns(images: np.ndarray, length: np.ndarray) -> dict[str, np.ndarray]:
    """Strips uint8 (N, 28, S) as what a network reads: columns (N, S, 28) and their number (N,)."""
    pixels = mnist.normalise(images[..., None])[..., 0]
    return {"columns": np.ascontiguousarray(pixels.transpose(0, 2, 1)), "length": length}


def tokens(digits: np.ndarray) -> dict[str, np.ndarray]:
    """What a decoder is told and asked, for digits (N, T - 1) with `UNCOUNTED` after the last.

    `tokens` int32 (N, T): `START`, then the digits, then `END`. `following` (N, T): the token that
    comes after each of them, `UNCOUNTED` after `END`.
    """
    count, most = digits.shape
    told = np.full((count, most + 1), START, np.int32)
    told[:, 1:] = np.where(digits == UNCOUNTED, END, digits)
    asked = np.full((count, most + 1), UNCOUNTED, np.int32)
    asked[:, :most] = digits
    asked[np.arange(count), (digits != UNCOUNTED).sum(axis=1)] = END
    return {"tokens": told, "following": asked}


def metadata(images: np.ndarray) -> np.ndarray:
    """Ten features (N, 10) float32 of images uint8 (N, H, W, 1): see `METADATA`.

    None of them is a mixed moment, so the slant does not follow from them alone. An image without
    ink has its centre in the middle and zeros elsewhere but for the symmetries, which are 1.
    """
    ink = images[..., 0].astype(np.float32) / 255  # (N, H, W)
    _, height, width = ink.shape
    total, (cx, cy), (xx, yy, _) = _moments(ink)
    columns, rows = ink.max(axis=1) > 0, ink.max(axis=2) > 0  # (N, W), (N, H)
    safe = np.maximum(total, np.finfo(np.float32).tiny)
    features = [
        ink.mean(axis=(1, 2)),
        (ink > 0.5).mean(axis=(1, 2)),
        cx / (width - 1),
        cy / (height - 1),
        np.sqrt(xx) / width,
        np.sqrt(yy) / height,
        _extent(columns) / width,
        _extent(rows) / height,
        1 - np.abs(ink - ink[:, :, ::-1]).sum(axis=(1, 2)) / (2 * safe),
        1 - np.abs(ink - ink[:, ::-1]).sum(axis=(1, 2)) / (2 * safe),
    ]
    return np.stack(features, axis=1).astype(np.float32)


def slant(images: np.ndarray) -> np.ndarray:
    """How far each digit leans, float32 (N, 1), for images uint8 (N, H, W, 1).

    The mixed central moment over the vertical one, mu_11 / mu_02: the columns that the ink moves to
    the right for each row downwards. It is what deslanting takes out; see Hu, "Visual Pattern
    Recognition by Moment Invariants" (1962), for the moments. 0 where all ink is in one row.
    """
    _, _, (_, yy, xy) = _moments(images[..., 0].astype(np.float32) / 255)
    return np.divide(xy, yy, out=np.zeros_like(xy), where=yy > 0)[:, None].astype(np.float32)


def _moments(ink: np.ndarray) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """Of ink (N, H, W): its sum, its centre (x, y), and its central moments (xx, yy, xy)."""
    _, height, width = ink.shape
    x, y = np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64)
    total = ink.sum(axis=(1, 2), dtype=np.float64)
    share = ink / np.where(total > 0, total, 1)[:, None, None]
    by_column, by_row = share.sum(axis=1), share.sum(axis=2)  # (N, W), (N, H)
    cx = np.where(total > 0, by_column @ x, (width - 1) / 2)
    cy = np.where(total > 0, by_row @ y, (height - 1) / 2)
    dx, dy = x - cx[:, None], y - cy[:, None]  # (N, W), (N, H)
    xx = (by_column * dx**2).sum(axis=1)
    yy = (by_row * dy**2).sum(axis=1)
    xy = np.einsum("nhw,nh,nw->n", share, dy, dx)
    return total, [cx, cy], [xx, yy, xy]


def _extent(inked: np.ndarray) -> np.ndarray:
    """From the first to the last True of each row (N, L), counted inclusively; 0 without any."""
    length = inked.shape[1]
    span = length - inked.argmax(axis=1) - inked[:, ::-1].argmax(axis=1)
    return np.where(inked.any(axis=1), span, 0)
