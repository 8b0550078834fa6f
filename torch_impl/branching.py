"""BranchingNet: one path splits into two branches and a skip, and the three are added.

Reference: Xie et al., "Aggregated Residual Transformations" (2016), arXiv:1611.05431, for the sum
of parallel branches; here with different kernels, and a global average in place of a flatten.
Input: images (B, 1, H, W) of any size. Output: logits (B, K).
"""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F


class BranchingNet(nn.Module):
    """conv1, then conv3a(conv2a) + conv3b(conv2b) + skip, a global average and fc."""

    def __init__(self, width: int = 32, num_classes: int = 10) -> None:
        super().__init__()
        self.width = width
        self.num_classes = num_classes

        self.conv1 = nn.Conv2d(1, width, 3, padding=1)
        self.conv2a = nn.Conv2d(width, width, 3, padding=1)
        self.conv3a = nn.Conv2d(width, width, 3, padding=1)
        self.conv2b = nn.Conv2d(width, width, 5, padding=2)
        self.conv3b = nn.Conv2d(width, width, 3, padding=1)
        self.fc = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, K) for images (B, 1, H, W)."""
        x = F.relu(self.conv1(x))  # (B, width, H, W), as are both branches
        a = self.conv3a(F.relu(self.conv2a(x)))
        b = self.conv3b(F.relu(self.conv2b(x)))
        x = F.relu(a + b + x)
        x = x.mean(dim=(2, 3))  # (B, width)
        return self.fc(x)  # (B, K)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"width": self.width, "num_classes": self.num_classes}
