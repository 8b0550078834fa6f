"""Seq2Seq, and the parts of it that `attention.py` holds."""

from __future__ import annotations

from shared.specs.model import Case, Network, Operations, Settings, Spec, Tensor
from shared.specs.tasks import TRANSCRIPTION


def _seq2seq(
    num_rows: int = 28,
    num_classes: int = 10,
    embed_dim: int = 64,
    num_heads: int = 4,
    num_layers: int = 2,
    columns_per_step: int = 4,
    max_columns: int = 168,
    max_tokens: int = 7,
    columns: int | None = None,
    tokens: int | None = None,
) -> Network:
    columns, tokens = columns or max_columns, tokens or max_tokens
    steps = columns // columns_per_step
    return Network(
        "seq2seq",
        "Seq2Seq",
        {
            "num_rows": num_rows,
            "num_classes": num_classes,
            "embed_dim": embed_dim,
            "num_heads": num_heads,
            "num_layers": num_layers,
            "columns_per_step": columns_per_step,
            "max_columns": max_columns,
            "max_tokens": max_tokens,
        },
        {
            "columns": Tensor("SD", (columns, num_rows)),
            "length": Tensor("", (), "int32", low=1, high=columns),
            "tokens": Tensor("T", (tokens,), "int32", high=num_classes + 1),
        },
        {
            "logits": Tensor("TK", (tokens, num_classes + 1)),
            "attention": Tensor("TS", (tokens, steps)),
        },
    )


def _attention(
    cls: str, embed_dim: int, num_heads: int, length: int, size: int, masked: int | None = None
) -> Network:
    """A part of the Seq2Seq on its own: sequences of vectors and a mask in and out.

    The mask has `masked` rows: one for each step, or one for all.
    """
    config = {"embed_dim": embed_dim, "num_heads": num_heads}
    x, context = Tensor("TD", (length, embed_dim)), Tensor("SD", (size, embed_dim))
    if cls == "EncoderLayer":
        inputs = {"x": context, "attention_mask": Tensor("SS", (masked or size, size), "bool")}
        return Network("attention", cls, config, inputs, {"features": context})
    return Network(
        "attention",
        cls,
        config,
        {
            "x": x,
            "context": context,
            "attention_mask": Tensor("TS", (masked or length, size), "bool"),
        },
        {"features": x, "weights": Tensor("NTS", (num_heads, length, size))},
    )


def _attention_counts(embed_dim: int) -> tuple[int, int, int]:
    """The parameters of attention, of an encoder layer and of a decoder layer."""
    attention = 4 * embed_dim**2 + 3 * embed_dim
    dense = 8 * embed_dim**2 + 5 * embed_dim
    return (
        attention,
        attention + dense + 2 * 2 * embed_dim,
        2 * attention + dense + 3 * 2 * embed_dim,
    )


SPEC = Spec(
    "seq2seq",
    "a Transformer that reads a strip of pixel columns and writes its digits",
    _seq2seq,
    parameters=242_059,
    operations=Operations(forward=12_930_176, training=38_188_416),
    task=TRANSCRIPTION,
    settings=Settings(epochs=30),
    more_cases=(
        Case(
            "12 columns of 5 rows, 3 classes, 1 layer",
            _seq2seq(5, 3, 8, 2, 1, 3, 12, 4),
            parameters=(15 * 8 + 8)
            + (5 * 8)
            + sum(_attention_counts(8)[1:])
            + 2 * 16
            + (8 * 4 + 4),
        ),
        Case(
            "2 columns, 1 token, 3 layers of width 5",
            _seq2seq(3, 2, 5, 1, 3, 1, 4, 2, columns=2, tokens=1),
            parameters=(3 * 5 + 5)
            + (4 * 5)
            + 3 * sum(_attention_counts(5)[1:])
            + 2 * 10
            + (5 * 3 + 3),
        ),
        Case(
            "attention, 3 heads, 5 to 7 steps",
            _attention("MultiHeadAttention", 12, 3, 5, 7),
            parameters=_attention_counts(12)[0],
        ),
        Case(
            "encoder layer, 7 steps",
            _attention("EncoderLayer", 12, 3, 5, 7),
            parameters=_attention_counts(12)[1],
        ),
        Case(
            "decoder layer, 5 to 7 steps",
            _attention("DecoderLayer", 12, 3, 5, 7),
            parameters=_attention_counts(12)[2],
        ),
        Case(
            "attention, heads of width 1, 1 to 3 steps",
            _attention("MultiHeadAttention", 13, 13, 1, 3),
            parameters=_attention_counts(13)[0],
        ),
        Case(
            "encoder layer, 3 steps, one mask for all",
            _attention("EncoderLayer", 13, 1, 3, 3, masked=1),
            parameters=_attention_counts(13)[1],
        ),
        Case(
            "decoder layer, 4 steps, one mask for all",
            _attention("DecoderLayer", 13, 1, 4, 1, masked=1),
            parameters=_attention_counts(13)[2],
        ),
    ),
    shows="attention written out, masks for ragged lengths, a `decode` method that writes "
    "token by token",
    position=110,
)
