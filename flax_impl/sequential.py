"""SequentialNet: BasicNet's layers, in its order, in one `linen.Sequential`.

A Sequential alone would do for a chain of layers. The class around it adds what a chain cannot say:
arguments with defaults that `get_config` gives back, and a forward pass in Python, where a reshape,
a second input, a skip or a branch can stand. With BasicNet's weights the outputs are BasicNet's.
Input: images (B, H, W, C) or vectors (B, D) with D = C * H * W. Output: logits (B, K).
"""

from typing import Any

from flax import linen as nn
from jax import Array


class SequentialNet(nn.Module):
    """A flatten and `stack`: the layers are addressed by their position."""

    input_size: int = 784
    hidden_size: int = 128
    output_size: int = 10
    dropout_rate: float = 0.2

    def setup(self) -> None:
        """Name the layers that have parameters: stack/layers_0, stack/layers_3, stack/layers_5."""
        self.stack = nn.Sequential(
            [
                nn.Dense(self.hidden_size),
                nn.relu,
                nn.Dropout(self.dropout_rate),
                nn.Dense(max(self.hidden_size // 2, 1)),
                nn.relu,
                nn.Dense(self.output_size),
            ]
        )

    def __call__(self, x: Array, train: bool = False) -> Array:
        """Logits (B, K) for images (B, H, W, C) or vectors (B, D)."""
        if x.ndim == 4:
            x = x.transpose(0, 3, 1, 2)  # channels first, so that stack means the same everywhere
        x = x.reshape(x.shape[0], self.input_size)  # (B, D)
        # Not self.stack(x): that hands each layer the one before's output and nothing else, and the
        # dropout, which keeps no state, has to be told the mode.
        for layer in self.stack.layers:
            x = layer(x, deterministic=not train) if isinstance(layer, nn.Dropout) else layer(x)
        return x  # (B, K)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "input_size": self.input_size,
            "hidden_size": self.hidden_size,
            "output_size": self.output_size,
            "dropout_rate": self.dropout_rate,
        }
