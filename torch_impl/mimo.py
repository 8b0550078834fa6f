"""MIMONet: two inputs, an image and a vector of metadata, and two outputs, a class and a number.

Input: image (B, 1, H, W) with (H // 4) * (W // 4) = 49, metadata (B, M).
Output: class logits (B, K) and a regression value (B, 1).
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class MIMONet(nn.Module):
    """An image branch and a metadata branch, joined, then two heads."""

    def __init__(self, metadata_size: int = 10, num_classes: int = 10) -> None:
        super().__init__()
        self.metadata_size = metadata_size
        self.num_classes = num_classes

        self.conv1 = nn.Conv2d(1, 32, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(32, 64, kernel_size=3, padding=1)
        self.image_fc = nn.Linear(64 * 7 * 7, 128)

        self.meta_fc1 = nn.Linear(metadata_size, 64)
        self.meta_fc2 = nn.Linear(64, 32)

        self.combined_fc = nn.Linear(128 + 32, 128)
        self.class_output = nn.Linear(128, num_classes)
        self.reg_output = nn.Linear(128, 1)

    def forward(self, image: Tensor, metadata: Tensor) -> tuple[Tensor, Tensor]:
        """Class logits (B, K) and regression (B, 1) for image (B, 1, H, W), metadata (B, M)."""
        x = F.max_pool2d(F.relu(self.conv1(image)), 2)  # (B, 32, H/2, W/2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)  # (B, 64, H/4, W/4)
        x = torch.flatten(x, 1)  # (B, 3136), channels first
        x = F.relu(self.image_fc(x))  # (B, 128)

        m = F.relu(self.meta_fc1(metadata))  # (B, 64)
        m = F.relu(self.meta_fc2(m))  # (B, 32)

        x = torch.cat([x, m], dim=1)  # (B, 160)
        x = F.relu(self.combined_fc(x))  # (B, 128)
        return self.class_output(x), self.reg_output(x)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"metadata_size": self.metadata_size, "num_classes": self.num_classes}
