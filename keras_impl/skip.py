"""SkipMLP: a perceptron of any depth, in which every layer also sees the one before the last.

Reference: He et al., "Deep Residual Learning for Image Recognition" (2015), arXiv:1512.03385, for
shortcuts past two layers that cost no parameters; here one starts at every layer, so they overlap.
Input: images (B, H, W, C) or vectors (B, D) with D = C * H * W. Output: logits (B, K).
"""

import math
from typing import Any

import keras
from keras import KerasTensor, layers, ops
from keras.ops import relu


@keras.saving.register_keras_serializable(package="triptych")
class SkipMLP(keras.Model):
    """h_i = relu(W_i h_{i-1} + h_{i-2} + b_i) for i = 1 to depth; h_0 = relu(first(x)), h_{-1} = 0.

    The classifier is fc(h_depth). No layer of a framework is needed for a skip: `hidden` is a list,
    and Python keeps what is still to be added.
    """

    def __init__(
        self,
        depth: int = 4,
        width: int = 128,
        input_size: int = 784,
        num_classes: int = 10,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.depth = depth
        self.width = width
        self.input_size = input_size
        self.num_classes = num_classes

        self.first = layers.Dense(width, name="first")
        self.hidden = [layers.Dense(width, name=f"hidden_{i}") for i in range(depth)]
        self.fc = layers.Dense(num_classes, name="fc")

    def call(self, x: KerasTensor) -> KerasTensor:
        """Logits (B, K) for images (B, H, W, C) or vectors (B, D)."""
        if len(x.shape) == 4:
            x = ops.transpose(x, (0, 3, 1, 2))  # channels first, so that first means the same
        x = ops.reshape(x, (-1, math.prod(x.shape[1:])))  # (B, D)
        h: list[Any] = [0.0, relu(self.first(x))]  # h_{-1}; h_0 (B, width)
        for layer in self.hidden:
            h.append(relu(layer(h[-1]) + h[-2]))  # h_i (B, width)
        return self.fc(h[-1])  # (B, K)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, and Keras's own."""
        return {
            **super().get_config(),
            "depth": self.depth,
            "width": self.width,
            "input_size": self.input_size,
            "num_classes": self.num_classes,
        }
