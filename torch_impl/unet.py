"""UNet: an encoder, a decoder, and skips between them, for a class at every pixel.

Reference: Ronneberger et al., "U-Net" (2015), arXiv:1505.04597; here with padded convolutions, so
that no skip is cropped, and batch norm after each.
Input: images (B, C, H, W), H and W divisible by 2^depth. Output: logits (B, K, H, W).
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class DoubleConv(nn.Module):
    """relu(bn2(conv2(relu(bn1(conv1(x))))))."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels

        # A bias before batch norm would be cancelled by it: the convolutions have none.
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) to (B, C_out, H, W)."""
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"in_channels": self.in_channels, "out_channels": self.out_channels}


class Down(nn.Module):
    """Half the size, then `conv`."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels

        self.conv = DoubleConv(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) to (B, C_out, H/2, W/2)."""
        return self.conv(F.max_pool2d(x, 2))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"in_channels": self.in_channels, "out_channels": self.out_channels}


class Up(nn.Module):
    """Twice the size by a transposed convolution, the skip beside it, then `conv`."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels

        self.up = nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2)
        self.conv = DoubleConv(2 * out_channels, out_channels)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """(B, C_in, H, W) and a skip (B, C_out, 2H, 2W) to (B, C_out, 2H, 2W)."""
        x = torch.cat([skip, self.up(x)], dim=1)  # (B, 2 C_out, 2H, 2W)
        return self.conv(x)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"in_channels": self.in_channels, "out_channels": self.out_channels}


class UNet(nn.Module):
    """`stem`, `depth` times down and as often up again, and a 1x1 convolution to the classes."""

    def __init__(
        self, in_channels: int = 1, num_classes: int = 11, base_width: int = 16, depth: int = 3
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.num_classes = num_classes
        self.base_width = base_width
        self.depth = depth

        widths = [base_width * 2**level for level in range(depth + 1)]
        self.stem = DoubleConv(in_channels, base_width)
        self.downs = nn.ModuleList(Down(w, 2 * w) for w in widths[:-1])
        self.ups = nn.ModuleList(Up(2 * w, w) for w in reversed(widths[:-1]))
        self.head = nn.Conv2d(base_width, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, K, H, W) for images (B, C, H, W)."""
        height, width = x.shape[2:]
        if height % 2**self.depth or width % 2**self.depth:
            raise ValueError(
                f"height and width must be divisible by {2**self.depth}, not {height} x {width}"
            )
        x = self.stem(x)  # (B, base_width, H, W)
        skips = []
        for down in self.downs:
            skips.append(x)
            x = down(x)  # twice the channels, half the size
        for up in self.ups:
            x = up(x, skips.pop())  # half the channels, twice the size
        return self.head(x)  # (B, K, H, W)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "in_channels": self.in_channels,
            "num_classes": self.num_classes,
            "base_width": self.base_width,
            "depth": self.depth,
        }
