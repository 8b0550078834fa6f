"""BasicNet: a perceptron with two hidden layers.

Reference: Srivastava et al., "Dropout", JMLR 15 (2014), for the layer between the two.
Input: images (B, H, W, C) or vectors (B, D) with D = C * H * W. Output: logits (B, K).
"""

from typing import Any

from flax import linen as nn
from jax import Array


class BasicNet(nn.Module):
    """fc1, ReLU, dropout, fc2, ReLU, fc3."""

    input_size: int = 784
    hidden_size: int = 128
    output_size: int = 10
    dropout_rate: float = 0.2

    def setup(self) -> None:
        """Name the layers; their shapes are known when the first input is."""
        self.fc1 = nn.Dense(self.hidden_size)
        self.dropout = nn.Dropout(self.dropout_rate)
        self.fc2 = nn.Dense(max(self.hidden_size // 2, 1))
        self.fc3 = nn.Dense(self.output_size)

    def __call__(self, x: Array, train: bool = False) -> Array:
        """Logits (B, K) for images (B, H, W, C) or vectors (B, D)."""
        if x.ndim == 4:
            x = x.transpose(0, 3, 1, 2)  # channels first, so that fc1 means the same everywhere
        x = x.reshape(x.shape[0], self.input_size)  # (B, D)
        x = nn.relu(self.fc1(x))  # (B, hidden_size)
        x = self.dropout(x, deterministic=not train)
        x = nn.relu(self.fc2(x))  # (B, half of hidden_size, at least 1)
        return self.fc3(x)  # (B, K)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "input_size": self.input_size,
            "hidden_size": self.hidden_size,
            "output_size": self.output_size,
            "dropout_rate": self.dropout_rate,
        }
