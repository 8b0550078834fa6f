"""SequentialNet: BasicNet's layers, in its order, in one `keras.Sequential`.

A Sequential alone would do for a chain of layers. The class around it adds what a chain cannot say:
arguments with defaults that `get_config` gives back, and a forward pass in Python, where a reshape,
a second input, a skip or a branch can stand. With BasicNet's weights the outputs are BasicNet's.
Input: images (B, H, W, C) or vectors (B, D) with D = C * H * W. Output: logits (B, K).
"""

import math
from typing import Any

import keras
from keras import KerasTensor, layers, ops


@keras.saving.register_keras_serializable(package="triptych")
class SequentialNet(keras.Model):
    """A flatten and `stack`: the layers are addressed by their position."""

    def __init__(
        self,
        input_size: int = 784,
        hidden_size: int = 128,
        output_size: int = 10,
        dropout_rate: float = 0.2,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.output_size = output_size
        self.dropout_rate = dropout_rate

        self.stack = keras.Sequential(
            [
                layers.Dense(hidden_size, name="stack_0"),
                layers.ReLU(),
                layers.Dropout(dropout_rate),
                layers.Dense(max(hidden_size // 2, 1), name="stack_3"),
                layers.ReLU(),
                layers.Dense(output_size, name="stack_5"),
            ]
        )

    def call(self, x: KerasTensor, training: bool | None = None) -> KerasTensor:
        """Logits (B, K) for images (B, H, W, C) or vectors (B, D)."""
        if len(x.shape) == 4:
            x = ops.transpose(x, (0, 3, 1, 2))  # channels first, so that stack means the same
        x = ops.reshape(x, (-1, math.prod(x.shape[1:])))  # (B, D)
        return self.stack(x, training=training)  # (B, K); the mode is handed on to the dropout

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, and Keras's own."""
        return {
            **super().get_config(),
            "input_size": self.input_size,
            "hidden_size": self.hidden_size,
            "output_size": self.output_size,
            "dropout_rate": self.dropout_rate,
        }
