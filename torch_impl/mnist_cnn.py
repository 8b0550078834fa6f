"""MNISTClassifier: two convolutions and two dense layers, with a log of its own training.

Reference: LeCun et al., "Gradient-Based Learning Applied to Document Recognition" (1998), for the
shape of the network; ReLU, max-pooling and dropout are later customs.
Input: images (B, 1, H, W) with (H // 4) * (W // 4) = 49. Output: logits (B, 10).
"""

from typing import Any

import torch
from torch import Tensor, nn


class MNISTClassifier(nn.Module):
    """`features`, a flatten, `classifier`: lists of layers, addressed by their position."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Linear(64 * 7 * 7, 128),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(128, 10),
        )
        self.train_accuracy: list[float] = []
        self.val_accuracy: list[float] = []
        self.losses: list[float] = []

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, 10) for images (B, 1, H, W)."""
        return self.classifier(self.flat_features(x))  # (B, 10)

    def flat_features(self, x: Tensor) -> Tensor:
        """Features (B, 3136) for images (B, 1, H, W), flattened with channels first."""
        x = self.features(x)  # (B, 64, H/4, W/4)
        return torch.flatten(x, 1)  # (B, 3136)

    def extract_features(self, x: Tensor) -> Tensor:
        """Features (B, 3136) as `flat_features`, without gradients."""
        with torch.no_grad():
            return self.flat_features(x)

    def record_epoch(self, loss: float, train_accuracy: float, val_accuracy: float) -> None:
        """Add one epoch to the log: mean loss, and accuracies in percent."""
        self.losses.append(loss)
        self.train_accuracy.append(train_accuracy)
        self.val_accuracy.append(val_accuracy)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments: it has none."""
        return {}
