"""Predicting with saved weights: which network they are for, and what it says of arrays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shared import registry, specs, tasks, weights
from shared.errors import ConfigurationError


@dataclass(frozen=True)
class Predictions:
    """Classes int32 (N,) and their probabilities (N,), and what gave them."""

    architecture: str
    backend: str
    classes: np.ndarray
    confidence: np.ndarray


def predict(
    path: Path, images: np.ndarray, backend: str, architecture: str | None = None
) -> Predictions:
    """Classify images uint8 (N, 28, 28, 1) with weights from a file.

    Args:
        path: A safetensors file with canonical names. Files that `triptych train` wrote say what
            they are for; for others, PyTorch's own say, `architecture` must.
        images: Digits as MNIST has them: bright on dark.
        backend: Which backend computes.
        architecture: Overrides what the file says.

    Raises:
        WeightsError: the file cannot be read, or does not fit the network.
        ConfigurationError: it is not known which network the weights are for.
    """
    arrays, metadata = weights.read(path)
    name = architecture or metadata.get("architecture")
    if name is None:
        raise ConfigurationError(
            f"{path} does not say which architecture it is for; name it with --architecture"
        )
    spec = specs.find(str(name))
    task = spec.require_task()
    config = metadata.get("config") if architecture is None else None
    network = spec.configured(config if isinstance(config, dict) else {})
    model = registry.load(backend).build(network)
    model.load_weights(arrays)
    classes, confidence = model.predict(tasks.inputs(task, images))
    return Predictions(spec.name, backend, classes, confidence)
