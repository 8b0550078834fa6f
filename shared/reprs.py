"""How objects show themselves: in a line at Python's prompt, in a table of HTML in a notebook."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from html import escape

import numpy as np

from shared.interface import Model

Arrays = Mapping[str, np.ndarray]


def table(
    caption: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    numbers: Container[str] = (),
) -> str:
    """An HTML table, in which every text is escaped.

    Args:
        caption: What is above it.
        columns: The title of each column.
        rows: Their cells, as many as there are columns.
        numbers: The columns that stand at the right.
    """
    styles = [f"text-align: {'right' if title in numbers else 'left'}" for title in columns]

    def cells(tag: str, texts: Sequence[object]) -> str:
        pairs = zip(styles, map(str, texts), strict=True)
        return "".join(f'<{tag} style="{style}">{escape(text)}</{tag}>' for style, text in pairs)

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return (
        f'<table><caption style="text-align: left">{escape(caption)}</caption>'
        f"<thead><tr>{cells('th', columns)}</tr></thead><tbody>{body}</tbody></table>"
    )


def paragraph(text: str) -> str:
    """An HTML paragraph of one text, which is escaped."""
    return f"<p>{escape(text)}</p>"


def data(kind: str, name: str, train: Arrays, test: Arrays) -> str:
    """What data are, in one line: how many examples there are in each part."""
    return f"<{_data(kind, name, train, test)}>"


def data_html(kind: str, name: str, train: Arrays, test: Arrays) -> str:
    """Every array of data, by its part."""
    rows = [
        (part, name, str(array.shape), array.dtype)
        for part, arrays in (("to train", train), ("to test", test))
        for name, array in arrays.items()
    ]
    return table(_data(kind, name, train, test), ("part", "array", "shape", "dtype"), rows)


def _data(kind: str, name: str, train: Arrays, test: Arrays) -> str:
    counts = [max(map(len, arrays.values()), default=0) for arrays in (train, test)]
    return f"{kind} {name}: {counts[0]:,} to train, {counts[1]:,} to test"


def short(value: float) -> str:
    """A number with two decimals, or with two digits where it is small."""
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:#.2g}"


def model(shown: Model) -> str:
    """What a model is, in one line."""
    return f"<{_model(shown)}>"


def model_html(shown: Model) -> str:
    """A model's tensors, each under its canonical name and where its framework keeps it."""
    places = shown.places()
    columns = ("tensor", "shape", "values", "dtype", "kind", f"in {shown.backend}", "shape there")
    rows = [
        (
            row.name,
            str(row.shape),
            f"{row.size:,}",
            row.dtype,
            row.kind,
            places[row.name].name,
            str(places[row.name].shape),
        )
        for row in shown.table()
    ]
    return table(_model(shown), columns, rows, numbers=("values",))


def _model(shown: Model) -> str:
    count = sum(row.size for row in shown.table() if row.kind == "parameter")
    return (
        f"{shown.network.cls} in {shown.backend}: {count:,} parameters, "
        f"{shown.dtype} on {shown.device}, {shown.variant}"
    )
