"""MIMONet: two inputs, an image and a vector of metadata, and two outputs, a class and a number.

Input: image (B, H, W, 1) with (H // 4) * (W // 4) = 49, metadata (B, M).
Output: class logits (B, K) and a regression value (B, 1).
"""

import math
from typing import Any

import keras
from keras import KerasTensor, layers, ops


@keras.saving.register_keras_serializable(package="triptych")
class MIMONet(keras.Model):
    """An image branch and a metadata branch, joined, then two heads."""

    def __init__(self, metadata_size: int = 10, num_classes: int = 10, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.metadata_size = metadata_size
        self.num_classes = num_classes

        self.conv1 = layers.Conv2D(32, 3, padding="same", name="conv1")
        self.conv2 = layers.Conv2D(64, 3, padding="same", name="conv2")
        self.image_fc = layers.Dense(128, name="image_fc")

        self.meta_fc1 = layers.Dense(64, name="meta_fc1")
        self.meta_fc2 = layers.Dense(32, name="meta_fc2")

        self.combined_fc = layers.Dense(128, name="combined_fc")
        self.class_output = layers.Dense(num_classes, name="class_output")
        self.reg_output = layers.Dense(1, name="reg_output")

    def call(self, inputs: tuple[KerasTensor, KerasTensor]) -> tuple[KerasTensor, KerasTensor]:
        """Class logits (B, K) and regression (B, 1) for (image (B, H, W, 1), metadata (B, M))."""
        image, metadata = inputs  # Keras passes several inputs as one structure
        # Strides in words: left to the default, Keras 3.15 on JAX fails.
        x = ops.max_pool(ops.relu(self.conv1(image)), 2, strides=2)  # (B, H/2, W/2, 32)
        x = ops.max_pool(ops.relu(self.conv2(x)), 2, strides=2)  # (B, H/4, W/4, 64)
        x = ops.transpose(x, (0, 3, 1, 2))  # channels first, so that image_fc means the same
        x = ops.reshape(x, (-1, math.prod(x.shape[1:])))  # (B, 3136)
        x = ops.relu(self.image_fc(x))  # (B, 128)

        m = ops.relu(self.meta_fc1(metadata))  # (B, 64)
        m = ops.relu(self.meta_fc2(m))  # (B, 32)

        x = ops.concatenate([x, m], axis=-1)  # (B, 160)
        x = ops.relu(self.combined_fc(x))  # (B, 128)
        return self.class_output(x), self.reg_output(x)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, and Keras's own."""
        return {
            **super().get_config(),
            "metadata_size": self.metadata_size,
            "num_classes": self.num_classes,
        }
