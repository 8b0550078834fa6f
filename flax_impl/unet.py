"""UNet: an encoder, a decoder, and skips between them, for a class at every pixel.

Reference: Ronneberger et al., "U-Net" (2015), arXiv:1505.04597; here with padded convolutions, so
that no skip is cropped, and batch norm after each.
Input: images (B, H, W, C), H and W divisible by 2^depth. Output: logits (B, H, W, K).
"""

from functools import partial
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jax import Array

# Flax counts momentum as the weight of the old (torch's 0.1 is 0.9 here), and its fast variance,
# E[x^2] - E[x]^2, loses digits where the mean is large.
BatchNorm = partial(nn.BatchNorm, momentum=0.9, epsilon=1e-5, use_fast_variance=False)


class DoubleConv(nn.Module):
    """relu(bn2(conv2(relu(bn1(conv1(x))))))."""

    in_channels: int
    out_channels: int

    def setup(self) -> None:
        """Name the layers."""
        # A bias before batch norm would be cancelled by it: the convolutions have none.
        self.conv1 = nn.Conv(self.out_channels, (3, 3), padding=1, use_bias=False)
        self.bn1 = BatchNorm()
        self.conv2 = nn.Conv(self.out_channels, (3, 3), padding=1, use_bias=False)
        self.bn2 = BatchNorm()

    def __call__(self, x: Array, train: bool = False) -> Array:
        """(B, H, W, C_in) to (B, H, W, C_out)."""
        x = nn.relu(self.bn1(self.conv1(x), use_running_average=not train))
        return nn.relu(self.bn2(self.conv2(x), use_running_average=not train))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"in_channels": self.in_channels, "out_channels": self.out_channels}


class Down(nn.Module):
    """Half the size, then `conv`."""

    in_channels: int
    out_channels: int

    def setup(self) -> None:
        """Name the layers."""
        self.conv = DoubleConv(self.in_channels, self.out_channels)

    def __call__(self, x: Array, train: bool = False) -> Array:
        """(B, H, W, C_in) to (B, H/2, W/2, C_out)."""
        # Flax pools with stride 1 unless told otherwise.
        return self.conv(nn.max_pool(x, (2, 2), strides=(2, 2)), train)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"in_channels": self.in_channels, "out_channels": self.out_channels}


class Up(nn.Module):
    """Twice the size by a transposed convolution, the skip beside it, then `conv`."""

    in_channels: int
    out_channels: int

    def setup(self) -> None:
        """Name the layers."""
        # transpose_kernel: the kernel as the others have it; without, Flax flips it.
        self.up = nn.ConvTranspose(
            self.out_channels, (2, 2), strides=(2, 2), padding="VALID", transpose_kernel=True
        )
        self.conv = DoubleConv(2 * self.out_channels, self.out_channels)

    def __call__(self, x: Array, skip: Array, train: bool = False) -> Array:
        """(B, H, W, C_in) and a skip (B, 2H, 2W, C_out) to (B, 2H, 2W, C_out)."""
        x = jnp.concatenate([skip, self.up(x)], axis=-1)  # (B, 2H, 2W, 2 C_out)
        return self.conv(x, train)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"in_channels": self.in_channels, "out_channels": self.out_channels}


class UNet(nn.Module):
    """`stem`, `depth` times down and as often up again, and a 1x1 convolution to the classes."""

    in_channels: int = 1
    num_classes: int = 11
    base_width: int = 16
    depth: int = 3

    def setup(self) -> None:
        """Name the layers; lists name their members downs_0, ups_0 and so on."""
        widths = [self.base_width * 2**level for level in range(self.depth + 1)]
        self.stem = DoubleConv(self.in_channels, self.base_width)
        self.downs = [Down(w, 2 * w) for w in widths[:-1]]
        self.ups = [Up(2 * w, w) for w in reversed(widths[:-1])]
        self.head = nn.Conv(self.num_classes, (1, 1))

    def __call__(self, x: Array, train: bool = False) -> Array:
        """Logits (B, H, W, K) for images (B, H, W, C)."""
        height, width = x.shape[1:3]
        if height % 2**self.depth or width % 2**self.depth:
            raise ValueError(
                f"height and width must be divisible by {2**self.depth}, not {height} x {width}"
            )
        x = self.stem(x, train)  # (B, H, W, base_width)
        skips = []
        for down in self.downs:
            skips.append(x)
            x = down(x, train)  # twice the channels, half the size
        for up in self.ups:
            x = up(x, skips.pop(), train)  # half the channels, twice the size
        return self.head(x)  # (B, H, W, K)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "in_channels": self.in_channels,
            "num_classes": self.num_classes,
            "base_width": self.base_width,
            "depth": self.depth,
        }
