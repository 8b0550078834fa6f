"""RowGRU: a recurrent network that reads an image row by row, and the cell that it repeats.

Reference: Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder" (2014),
arXiv:1406.1078. The stock cells of the three libraries do not have the same weights: PyTorch's
has 3h(i + h) + 6h, Flax's 2h fewer (r and z have one bias, not two), Keras's the gates in another
order. So the cell is written out here from dense layers, the same as PyTorch's stock cell. The
reset gate acts on the product h_n; in the paper it acts on the state before it is multiplied.
Input: images (B, H, W, C) with C * W = input_size, of any height. Output: logits (B, K).
"""

from typing import Any

import keras
from keras import KerasTensor, layers, ops


@keras.saving.register_keras_serializable(package="triptych")
class GRUCell(keras.Model):
    """One step in time: a gated mean of the old state and a candidate for the new one."""

    def __init__(self, input_size: int, hidden_size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.input_size = input_size
        self.hidden_size = hidden_size

        # Each for all three gates at once, in the order r (reset), z (update), n (new).
        self.input_gates = layers.Dense(3 * hidden_size, name="input_gates")
        self.hidden_gates = layers.Dense(3 * hidden_size, name="hidden_gates")

    @property
    def state_size(self) -> int:
        """The width of the state, from which `layers.RNN` makes the first one, of zeros."""
        return self.hidden_size

    def build(self, input_shape: Any) -> None:
        """Make the variables before the loop: inside it there is no call that could."""
        del input_shape  # both widths are known
        self.input_gates.build((None, self.input_size))
        self.hidden_gates.build((None, self.hidden_size))

    def call(
        self, x: KerasTensor, states: list[KerasTensor]
    ) -> tuple[KerasTensor, list[KerasTensor]]:
        """The next state (B, hidden_size) for an input (B, input_size) and the state before.

        Twice, as `layers.RNN` wants it: the output of this step, and a list of states to carry.
        """
        (h,) = states
        in_r, in_z, in_n = ops.split(self.input_gates(x), 3, axis=-1)  # (B, hidden_size) each
        h_r, h_z, h_n = ops.split(self.hidden_gates(h), 3, axis=-1)
        r = ops.sigmoid(in_r + h_r)
        z = ops.sigmoid(in_z + h_z)
        n = ops.tanh(in_n + r * h_n)
        h = (1 - z) * n + z * h
        return h, [h]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, and Keras's own."""
        return {
            **super().get_config(),
            "input_size": self.input_size,
            "hidden_size": self.hidden_size,
        }


@keras.saving.register_keras_serializable(package="triptych")
class RowGRU(keras.Model):
    """The rows of an image are a sequence; fc reads the state after the last one."""

    def __init__(
        self, input_size: int = 28, hidden_size: int = 64, num_classes: int = 10, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_classes = num_classes

        self.cell = layers.RNN(GRUCell(input_size, hidden_size, name="cell"), name="rows")
        self.fc = layers.Dense(num_classes, name="fc")

    def call(self, x: KerasTensor) -> KerasTensor:
        """Logits (B, K) for images (B, H, W, C)."""
        x = ops.transpose(x, (0, 1, 3, 2))  # (B, H, C, W), so that a row means the same everywhere
        rows = ops.reshape(x, (-1, x.shape[1], self.input_size))  # (B, H, C * W)
        h = self.cell(rows)  # (B, hidden_size): of the loop's states the last
        return self.fc(h)  # (B, K)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, and Keras's own."""
        return {
            **super().get_config(),
            "input_size": self.input_size,
            "hidden_size": self.hidden_size,
            "num_classes": self.num_classes,
        }
