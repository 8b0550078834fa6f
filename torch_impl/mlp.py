"""BasicNet: a perceptron with two hidden layers.

Reference: Srivastava et al., "Dropout", JMLR 15 (2014), for the layer between the two.
Input: images (B, C, H, W) or vectors (B, D) with D = C * H * W. Output: logits (B, K).
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class BasicNet(nn.Module):
    """fc1, ReLU, dropout, fc2, ReLU, fc3."""

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
        self.fc1 = nn.Linear(input_size, hidden_size)
        self.dropout = nn.Dropout(dropout_rate)
        self.fc2 = nn.Linear(hidden_size, half)
        self.fc3 = nn.Linear(half, output_size)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, K) for images (B, C, H, W) or vectors (B, D)."""
        x = torch.flatten(x, 1)  # (B, D), channels first
        x = F.relu(self.fc1(x))  # (B, hidden_size)
        x = self.dropout(x)
        x = F.relu(self.fc2(x))  # (B, half of hidden_size, at least 1)
        return self.fc3(x)  # (B, K)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "input_size": self.input_size,
            "hidden_size": self.hidden_size,
            "output_size": self.output_size,
            "dropout_rate": self.dropout_rate,
        }
