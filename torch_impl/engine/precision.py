"""Mixed precision: a module computes in bfloat16, and its parameters are float32.

PyTorch decides operation by operation: under `torch.autocast` products and convolutions take
bfloat16 and give it, and what needs more digits stays in float32. The casts are part of the graph,
so that gradients arrive in float32. What comes out is cast to float32: losses are made of that.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class Mixed(nn.Module):
    """A module computed in bfloat16, with the module's own parameters in float32."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *inputs: Tensor) -> Any:
        """The module's outputs in float32."""
        return self._computed(self.module, *inputs)

    def decode(self, *inputs: Tensor) -> Any:
        """What the module's `decode` gives, in float32."""
        return self._computed(self.module.decode, *inputs)  # type: ignore[arg-type]

    @staticmethod
    def _computed(function: Callable[..., Any], *inputs: Tensor) -> Any:
        with torch.autocast(inputs[0].device.type, torch.bfloat16):
            outputs = function(*inputs)
        if isinstance(outputs, tuple):
            return tuple(map(_float32, outputs))
        return _float32(outputs)


def _float32(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor
