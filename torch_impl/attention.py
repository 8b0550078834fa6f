"""Multi-head attention built from dense layers, and the two Transformer layers made of it.

Reference: Vaswani et al., "Attention Is All You Need" (2017), arXiv:1706.03762; the layer norms
stand before their blocks, as in Xiong et al. (2020), arXiv:2002.04745.
Input: sequences of vectors (B, T, D). A mask is True where attention may go; PyTorch's own
`nn.MultiheadAttention` means the opposite.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        if embed_dim % num_heads:
            raise ValueError(
                f"embed_dim must be divisible by num_heads, not {embed_dim} by {num_heads}"
            )
        self.embed_dim = embed_dim
        self.num_heads = num_heads

        self.query = nn.Linear(embed_dim, embed_dim)
        # A bias of the keys would move all scores of a query alike, and softmax would cancel it.
        self.key = nn.Linear(embed_dim, embed_dim, bias=False)
        self.value = nn.Linear(embed_dim, embed_dim)
        self.out = nn.Linear(embed_dim, embed_dim)

    def forward(self, x: Tensor, context: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs (B, T, D) and weights (B, N, T, S) for queries from x and keys from context.

        Args:
            x: (B, T, D).
            context: (B, S, D).
            attention_mask: Boolean (B, T, S), True where attention may go; B and T may be 1.
        """
        check_mask(attention_mask.shape, (x.shape[0], x.shape[1], context.shape[1]))
        q = self.split_heads(self.query(x))  # (B, N, T, d)
        k = self.split_heads(self.key(context))  # (B, N, S, d)
        v = self.split_heads(self.value(context))  # (B, N, S, d)
        scores = q @ k.mT / (self.embed_dim // self.num_heads) ** 0.5  # (B, N, T, S)
        # A number, not -inf: a row that is masked everywhere stays finite.
        scores = scores.masked_fill(~attention_mask[:, None], -1e9)
        weights = torch.softmax(scores, dim=-1)  # (B, N, T, S)
        x = (weights @ v).transpose(1, 2)  # (B, T, N, d)
        return self.out(x.flatten(2)), weights  # (B, T, D)

    def split_heads(self, x: Tensor) -> Tensor:
        """(B, T, D) to (B, N, T, d)."""
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"embed_dim": self.embed_dim, "num_heads": self.num_heads}


class EncoderLayer(nn.Module):
    """x + attention(norm1(x)), then x + fc2(relu(fc1(norm2(x))))."""

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        self.embed_dim = embed_dim
        self.num_heads = num_heads

        self.norm1 = nn.LayerNorm(embed_dim)
        self.attention = MultiHeadAttention(embed_dim, num_heads)
        self.norm2 = nn.LayerNorm(embed_dim)
        self.fc1 = nn.Linear(embed_dim, 4 * embed_dim)
        self.fc2 = nn.Linear(4 * embed_dim, embed_dim)

    def forward(self, x: Tensor, attention_mask: Tensor) -> Tensor:
        """(B, S, D) to (B, S, D); the mask is (B, S, S), its first two perhaps 1."""
        normed = self.norm1(x)
        attended, _ = self.attention(normed, normed, attention_mask)
        x = x + attended
        return x + self.fc2(F.relu(self.fc1(self.norm2(x))))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"embed_dim": self.embed_dim, "num_heads": self.num_heads}


class DecoderLayer(nn.Module):
    """Attention to what is written so far, attention to what is read, and two dense layers."""

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        self.embed_dim = embed_dim
        self.num_heads = num_heads

        self.norm1 = nn.LayerNorm(embed_dim)
        self.self_attention = MultiHeadAttention(embed_dim, num_heads)
        self.norm2 = nn.LayerNorm(embed_dim)
        self.cross_attention = MultiHeadAttention(embed_dim, num_heads)
        self.norm3 = nn.LayerNorm(embed_dim)
        self.fc1 = nn.Linear(embed_dim, 4 * embed_dim)
        self.fc2 = nn.Linear(4 * embed_dim, embed_dim)

    def forward(self, x: Tensor, context: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs (B, T, D) and weights (B, N, T, S) for x (B, T, D) and context (B, S, D).

        The mask (B, T, S) is for the context; of x each step knows itself and those before.
        """
        steps = torch.arange(x.shape[1], device=x.device)
        past = (steps <= steps[:, None])[None]  # (1, T, T)
        normed = self.norm1(x)
        attended, _ = self.self_attention(normed, normed, past)
        x = x + attended
        attended, weights = self.cross_attention(self.norm2(x), context, attention_mask)
        x = x + attended
        return x + self.fc2(F.relu(self.fc1(self.norm3(x)))), weights

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"embed_dim": self.embed_dim, "num_heads": self.num_heads}
