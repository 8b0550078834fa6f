"""MNISTClassifier: two convolutions and two dense layers, with a log of its own training.

Reference: LeCun et al., "Gradient-Based Learning Applied to Document Recognition" (1998), for the
shape of the network; ReLU, max-pooling and dropout are later customs.
Input: images (B, H, W, 1) with (H // 4) * (W // 4) = 49. Output: logits (B, 10).
"""

import math
from typing import Any

import keras
from keras import KerasTensor, layers, ops


@keras.saving.register_keras_serializable(package="triptych")
class MNISTClassifier(keras.Model):
    """`features`, a flatten, `classifier`: lists of layers, addressed by their position."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.features = keras.Sequential(
            [
                layers.Conv2D(32, 3, padding="same", name="features_0"),
                layers.ReLU(),
                layers.MaxPooling2D(2),
                layers.Conv2D(64, 3, padding="same", name="features_3"),
                layers.ReLU(),
                layers.MaxPooling2D(2),
            ]
        )
        self.classifier = keras.Sequential(
            [
                layers.Dense(128, name="classifier_0"),
                layers.ReLU(),
                layers.Dropout(0.5),
                layers.Dense(10, name="classifier_3"),
            ]
        )
        self.train_accuracy: list[float] = []
        self.val_accuracy: list[float] = []
        self.losses = []

    def call(self, x: KerasTensor, training: bool | None = None) -> KerasTensor:
        """Logits (B, 10) for images (B, H, W, 1)."""
        return self.classifier(self.flat_features(x), training=training)  # (B, 10)

    def flat_features(self, x: KerasTensor) -> KerasTensor:
        """Features (B, 3136) for images (B, H, W, 1), flattened with channels first."""
        x = self.features(x)  # (B, H/4, W/4, 64)
        x = ops.transpose(x, (0, 3, 1, 2))  # so that features mean the same everywhere
        return ops.reshape(x, (-1, math.prod(x.shape[1:])))  # (B, 3136)

    def extract_features(self, x: KerasTensor) -> KerasTensor:
        """Features (B, 3136) as `flat_features`, without gradients."""
        return ops.stop_gradient(self.flat_features(x))

    def record_epoch(self, loss: float, train_accuracy: float, val_accuracy: float) -> None:
        """Add one epoch to the log: mean loss, and accuracies in percent."""
        self.losses.append(loss)
        self.train_accuracy.append(train_accuracy)
        self.val_accuracy.append(val_accuracy)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, none, and Keras's own."""
        return super().get_config()

    # Keras has a property of the same name, the regularisers' penalties, which `fit` adds to the
    # loss. This network has no regulariser, so the name is free for the log; while Keras adds up
    # its loss, the log is hidden from it.
    @property
    def losses(self) -> list[float]:
        """The mean training loss of every epoch so far."""
        return self._epoch_losses

    @losses.setter
    def losses(self, log: list[float]) -> None:
        self._epoch_losses = log

    def compute_loss(self, *args: Any, **kwargs: Any) -> KerasTensor:
        """Keras's loss, without the log above."""
        log, self.losses = self.losses, []
        try:
            return super().compute_loss(*args, **kwargs)
        finally:
            self.losses = log
