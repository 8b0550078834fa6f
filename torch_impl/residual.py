"""SimpleResNet: a small residual network, and the block that it is made of.

Reference: He et al., "Deep Residual Learning for Image Recognition" (2015), arXiv:1512.03385,
with the projection shortcut (option B). Two stages instead of four, average pooling by 2.
Input: images (B, 1, H, W) with ceil(H / 2) // 2 * (ceil(W / 2) // 2) = 49. Output: logits (B, K).
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ResidualBlock(nn.Module):
    """relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x))."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.stride = stride

        # A bias before batch norm would be cancelled by it: the convolutions have none.
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) to (B, C_out, ceil(H / stride), ceil(W / stride))."""
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return F.relu(out + self.shortcut(x))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "in_channels": self.in_channels,
            "out_channels": self.out_channels,
            "stride": self.stride,
        }


def make_stage(in_channels: int, out_channels: int, blocks: int, stride: int) -> list[nn.Module]:
    """Several blocks: the first may change the shape, the others keep it."""
    first = ResidualBlock(in_channels, out_channels, stride)
    return [first, *(ResidualBlock(out_channels, out_channels) for _ in range(blocks - 1))]


class SimpleResNet(nn.Module):
    """A stem, two stages of residual blocks, average pooling and a classifier."""

    def __init__(self, num_blocks: int = 2, num_classes: int = 10) -> None:
        super().__init__()
        self.num_blocks = num_blocks
        self.num_classes = num_classes

        self.conv1 = nn.Conv2d(1, 64, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(*make_stage(64, 64, num_blocks, stride=1))
        self.layer2 = nn.Sequential(*make_stage(64, 128, num_blocks, stride=2))
        self.fc = nn.Linear(128 * 7 * 7, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, K) for images (B, 1, H, W)."""
        x = F.relu(self.bn1(self.conv1(x)))  # (B, 64, H, W)
        x = self.layer1(x)  # (B, 64, H, W)
        x = self.layer2(x)  # (B, 128, H/2, W/2)
        x = F.avg_pool2d(x, 2)  # (B, 128, H/4, W/4)
        x = torch.flatten(x, 1)  # (B, 6272), channels first
        return self.fc(x)  # (B, K)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"num_blocks": self.num_blocks, "num_classes": self.num_classes}
