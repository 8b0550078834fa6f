"""SimpleResNet: a small residual network, and the block that it is made of.

Reference: He et al., "Deep Residual Learning for Image Recognition" (2015), arXiv:1512.03385,
with the projection shortcut (option B). Two stages instead of four, average pooling by 2.
Input: images (B, H, W, 1) with ceil(H / 2) // 2 * (ceil(W / 2) // 2) = 49. Output: logits (B, K).
"""

from functools import partial
from typing import Any

from flax import linen as nn
from jax import Array

# Flax counts momentum as the weight of the old (torch's 0.1 is 0.9 here), and its fast variance,
# E[x^2] - E[x]^2, loses digits where the mean is large.
BatchNorm = partial(nn.BatchNorm, momentum=0.9, epsilon=1e-5, use_fast_variance=False)


class ResidualBlock(nn.Module):
    """relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x))."""

    in_channels: int
    out_channels: int
    stride: int = 1

    def setup(self) -> None:
        """Name the layers."""
        # A bias before batch norm would be cancelled by it: the convolutions have none.
        conv = partial(nn.Conv, self.out_channels, use_bias=False)
        # padding=1, not "SAME": at stride 2 "SAME" pads an even image on one side only.
        self.conv1 = conv((3, 3), self.stride, padding=1)
        self.bn1 = BatchNorm()
        self.conv2 = conv((3, 3), padding=1)
        self.bn2 = BatchNorm()
        self.shortcut: list[nn.Module] = []
        if self.stride != 1 or self.in_channels != self.out_channels:
            self.shortcut = [conv((1, 1), self.stride), BatchNorm()]

    def __call__(self, x: Array, train: bool = False) -> Array:
        """(B, H, W, C_in) to (B, ceil(H / stride), ceil(W / stride), C_out)."""
        out = nn.relu(self.bn1(self.conv1(x), use_running_average=not train))
        out = self.bn2(self.conv2(out), use_running_average=not train)
        if self.shortcut:
            conv, bn = self.shortcut
            x = bn(conv(x), use_running_average=not train)
        return nn.relu(out + x)

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

    num_blocks: int = 2
    num_classes: int = 10

    def setup(self) -> None:
        """Name the layers; a list names its members layer1_0, layer1_1, ..."""
        self.conv1 = nn.Conv(64, (3, 3), padding=1, use_bias=False)
        self.bn1 = BatchNorm()
        self.layer1 = make_stage(64, 64, self.num_blocks, stride=1)
        self.layer2 = make_stage(64, 128, self.num_blocks, stride=2)
        self.fc = nn.Dense(self.num_classes)

    def __call__(self, x: Array, train: bool = False) -> Array:
        """Logits (B, K) for images (B, H, W, 1)."""
        x = nn.relu(self.bn1(self.conv1(x), use_running_average=not train))  # (B, H, W, 64)
        for block in self.layer1:
            x = block(x, train)  # (B, H, W, 64)
        for block in self.layer2:
            x = block(x, train)  # (B, H/2, W/2, 128)
        x = nn.avg_pool(x, (2, 2), strides=(2, 2))  # (B, H/4, W/4, 128)
        x = x.transpose(0, 3, 1, 2)  # channels first, so that fc means the same everywhere
        x = x.reshape(x.shape[0], 128 * 7 * 7)  # (B, 6272)
        return self.fc(x)  # (B, K)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"num_blocks": self.num_blocks, "num_classes": self.num_classes}
