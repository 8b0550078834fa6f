"""EarlyExitNet: computation that depends on the data. A confident batch skips the second stage.

Reference: Teerapittayanon et al., "BranchyNet: Fast Inference via Early Exiting from Deep Neural
Networks" (2016), arXiv:1709.01686; here with two exits, the largest softmax probability in place
of the entropy, and one decision for a whole batch. In training both stages are always computed.
Input: images (B, H, W, 1) with (H // 4) * (W // 4) = 49. Output: logits (B, K) of the exit that
was taken, and those of the early exit (B, K).
"""

import math
from typing import Any

import keras
from keras import KerasTensor, layers, ops


@keras.saving.register_keras_serializable(package="triptych")
class EarlyExitNet(keras.Model):
    """Two convolutions and an early exit; two more and the late exit, for doubtful batches."""

    def __init__(self, threshold: float = 0.9, num_classes: int = 10, **kwargs: Any) -> None:
        if not (isinstance(threshold, float) and 0 < threshold < 1):
            raise ValueError(f"threshold must be in (0, 1), not {threshold!r}")
        super().__init__(**kwargs)
        self.threshold = threshold
        self.num_classes = num_classes

        self.conv1 = layers.Conv2D(16, 3, padding="same", name="conv1")
        self.conv2 = layers.Conv2D(32, 3, padding="same", name="conv2")
        self.early_fc = layers.Dense(num_classes, name="early_fc")

        self.conv3 = layers.Conv2D(64, 3, padding="same", name="conv3")
        self.conv4 = layers.Conv2D(64, 3, padding="same", name="conv4")
        self.fc = layers.Dense(num_classes, name="fc")

    def call(self, x: KerasTensor, training: bool | None = None) -> tuple[KerasTensor, KerasTensor]:
        """Logits (B, K) and the early exit's logits (B, K) for images (B, H, W, 1)."""
        # Strides in words: left to the default, Keras 3.15 on JAX fails.
        x = ops.max_pool(ops.relu(self.conv1(x)), 2, strides=2)  # (B, H/2, W/2, 16)
        x = ops.max_pool(ops.relu(self.conv2(x)), 2, strides=2)  # (B, H/4, W/4, 32)
        flat = ops.transpose(x, (0, 3, 1, 2))  # channels first, so that early_fc means the same
        flat = ops.reshape(flat, (-1, math.prod(flat.shape[1:])))  # (B, 1568)
        early_logits = self.early_fc(flat)  # (B, K)
        if training:
            return self.second_stage(x), early_logits
        if not self.conv3.built:
            self.second_stage(x)  # for its variables: a branch of `cond` must not make any
        # In a graph both branches are traced, and which one runs is decided where the graph runs;
        # TensorFlow in eager mode, and PyTorch, call the one that it is.
        logits = ops.cond(
            self.is_confident(early_logits),
            lambda: early_logits,
            lambda: self.second_stage(x),
        )
        return logits, early_logits

    def is_confident(self, early_logits: KerasTensor) -> KerasTensor:
        """Whether every example's largest probability is at least the threshold: one bool."""
        probabilities = ops.softmax(early_logits, axis=-1)
        return ops.all(ops.max(probabilities, axis=-1) >= self.threshold)

    def second_stage(self, x: KerasTensor) -> KerasTensor:
        """Logits (B, K) for the first stage's features (B, H/4, W/4, 32)."""
        x = ops.relu(self.conv3(x))  # (B, H/4, W/4, 64)
        x = ops.relu(self.conv4(x))  # (B, H/4, W/4, 64)
        x = ops.mean(x, axis=(1, 2))  # (B, 64)
        return self.fc(x)  # (B, K)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, and Keras's own."""
        return {
            **super().get_config(),
            "threshold": self.threshold,
            "num_classes": self.num_classes,
        }
