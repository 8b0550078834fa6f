"""RowGRU: a recurrent network that reads an image row by row, and the cell that it repeats.

Reference: Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder" (2014),
arXiv:1406.1078. The stock cells of the three libraries do not have the same weights: PyTorch's
has 3h(i + h) + 6h, Flax's 2h fewer (r and z have one bias, not two), Keras's the gates in another
order. So the cell is written out here from dense layers, the same as PyTorch's stock cell. The
reset gate acts on the product h_n; in the paper it acts on the state before it is multiplied.
Input: images (B, H, W, C) with C * W = input_size, of any height. Output: logits (B, K).
"""

from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jax import Array


class GRUCell(nn.Module):
    """One step in time: a gated mean of the old state and a candidate for the new one."""

    input_size: int
    hidden_size: int

    def setup(self) -> None:
        """Name the layers."""
        # Each for all three gates at once, in the order r (reset), z (update), n (new).
        self.input_gates = nn.Dense(3 * self.hidden_size)
        self.hidden_gates = nn.Dense(3 * self.hidden_size)

    def __call__(self, h: Array, x: Array, train: bool = False) -> tuple[Array, Array]:
        """The next state (B, hidden_size) for the state before and an input (B, input_size).

        Twice, as a scan wants it: what it carries to the next step, and the output of this one.
        """
        del train  # nothing here depends on the mode
        in_r, in_z, in_n = jnp.split(self.input_gates(x), 3, axis=-1)  # (B, hidden_size) each
        h_r, h_z, h_n = jnp.split(self.hidden_gates(h), 3, axis=-1)
        r = nn.sigmoid(in_r + h_r)
        z = nn.sigmoid(in_z + h_z)
        n = nn.tanh(in_n + r * h_n)
        h = (1 - z) * n + z * h
        return h, h

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"input_size": self.input_size, "hidden_size": self.hidden_size}


class RowGRU(nn.Module):
    """The rows of an image are a sequence; fc reads the state after the last one."""

    input_size: int = 28
    hidden_size: int = 64
    num_classes: int = 10

    def setup(self) -> None:
        """Name the layers; the cell is lifted into a loop over the second axis of its input."""
        # Every step has the same weights, so the cell has them once: they are broadcast, and
        # there is one key to draw them from. What a step sows is stacked.
        loop = nn.scan(
            GRUCell,
            variable_broadcast="params",
            variable_axes={"intermediates": 0},
            split_rngs={"params": False},
            in_axes=1,
        )
        self.cell = loop(self.input_size, self.hidden_size)
        self.fc = nn.Dense(self.num_classes)

    def __call__(self, x: Array, train: bool = False) -> Array:
        """Logits (B, K) for images (B, H, W, C)."""
        del train  # nothing here depends on the mode
        x = x.transpose(0, 1, 3, 2)  # (B, H, C, W): channels first, so that a row means the same
        rows = x.reshape(*x.shape[:2], self.input_size)  # (B, H, C * W)
        h = jnp.zeros((len(rows), self.hidden_size), rows.dtype)  # (B, hidden_size)
        h, _ = self.cell(h, rows)
        return self.fc(h)  # (B, K)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "input_size": self.input_size,
            "hidden_size": self.hidden_size,
            "num_classes": self.num_classes,
        }
