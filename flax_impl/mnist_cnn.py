"""MNISTClassifier: two convolutions and two dense layers, with a log of its own training.

Reference: LeCun et al., "Gradient-Based Learning Applied to Document Recognition" (1998), for the
shape of the network; ReLU, max-pooling and dropout are later customs.
Input: images (B, H, W, 1) with (H // 4) * (W // 4) = 49. Output: logits (B, 10).
"""

from dataclasses import field
from functools import partial
from typing import Any

from flax import linen as nn
from jax import Array, lax

# Flax pools with stride 1 unless told otherwise.
max_pool = partial(nn.max_pool, window_shape=(2, 2), strides=(2, 2))


class MNISTClassifier(nn.Module):
    """`features`, a flatten, `classifier`: lists of layers, addressed by their position."""

    # A Flax module holds no state. These lists are a log kept beside it: no constructor arguments,
    # no part of its hash or equality, and not carried into the copies that `apply` makes.
    train_accuracy: list[float] = field(default_factory=list, init=False, compare=False)
    val_accuracy: list[float] = field(default_factory=list, init=False, compare=False)
    losses: list[float] = field(default_factory=list, init=False, compare=False)

    def setup(self) -> None:
        """Name the layers: features_0, features_3, classifier_0 and so on."""
        self.features: list[Any] = [
            nn.Conv(32, (3, 3), padding=1),
            nn.relu,
            max_pool,
            nn.Conv(64, (3, 3), padding=1),
            nn.relu,
            max_pool,
        ]
        self.classifier: list[Any] = [
            nn.Dense(128),
            nn.relu,
            nn.Dropout(0.5),
            nn.Dense(10),
        ]

    def __call__(self, x: Array, train: bool = False) -> Array:
        """Logits (B, 10) for images (B, H, W, 1)."""
        x = self.flat_features(x)
        for layer in self.classifier:  # only the dropout needs to know the mode
            is_dropout = isinstance(layer, nn.Dropout)
            x = layer(x, deterministic=not train) if is_dropout else layer(x)
        return x  # (B, 10)

    def flat_features(self, x: Array) -> Array:
        """Features (B, 3136) for images (B, H, W, 1), flattened with channels first."""
        for layer in self.features:
            x = layer(x)
        x = x.transpose(0, 3, 1, 2)  # (B, 64, H/4, W/4), so that features mean the same everywhere
        return x.reshape(x.shape[0], 64 * 7 * 7)  # (B, 3136)

    def extract_features(self, x: Array) -> Array:
        """Features (B, 3136) as `flat_features`, without gradients."""
        return lax.stop_gradient(self.flat_features(x))

    def record_epoch(self, loss: float, train_accuracy: float, val_accuracy: float) -> None:
        """Add one epoch to the log: mean loss, and accuracies in percent."""
        self.losses.append(loss)
        self.train_accuracy.append(train_accuracy)
        self.val_accuracy.append(val_accuracy)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments: it has none."""
        return {}
