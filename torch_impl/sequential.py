"""SequentialNet: BasicNet's layers, in its order, in one `nn.Sequential`.

A Sequential alone would do for a chain of layers. The class around it adds what a chain cannot say:
arguments with defaults that `get_config` gives back, and a forward pass in Python, where a reshape,
a second input, a skip or a branch can stand. With BasicNet's weights the outputs are BasicNet's.
Input: images (B, C, H, W) or vectors (B, D) with D = C * H * W. Output: logits (B, K).
"""

from typing import Any

import torch
from torch import Tensor, nn


class SequentialNet(nn.Module):
    """A flatten and `stack`: the layers are addressed by their position."""

    def __init__(
        self,
        input_size: int = 784,
        hidden_size: int = 128,
        output_size: int = 10,
        dropout_rate: float = 0.2,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.output_size = output_size
        self.dropout_rate = dropout_rate

        half = max(hidden_size // 2, 1)
        self.stack = nn.Sequential(
            nn.Linear(input_size, hidden_size),
            nn.ReLU(),
            nn.Dropout(dropout_rate),
            nn.Linear(hidden_size, half),
            nn.ReLU(),
            nn.Linear(half, output_size),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, K) for images (B, C, H, W) or vectors (B, D)."""
        x = torch.flatten(x, 1)  # (B, D), channels first
        return self.stack(x)  # (B, K); the dropout has the mode as its own state

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "input_size": self.input_size,
            "hidden_size": self.hidden_size,
            "output_size": self.output_size,
            "dropout_rate": self.dropout_rate,
        }
