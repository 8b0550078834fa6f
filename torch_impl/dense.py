"""DenseNet: every layer of a block sees the outputs of all layers before it, side by side.

Reference: Huang et al., "Densely Connected Convolutional Networks" (2016), arXiv:1608.06993; two
small blocks with a transition that halves the channels, and no bottleneck layers.
Input: images (B, 1, H, W) of any size from 4x4. Output: logits (B, K).
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def check_growth_rate(growth_rate: int) -> None:
    """Raise ValueError unless a layer adds at least one channel."""
    if type(growth_rate) is not int or growth_rate < 1:  # True and False are int too
        raise ValueError(f"growth_rate must be a whole number of at least 1, not {growth_rate!r}")


class DenseBlock(nn.Module):
    """Layers of batch norm, ReLU and a 3x3 convolution; each adds `growth_rate` channels."""

    def __init__(self, in_channels: int, growth_rate: int, num_layers: int) -> None:
        super().__init__()
        check_growth_rate(growth_rate)
        self.in_channels = in_channels
        self.growth_rate = growth_rate
        self.num_layers = num_layers

        seen = [in_channels + i * growth_rate for i in range(num_layers)]  # channels by layer
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for channels in seen)
        # All that reads a convolution's output is batch norm, which would cancel a bias.
        self.convs = nn.ModuleList(
            nn.Conv2d(channels, growth_rate, 3, padding=1, bias=False) for channels in seen
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C + num_layers * growth_rate, H, W)."""
        for norm, conv in zip(self.norms, self.convs, strict=True):
            new = conv(F.relu(norm(x)))  # (B, growth_rate, H, W)
            x = torch.cat([x, new], dim=1)  # channels are axis 1 here, -1 in Flax and Keras
        return x

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "in_channels": self.in_channels,
            "growth_rate": self.growth_rate,
            "num_layers": self.num_layers,
        }


class Transition(nn.Module):
    """Batch norm, ReLU, a 1x1 convolution to fewer channels and average pooling by 2."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels

        self.norm = nn.BatchNorm2d(in_channels)
        self.conv = nn.Conv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) to (B, C_out, H/2, W/2)."""
        x = self.conv(F.relu(self.norm(x)))  # (B, C_out, H, W)
        return F.avg_pool2d(x, 2)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"in_channels": self.in_channels, "out_channels": self.out_channels}


class DenseNet(nn.Module):
    """A stem, two dense blocks with a transition between them, a global average and fc."""

    def __init__(self, growth_rate: int = 12, num_layers: int = 4, num_classes: int = 10) -> None:
        super().__init__()
        check_growth_rate(growth_rate)
        self.growth_rate = growth_rate
        self.num_layers = num_layers
        self.num_classes = num_classes

        stem = 2 * growth_rate
        wide = stem + num_layers * growth_rate
        half = wide // 2
        last = half + num_layers * growth_rate
        self.conv1 = nn.Conv2d(1, stem, 3, padding=1, bias=False)
        self.block1 = DenseBlock(stem, growth_rate, num_layers)
        self.transition = Transition(wide, half)
        self.block2 = DenseBlock(half, growth_rate, num_layers)
        self.norm = nn.BatchNorm2d(last)
        self.fc = nn.Linear(last, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, K) for images (B, 1, H, W)."""
        x = F.max_pool2d(self.conv1(x), 2)  # (B, stem, H/2, W/2)
        x = self.block1(x)  # (B, wide, H/2, W/2)
        x = self.transition(x)  # (B, half, H/4, W/4)
        x = self.block2(x)  # (B, last, H/4, W/4)
        x = F.relu(self.norm(x))
        x = x.mean(dim=(2, 3))  # (B, last)
        return self.fc(x)  # (B, K)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "growth_rate": self.growth_rate,
            "num_layers": self.num_layers,
            "num_classes": self.num_classes,
        }
