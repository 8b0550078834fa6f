"""InceptionNet: blocks of four branches that look at one image through different windows.

Reference: Szegedy et al., "Going Deeper with Convolutions" (2014), arXiv:1409.4842, for the block;
here all four branches are equally wide, and two blocks make the network.
Input: images (B, H, W, 1) of any size from 4x4. Output: logits (B, K).
"""

from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jax import Array


class InceptionBlock(nn.Module):
    """Four branches of `width` channels each, side by side: 1x1, 3x3, 5x5 and max-pool.

    The larger windows see half the width, made by a 1x1 convolution, so that they cost less.
    """

    in_channels: int
    width: int

    def setup(self) -> None:
        """Name the layers."""
        reduced = max(self.width // 2, 1)
        self.conv1 = nn.Conv(self.width, (1, 1))
        self.reduce3 = nn.Conv(reduced, (1, 1))
        self.conv3 = nn.Conv(self.width, (3, 3), padding=1)
        self.reduce5 = nn.Conv(reduced, (1, 1))
        self.conv5 = nn.Conv(self.width, (5, 5), padding=2)
        self.pool_conv = nn.Conv(self.width, (1, 1))

    def __call__(self, x: Array, train: bool = False) -> Array:
        """(B, H, W, C) to (B, H, W, 4 * width)."""
        del train  # nothing here depends on the mode
        a = nn.relu(self.conv1(x))  # (B, H, W, width), as are the other three
        b = nn.relu(self.conv3(nn.relu(self.reduce3(x))))
        c = nn.relu(self.conv5(nn.relu(self.reduce5(x))))
        # Flax pads a max-pool with minus infinity, not with 0: the padding is never the maximum.
        pooled = nn.max_pool(x, (3, 3), strides=(1, 1), padding=((1, 1), (1, 1)))
        d = nn.relu(self.pool_conv(pooled))
        return jnp.concatenate([a, b, c, d], axis=-1)  # channels are axis -1 here, 1 in PyTorch

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"in_channels": self.in_channels, "width": self.width}


class InceptionNet(nn.Module):
    """conv1, two blocks with a max-pool before each, a global average and fc."""

    width: int = 16
    num_classes: int = 10

    def setup(self) -> None:
        """Name the layers."""
        self.conv1 = nn.Conv(self.width, (3, 3), padding=1)
        self.block1 = InceptionBlock(self.width, self.width)
        self.block2 = InceptionBlock(4 * self.width, self.width)
        self.fc = nn.Dense(self.num_classes)

    def __call__(self, x: Array, train: bool = False) -> Array:
        """Logits (B, K) for images (B, H, W, 1)."""
        # Flax pools with stride 1 unless told otherwise.
        x = nn.max_pool(nn.relu(self.conv1(x)), (2, 2), strides=(2, 2))  # (B, H/2, W/2, width)
        x = nn.max_pool(self.block1(x, train), (2, 2), strides=(2, 2))  # (B, H/4, W/4, 4 * width)
        x = self.block2(x, train)  # (B, H/4, W/4, 4 * width)
        x = x.mean(axis=(1, 2))  # (B, 4 * width)
        return self.fc(x)  # (B, K)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"width": self.width, "num_classes": self.num_classes}
