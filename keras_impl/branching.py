"""BranchingNet: one path splits into two branches and a skip, and the three are added.

Reference: Xie et al., "Aggregated Residual Transformations" (2016), arXiv:1611.05431, for the sum
of parallel branches; here with different kernels, and a global average in place of a flatten.
Input: images (B, H, W, 1) of any size. Output: logits (B, K).
"""

from typing import Any

import keras
from keras import KerasTensor, layers, ops


@keras.saving.register_keras_serializable(package="triptych")
class BranchingNet(keras.Model):
    """conv1, then conv3a(conv2a) + conv3b(conv2b) + skip, a global average and fc."""

    def __init__(self, width: int = 32, num_classes: int = 10, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.num_classes = num_classes

        self.conv1 = layers.Conv2D(width, 3, padding="same", name="conv1")
        self.conv2a = layers.Conv2D(width, 3, padding="same", name="conv2a")
        self.conv3a = layers.Conv2D(width, 3, padding="same", name="conv3a")
        self.conv2b = layers.Conv2D(width, 5, padding="same", name="conv2b")
        self.conv3b = layers.Conv2D(width, 3, padding="same", name="conv3b")
        self.fc = layers.Dense(num_classes, name="fc")

    def call(self, x: KerasTensor) -> KerasTensor:
        """Logits (B, K) for images (B, H, W, 1)."""
        x = ops.relu(self.conv1(x))  # (B, H, W, width), as are both branches
        a = self.conv3a(ops.relu(self.conv2a(x)))
        b = self.conv3b(ops.relu(self.conv2b(x)))
        x = ops.relu(a + b + x)
        x = ops.mean(x, axis=(1, 2))  # (B, width)
        return self.fc(x)  # (B, K)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, and Keras's own."""
        return {**super().get_config(), "width": self.width, "num_classes": self.num_classes}
