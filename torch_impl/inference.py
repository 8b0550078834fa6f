"""InferenceModel: a frozen wrapper that predicts with any classifier of this panel.

The wrapped model stays its owner's: training it outside goes on as before, and shows here.
Input: the wrapped model's, one tensor or a tuple. Output: the wrapped model's, without gradients.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class InferenceModel(nn.Module):
    """Runs `base_model` in evaluation mode; no gradient reaches it from here."""

    def __init__(self, base_model: nn.Module) -> None:
        super().__init__()
        super().train(False)  # before there is a base: its mode is not the wrapper's to change
        self.base_model = base_model

    def forward(self, *inputs: Tensor) -> Any:
        """What `base_model` gives for the same inputs in evaluation mode."""
        with self.frozen():
            return self.base_model(*inputs)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Evaluation mode without gradients, and the modes as they were afterwards."""
        modes = [(module, module.training) for module in self.base_model.modules()]
        self.base_model.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            for module, training in modes:  # somebody may be training it
                module.training = training

    def train(self, mode: bool = True) -> "InferenceModel":
        """Do nothing: the wrapper is always in evaluation mode, and leaves its base's alone."""
        del mode
        return self

    def predict(self, x: Tensor | tuple[Tensor, ...], return_confidence: bool = False) -> Any:
        """Classes (B,), with `return_confidence` also their probabilities; (B, H, W) for pixels."""
        outputs = self(*x) if isinstance(x, tuple) else self(x)
        logits = outputs[0] if isinstance(outputs, tuple) else outputs  # (B, K): the class head
        axis = 1 if logits.ndim == 4 else -1  # classes at every pixel are channels: (B, K, H, W)
        confidence, classes = torch.softmax(logits, dim=axis).max(dim=axis)
        return (classes, confidence) if return_confidence else classes

    def decode(self, *inputs: Tensor) -> Any:
        """What `base_model.decode` gives for the same inputs in evaluation mode."""
        with self.frozen():
            return self.base_model.decode(*inputs)  # type: ignore[operator]

    def predict_batch(self, batches: Iterable[tuple[Any, Tensor]]) -> tuple[Tensor, Tensor]:
        """Predicted and true classes (N, ...), (N, ...) of all (inputs, labels) together."""
        pairs = [(self.predict(x), labels) for x, labels in batches]
        if not pairs:
            raise ValueError(
                "predict_batch needs at least one batch (inputs, labels), and got none"
            )
        return torch.cat([p for p, _ in pairs]), torch.cat([labels for _, labels in pairs])

    def evaluate(self, batches: Iterable[tuple[Any, Tensor]]) -> tuple[float, int, int]:
        """Accuracy in percent, and how many were correct, of how many."""
        predictions, labels = self.predict_batch(batches)
        correct = int((predictions == labels).sum())
        return 100.0 * correct / labels.numel(), correct, labels.numel()

    def get_config(self) -> dict[str, Any]:
        """The constructor's argument: the wrapped model itself."""
        return {"base_model": self.base_model}
