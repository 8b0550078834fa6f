"""The same neural networks in PyTorch, Flax and Keras, and the proof that they are the same.

    import triptych

    model = triptych.build("basic_net", "torch")
    history = triptych.fit(model, triptych.load_data(), epochs=1)
    triptych.save_weights("digits.safetensors", model, history=history)

The catalogue:
    list_architectures: The names of all architectures.
    find: An architecture by its name: its network, its task, how it is trained.

Models:
    load: A backend by its name, torch, flax or keras; its framework is imported.
    build: A network of the catalogue in a backend.
    Worker: A process of its own for a backend, where one program needs several.
    Settings: How to train: epochs, batch size, optimizer.

Training:
    load_data: The digits, as NumPy arrays.
    task_data: The digits turned into what an architecture is trained on.
    normalise: Pixels as the networks take them.
    fit: Train a model.

Weights, as safetensors under PyTorch's names and in its layouts:
    save_weights: Write a model's weights into a file, which `triptych predict` reads too.
    load_weights: Give a model the weights in a file.

Parity of two models of your own:
    compare_models: Hold them against each other, layer by layer.
    assert_same_model: Fail unless they are the same network; a fixture of pytest too.

What these take and give:
    Spec: An architecture.
    Backend: A framework.
    Model: A network in a backend; NumPy arrays go in and come out.
    Dataset: A data set of digits.
    TaskData: A task's arrays, to train on and to test with.
    History: What came of a training.
    Progress: Where a training stands, which `fit` tells while it runs.
    Report: What came of a comparison.

Errors:
    TriptychError: The base of all errors that are the user's to mend, in one sentence each.
    BackendMissingError: A backend's framework is not installed.
    ConfigurationError: A name, an argument or a setting does not exist or makes no sense.
    DataError: A data set is missing, damaged, or cannot be downloaded or stored.
    InputError: Inputs do not have the names, shapes or values that the network takes.
    WeightsError: Weights do not fit the network, or their file cannot be read or written.
    WorkerError: A backend's process failed, or ended before it gave its result.

Everything else is not public, and may change from one version to the next. A name is imported when
it is first used: `import triptych` by itself imports neither NumPy nor a framework.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from triptych import lazily as _lazily

if TYPE_CHECKING:
    from shared.data.mnist import Dataset, normalise
    from shared.data.tasks import TaskData
    from shared.errors import (
        BackendMissingError,
        ConfigurationError,
        DataError,
        InputError,
        TriptychError,
        WeightsError,
        WorkerError,
    )
    from shared.interface import Backend, Model
    from shared.parity.user_models import Report, assert_same_model, compare_models
    from shared.registry import load
    from shared.specs import Settings, Spec, find
    from shared.train.loop import History, Progress
    from shared.workers import Worker
    from triptych.models import build, list_architectures
    from triptych.training import fit, load_data, task_data
    from triptych.weights import load_weights, save_weights

    __version__: str
else:

    def __getattr__(name: str) -> object:
        """Import a public name where it is first used.

        Raises:
            AttributeError: There is no such name.
            ShadowedError: Another package has the name of one that Triptych is made of.
        """
        value = globals()[name] = _lazily.get(name)
        return value

    def __dir__() -> list[str]:
        return [*__all__, "__version__"]


__all__ = [
    "Backend",
    "BackendMissingError",
    "ConfigurationError",
    "DataError",
    "Dataset",
    "History",
    "InputError",
    "Model",
    "Progress",
    "Report",
    "Settings",
    "Spec",
    "TaskData",
    "TriptychError",
    "WeightsError",
    "Worker",
    "WorkerError",
    "assert_same_model",
    "build",
    "compare_models",
    "find",
    "fit",
    "list_architectures",
    "load",
    "load_data",
    "load_weights",
    "normalise",
    "save_weights",
    "task_data",
]
