"""BranchingNet: one path splits into two branches and a skip, and the three are added.

Reference: Xie et al., "Aggregated Residual Transformations" (2016), arXiv:1611.05431, for the sum
of parallel branches; here with different kernels, and a global average in place of a flatten.
Input: images (B, H, W, 1) of any size. Output: logits (B, K).
"""

from typing import Any

from flax import linen as nn
from jax import Array


class BranchingNet(nn.Module):
    """conv1, then conv3a(conv2a) + conv3b(conv2b) + skip, a global average and fc."""

    width: int = 32
    num_classes: int = 10

    def setup(self) -> None:
        """Name the layers."""
        self.conv1 = nn.Conv(self.width, (3, 3), padding=1)
        self.conv2a = nn.Conv(self.width, (3, 3), padding=1)
        self.conv3a = nn.Conv(self.width, (3, 3), padding=1)
        self.conv2b = nn.Conv(self.width, (5, 5), padding=2)
        self.conv3b = nn.Conv(self.width, (3, 3), padding=1)
        self.fc = nn.Dense(self.num_classes)

    def __call__(self, x: Array, train: bool = False) -> Array:
        """Logits (B, K) for images (B, H, W, 1)."""
        del train  # nothing here depends on the mode
        x = nn.relu(self.conv1(x))  # (B, H, W, width), as are both branches
        a = self.conv3a(nn.relu(self.conv2a(x)))
        b = self.conv3b(nn.relu(self.conv2b(x)))
        x = nn.relu(a + b + x)
        x = x.mean(axis=(1, 2))  # (B, width)
        return self.fc(x)  # (B, K)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"width": self.width, "num_classes": self.num_classes}
