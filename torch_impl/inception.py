"""InceptionNet: blocks of four branches that look at one image through different windows.

Reference: Szegedy et al., "Going Deeper with Convolutions" (2014), arXiv:1409.4842, for the block;
here all four branches are equally wide, and two blocks make the network.
Input: images (B, 1, H, W) of any size from 4x4. Output: logits (B, K).
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class InceptionBlock(nn.Module):
    """Four branches of `width` channels each, side by side: 1x1, 3x3, 5x5 and max-pool.

    The larger windows see half the width, made by a 1x1 convolution, so that they cost less.
    """

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.width = width

        reduced = max(width // 2, 1)
        self.conv1 = nn.Conv2d(in_channels, width, 1)
        self.reduce3 = nn.Conv2d(in_channels, reduced, 1)
        self.conv3 = nn.Conv2d(reduced, width, 3, padding=1)
        self.reduce5 = nn.Conv2d(in_channels, reduced, 1)
        self.conv5 = nn.Conv2d(reduced, width, 5, padding=2)
        self.pool_conv = nn.Conv2d(in_channels, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, 4 * width, H, W)."""
        a = F.relu(self.conv1(x))  # (B, width, H, W), as are the other three
        b = F.relu(self.conv3(F.relu(self.reduce3(x))))
        c = F.relu(self.conv5(F.relu(self.reduce5(x))))
        # PyTorch pads a max-pool with minus infinity, not with 0: the padding is never the maximum.
        d = F.relu(self.pool_conv(F.max_pool2d(x, 3, stride=1, padding=1)))
        return torch.cat([a, b, c, d], dim=1)  # channels are axis 1 here, -1 in Flax and Keras

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"in_channels": self.in_channels, "width": self.width}


class InceptionNet(nn.Module):
    """conv1, two blocks with a max-pool before each, a global average and fc."""

    def __init__(self, width: int = 16, num_classes: int = 10) -> None:
        super().__init__()
        self.width = width
        self.num_classes = num_classes

        self.conv1 = nn.Conv2d(1, width, 3, padding=1)
        self.block1 = InceptionBlock(width, width)
        self.block2 = InceptionBlock(4 * width, width)
        self.fc = nn.Linear(4 * width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, K) for images (B, 1, H, W)."""
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)  # (B, width, H/2, W/2)
        x = F.max_pool2d(self.block1(x), 2)  # (B, 4 * width, H/4, W/4)
        x = self.block2(x)  # (B, 4 * width, H/4, W/4)
        x = x.mean(dim=(2, 3))  # (B, 4 * width)
        return self.fc(x)  # (B, K)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"width": self.width, "num_classes": self.num_classes}
