"""InferenceModel: a frozen wrapper that predicts with any classifier of this panel.

A Flax module holds no variables: the wrapped model's are passed in, as {"base_model": ...}. So
training it outside goes on as before, and shows here when the new variables are passed. Use a
bound module (`InferenceModel(net).bind(variables)`) or `apply(..., method="predict")`.
Input: the wrapped model's, one array or a tuple. Output: the wrapped model's, without gradients.
"""

from collections.abc import Iterable
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jax import Array, lax


class InferenceModel(nn.Module):
    """Runs `base_model` in evaluation mode; no gradient reaches it from here."""

    base_model: nn.Module

    def __call__(self, *inputs: Array, train: bool = False) -> Any:
        """What `base_model` gives for the same inputs in evaluation mode."""
        del train  # the wrapper has no training mode
        return lax.stop_gradient(self.base_model(*inputs, train=False))

    def predict(self, x: Array | tuple[Array, ...], return_confidence: bool = False) -> Any:
        """Classes (B,), with `return_confidence` also their probabilities; (B, H, W) for pixels."""
        outputs = self(*x) if isinstance(x, tuple) else self(x)
        logits = outputs[0] if isinstance(outputs, tuple) else outputs  # (B, K): the class head
        probabilities = nn.softmax(logits, axis=-1)
        classes, confidence = probabilities.argmax(axis=-1), probabilities.max(axis=-1)
        return (classes, confidence) if return_confidence else classes

    def decode(self, *inputs: Array) -> Any:
        """What `base_model.decode` gives for the same inputs in evaluation mode."""
        return lax.stop_gradient(self.base_model.decode(*inputs))  # type: ignore[attr-defined]

    def predict_batch(self, batches: Iterable[tuple[Any, Array]]) -> tuple[Array, Array]:
        """Predicted and true classes (N, ...), (N, ...) of all (inputs, labels) together."""
        pairs = [(self.predict(x), labels) for x, labels in batches]
        if not pairs:
            raise ValueError(
                "predict_batch needs at least one batch (inputs, labels), and got none"
            )
        return jnp.concatenate([p for p, _ in pairs]), jnp.concatenate([y for _, y in pairs])

    def evaluate(self, batches: Iterable[tuple[Any, Array]]) -> tuple[float, int, int]:
        """Accuracy in percent, and how many were correct, of how many."""
        predictions, labels = self.predict_batch(batches)
        correct = int((predictions == labels).sum())
        return 100.0 * correct / labels.size, correct, labels.size

    def get_config(self) -> dict[str, Any]:
        """The constructor's argument: the wrapped model itself."""
        return {"base_model": self.base_model}
