"""The cases of the specs reach every line, branch and condition of the architecture files."""

import sys
from functools import partial

import numpy as np
import pytest

from shared.parity.samples import sample_inputs
from shared.specs import SPECS, Network
from shared.workers import Worker
from tests.backends import native, reach
from tests.flavours import ALL

NETWORKS = [case.network for spec in SPECS.values() for case in spec.cases]
FILES = sorted({network.file for network in NETWORKS} | {"attention"})
PREDICTED = ("UNet", "Seq2Seq")
"""What a wrapper predicts with here: one input and one output, and several of both."""


def run(backend: str) -> None:  # in a worker
    """Everything that a user can do with the networks of all cases, and with no others."""
    ask = partial(native.call, backend)
    for network in NETWORKS:
        ask("reach", network, sample_inputs(network, 2, "float32"))
    for spec in SPECS.values():
        for case in spec.cases:
            base = case.network.config.get("base_model")
            if base and base.cls in PREDICTED:
                predict(backend, base)
    ask("log")
    ask("defaults")  # of a part that is in no case alone too
    ask("complaints")


def zeros(backend: str, network: Network) -> dict[str, np.ndarray]:
    shapes = native.call(backend, "names", network)
    return {
        name: np.zeros(shape, np.float32)
        for name, shape in shapes.items()
        if not name.endswith("num_batches_tracked")
    }


def predict(backend: str, network: Network) -> None:
    """Everything that a wrapper has, which says at the end what it needs."""
    inputs = sample_inputs(network, 2, "float32")
    first = next(iter(network.outputs.values()))
    labels = np.zeros((2, *first.shape[:-1]), np.int32)
    native.call(backend, "predictions", network, zeros(backend, network), [(inputs, labels)])


def lacking(backend: str, files: list[str], name: str = "run") -> list[str]:  # in a worker
    sys.modules.pop(f"tests.backends.native.{backend}_checks", None)
    return reach.lacking(f"{backend}_impl", files, partial(globals()[name], backend))


def test_the_cases_reach_everything(worker: Worker, flavour: str) -> None:
    if flavour in ("keras-jax", "keras-torch"):
        pytest.skip("TensorFlow alone calls a network on images of a size that is not known yet")
    if worker.backend != "torch" and not ALL:
        pytest.skip("half a minute in each other panel: make test-all")
    assert worker.call(lacking, worker.backend, FILES) == []
