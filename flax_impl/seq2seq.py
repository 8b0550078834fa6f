"""Seq2Seq: a Transformer that reads a strip of pixel columns and writes its digits.

Reference: Vaswani et al., "Attention Is All You Need" (2017), arXiv:1706.03762; several columns
make one step, as frames do in speech recognition (Sak et al., 2015, arXiv:1507.06947).
Input: columns (B, S, rows), how many of them count (B,), and the tokens (B, T) that each output may
know: START, then the digits before. Output: logits (B, T, K + 1), digits and END, and the last
layer's attention (B, T, S / columns_per_step), the mean of its heads.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import Array

from flax_impl.attention import DecoderLayer, EncoderLayer, LayerNorm


def positions(length: int, embed_dim: int) -> np.ndarray:
    """Sines and cosines (length, embed_dim) that tell the steps of a sequence apart.

    An odd width has one sine more than it has cosines.
    """
    angles = np.arange(length)[:, None] / 10_000 ** (np.arange(0, embed_dim, 2) / embed_dim)
    pairs = np.stack([np.sin(angles), np.cos(angles)], axis=-1)
    return pairs.reshape(length, -1)[:, :embed_dim]


class Seq2Seq(nn.Module):
    """`encode` once, then `read` with the right tokens known, or `decode` with its own."""

    num_rows: int = 28
    num_classes: int = 10
    embed_dim: int = 64
    num_heads: int = 4
    num_layers: int = 2
    columns_per_step: int = 4
    max_columns: int = 168
    max_tokens: int = 7

    def setup(self) -> None:
        """Name the layers; lists name their members encoder_0, decoder_0 and so on."""
        width, heads = self.embed_dim, self.num_heads
        self.columns_fc = nn.Dense(width)
        self.encoder = [EncoderLayer(width, heads) for _ in range(self.num_layers)]
        self.encoder_norm = LayerNorm()
        self.embedding = nn.Embed(self.num_classes + 2, width)  # the digits, END, START
        self.decoder = [DecoderLayer(width, heads) for _ in range(self.num_layers)]
        self.decoder_norm = LayerNorm()
        self.fc = nn.Dense(self.num_classes + 1)

    def __call__(
        self, columns: Array, length: Array, tokens: Array, train: bool = False
    ) -> tuple[Array, Array]:
        """Logits (B, T, K + 1) and attention (B, T, S') when the right tokens are known."""
        del train  # nothing here depends on the mode
        if tokens.shape[1] > self.max_tokens:
            raise ValueError(
                f"there may be at most {self.max_tokens} tokens, not {tokens.shape[1]}"
            )
        return self.read(tokens, *self.encode(columns, length))

    def encode(self, columns: Array, length: Array) -> tuple[Array, Array]:
        """Memory (B, S', D) of columns (B, S, rows), and the mask (B, 1, S') of what counts."""
        total, step = columns.shape[1], self.columns_per_step
        if total > self.max_columns or total % step:
            raise ValueError(
                f"columns must be at most {self.max_columns}, a multiple of {step}, not {total}"
            )
        x = columns.reshape(-1, total // step, step * self.num_rows)  # (B, S', step * rows)
        x = self.columns_fc(x)  # (B, S', D)
        x = x + positions(total // step, self.embed_dim).astype(x.dtype)
        starts = jnp.arange(0, total, step)
        mask = (length[:, None] > starts)[:, None]  # (B, 1, S')
        for layer in self.encoder:
            x = layer(x, mask)
        return self.encoder_norm(x), mask

    def read(self, tokens: Array, memory: Array, mask: Array) -> tuple[Array, Array]:
        """Logits (B, T, K + 1) and attention (B, T, S') for tokens (B, T)."""
        x = self.embedding(tokens)  # (B, T, D)
        x = x + positions(tokens.shape[1], self.embed_dim).astype(x.dtype)
        for layer in self.decoder:
            x, weights = layer(x, memory, mask)
        return self.fc(self.decoder_norm(x)), weights.mean(axis=1)

    def decode(self, columns: Array, length: Array) -> tuple[Array, Array]:
        """The likeliest tokens (B, T), one by one, and attention (B, T, S'); after END, END."""
        end, start = self.num_classes, self.num_classes + 1
        memory, mask = self.encode(columns, length)
        told = jnp.full((len(length), self.max_tokens), start)
        for step in range(self.max_tokens):  # what stands after `step` is not looked at yet
            logits, attention = self.read(told, memory, mask)
            tokens = logits[:, step].argmax(axis=-1)  # (B,)
            tokens = jnp.where(told[:, step] == end, end, tokens)
            told = jnp.concatenate([told[:, : step + 1], tokens[:, None], told[:, step + 2 :]], 1)
        return told[:, 1:], attention

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "num_rows": self.num_rows,
            "num_classes": self.num_classes,
            "embed_dim": self.embed_dim,
            "num_heads": self.num_heads,
            "num_layers": self.num_layers,
            "columns_per_step": self.columns_per_step,
            "max_columns": self.max_columns,
            "max_tokens": self.max_tokens,
        }
