"""RowGRU: a recurrent network that reads an image row by row, and the cell that it repeats.

Reference: Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder" (2014),
arXiv:1406.1078. The stock cells of the three libraries do not have the same weights: PyTorch's
has 3h(i + h) + 6h, Flax's 2h fewer (r and z have one bias, not two), Keras's the gates in another
order. So the cell is written out here from dense layers, the same as PyTorch's stock cell. The
reset gate acts on the product h_n; in the paper it acts on the state before it is multiplied.
Input: images (B, C, H, W) with C * W = input_size, of any height. Output: logits (B, K).
"""

from typing import Any

import torch
from torch import Tensor, nn


class GRUCell(nn.Module):
    """One step in time: a gated mean of the old state and a candidate for the new one."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size

        # Each for all three gates at once, in the order r (reset), z (update), n (new).
        self.input_gates = nn.Linear(input_size, 3 * hidden_size)
        self.hidden_gates = nn.Linear(hidden_size, 3 * hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """The next state (B, hidden_size) for an input (B, input_size) and the state before."""
        in_r, in_z, in_n = self.input_gates(x).chunk(3, dim=-1)  # (B, hidden_size) each
        h_r, h_z, h_n = self.hidden_gates(h).chunk(3, dim=-1)
        r = torch.sigmoid(in_r + h_r)
        z = torch.sigmoid(in_z + h_z)
        n = torch.tanh(in_n + r * h_n)
        return (1 - z) * n + z * h

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"input_size": self.input_size, "hidden_size": self.hidden_size}


class RowGRU(nn.Module):
    """The rows of an image are a sequence; fc reads the state after the last one."""

    def __init__(self, input_size: int = 28, hidden_size: int = 64, num_classes: int = 10) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_classes = num_classes

        self.cell = GRUCell(input_size, hidden_size)
        self.fc = nn.Linear(hidden_size, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, K) for images (B, C, H, W)."""
        rows = x.transpose(1, 2).flatten(2)  # (B, H, C * W), channels first
        h = rows.new_zeros(len(rows), self.hidden_size)  # (B, hidden_size)
        for row in rows.unbind(1):  # (B, C * W)
            h = self.cell(row, h)
        return self.fc(h)  # (B, K)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "input_size": self.input_size,
            "hidden_size": self.hidden_size,
            "num_classes": self.num_classes,
        }
