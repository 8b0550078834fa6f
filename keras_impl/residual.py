"""SimpleResNet: a small residual network, and the block that it is made of.

Reference: He et al., "Deep Residual Learning for Image Recognition" (2015), arXiv:1512.03385,
with the projection shortcut (option B). Two stages instead of four, average pooling by 2.
Input: images (B, H, W, 1) with ceil(H / 2) // 2 * (ceil(W / 2) // 2) = 49. Output: logits (B, K).
"""

import math
from functools import partial
from typing import Any

import keras
from keras import KerasTensor, layers, ops

# Keras counts momentum as the weight of the old (torch's 0.1 is 0.9 here); its own defaults are
# 0.99 and epsilon 1e-3.
BatchNorm = partial(layers.BatchNormalization, momentum=0.9, epsilon=1e-5)


@keras.saving.register_keras_serializable(package="triptych")
class ResidualBlock(keras.Model):
    """relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x))."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.stride = stride

        # A bias before batch norm would be cancelled by it: the convolutions have none.
        conv = partial(layers.Conv2D, out_channels, use_bias=False)
        self.conv1 = conv(3, stride, name="conv1")
        self.bn1 = BatchNorm(name="bn1")
        self.conv2 = conv(3, padding="same", name="conv2")
        self.bn2 = BatchNorm(name="bn2")
        self.shortcut: list[layers.Layer] = []
        if stride != 1 or in_channels != out_channels:
            self.shortcut = [conv(1, stride, name="shortcut_0"), BatchNorm(name="shortcut_1")]

    def call(self, x: KerasTensor, training: bool | None = None) -> KerasTensor:
        """(B, H, W, C_in) to (B, ceil(H / stride), ceil(W / stride), C_out)."""
        # Padded by hand: at stride 2 padding="same" pads an even image on one side only.
        out = self.conv1(ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))))
        out = ops.relu(self.bn1(out, training=training))
        out = self.bn2(self.conv2(out), training=training)
        if self.shortcut:
            conv, bn = self.shortcut
            x = bn(conv(x), training=training)
        return ops.relu(out + x)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, and Keras's own."""
        return {
            **super().get_config(),
            "in_channels": self.in_channels,
            "out_channels": self.out_channels,
            "stride": self.stride,
        }


def make_stage(in_channels: int, out_channels: int, blocks: int, stride: int) -> list[keras.Model]:
    """Several blocks: the first may change the shape, the others keep it."""
    first = ResidualBlock(in_channels, out_channels, stride)
    return [first, *(ResidualBlock(out_channels, out_channels) for _ in range(blocks - 1))]


@keras.saving.register_keras_serializable(package="triptych")
class SimpleResNet(keras.Model):
    """A stem, two stages of residual blocks, average pooling and a classifier."""

    def __init__(self, num_blocks: int = 2, num_classes: int = 10, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_blocks = num_blocks
        self.num_classes = num_classes

        self.conv1 = layers.Conv2D(64, 3, padding="same", use_bias=False, name="conv1")
        self.bn1 = BatchNorm(name="bn1")
        self.layer1 = make_stage(64, 64, num_blocks, stride=1)
        self.layer2 = make_stage(64, 128, num_blocks, stride=2)
        self.fc = layers.Dense(num_classes, name="fc")

    def call(self, x: KerasTensor, training: bool | None = None) -> KerasTensor:
        """Logits (B, K) for images (B, H, W, 1)."""
        x = ops.relu(self.bn1(self.conv1(x), training=training))  # (B, H, W, 64)
        for block in self.layer1:
            x = block(x, training=training)  # (B, H, W, 64)
        for block in self.layer2:
            x = block(x, training=training)  # (B, H/2, W/2, 128)
        # Strides in words: left to the default, Keras 3.15 on JAX fails.
        x = ops.average_pool(x, 2, strides=2)  # (B, H/4, W/4, 128)
        x = ops.transpose(x, (0, 3, 1, 2))  # channels first, so that fc means the same
        x = ops.reshape(x, (-1, math.prod(x.shape[1:])))  # (B, 6272)
        return self.fc(x)  # (B, K)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, and Keras's own."""
        return {
            **super().get_config(),
            "num_blocks": self.num_blocks,
            "num_classes": self.num_classes,
        }
