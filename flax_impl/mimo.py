"""MIMONet: two inputs, an image and a vector of metadata, and two outputs, a class and a number.

Input: image (B, H, W, 1) with (H // 4) * (W // 4) = 49, metadata (B, M).
Output: class logits (B, K) and a regression value (B, 1).
"""

from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jax import Array


class MIMONet(nn.Module):
    """An image branch and a metadata branch, joined, then two heads."""

    metadata_size: int = 10
    num_classes: int = 10

    def setup(self) -> None:
        """Name the layers; only their outputs' sizes are stated, the inputs' are inferred."""
        self.conv1 = nn.Conv(32, (3, 3), padding=1)
        self.conv2 = nn.Conv(64, (3, 3), padding=1)
        self.image_fc = nn.Dense(128)

        self.meta_fc1 = nn.Dense(64)
        self.meta_fc2 = nn.Dense(32)

        self.combined_fc = nn.Dense(128)
        self.class_output = nn.Dense(self.num_classes)
        self.reg_output = nn.Dense(1)

    def __call__(self, image: Array, metadata: Array, train: bool = False) -> tuple[Array, Array]:
        """Class logits (B, K) and regression (B, 1) for image (B, H, W, 1), metadata (B, M)."""
        del train  # nothing here depends on the mode
        # Flax pools with stride 1 unless told otherwise.
        x = nn.max_pool(nn.relu(self.conv1(image)), (2, 2), strides=(2, 2))  # (B, H/2, W/2, 32)
        x = nn.max_pool(nn.relu(self.conv2(x)), (2, 2), strides=(2, 2))  # (B, H/4, W/4, 64)
        x = x.transpose(0, 3, 1, 2)  # channels first, so that image_fc means the same everywhere
        x = x.reshape(x.shape[0], 64 * 7 * 7)  # (B, 3136)
        x = nn.relu(self.image_fc(x))  # (B, 128)

        m = nn.relu(self.meta_fc1(metadata))  # (B, 64)
        m = nn.relu(self.meta_fc2(m))  # (B, 32)

        x = jnp.concatenate([x, m], axis=-1)  # (B, 160)
        x = nn.relu(self.combined_fc(x))  # (B, 128)
        return self.class_output(x), self.reg_output(x)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"metadata_size": self.metadata_size, "num_classes": self.num_classes}
