"""SkipMLP: a perceptron of any depth, in which every layer also sees the one before the last.

Reference: He et al., "Deep Residual Learning for Image Recognition" (2015), arXiv:1512.03385, for
shortcuts past two layers that cost no parameters; here one starts at every layer, so they overlap.
Input: images (B, C, H, W) or vectors (B, D) with D = C * H * W. Output: logits (B, K).
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import relu


class SkipMLP(nn.Module):
    """h_i = relu(W_i h_{i-1} + h_{i-2} + b_i) for i = 1 to depth; h_0 = relu(first(x)), h_{-1} = 0.

    The classifier is fc(h_depth). No layer of a framework is needed for a skip: `hidden` is a list,
    and Python keeps what is still to be added.
    """

    def __init__(
        self, depth: int = 4, width: int = 128, input_size: int = 784, num_classes: int = 10
    ) -> None:
        super().__init__()
        self.depth = depth
        self.width = width
        self.input_size = input_size
        self.num_classes = num_classes

        self.first = nn.Linear(input_size, width)
        # A plain list would hide its layers from `parameters()`.
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.fc = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, K) for images (B, C, H, W) or vectors (B, D)."""
        x = torch.flatten(x, 1)  # (B, D), channels first
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
