"""PyTorch's own names and layouts are the canonical ones: nothing is renamed or transposed."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from shared import weights
from shared.interface import TensorInfo


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    """The state dict without batch norm's counter, which the other frameworks do not have."""
    state = module.state_dict()
    return {name: t for name, t in state.items() if not name.endswith("num_batches_tracked")}


def is_statistic(name: str) -> bool:
    """Whether a buffer of this name is batch norm's, and not a constant that somebody keeps."""
    return weights.is_buffer(name) or name == "num_batches_tracked"


def table(module: nn.Module) -> list[TensorInfo]:
    """Every tensor of a module."""
    return [
        TensorInfo(
            name,
            tuple(tensor.shape),
            str(tensor.dtype).removeprefix("torch."),
            "buffer" if weights.is_buffer(name) else "parameter",
        )
        for name, tensor in _tensors(module).items()
    ]


def to_canonical(module: nn.Module) -> dict[str, np.ndarray]:
    """Copies of every tensor as NumPy arrays."""
    return {name: tensor.cpu().numpy().copy("C") for name, tensor in _tensors(module).items()}


def from_canonical(module: nn.Module, arrays: Mapping[str, np.ndarray]) -> None:
    """Copy NumPy arrays into the module; raises WeightsError if they do not fit."""
    tensors = _tensors(module)
    weights.fit(arrays, {name: tuple(tensor.shape) for name, tensor in tensors.items()})
    with torch.no_grad():
        for name, tensor in tensors.items():
            tensor.copy_(
                torch.from_numpy(np.array(arrays[name], arrays[name].dtype.newbyteorder("=")))
            )
