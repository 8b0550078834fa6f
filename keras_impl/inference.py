"""InferenceModel: a frozen wrapper that predicts with any classifier of this panel.

The wrapped model stays its owner's: training it outside goes on as before, and shows here.
`predict` and `evaluate` replace Keras's methods of the same names.
Input: the wrapped model's, one tensor or a tuple. Output: the wrapped model's, without gradients.
"""

from collections.abc import Iterable
from typing import Any

import keras
from keras import KerasTensor, ops


@keras.saving.register_keras_serializable(package="triptych")
class InferenceModel(keras.Model):
    """Runs `base_model` in evaluation mode; no gradient reaches it from here."""

    def __init__(self, base_model: keras.Model, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.base_model = base_model

    def call(self, inputs: Any) -> Any:
        """What `base_model` gives for the same inputs in evaluation mode."""
        outputs = self.base_model(inputs, training=False)
        return keras.tree.map_structure(ops.stop_gradient, outputs)

    def predict(self, x: Any, return_confidence: bool = False) -> Any:
        """Classes (B,), with `return_confidence` also their probabilities; (B, H, W) for pixels."""
        outputs = self(x)
        logits = outputs[0] if isinstance(outputs, tuple) else outputs  # (B, K): the class head
        probabilities = ops.softmax(logits, axis=-1)
        classes, confidence = ops.argmax(probabilities, axis=-1), ops.max(probabilities, axis=-1)
        return (classes, confidence) if return_confidence else classes

    def decode(self, *inputs: KerasTensor) -> Any:
        """What `base_model.decode` gives for the same inputs in evaluation mode."""
        outputs = self.base_model.decode(*inputs)
        return keras.tree.map_structure(ops.stop_gradient, outputs)

    def predict_batch(
        self, batches: Iterable[tuple[Any, KerasTensor]]
    ) -> tuple[KerasTensor, KerasTensor]:
        """Predicted and true classes (N, ...), (N, ...) of all (inputs, labels) together."""
        pairs = [(self.predict(x), labels) for x, labels in batches]
        if not pairs:
            raise ValueError(
                "predict_batch needs at least one batch (inputs, labels), and got none"
            )
        return ops.concatenate([p for p, _ in pairs]), ops.concatenate([y for _, y in pairs])

    def evaluate(self, batches: Iterable[tuple[Any, KerasTensor]]) -> tuple[float, int, int]:
        """Accuracy in percent, and how many were correct, of how many."""
        predictions, labels = self.predict_batch(batches)
        right = ops.equal(predictions, ops.cast(labels, predictions.dtype))
        correct = int(ops.sum(ops.cast(right, "int32")))
        count = int(ops.size(labels))
        return 100.0 * correct / count, correct, count

    def get_config(self) -> dict[str, Any]:
        """The constructor's argument, the wrapped model itself, and Keras's own."""
        return {**super().get_config(), "base_model": self.base_model}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "InferenceModel":
        """Build from `get_config()`, or from what Keras read of it in a file."""
        base_model = config["base_model"]
        if not isinstance(base_model, keras.Model):
            base_model = keras.saving.deserialize_keras_object(base_model)
        return cls(**{**config, "base_model": base_model})
