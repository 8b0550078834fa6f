"""SkipMLP: a perceptron of any depth, in which every layer also sees the one before the last.

Reference: He et al., "Deep Residual Learning for Image Recognition" (2015), arXiv:1512.03385, for
shortcuts past two layers that cost no parameters; here one starts at every layer, so they overlap.
Input: images (B, H, W, C) or vectors (B, D) with D = C * H * W. Output: logits (B, K).
"""

from typing import Any

from flax import linen as nn
from flax.linen import relu
from jax import Array


class SkipMLP(nn.Module):
    """h_i = relu(W_i h_{i-1} + h_{i-2} + b_i) for i = 1 to depth; h_0 = relu(first(x)), h_{-1} = 0.

    The classifier is fc(h_depth). No layer of a framework is needed for a skip: `hidden` is a list,
    and Python keeps what is still to be added.
    """

    depth: int = 4
    width: int = 128
    input_size: int = 784
    num_classes: int = 10

    def setup(self) -> None:
        """Name the layers; a list names its members hidden_0, hidden_1, ..."""
        self.first = nn.Dense(self.width)
        self.hidden = [nn.Dense(self.width) for _ in range(self.depth)]
        self.fc = nn.Dense(self.num_classes)

    def __call__(self, x: Array, train: bool = False) -> Array:
        """Logits (B, K) for images (B, H, W, C) or vectors (B, D)."""
        del train  # nothing here depends on the mode
        if x.ndim == 4:
            x = x.transpose(0, 3, 1, 2)  # channels first, so that first means the same everywhere
        x = x.reshape(x.shape[0], self.input_size)  # (B, D)
        h: list[Any] = [0.0, relu(self.first(x))]  # h_{-1}; h_0 (B, width)
        for layer in self.hidden:
            h.append(relu(layer(h[-1]) + h[-2]))  # h_i (B, width)
        return self.fc(h[-1])  # (B, K)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "depth": self.depth,
            "width": self.width,
            "input_size": self.input_size,
            "num_classes": self.num_classes,
        }
