"""InceptionNet: blocks of four branches that look at one image through different windows.

Reference: Szegedy et al., "Going Deeper with Convolutions" (2014), arXiv:1409.4842, for the block;
here all four branches are equally wide, and two blocks make the network.
Input: images (B, H, W, 1) of any size from 4x4. Output: logits (B, K).
"""

from typing import Any

import keras
from keras import KerasTensor, layers, ops


@keras.saving.register_keras_serializable(package="triptych")
class InceptionBlock(keras.Model):
    """Four branches of `width` channels each, side by side: 1x1, 3x3, 5x5 and max-pool.

    The larger windows see half the width, made by a 1x1 convolution, so that they cost less.
    """

    def __init__(self, in_channels: int, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.in_channels = in_channels
        self.width = width

        reduced = max(width // 2, 1)
        self.conv1 = layers.Conv2D(width, 1, name="conv1")
        self.reduce3 = layers.Conv2D(reduced, 1, name="reduce3")
        self.conv3 = layers.Conv2D(width, 3, padding="same", name="conv3")
        self.reduce5 = layers.Conv2D(reduced, 1, name="reduce5")
        self.conv5 = layers.Conv2D(width, 5, padding="same", name="conv5")
        self.pool_conv = layers.Conv2D(width, 1, name="pool_conv")

    def call(self, x: KerasTensor) -> KerasTensor:
        """(B, H, W, C) to (B, H, W, 4 * width)."""
        a = ops.relu(self.conv1(x))  # (B, H, W, width), as are the other three
        b = ops.relu(self.conv3(ops.relu(self.reduce3(x))))
        c = ops.relu(self.conv5(ops.relu(self.reduce5(x))))
        # Keras's "same" never pads a max-pool with 0: the padding is never the maximum.
        d = ops.relu(self.pool_conv(ops.max_pool(x, 3, strides=1, padding="same")))
        return ops.concatenate([a, b, c, d], axis=-1)  # channels are axis -1 here, 1 in PyTorch

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, and Keras's own."""
        return {
            **super().get_config(),
            "in_channels": self.in_channels,
            "width": self.width,
        }


@keras.saving.register_keras_serializable(package="triptych")
class InceptionNet(keras.Model):
    """conv1, two blocks with a max-pool before each, a global average and fc."""

    def __init__(self, width: int = 16, num_classes: int = 10, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.num_classes = num_classes

        self.conv1 = layers.Conv2D(width, 3, padding="same", name="conv1")
        self.block1 = InceptionBlock(width, width, name="block1")
        self.block2 = InceptionBlock(4 * width, width, name="block2")
        self.fc = layers.Dense(num_classes, name="fc")

    def call(self, x: KerasTensor) -> KerasTensor:
        """Logits (B, K) for images (B, H, W, 1)."""
        # Strides in words: left to the default, Keras 3.15 on JAX fails.
        x = ops.max_pool(ops.relu(self.conv1(x)), 2, strides=2)  # (B, H/2, W/2, width)
        x = ops.max_pool(self.block1(x), 2, strides=2)  # (B, H/4, W/4, 4 * width)
        x = self.block2(x)  # (B, H/4, W/4, 4 * width)
        x = ops.mean(x, axis=(1, 2))  # (B, 4 * width)
        return self.fc(x)  # (B, K)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, and Keras's own."""
        return {**super().get_config(), "width": self.width, "num_classes": self.num_classes}
