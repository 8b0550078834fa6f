"""Small networks, and batches for them: what several tests of backends build in a worker."""

from typing import Any

import numpy as np

from shared import registry
from shared.interface import TensorInfo
from shared.parity.arrays import sample_inputs, sample_weights
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
STAYS, _, LEAVES = (case.network for case in SPECS["early_exit_net"].more_cases)

VARIED = {"UNet": 4, "Seq2Seq": 6}  # weights with which these give several classes


def table(backend: str, network: Network, dtype: str) -> list[TensorInfo]:
    return registry.load(backend).build(network, dtype=dtype).table()


def devices(backend: str) -> list[str]:
    return registry.load(backend).devices()


def batch(network: Network, task: Task, number: int, size: int = 8) -> Arrays:
    """Inputs and targets for a network, another batch for each number."""
    rng = np.random.default_rng(100 + number)
    found = sample_inputs(network, size, "float32", seed=number)
    for objective in task.objectives:
        shape = network.outputs[objective.output].shape
        if objective.loss == "cross_entropy":  # some labels of pixels and tokens do not count
            lowest = 0 if len(shape) == 1 else -1
            labels = rng.integers(lowest, shape[-1], (size, *shape[:-1]))
            found[objective.target] = labels.astype(np.int32)
        else:
            found[objective.target] = rng.normal(size=(size, *shape)).astype(np.float32)
    return found


def build(backend: str, network: Network, dtype: str = "float32", seed: int = 0) -> Any:
    """A model with weights of which none is a default."""
    model = registry.load(backend).build(network, dtype=dtype, seed=seed)
    model.load_weights(sample_weights(model.table(), dtype, VARIED.get(network.cls, 5)))
    return model
