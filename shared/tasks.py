"""MNIST's digits turned into each task's inputs and targets: the same arrays for every backend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from shared import mnist
from shared.errors import ConfigurationError
from shared.specs import Task

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


@dataclass(frozen=True)
class TaskData:
    """A task's arrays: inputs and targets by name, to train on and to test with."""

    train: Mapping[str, np.ndarray]
    test: Mapping[str, np.ndarray]
    name: str
    source: str


def build(task: Task, dataset: mnist.Dataset) -> TaskData:
    """A data set's arrays for a task: float32 inputs, int32 labels, float32 regression targets."""
    return TaskData(
        {**inputs(task, dataset.train.images), **targets(task, dataset.train)},
        {**inputs(task, dataset.test.images), **targets(task, dataset.test)},
        dataset.name,
        dataset.source,
    )


def inputs(task: Task, images: np.ndarray) -> dict[str, np.ndarray]:
    """What a network of the task is given for images uint8 (N, 28, 28, 1)."""
    if task.name == "digits":
        return {"image": mnist.normalise(images)}
    if task.name == "digits_and_slant":
        return {"image": mnist.normalise(images), "metadata": metadata(images)}
    raise ConfigurationError(f"no inputs are known for the task {task.name!r}")


def targets(task: Task, split: mnist.Split) -> dict[str, np.ndarray]:
    """What a network of the task is to give."""
    if task.name == "digits":
        return {"label": split.labels}
    if task.name == "digits_and_slant":
        return {"label": split.labels, "slant": slant(split.images)}
    raise ConfigurationError(f"no targets are known for the task {task.name!r}")


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
