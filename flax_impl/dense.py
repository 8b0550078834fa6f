"""DenseNet: every layer of a block sees the outputs of all layers before it, side by side.

Reference: Huang et al., "Densely Connected Convolutional Networks" (2016), arXiv:1608.06993; two
small blocks with a transition that halves the channels, and no bottleneck layers.
Input: images (B, H, W, 1) of any size from 4x4. Output: logits (B, K).
"""

from functools import partial
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jax import Array

# Flax counts momentum as the weight of the old (torch's 0.1 is 0.9 here), and its fast variance,
# E[x^2] - E[x]^2, loses digits where the mean is large.
BatchNorm = partial(nn.BatchNorm, momentum=0.9, epsilon=1e-5, use_fast_variance=False)


def check_growth_rate(growth_rate: int) -> None:
    """Raise ValueError unless a layer adds at least one channel."""
    if type(growth_rate) is not int or growth_rate < 1:  # True and False are int too
        raise ValueError(f"growth_rate must be a whole number of at least 1, not {growth_rate!r}")


class DenseBlock(nn.Module):
    """Layers of batch norm, ReLU and a 3x3 convolution; each adds `growth_rate` channels."""

    in_channels: int
    growth_rate: int
    num_layers: int

    def __post_init__(self) -> None:
        check_growth_rate(self.growth_rate)
        super().__post_init__()

    def setup(self) -> None:
        """Name the layers; the lists name their members norms_0, convs_0, norms_1, ..."""
        self.norms = [BatchNorm() for _ in range(self.num_layers)]
        # All that reads a convolution's output is batch norm, which would cancel a bias.
        self.convs = [
            nn.Conv(self.growth_rate, (3, 3), padding=1, use_bias=False)
            for _ in range(self.num_layers)
        ]

    def __call__(self, x: Array, train: bool = False) -> Array:
        """(B, H, W, C) to (B, H, W, C + num_layers * growth_rate)."""
        for norm, conv in zip(self.norms, self.convs, strict=True):
            new = conv(nn.relu(norm(x, use_running_average=not train)))  # (B, H, W, growth_rate)
            x = jnp.concatenate([x, new], axis=-1)  # channels are axis -1 here, 1 in PyTorch
        return x

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "in_channels": self.in_channels,
            "growth_rate": self.growth_rate,
            "num_layers": self.num_layers,
        }


class Transition(nn.Module):
    """Batch norm, ReLU, a 1x1 convolution to fewer channels and average pooling by 2."""

    in_channels: int
    out_channels: int

    def setup(self) -> None:
        """Name the layers."""
        self.norm = BatchNorm()
        self.conv = nn.Conv(self.out_channels, (1, 1), use_bias=False)

    def __call__(self, x: Array, train: bool = False) -> Array:
        """(B, H, W, C_in) to (B, H/2, W/2, C_out)."""
        x = self.conv(nn.relu(self.norm(x, use_running_average=not train)))  # (B, H, W, C_out)
        return nn.avg_pool(x, (2, 2), strides=(2, 2))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"in_channels": self.in_channels, "out_channels": self.out_channels}


class DenseNet(nn.Module):
    """A stem, two dense blocks with a transition between them, a global average and fc."""

    growth_rate: int = 12
    num_layers: int = 4
    num_classes: int = 10

    def __post_init__(self) -> None:
        check_growth_rate(self.growth_rate)
        super().__post_init__()

    def setup(self) -> None:
        """Name the layers."""
        stem = 2 * self.growth_rate
        wide = stem + self.num_layers * self.growth_rate
        half = wide // 2
        self.conv1 = nn.Conv(stem, (3, 3), padding=1, use_bias=False)
        self.block1 = DenseBlock(stem, self.growth_rate, self.num_layers)
        self.transition = Transition(wide, half)
        self.block2 = DenseBlock(half, self.growth_rate, self.num_layers)
        self.norm = BatchNorm()
        self.fc = nn.Dense(self.num_classes)

    def __call__(self, x: Array, train: bool = False) -> Array:
        """Logits (B, K) for images (B, H, W, 1)."""
        # Flax pools with stride 1 unless told otherwise.
        x = nn.max_pool(self.conv1(x), (2, 2), strides=(2, 2))  # (B, H/2, W/2, stem)
        x = self.block1(x, train)  # (B, H/2, W/2, wide)
        x = self.transition(x, train)  # (B, H/4, W/4, half)
        x = self.block2(x, train)  # (B, H/4, W/4, last)
        x = nn.relu(self.norm(x, use_running_average=not train))
        x = x.mean(axis=(1, 2))  # (B, last)
        return self.fc(x)  # (B, K)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "growth_rate": self.growth_rate,
            "num_layers": self.num_layers,
            "num_classes": self.num_classes,
        }
