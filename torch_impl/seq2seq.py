"""Seq2Seq: a Transformer that reads a strip of pixel columns and writes its digits.

Reference: Vaswani et al., "Attention Is All You Need" (2017), arXiv:1706.03762; several columns
make one step, as frames do in speech recognition (Sak et al., 2015, arXiv:1507.06947).
Input: columns (B, S, rows), how many of them count (B,), and the tokens (B, T) that each output may
know: START, then the digits before. Output: logits (B, T, K + 1), digits and END, and the last
layer's attention (B, T, S / columns_per_step), the mean of its heads.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from torch_impl.attention import DecoderLayer, EncoderLayer


def positions(length: int, embed_dim: int) -> np.ndarray:
    """Sines and cosines (length, embed_dim) that tell the steps of a sequence apart.

    An odd width has one sine more than it has cosines.
    """
    angles = np.arange(length)[:, None] / 10_000 ** (np.arange(0, embed_dim, 2) / embed_dim)
    pairs = np.stack([np.sin(angles), np.cos(angles)], axis=-1)
    return pairs.reshape(length, -1)[:, :embed_dim]


class Seq2Seq(nn.Module):
    """`encode` once, then `read` with the right tokens known, or `decode` with its own."""

    def __init__(
        self,
        num_rows: int = 28,
        num_classes: int = 10,
        embed_dim: int = 64,
        num_heads: int = 4,
        num_layers: int = 2,
        columns_per_step: int = 4,
        max_columns: int = 168,
        max_tokens: int = 7,
    ) -> None:
        super().__init__()
        self.num_rows = num_rows
        self.num_classes = num_classes
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.num_layers = num_layers
        self.columns_per_step = columns_per_step
        self.max_columns = max_columns
        self.max_tokens = max_tokens

        self.columns_fc = nn.Linear(columns_per_step * num_rows, embed_dim)
        self.encoder = nn.ModuleList(EncoderLayer(embed_dim, num_heads) for _ in range(num_layers))
        self.encoder_norm = nn.LayerNorm(embed_dim)
        self.embedding = nn.Embedding(num_classes + 2, embed_dim)  # the digits, END, START
        self.decoder = nn.ModuleList(DecoderLayer(embed_dim, num_heads) for _ in range(num_layers))
        self.decoder_norm = nn.LayerNorm(embed_dim)
        self.fc = nn.Linear(embed_dim, num_classes + 1)

    def forward(self, columns: Tensor, length: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, T, K + 1) and attention (B, T, S') when the right tokens are known."""
        if tokens.shape[1] > self.max_tokens:
            raise ValueError(
                f"there may be at most {self.max_tokens} tokens, not {tokens.shape[1]}"
            )
        return self.read(tokens, *self.encode(columns, length))

    def encode(self, columns: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """Memory (B, S', D) of columns (B, S, rows), and the mask (B, 1, S') of what counts."""
        total, step = columns.shape[1], self.columns_per_step
        if total > self.max_columns or total % step:
            raise ValueError(
                f"columns must be at most {self.max_columns}, a multiple of {step}, not {total}"
            )
        x = columns.reshape(-1, total // step, step * self.num_rows)  # (B, S', step * rows)
        x = self.columns_fc(x)  # (B, S', D)
        x = x + torch.as_tensor(positions(total // step, self.embed_dim)).to(x)
        starts = torch.arange(0, total, step, device=x.device)
        mask = (length[:, None] > starts)[:, None]  # (B, 1, S')
        for layer in self.encoder:
            x = layer(x, mask)
        return self.encoder_norm(x), mask

    def read(self, tokens: Tensor, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, T, K + 1) and attention (B, T, S') for tokens (B, T)."""
        x = self.embedding(tokens)  # (B, T, D)
        x = x + torch.as_tensor(positions(tokens.shape[1], self.embed_dim)).to(x)
        for layer in self.decoder:
            x, weights = layer(x, memory, mask)
        return self.fc(self.decoder_norm(x)), weights.mean(dim=1)

    def decode(self, columns: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """The likeliest tokens (B, T), one by one, and attention (B, T, S'); after END, END."""
        end, start = self.num_classes, self.num_classes + 1
        memory, mask = self.encode(columns, length)
        told = torch.full((len(length), self.max_tokens), start, device=length.device)
        for step in range(self.max_tokens):  # what stands after `step` is not looked at yet
            logits, attention = self.read(told, memory, mask)
            tokens = logits[:, step].argmax(dim=-1)  # (B,)
            tokens = torch.where(told[:, step] == end, end, tokens)
            told = torch.cat([told[:, : step + 1], tokens[:, None], told[:, step + 2 :]], dim=1)
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
