"""Mixed precision: a model computes in bfloat16, and its variables are float32.

In Keras that is a policy, mixed_bfloat16, which layers take when they are made: each casts its
inputs, and its variables while it computes. What comes out of the model is bfloat16 too; here it is
cast to float32: losses are made of that.
"""

from typing import Any

import keras
from keras import KerasTensor, ops


class Mixed(keras.Model):
    """A model of the policy mixed_bfloat16, whose outputs become float32."""

    def __init__(self, model: keras.Model) -> None:
        super().__init__(dtype="float32")
        self.model = model

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The model's outputs in float32."""
        return _float32(self.model(inputs, training=training))

    def decode(self, *inputs: KerasTensor) -> Any:
        """What the model's `decode` gives, in float32."""
        return _float32(self.model.decode(*inputs))


def _float32(outputs: Any) -> Any:
    """Outputs in float32; whole numbers stay."""

    def one(tensor: KerasTensor) -> KerasTensor:
        floating = keras.backend.is_float_dtype(keras.backend.standardize_dtype(tensor.dtype))
        return ops.cast(tensor, "float32") if floating else tensor

    return keras.tree.map_structure(one, outputs)
