"""Canonical weights: PyTorch's names and layouts, checked strictly, kept as safetensors files.

`layer1.0.conv1.weight` is (out, in, height, width), a dense `weight` is (out, in), batch norm has
`weight`, `bias`, `running_mean` and `running_var`; `num_batches_tracked` is left out. So a file
written here loads into plain PyTorch, and PyTorch's own files load into every backend.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from shared import formats
from shared.errors import DataError, WeightsError
from shared.writing import put

BUFFERS = ("running_mean", "running_var")
"""The last part of the names of tensors that are not trained."""

_COUNTER = "num_batches_tracked"  # in PyTorch's own files; read over, as nothing else has it


def fit(weights: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Hold weights against the shapes that a network has.

    Raises:
        WeightsError: tensors are missing, extra, misshapen or not floating point; all are named.
    """
    problems = [f"missing {name} {tuple(shapes[name])}" for name in shapes if name not in weights]
    for name, array in weights.items():
        if name not in shapes:
            problems.append(f"extra {name} {array.shape}")
        elif array.shape != tuple(shapes[name]):
            problems.append(f"{name} is {array.shape} and should be {tuple(shapes[name])}")
        elif array.dtype.kind != "f":
            problems.append(f"{name} is {array.dtype} and should be floating point")
    if problems:
        raise WeightsError(f"the weights do not fit the network: {'; '.join(problems)}")


def write(path: Path, weights: Mapping[str, np.ndarray], metadata: Mapping[str, object]) -> None:
    """Write a safetensors file; metadata values are stored as JSON, each under its own key.

    Raises:
        WeightsError: the file cannot be written.
    """
    tensors = {name: np.asarray(array, order="C") for name, array in weights.items()}
    blob = save(tensors, metadata={key: json.dumps(value) for key, value in metadata.items()})
    try:
        put(path, blob)
    except DataError as error:
        raise WeightsError(str(error)) from error


def read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """The tensors and the metadata of a safetensors file.

    Raises:
        WeightsError: the file is not there, is not a safetensors file, or is damaged.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            names = [name for name in file.keys() if not name.endswith(_COUNTER)]  # noqa: SIM118
            weights = {name: _tensor(file, name) for name in names}
            texts = file.metadata() or {}
    except SafetensorError as error:
        reason = "it is no safetensors file, or it is damaged"
        raise WeightsError(f"cannot read weights from {path}: {reason}") from error
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else str(error)
        if path.is_dir():
            reason = "it is a directory"
        raise WeightsError(f"cannot read weights from {path}: {reason}") from error
    except TypeError as error:
        raise WeightsError(f"cannot read weights from {path}: {error}") from error
    return weights, {key: _value(text) for key, text in texts.items()}


def _tensor(file: Any, name: str) -> np.ndarray:
    """One tensor; a TypeError says in which dtype it is, if NumPy has none of that name."""
    try:
        return file.get_tensor(name)
    except (TypeError, AttributeError):
        dtype = file.get_slice(name).get_dtype()
        message = f"{name} is {dtype}, which NumPy does not have; save it as float32"
        raise TypeError(message) from None


def _value(text: str) -> object:
    """What a text of metadata means; one that is no JSON comes from another program."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def read_network(path: Path) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """The tensors and the metadata of a file of a network's weights, whoever wrote it.

    Raises:
        WeightsError: the file cannot be read, or is another kind of file of ours: evidence, say.
    """
    weights, metadata = read(path)
    about = metadata.get("about")  # where evidence says its kind
    stamped = about if isinstance(about, dict) else metadata
    if formats.kind_of(stamped) is not None:  # others too have a "format": "pt" for PyTorch
        try:
            formats.check(stamped, "weights")
        except DataError as error:
            raise WeightsError(f"{path} cannot be used as weights: {error}") from error
    return weights, metadata


def metadata(
    architecture: str,
    config: Mapping[str, object],
    backend: str,
    versions: Mapping[str, str],
    *,
    device: str,
    variant: str,
    dtype: str,
    data: str | None = None,
    history: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """What a file of a network's weights says: what they are for, and what they were made by.

    The data's name and what came of a training are left out where they are not known.
    """
    trained = {"data": data, "history": history}
    return {
        **formats.stamp("weights"),
        "architecture": architecture,
        "config": config,
        "backend": backend,
        "versions": versions,
        "device": device,
        "variant": variant,
        "dtype": dtype,
        **{key: value for key, value in trained.items() if value is not None},
    }


def is_buffer(name: str) -> bool:
    """Whether a canonical name is that of a buffer, which no optimizer changes."""
    return name.rpartition(".")[2] in BUFFERS
