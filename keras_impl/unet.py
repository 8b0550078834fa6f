"""UNet: an encoder, a decoder, and skips between them, for a class at every pixel.

Reference: Ronneberger et al., "U-Net" (2015), arXiv:1505.04597; here with padded convolutions, so
that no skip is cropped, and batch norm after each.
Input: images (B, H, W, C), H and W divisible by 2^depth. Output: logits (B, H, W, K).
"""

from functools import partial
from typing import Any

import keras
from keras import KerasTensor, layers, ops

# Keras counts momentum as the weight of the old (torch's 0.1 is 0.9 here); its own defaults are
# 0.99 and epsilon 1e-3.
BatchNorm = partial(layers.BatchNormalization, momentum=0.9, epsilon=1e-5)


@keras.saving.register_keras_serializable(package="triptych")
class DoubleConv(keras.Model):
    """relu(bn2(conv2(relu(bn1(conv1(x))))))."""

    def __init__(self, in_channels: int, out_channels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.in_channels = in_channels
        self.out_channels = out_channels

        # A bias before batch norm would be cancelled by it: the convolutions have none.
        conv = partial(layers.Conv2D, out_channels, 3, padding="same", use_bias=False)
        self.conv1 = conv(name="conv1")
        self.bn1 = BatchNorm(name="bn1")
        self.conv2 = conv(name="conv2")
        self.bn2 = BatchNorm(name="bn2")

    def call(self, x: KerasTensor, training: bool | None = None) -> KerasTensor:
        """(B, H, W, C_in) to (B, H, W, C_out)."""
        x = ops.relu(self.bn1(self.conv1(x), training=training))
        return ops.relu(self.bn2(self.conv2(x), training=training))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, and Keras's own."""
        return {
            **super().get_config(),
            "in_channels": self.in_channels,
            "out_channels": self.out_channels,
        }


@keras.saving.register_keras_serializable(package="triptych")
class Down(keras.Model):
    """Half the size, then `conv`."""

    def __init__(self, in_channels: int, out_channels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.in_channels = in_channels
        self.out_channels = out_channels

        self.conv = DoubleConv(in_channels, out_channels, name="conv")

    def call(self, x: KerasTensor, training: bool | None = None) -> KerasTensor:
        """(B, H, W, C_in) to (B, H/2, W/2, C_out)."""
        # Strides in words: left to the default, Keras 3.15 on JAX fails.
        return self.conv(ops.max_pool(x, 2, strides=2), training=training)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, and Keras's own."""
        return {
            **super().get_config(),
            "in_channels": self.in_channels,
            "out_channels": self.out_channels,
        }


@keras.saving.register_keras_serializable(package="triptych")
class Up(keras.Model):
    """Twice the size by a transposed convolution, the skip beside it, then `conv`."""

    def __init__(self, in_channels: int, out_channels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.in_channels = in_channels
        self.out_channels = out_channels

        self.up = layers.Conv2DTranspose(out_channels, 2, strides=2, name="up")
        self.conv = DoubleConv(2 * out_channels, out_channels, name="conv")

    def call(
        self, inputs: tuple[KerasTensor, KerasTensor], training: bool | None = None
    ) -> KerasTensor:
        """(x (B, H, W, C_in), skip (B, 2H, 2W, C_out)) to (B, 2H, 2W, C_out)."""
        x, skip = inputs  # Keras passes several inputs as one structure
        x = ops.concatenate([skip, self.up(x)], axis=-1)  # (B, 2H, 2W, 2 C_out)
        return self.conv(x, training=training)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, and Keras's own."""
        return {
            **super().get_config(),
            "in_channels": self.in_channels,
            "out_channels": self.out_channels,
        }


@keras.saving.register_keras_serializable(package="triptych")
class UNet(keras.Model):
    """`stem`, `depth` times down and as often up again, and a 1x1 convolution to the classes."""

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 11,
        base_width: int = 16,
        depth: int = 3,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.in_channels = in_channels
        self.num_classes = num_classes
        self.base_width = base_width
        self.depth = depth

        widths = [base_width * 2**level for level in range(depth + 1)]
        self.stem = DoubleConv(in_channels, base_width, name="stem")
        self.downs = [Down(w, 2 * w, name=f"downs_{i}") for i, w in enumerate(widths[:-1])]
        self.ups = [Up(2 * w, w, name=f"ups_{i}") for i, w in enumerate(reversed(widths[:-1]))]
        self.head = layers.Conv2D(num_classes, 1, name="head")

    def call(self, x: KerasTensor, training: bool | None = None) -> KerasTensor:
        """Logits (B, H, W, K) for images (B, H, W, C)."""
        height, width = x.shape[1:3]  # None where Keras does not know them yet
        if (height or 0) % 2**self.depth or (width or 0) % 2**self.depth:
            raise ValueError(
                f"height and width must be divisible by {2**self.depth}, not {height} x {width}"
            )
        x = self.stem(x, training=training)  # (B, H, W, base_width)
        skips = []
        for down in self.downs:
            skips.append(x)
            x = down(x, training=training)  # twice the channels, half the size
        for up in self.ups:
            x = up((x, skips.pop()), training=training)  # half the channels, twice the size
        return self.head(x)  # (B, H, W, K)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, and Keras's own."""
        return {
            **super().get_config(),
            "in_channels": self.in_channels,
            "num_classes": self.num_classes,
            "base_width": self.base_width,
            "depth": self.depth,
        }
