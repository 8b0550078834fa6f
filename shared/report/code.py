"""The sources as HTML: highlighted, in rows that are one class or method in all panels.

Where a layer of the network is named, the name is marked with the key that the graph and the table
of parameters have too: its class and its attribute, "ResidualBlock.conv1".
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from pygments.formatters.html import HtmlFormatter
from pygments.lexers.python import PythonLexer
from pygments.token import STANDARD_TYPES

from shared.panels import PANELS, source
from shared.show import columns


@dataclass(frozen=True)
class Line:
    """A line of code: its number, how far it is indented, and the HTML of what follows."""

    number: int
    indent: int
    html: str
    comment: bool = False


@dataclass(frozen=True)
class Row:
    """One piece of a file in every panel that has it; `role` is what it is called."""

    role: str
    cells: Mapping[str, Sequence[Line]]


def rows(file: str, panels: Sequence[str] = tuple(PANELS)) -> list[Row]:
    """An architecture's file, aligned piece by piece."""
    texts = {name: source(name, file).read_text("utf-8") for name in panels}
    lines = {name: highlighted(text) for name, text in texts.items()}
    parts = {name: columns.pieces(text, name) for name, text in texts.items()}
    aligned = []
    for row in columns.align(parts):
        cells = {
            name: _trimmed(lines[name][piece.start : piece.start + len(piece.lines)])
            for name, piece in row.items()
        }
        aligned.append(Row(next(piece.role for piece in row.values()), cells))
    return aligned


def _trimmed(lines: Sequence[Line]) -> list[Line]:
    """Without blank lines at both ends: the rows stand apart anyway."""
    filled = [index for index, line in enumerate(lines) if line.html]
    return list(lines[filled[0] : filled[-1] + 1]) if filled else []


def highlighted(text: str, *, layers: bool = True) -> list[Line]:
    """The lines of Python code, with Pygments's short class names.

    Args:
        text: The code.
        layers: Whether to mark the layers with their keys.
    """
    attributes = _attributes(text) if layers else {}
    marked: list[list[str]] = [[]]
    before: tuple[str, str] = ("", "")
    for kind, value in PythonLexer(stripnl=False).get_tokens(text):
        for index, part in enumerate(value.split("\n")):
            if index:
                marked.append([])
            # The page indents a line, even one within a docstring.
            shown = part if marked[-1] else part.lstrip(" ")
            if shown:
                number = len(marked)
                owner = attributes.get(number, {}).get(part) if before == ("self", ".") else None
                marked[-1].append(_span(kind, shown, owner))
        before = (before[1], value)
    lines = []
    for number, (line, parts) in enumerate(zip(text.split("\n"), marked, strict=False), 1):
        bare = line.lstrip(" ")
        indent = len(line) - len(bare)
        lines.append(Line(number, indent, "".join(parts), bare.startswith("#")))
    return lines[:-1] if text.endswith("\n") else lines


def _span(kind: Any, text: str, key: str | None) -> str:
    short = STANDARD_TYPES.get(kind) or STANDARD_TYPES.get(kind.parent, "")
    html = escape(text)
    if key:
        return f'<span class="layer" data-layer="{escape(key)}">{html}</span>'
    plain = not short or not text.strip()
    return html if plain else f'<span class="{short}">{html}</span>'


def _attributes(text: str) -> dict[int, dict[str, str]]:
    """By line the attributes of the class that the line is in, each with its key."""
    by_line: dict[int, dict[str, str]] = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef):
            keys = {name: f"{node.name}.{name}" for name in _assigned(node)}
            for number in range(node.lineno, (node.end_lineno or node.lineno) + 1):
                by_line[number] = keys
    return by_line


def _assigned(node: ast.ClassDef) -> Iterator[str]:
    """What is assigned to `self` by calling something: layers, and what else there may be."""
    for inner in ast.walk(node):
        targets: list[ast.expr] = []
        match inner:
            case ast.Assign(value=value) if not isinstance(value, ast.Name):
                targets = inner.targets
            case ast.AnnAssign():
                targets = [inner.target]
        for target in targets:
            match target:
                case ast.Attribute(value=ast.Name(id="self"), attr=name):
                    yield name


def style() -> str:
    """The colours of the highlighting, on a light page and on a dark one."""
    light, dark = (
        HtmlFormatter(style=name).get_style_defs(".code .text")
        for name in ("default", "github-dark")
    )
    return f"{_rules(light)}\n@media (prefers-color-scheme: dark) {{\n{_rules(dark)}\n}}\n"


def _rules(text: str) -> str:
    """The rules for kinds of tokens alone: backgrounds are the page's."""
    return "\n".join(line for line in text.splitlines() if line.startswith(".code .text ."))
