"""DenseNet: every layer of a block sees the outputs of all layers before it, side by side.

Reference: Huang et al., "Densely Connected Convolutional Networks" (2016), arXiv:1608.06993; two
small blocks with a transition that halves the channels, and no bottleneck layers.
Input: images (B, H, W, 1) of any size from 4x4. Output: logits (B, K).
"""

from functools import partial
from typing import Any

import keras
from keras import KerasTensor, layers, ops

# Keras counts momentum as the weight of the old (torch's 0.1 is 0.9 here); its own defaults are
# 0.99 and epsilon 1e-3.
BatchNorm = partial(layers.BatchNormalization, momentum=0.9, epsilon=1e-5)


def check_growth_rate(growth_rate: int) -> None:
    """Raise ValueError unless a layer adds at least one channel."""
    if type(growth_rate) is not int or growth_rate < 1:  # True and False are int too
        raise ValueError(f"growth_rate must be a whole number of at least 1, not {growth_rate!r}")


@keras.saving.register_keras_serializable(package="triptych")
class DenseBlock(keras.Model):
    """Layers of batch norm, ReLU and a 3x3 convolution; each adds `growth_rate` channels."""

    def __init__(self, in_channels: int, growth_rate: int, num_layers: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_growth_rate(growth_rate)
        self.in_channels = in_channels
        self.growth_rate = growth_rate
        self.num_layers = num_layers

        self.norms = [BatchNorm(name=f"norms_{i}") for i in range(num_layers)]
        # All that reads a convolution's output is batch norm, which would cancel a bias.
        self.convs = [
            layers.Conv2D(growth_rate, 3, padding="same", use_bias=False, name=f"convs_{i}")
            for i in range(num_layers)
        ]

    def call(self, x: KerasTensor, training: bool | None = None) -> KerasTensor:
        """(B, H, W, C) to (B, H, W, C + num_layers * growth_rate)."""
        for norm, conv in zip(self.norms, self.convs, strict=True):
            new = conv(ops.relu(norm(x, training=training)))  # (B, H, W, growth_rate)
            x = ops.concatenate([x, new], axis=-1)  # channels are axis -1 here, 1 in PyTorch
        return x

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, and Keras's own."""
        return {
            **super().get_config(),
            "in_channels": self.in_channels,
            "growth_rate": self.growth_rate,
            "num_layers": self.num_layers,
        }


@keras.saving.register_keras_serializable(package="triptych")
class Transition(keras.Model):
    """Batch norm, ReLU, a 1x1 convolution to fewer channels and average pooling by 2."""

    def __init__(self, in_channels: int, out_channels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.in_channels = in_channels
        self.out_channels = out_channels

        self.norm = BatchNorm(name="norm")
        self.conv = layers.Conv2D(out_channels, 1, use_bias=False, name="conv")

    def call(self, x: KerasTensor, training: bool | None = None) -> KerasTensor:
        """(B, H, W, C_in) to (B, H/2, W/2, C_out)."""
        x = self.conv(ops.relu(self.norm(x, training=training)))  # (B, H, W, C_out)
        # Strides in words: left to the default, Keras 3.15 on JAX fails.
        return ops.average_pool(x, 2, strides=2)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, and Keras's own."""
        return {
            **super().get_config(),
            "in_channels": self.in_channels,
            "out_channels": self.out_channels,
        }


@keras.saving.register_keras_serializable(package="triptych")
class DenseNet(keras.Model):
    """A stem, two dense blocks with a transition between them, a global average and fc."""

    def __init__(
        self, growth_rate: int = 12, num_layers: int = 4, num_classes: int = 10, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        check_growth_rate(growth_rate)
        self.growth_rate = growth_rate
        self.num_layers = num_layers
        self.num_classes = num_classes

        stem = 2 * growth_rate
        wide = stem + num_layers * growth_rate
        half = wide // 2
        self.conv1 = layers.Conv2D(stem, 3, padding="same", use_bias=False, name="conv1")
        self.block1 = DenseBlock(stem, growth_rate, num_layers, name="block1")
        self.transition = Transition(wide, half, name="transition")
        self.block2 = DenseBlock(half, growth_rate, num_layers, name="block2")
        self.norm = BatchNorm(name="norm")
        self.fc = layers.Dense(num_classes, name="fc")

    def call(self, x: KerasTensor, training: bool | None = None) -> KerasTensor:
        """Logits (B, K) for images (B, H, W, 1)."""
        x = ops.max_pool(self.conv1(x), 2, strides=2)  # (B, H/2, W/2, stem)
        x = self.block1(x, training=training)  # (B, H/2, W/2, wide)
        x = self.transition(x, training=training)  # (B, H/4, W/4, half)
        x = self.block2(x, training=training)  # (B, H/4, W/4, last)
        x = ops.relu(self.norm(x, training=training))
        x = ops.mean(x, axis=(1, 2))  # (B, last)
        return self.fc(x)  # (B, K)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, and Keras's own."""
        return {
            **super().get_config(),
            "growth_rate": self.growth_rate,
            "num_layers": self.num_layers,
            "num_classes": self.num_classes,
        }
