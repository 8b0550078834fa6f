"""Multi-head attention built from dense layers, and the two Transformer layers made of it.

Reference: Vaswani et al., "Attention Is All You Need" (2017), arXiv:1706.03762; the layer norms
stand before their blocks, as in Xiong et al. (2020), arXiv:2002.04745.
Input: sequences of vectors (B, T, D). A mask is True where attention may go, as in Flax's own
`nn.MultiHeadDotProductAttention`.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jax import Array

# Flax's own epsilon is 1e-6, and its fast variance, E[x^2] - E[x]^2, loses digits where the mean
# is large.
LayerNorm = partial(nn.LayerNorm, epsilon=1e-5, use_fast_variance=False)


def check_mask(mask: Sequence[int], expected: Sequence[int]) -> None:
    """Raise ValueError unless a mask's shape is the expected (B, T, S); B and T may be 1."""
    if len(mask) != 3 or any(
        m not in ((1, e) if axis < 2 else (e,))
        for axis, (m, e) in enumerate(zip(mask, expected, strict=True))
    ):
        raise ValueError(
            f"attention_mask must have shape {tuple(expected)}, the first two perhaps 1, "
            f"not {tuple(mask)}"
        )


class MultiHeadAttention(nn.Module):
    """softmax(q k' / sqrt(d)) v in `num_heads` heads of width d = D / num_heads."""

    embed_dim: int
    num_heads: int

    def __post_init__(self) -> None:
        """Check the arguments."""
        if self.embed_dim % self.num_heads:
            raise ValueError(
                f"embed_dim must be divisible by num_heads, not {self.embed_dim} by "
                f"{self.num_heads}"
            )
        super().__post_init__()

    def setup(self) -> None:
        """Name the layers."""
        self.query = nn.Dense(self.embed_dim)
        # A bias of the keys would move all scores of a query alike, and softmax would cancel it.
        self.key = nn.Dense(self.embed_dim, use_bias=False)
        self.value = nn.Dense(self.embed_dim)
        self.out = nn.Dense(self.embed_dim)

    def __call__(
        self, x: Array, context: Array, attention_mask: Array, train: bool = False
    ) -> tuple[Array, Array]:
        """Outputs (B, T, D) and weights (B, N, T, S) for queries from x and keys from context.

        Args:
            x: (B, T, D).
            context: (B, S, D).
            attention_mask: Boolean (B, T, S), True where attention may go; B and T may be 1.
            train: Nothing here depends on the mode.
        """
        del train
        check_mask(attention_mask.shape, (x.shape[0], x.shape[1], context.shape[1]))
        q = self.split_heads(self.query(x))  # (B, N, T, d)
        k = self.split_heads(self.key(context))  # (B, N, S, d)
        v = self.split_heads(self.value(context))  # (B, N, S, d)
        scores = q @ k.mT / (self.embed_dim // self.num_heads) ** 0.5  # (B, N, T, S)
        # A number, not -inf: a row that is masked everywhere stays finite.
        scores = jnp.where(attention_mask[:, None], scores, -1e9)
        weights = nn.softmax(scores, axis=-1)  # (B, N, T, S)
        x = (weights @ v).transpose(0, 2, 1, 3)  # (B, T, N, d)
        return self.out(x.reshape(*x.shape[:2], -1)), weights  # (B, T, D)

    def split_heads(self, x: Array) -> Array:
        """(B, T, D) to (B, N, T, d)."""
        return x.reshape(*x.shape[:2], self.num_heads, -1).transpose(0, 2, 1, 3)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"embed_dim": self.embed_dim, "num_heads": self.num_heads}


class EncoderLayer(nn.Module):
    """x + attention(norm1(x)), then x + fc2(relu(fc1(norm2(x))))."""

    embed_dim: int
    num_heads: int

    def setup(self) -> None:
        """Name the layers."""
        self.norm1 = LayerNorm()
        self.attention = MultiHeadAttention(self.embed_dim, self.num_heads)
        self.norm2 = LayerNorm()
        self.fc1 = nn.Dense(4 * self.embed_dim)
        self.fc2 = nn.Dense(self.embed_dim)

    def __call__(self, x: Array, attention_mask: Array, train: bool = False) -> Array:
        """(B, S, D) to (B, S, D); the mask is (B, S, S), its first two perhaps 1."""
        del train  # nothing here depends on the mode
        normed = self.norm1(x)
        attended, _ = self.attention(normed, normed, attention_mask)
        x = x + attended
        return x + self.fc2(nn.relu(self.fc1(self.norm2(x))))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"embed_dim": self.embed_dim, "num_heads": self.num_heads}


class DecoderLayer(nn.Module):
    """Attention to what is written so far, attention to what is read, and two dense layers."""

    embed_dim: int
    num_heads: int

    def setup(self) -> None:
        """Name the layers."""
        self.norm1 = LayerNorm()
        self.self_attention = MultiHeadAttention(self.embed_dim, self.num_heads)
        self.norm2 = LayerNorm()
        self.cross_attention = MultiHeadAttention(self.embed_dim, self.num_heads)
        self.norm3 = LayerNorm()
        self.fc1 = nn.Dense(4 * self.embed_dim)
        self.fc2 = nn.Dense(self.embed_dim)

    def __call__(
        self, x: Array, context: Array, attention_mask: Array, train: bool = False
    ) -> tuple[Array, Array]:
        """Outputs (B, T, D) and weights (B, N, T, S) for x (B, T, D) and context (B, S, D).

        The mask (B, T, S) is for the context; of x each step knows itself and those before.
        """
        del train  # nothing here depends on the mode
        steps = jnp.arange(x.shape[1])
        past = (steps <= steps[:, None])[None]  # (1, T, T)
        normed = self.norm1(x)
        attended, _ = self.self_attention(normed, normed, past)
        x = x + attended
        attended, weights = self.cross_attention(self.norm2(x), context, attention_mask)
        x = x + attended
        return x + self.fc2(nn.relu(self.fc1(self.norm3(x)))), weights

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"embed_dim": self.embed_dim, "num_heads": self.num_heads}
