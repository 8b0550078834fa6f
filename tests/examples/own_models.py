"""A user's PyTorch model, and its port to Flax with one convention that nobody thought of.

Flax's `nn.gelu` is an approximation with tanh, and PyTorch's `nn.GELU` is exact: the outputs look
right, the model trains, and it is another network. Run this file to see it found.
"""

from typing import Any

import jax
import numpy as np
import torch
from flax import linen as nn
from torch import Tensor

from triptych import compare_models


class Torch(torch.nn.Module):
    """Pictures to ten classes, in PyTorch."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = torch.nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.stem_norm = torch.nn.BatchNorm2d(8)
        self.act = torch.nn.GELU()
        self.norm = torch.nn.LayerNorm(8)
        self.drop = torch.nn.Dropout(0.25)
        self.head = torch.nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Classes (B, K) of pictures (B, C, H, W)."""
        x = self.act(self.stem_norm(self.stem(x)))
        x = self.norm(x.mean(dim=(2, 3)))
        return self.head(self.drop(x))


class Flax(nn.Module):
    """The port. The defaults of `approximate` and `epsilon` are not those of PyTorch."""

    approximate: bool = True
    epsilon: float = 1e-5

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """Classes (B, K) of pictures (B, H, W, C)."""
        x = nn.Conv(8, (3, 3), use_bias=False)(x)
        x = nn.BatchNorm(use_running_average=not train, momentum=0.9)(x)
        x = nn.gelu(x, approximate=self.approximate)
        x = nn.LayerNorm(epsilon=self.epsilon)(x.mean(axis=(1, 2)))
        x = nn.Dropout(0.25, deterministic=not train)(x)
        return nn.Dense(10)(x)


MAPPING = {
    "Conv_0": "stem",
    "BatchNorm_0": "stem_norm",
    "LayerNorm_0": "norm",
    "Dropout_0": "drop",
    "Dense_0": "head",
}
IMAGES = np.random.default_rng(0).normal(size=(4, 9, 12, 3)).astype("float32")


def port(**changes: Any) -> tuple[nn.Module, Any]:
    """The port with variables of its own."""
    module = Flax(**changes)
    return module, module.init(jax.random.key(0), IMAGES)


if __name__ == "__main__":
    torch.manual_seed(0)
    model = Torch()
    print(compare_models(model, port(), IMAGES, mapping=MAPPING).text)
    print()
    print(compare_models(model, port(approximate=False), IMAGES, mapping=MAPPING).text)
