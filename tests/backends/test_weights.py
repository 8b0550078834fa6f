"""Weights in files: backends and plain PyTorch read each other's."""

from pathlib import Path

import numpy as np

from shared import registry, weights
from shared.differences import unequal
from shared.parity.samples import sample_weights
from shared.specs import SPECS, Network
from shared.workers import Worker
from tests.backends import native as native_checks
from tests.backends.small_networks import table
from tests.conftest import Lend

Arrays = dict[str, np.ndarray]
BLOCK = SPECS["simple_resnet"].cases[-1].network  # with batch norm and a shortcut


def give_and_take(backend: str, network: Network, path: Path) -> Arrays:
    """Load a file into a model; the model's weights then."""
    model = registry.load(backend).build(network)
    model.load_weights(weights.read(path)[0])
    return model.weights()


def write_own(backend: str, network: Network, path: Path) -> Arrays:
    """Write a model's weights to a file; the same weights."""
    model = registry.load(backend).build(network)
    model.load_weights(sample_weights(model.table(), "float32", 8))
    arrays = model.weights()
    weights.write(path, arrays, {"backend": backend})
    return arrays


def test_file_of_a_backend_loads_into_it_again(worker: Worker, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    written = worker.call(write_own, worker.backend, BLOCK, path)
    assert unequal(written, weights.read(path)[0]) == []
    assert weights.read(path)[1] == {"backend": worker.backend}
    assert unequal(written, worker.call(give_and_take, worker.backend, BLOCK, path)) == []
    assert len(written) == 15


def test_file_of_a_backend_loads_into_plain_pytorch(
    worker: Worker, lend: Lend, tmp_path: Path
) -> None:
    path = tmp_path / "w.safetensors"
    written = worker.call(write_own, worker.backend, BLOCK, path)
    missing, unexpected, loaded = lend("torch").call(
        native_checks.call, "torch", "plain_load", BLOCK, path
    )
    assert unequal(written, loaded) == []
    assert unexpected == []
    counted = ("bn1", "bn2", "shortcut.1")
    # PyTorch itself fills in the counter of a file without versions.
    assert set(missing) <= {f"{name}.num_batches_tracked" for name in counted}


def test_pytorchs_own_file_loads_into_every_backend(
    worker: Worker, lend: Lend, tmp_path: Path
) -> None:
    rows = worker.call(table, worker.backend, BLOCK, "float32")
    arrays = sample_weights(rows, "float32", 9)
    path = tmp_path / "own.safetensors"
    keys = lend("torch").call(native_checks.call, "torch", "own_file", BLOCK, arrays, path)
    assert sum(key.endswith("num_batches_tracked") for key in keys) == 3
    assert unequal(arrays, worker.call(give_and_take, worker.backend, BLOCK, path)) == []
