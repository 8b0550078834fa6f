"""Small networks, and batches for them: what several tests of backends build in a worker."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from shared import registry
from shared.interface import TensorInfo
from shared.parity.samples import sample_inputs, sample_weights
from shared.specs import SPECS, Network, Task

Arrays = dict[str, np.ndarray]

# Small networks: without dropout, with channels and no square, with two inputs and two outputs.
BRANCHING = SPECS["branching_net"].more_cases[0].network  # 9x14 image, 3 classes
CHANNELS = SPECS["basic_net"].more_cases[0].network  # 6x5 image with 3 channels, 7 classes
MIMO = SPECS["mimo_net"].more_cases[0].network  # 4x196 image, 3 metadata, 4 classes
BLOCK = SPECS["simple_resnet"].cases[-1].network  # 7x10 image with 3 channels, batch norm
SKIP = SPECS["skip_mlp"].more_cases[0].network  # 4x7 image, 3 channels, 5 classes
UNET = SPECS["unet"].more_cases[0].network  # 8x12 canvas, a class at every pixel
SEQ2SEQ = SPECS["seq2seq"].more_cases[0].network  # 12 columns, 4 tokens, masks
STAYS, _, LEAVES = (case.network for case in SPECS["early_exit_net"].more_cases[:3])

VARIED = {"UNet": 14, "Seq2Seq": 14}  # weights with which these give several classes


def table(backend: str, network: Network, dtype: str) -> list[TensorInfo]:
    return registry.load(backend).build(network, dtype=dtype).table()


def devices(backend: str) -> list[str]:
    return registry.load(backend).devices()


def batch(network: Network, task: Task, number: int, size: int = 8) -> Arrays:
    """Inputs and targets for a network, another batch for each number."""
    rng = np.random.default_rng(100 + number)
    arrays = sample_inputs(network, size, "float32", seed=number)
    for objective in task.objectives:
        shape = network.outputs[objective.output].shape
        if objective.loss == "cross_entropy":  # some labels of pixels and tokens do not count
            lowest = 0 if len(shape) == 1 else -1
            labels = rng.integers(lowest, shape[-1], (size, *shape[:-1]))
            arrays[objective.target] = labels.astype(np.int32)
        else:
            arrays[objective.target] = rng.normal(size=(size, *shape)).astype(np.float32)
    return arrays


def build(backend: str, network: Network, dtype: str = "float32", seed: int = 0) -> Any:
    """A model with weights of which none is a default."""
    model = registry.load(backend).build(network, dtype=dtype, seed=seed)
    model.load_weights(sample_weights(model.table(), dtype, VARIED.get(network.cls, 5)))
    return model


def wrong_inputs() -> Iterable[Any]:
    """Inputs that do not fit `MIMO`, and what is said to them."""
    image = np.zeros((2, 4, 196, 1), np.float32)
    metadata = np.zeros((2, 3), np.float32)
    takes = "MIMONet takes the inputs image, metadata, not"
    alike = "MIMONet takes batches of one length above 0, not"
    shape = "input 'image' must have shape (batch, 4, 196, 1), not"
    table: dict[str, tuple[Any, str]] = {
        "missing": ({"image": image}, f"{takes} image"),
        "none": ({}, f"{takes} none"),
        "unknown": (
            {"image": image, "metadata": metadata, "label": metadata},
            f"{takes} image, metadata, label",
        ),
        "no_channel_axis": (
            {"image": image[..., 0], "metadata": metadata},
            f"{shape} (2, 4, 196)",
        ),
        "channels": (
            {"image": image.repeat(3, axis=3), "metadata": metadata},
            f"{shape} (2, 4, 196, 3)",
        ),
        "another_size": (
            {"image": image.reshape(2, 8, 98, 1), "metadata": metadata},
            f"{shape} (2, 8, 98, 1)",
        ),
        "vector": (
            {"image": image, "metadata": metadata[:, :2]},
            "input 'metadata' must have shape (batch, 3), not (2, 2)",
        ),
        "uint8": (
            {"image": image.astype(np.uint8), "metadata": metadata},
            "input 'image' must be floating point, not uint8; triptych.normalise turns "
            "uint8 images into float32",
        ),
        "empty": (
            {"image": image[:0], "metadata": metadata[:0]},
            f"{alike} {{'image': 0, 'metadata': 0}}",
        ),
        "lengths": (
            {"image": image, "metadata": metadata[:1]},
            f"{alike} {{'image': 2, 'metadata': 1}}",
        ),
        "alone": (
            image,
            "MIMONet takes the inputs image, metadata, each under its name, as in "
            "model({'image': image, 'metadata': metadata}), not one array alone",
        ),
    }
    for name, (inputs, message) in table.items():
        yield pytest.param(inputs, message, id=name)
