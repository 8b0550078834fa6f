"""Training as few lines: data by name, an architecture's own task, and its own settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from shared.choosing import check_seed, choose
from shared.data import mnist, tasks
from shared.data.mnist import Dataset
from shared.data.tasks import TaskData
from shared.errors import ConfigurationError, DataError
from shared.interface import Model
from shared.specs import Network, Objective, Settings, Spec, Task, find
from shared.train import loop
from shared.train.loop import History, Progress
from triptych.models import spec_of


def load_data(
    name: str = "sample",
    directory: str | Path | None = None,
    *,
    download: bool = True,
    progress: bool = True,
) -> Dataset:
    """The digits of a data set.

    Args:
        name: "sample", 5,000 digits of MNIST that come with the package; "mnist" or
            "fashion_mnist", which are downloaded where they are not here.
        directory: Where those two are, or are put; by default the directory that TRIPTYCH_DATA
            names, or the user's cache.
        download: Whether they may be downloaded.
        progress: Whether a download shows its progress on stderr.

    Returns:
        Images uint8 (N, 28, 28, 1) and labels int32 (N,), for `train` and for `test`.

    Raises:
        TriptychError: There is no data set of that name; a file is missing, damaged, or cannot be
            downloaded or stored.
    """
    return mnist.load(name, directory, download=download, progress=progress)


def task_data(architecture: str | Spec, dataset: Dataset, *, seed: int = 0) -> TaskData:
    """What an architecture is trained on: inputs and targets by name.

    `fit` makes it by itself. It is for those who look at the arrays, or change them.

    Args:
        architecture: A name of `list_architectures`, or what `find` gives.
        dataset: The digits, as `load_data` gives them.
        seed: Of the layout of scenes with several digits.

    Returns:
        Arrays (N, ...) by name, for `train` and for `test`. Images are normalised float32
        (N, H, W, C), labels and tokens int32.

    Raises:
        TriptychError: There is no such architecture, or it is not trained.
    """
    spec = architecture if isinstance(architecture, Spec) else find(architecture)
    check_seed(seed)
    if not isinstance(dataset, Dataset):
        raise ConfigurationError(
            f"the digits must be what triptych.load_data gives, not {type(dataset).__name__}"
        )
    return tasks.build(spec.require_task(), dataset, seed)


def fit(
    model: Model,
    data: Dataset | TaskData,
    settings: Settings | None = None,
    *,
    seed: int = 0,
    report: Callable[[Progress], None] | None = None,
    **changes: Any,
) -> History:
    """Train a model for its architecture's task.

    The order of the batches is a function of the seed alone, so it is the same in every backend.

    Args:
        model: What `build` gave; it is changed in place.
        data: The digits, as `load_data` gives them; or arrays, as `task_data` gives them.
        settings: How to train; by default as the architecture's spec says.
        seed: Of the order of the batches, and of dropout.
        report: Called with what came of the training so far, a few times a second and at the end
            of each epoch.
        **changes: Fields of the settings that are to have other values: `epochs=1`.

    Returns:
        The loss, the test scores and the time of each epoch. Accuracies are in percent.

    Raises:
        TriptychError: The model is of no architecture, or of one that is not trained; a setting
            does not exist or makes no sense; the data do not fit the network or do not fill one
            batch; the loss is no longer finite; PyTorch is to train where TensorFlow is loaded.
    """
    spec = spec_of(model)
    task = spec.require_task()
    check_seed(seed)
    if settings is not None and not isinstance(settings, Settings):
        raise ConfigurationError(
            f"settings must be triptych.Settings, not {type(settings).__name__}; one setting is "
            "an argument by itself: epochs=1"
        )
    for name in changes:
        choose("setting", name, [field.name for field in fields(Settings)])
    settings = replace(settings or spec.settings, **changes)
    if isinstance(data, Dataset):
        data = tasks.build(task, data)
    elif not isinstance(data, TaskData):
        raise ConfigurationError(
            "data must be what triptych.load_data or triptych.task_data gives, "
            f"not {type(data).__name__}"
        )
    data = checked(model, task, data)
    return loop.fit(model, task, data, settings, seed=seed, report=report)


def checked(model: Model, task: Task, data: TaskData) -> TaskData:
    """The data with labels as int32.

    Raises:
        DataError: There is not all that the network is trained on, or labels are none.
    """
    network = model.network
    needed = [*network.inputs, *(objective.target for objective in task.objectives)]
    parts = {}
    for part, arrays in (("train", data.train), ("test", data.test)):
        missing = [name for name in needed if name not in arrays]
        if missing:
            raise DataError(
                f"{network.cls} is trained on {', '.join(dict.fromkeys(needed))}, and the data to "
                f"{part} have no {', '.join(dict.fromkeys(missing))}"
            )
        labels = {
            each.target: _labels(arrays[each.target], each, network, part)
            for each in task.objectives
            if each.loss == "cross_entropy"
        }
        parts[part] = {**arrays, **labels}
    return replace(data, train=parts["train"], test=parts["test"])


def _labels(values: Any, objective: Objective, network: Network, part: str) -> np.ndarray:
    """Labels as int32, one for each vector of logits."""
    *axes, classes = network.outputs[objective.output].shape
    labels = np.asarray(values)
    problem = ""
    if labels.dtype.kind not in "iu":
        problem = f"must be whole numbers, not {labels.dtype}"
    elif labels.ndim != len(axes) + 1:
        shape = ", ".join(["N", *map(str, axes)])
        problem = f"must have the shape ({shape}), not {labels.shape}"
    elif not (labels >= 0).any():
        problem = "has none that counts: none is at least 0"
    elif (largest := int(labels.max())) >= classes:
        problem = (
            f"goes up to {largest}, and {network.cls} was built for {classes} classes, from 0 to "
            f"{classes - 1}"
        )
    if problem:
        raise DataError(f"the {objective.target} of the data to {part} {problem}")
    return labels.astype(np.int32, copy=False)
