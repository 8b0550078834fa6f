"""BasicNet: a perceptron with two hidden layers.

Reference: Srivastava et al., "Dropout", JMLR 15 (2014), for the layer between the two.
Input: images (B, H, W, C) or vectors (B, D) with D = C * H * W. Output: logits (B, K).
"""

import math
from typing import Any

import keras
from keras import KerasTensor, layers, ops


@keras.saving.register_keras_serializable(package="triptych")
class BasicNet(keras.Model):
    """fc1, ReLU, dropout, fc2, ReLU, fc3."""

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

        self.fc1 = layers.Dense(hidden_size, name="fc1")
        self.dropout = layers.Dropout(dropout_rate)
        self.fc2 = layers.Dense(max(hidden_size // 2, 1), name="fc2")
        self.fc3 = layers.Dense(output_size, name="fc3")

    def call(self, x: KerasTensor, training: bool | None = None) -> KerasTensor:
        """Logits (B, K) for images (B, H, W, C) or vectors (B, D)."""
        if len(x.shape) == 4:
            x = ops.transpose(x, (0, 3, 1, 2))  # channels first, so that fc1 means the same
        x = ops.reshape(x, (-1, math.prod(x.shape[1:])))  # (B, D)
        x = ops.relu(self.fc1(x))  # (B, hidden_size)
        x = self.dropout(x, training=training)
        x = ops.relu(self.fc2(x))  # (B, half of hidden_size, at least 1)
        return self.fc3(x)  # (B, K)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, and Keras's own."""
        return {
            **super().get_config(),
            "input_size": self.input_size,
            "hidden_size": self.hidden_size,
            "output_size": self.output_size,
            "dropout_rate": self.dropout_rate,
        }
