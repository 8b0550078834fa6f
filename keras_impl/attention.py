"""Multi-head attention built from dense layers, and the two Transformer layers made of it.

Reference: Vaswani et al., "Attention Is All You Need" (2017), arXiv:1706.03762; the layer norms
stand before their blocks, as in Xiong et al. (2020), arXiv:2002.04745.
Input: sequences of vectors (B, T, D). A mask is True where attention may go, as in Keras's own
`layers.MultiHeadAttention`.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import keras
from keras import KerasTensor, layers, ops

LayerNorm = partial(layers.LayerNormalization, epsilon=1e-5)  # Keras's own is 1e-3


def check_mask(mask: Sequence[int], expected: Sequence[int]) -> None:
    """Raise ValueError unless a mask's shape is the expected (B, T, S); B and T may be 1."""
    if len(mask) != 3 or any(
        m not in ((1, e) if axis < 2 else (e,)) and None not in (m, e)  # not known yet
        for axis, (m, e) in enumerate(zip(mask, expected, strict=True))
    ):
        raise ValueError(
            f"attention_mask must have shape {tuple(expected)}, the first two perhaps 1, "
            f"not {tuple(mask)}"
        )


@keras.saving.register_keras_serializable(package="triptych")
class MultiHeadAttention(keras.Model):
    """softmax(q k' / sqrt(d)) v in `num_heads` heads of width d = D / num_heads."""

    def __init__(self, embed_dim: int, num_heads: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if embed_dim % num_heads:
            raise ValueError(
                f"embed_dim must be divisible by num_heads, not {embed_dim} by {num_heads}"
            )
        self.embed_dim = embed_dim
        self.num_heads = num_heads

        self.query = layers.Dense(embed_dim, name="query")
        # A bias of the keys would move all scores of a query alike, and softmax would cancel it.
        self.key = layers.Dense(embed_dim, use_bias=False, name="key")
        self.value = layers.Dense(embed_dim, name="value")
        self.out = layers.Dense(embed_dim, name="out")

    def call(
        self, inputs: tuple[KerasTensor, KerasTensor, KerasTensor]
    ) -> tuple[KerasTensor, KerasTensor]:
        """Outputs (B, T, D) and weights (B, N, T, S) for queries from x and keys from context.

        Args:
            inputs: x (B, T, D); context (B, S, D); attention_mask, boolean (B, T, S), True where
                attention may go; B and T may be 1.
        """
        x, context, attention_mask = inputs  # Keras passes several inputs as one structure
        check_mask(attention_mask.shape, (x.shape[0], x.shape[1], context.shape[1]))
        q = self.split_heads(self.query(x))  # (B, N, T, d)
        k = self.split_heads(self.key(context))  # (B, N, S, d)
        v = self.split_heads(self.value(context))  # (B, N, S, d)
        k = ops.transpose(k, (0, 1, 3, 2))  # (B, N, d, S)
        scores = ops.matmul(q, k) / (self.embed_dim // self.num_heads) ** 0.5  # (B, N, T, S)
        # A number, not -inf: a row that is masked everywhere stays finite.
        scores = ops.where(attention_mask[:, None], scores, -1e9)
        weights = ops.softmax(scores, axis=-1)  # (B, N, T, S)
        x = ops.transpose(ops.matmul(weights, v), (0, 2, 1, 3))  # (B, T, N, d)
        return self.out(ops.reshape(x, (-1, x.shape[1], self.embed_dim))), weights  # (B, T, D)

    def split_heads(self, x: KerasTensor) -> KerasTensor:
        """(B, T, D) to (B, N, T, d)."""
        shape = (-1, x.shape[1], self.num_heads, self.embed_dim // self.num_heads)
        return ops.transpose(ops.reshape(x, shape), (0, 2, 1, 3))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, and Keras's own."""
        return {
            **super().get_config(),
            "embed_dim": self.embed_dim,
            "num_heads": self.num_heads,
        }


@keras.saving.register_keras_serializable(package="triptych")
class EncoderLayer(keras.Model):
    """x + attention(norm1(x)), then x + fc2(relu(fc1(norm2(x))))."""

    def __init__(self, embed_dim: int, num_heads: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.embed_dim = embed_dim
        self.num_heads = num_heads

        self.norm1 = LayerNorm(name="norm1")
        self.attention = MultiHeadAttention(embed_dim, num_heads, name="attention")
        self.norm2 = LayerNorm(name="norm2")
        self.fc1 = layers.Dense(4 * embed_dim, name="fc1")
        self.fc2 = layers.Dense(embed_dim, name="fc2")

    def call(self, inputs: tuple[KerasTensor, KerasTensor]) -> KerasTensor:
        """(x, mask) to (B, S, D), x too; the mask is (B, S, S), its first two perhaps 1."""
        x, attention_mask = inputs
        normed = self.norm1(x)
        attended, _ = self.attention((normed, normed, attention_mask))
        x = x + attended
        return x + self.fc2(ops.relu(self.fc1(self.norm2(x))))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, and Keras's own."""
        return {
            **super().get_config(),
            "embed_dim": self.embed_dim,
            "num_heads": self.num_heads,
        }


@keras.saving.register_keras_serializable(package="triptych")
class DecoderLayer(keras.Model):
    """Attention to what is written so far, attention to what is read, and two dense layers."""

    def __init__(self, embed_dim: int, num_heads: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.embed_dim = embed_dim
        self.num_heads = num_heads

        self.norm1 = LayerNorm(name="norm1")
        self.self_attention = MultiHeadAttention(embed_dim, num_heads, name="self_attention")
        self.norm2 = LayerNorm(name="norm2")
        self.cross_attention = MultiHeadAttention(embed_dim, num_heads, name="cross_attention")
        self.norm3 = LayerNorm(name="norm3")
        self.fc1 = layers.Dense(4 * embed_dim, name="fc1")
        self.fc2 = layers.Dense(embed_dim, name="fc2")

    def call(
        self, inputs: tuple[KerasTensor, KerasTensor, KerasTensor]
    ) -> tuple[KerasTensor, KerasTensor]:
        """Outputs (B, T, D) and weights (B, N, T, S) for x (B, T, D) and context (B, S, D).

        The mask (B, T, S) is for the context; of x each step knows itself and those before.
        """
        x, context, attention_mask = inputs
        steps = ops.arange(x.shape[1])
        past = (steps <= steps[:, None])[None]  # (1, T, T)
        normed = self.norm1(x)
        attended, _ = self.self_attention((normed, normed, past))
        x = x + attended
        attended, weights = self.cross_attention((self.norm2(x), context, attention_mask))
        x = x + attended
        return x + self.fc2(ops.relu(self.fc1(self.norm3(x)))), weights

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, and Keras's own."""
        return {
            **super().get_config(),
            "embed_dim": self.embed_dim,
            "num_heads": self.num_heads,
        }
