"""EarlyExitNet: computation that depends on the data. A confident batch skips the second stage.

Reference: Teerapittayanon et al., "BranchyNet: Fast Inference via Early Exiting from Deep Neural
Networks" (2016), arXiv:1709.01686; here with two exits, the largest softmax probability in place
of the entropy, and one decision for a whole batch. In training both stages are always computed.
Input: images (B, 1, H, W) with (H // 4) * (W // 4) = 49. Output: logits (B, K) of the exit that
was taken, and those of the early exit (B, K).
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class EarlyExitNet(nn.Module):
    """Two convolutions and an early exit; two more and the late exit, for doubtful batches."""

    def __init__(self, threshold: float = 0.9, num_classes: int = 10) -> None:
        if not (isinstance(threshold, float) and 0 < threshold < 1):
            raise ValueError(f"threshold must be in (0, 1), not {threshold!r}")
        super().__init__()
        self.threshold = threshold
        self.num_classes = num_classes

        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.early_fc = nn.Linear(32 * 7 * 7, num_classes)

        self.conv3 = nn.Conv2d(32, 64, 3, padding=1)
        self.conv4 = nn.Conv2d(64, 64, 3, padding=1)
        self.fc = nn.Linear(64, num_classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, K) and the early exit's logits (B, K) for images (B, 1, H, W)."""
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)  # (B, 16, H/2, W/2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)  # (B, 32, H/4, W/4)
        flat = torch.flatten(x, 1)  # (B, 1568), channels first
        early_logits = self.early_fc(flat)  # (B, K)
        if self.training:
            return self.second_stage(x), early_logits
        # Python's own `if`, on a bool that the device computes: the host waits for it here, and
        # torch.compile ends one graph and begins another.
        if self.is_confident(early_logits):
            return early_logits, early_logits
        return self.second_stage(x), early_logits

    def is_confident(self, early_logits: Tensor) -> Tensor:
        """Whether every example's largest probability is at least the threshold: one bool."""
        return (torch.softmax(early_logits, dim=-1).amax(dim=-1) >= self.threshold).all()

    def second_stage(self, x: Tensor) -> Tensor:
        """Logits (B, K) for the first stage's features (B, 32, H/4, W/4)."""
        x = F.relu(self.conv3(x))  # (B, 64, H/4, W/4)
        x = F.relu(self.conv4(x))  # (B, 64, H/4, W/4)
        x = x.mean(dim=(2, 3))  # (B, 64)
        return self.fc(x)  # (B, K)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"threshold": self.threshold, "num_classes": self.num_classes}
