"""Architectures' files side by side, aligned piece by piece: one in its panels, or several in each.

Read from the sources, so no framework is needed. A piece is the module's head (docstring and
imports), a class header with its constructor, a method, or a function or constant of the module.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.style import Style
from rich.syntax import ANSISyntaxTheme, Syntax
from rich.text import Text

from shared.choosing import choose
from shared.panels import FORWARD, PANELS, source
from shared.terminal import draws, style

NARROWEST = 60  # characters: below it the panels are shown one under another

CONSTRUCTORS = ("__init__", "__post_init__", "setup")

_STRING = Style(color="green")
_QUOTED = re.compile(r"[bfru]{0,2}[\"']", re.IGNORECASE)

# The terminal's own colours, and of them those that can be read on black as well as on white.
_THEME = ANSISyntaxTheme(
    {
        ("Comment",): Style(dim=True),
        ("Keyword",): Style(color="magenta"),
        ("Literal", "Number"): Style(color="cyan"),
        ("Literal", "String"): _STRING,
        ("Name", "Class"): Style(bold=True),
        ("Name", "Decorator"): Style(color="cyan"),
        ("Name", "Function"): Style(bold=True),
        ("Operator", "Word"): Style(color="magenta"),
    }
)


@dataclass(frozen=True)
class Piece:
    """Successive lines of a file, what the columns call them, and what their own file does.

    `start` counts the lines before them.
    """

    role: str
    name: str
    lines: Sequence[Text]
    start: int

    def to_dict(self) -> dict[str, Any]:
        """The same for JSON, lines counted from 1."""
        return {
            "name": self.name,
            "first_line": self.start + 1,
            "last_line": self.start + len(self.lines),
            "text": "\n".join(line.plain for line in self.lines),
        }


@dataclass(frozen=True)
class Column:
    """One file of one panel, cut into pieces."""

    backend: str
    path: Path
    pieces: Sequence[Piece]

    @property
    def title(self) -> str:
        """The file with its folder."""
        return f"{self.path.parent.name}/{self.path.name}"


def tables(files: Sequence[str], backends: Sequence[str]) -> list[dict[str, Column]]:
    """The columns that stand side by side: a file's by panel, or several files' in each panel.

    Args:
        files: The files' names without their suffixes, such as "mlp"; at least one.
        backends: The panels, at least one.

    Raises:
        ConfigurationError: there is no backend of that name.
    """
    names = [choose("backend", name, PANELS) for name in dict.fromkeys(backends)]
    files = list(dict.fromkeys(files))

    def column(file: str, name: str) -> Column:
        path = source(name, file)
        text = path.read_text("utf-8")
        return Column(name, path, pieces(text, name, number_classes=len(files) > 1))

    if len(files) > 1:
        return [{file: column(file, name) for file in files} for name in names]
    return [{name: column(files[0], name) for name in names}]


def show(files: Sequence[str], backends: Sequence[str], console: Console) -> None:
    """Print one architecture's file in some panels, or several architectures' in each of them.

    One file of one panel is printed as it is: highlighted on a terminal, elsewhere the bare text,
    so that it can be sent to a file. Otherwise the panels of one file are columns, or the files of
    one panel, a panel after the other. Columns stand side by side where each gets `NARROWEST`
    characters, else one under another, piece by piece.

    Args:
        files: The files' names without their suffixes, such as "mlp"; at least one.
        backends: The panels, at least one.
        console: Where to print.

    Raises:
        ConfigurationError: there is no backend of that name.
    """
    for i, columns in enumerate(tables(files, backends)):
        if i:
            console.print()
        if len(columns) > 1:
            _print_columns(columns, console)
        else:
            _print_one(next(iter(columns.values())), console)


def to_dict(files: Sequence[str], backends: Sequence[str]) -> dict[str, Any]:
    """What `show` prints as plain dictionaries, for JSON: columns, and the rows of their pieces.

    Lines are counted from 1; a column's pieces have all lines of its file. Arguments and errors are
    those of `tables`.
    """
    return {
        "tables": [
            {
                "columns": {
                    key: {"backend": column.backend, "path": str(column.path)}
                    for key, column in columns.items()
                },
                "rows": [
                    {
                        "role": _role(row),
                        "pieces": {key: piece.to_dict() for key, piece in row.items()},
                    }
                    for row in align({key: column.pieces for key, column in columns.items()})
                ],
            }
            for columns in tables(files, backends)
        ]
    }


def _print_one(column: Column, console: Console) -> None:
    text = column.path.read_text("utf-8")
    if console.is_terminal:
        title = Text(str(column.path), style(column.backend))
        _print(console, [title, Text(), *_folded(_highlight(text), console.width)])
    else:
        console.file.write(text)


def _print_columns(columns: Mapping[str, Column], console: Console) -> None:
    by_panel = [*columns] == [column.backend for column in columns.values()]
    titles = {
        key: Text(f"{key}: {column.title}" if by_panel else column.title, style(column.backend))
        for key, column in columns.items()
    }
    arrange = _side_by_side if console.width // len(columns) >= NARROWEST else _stacked
    _print(console, arrange(align({k: c.pieces for k, c in columns.items()}), titles, console))


def pieces(text: str, backend: str, *, number_classes: bool = False) -> list[Piece]:
    """Cut a file into pieces. Comments and blank lines go with what follows them.

    Args:
        text: The file.
        backend: Whose it is.
        number_classes: Whether roles have a class's number in the file in place of its name, so
            that they can be held against another architecture's.

    Returns:
        Pieces whose lines, highlighted, are all those of the file in their order.
    """
    lines, module = _highlight(text), ast.parse(text)
    classes = [node.name for node in module.body if isinstance(node, ast.ClassDef)]
    numbers = {name: f"class {i}" for i, name in enumerate(classes, 1)} if number_classes else {}
    starts = [(0, "")]
    for name, node in _outline(module, backend):
        start = min(n.lineno for n in (node, *getattr(node, "decorator_list", []))) - 1
        while start and lines[start - 1].plain.lstrip()[:1] in ("", "#"):
            start -= 1
        if name != starts[-1][1]:  # a property and its setter have one name, and are one piece
            starts.append((start, name))
    parts = []
    for (start, name), (end, _) in pairwise([*starts, (len(lines), "")]):
        owner, dot, method = name.partition(".")
        if end > start:
            role = numbers.get(owner, owner) + dot + method
            parts.append(Piece(role, name, lines[start:end], start))
    return parts


def _outline(module: ast.Module, backend: str) -> Iterator[tuple[str, ast.stmt]]:
    """The statements that begin a piece; all others stay with what they follow."""
    for node in module.body:
        match node:
            case ast.ClassDef():
                yield node.name, node
                for method in node.body:
                    if isinstance(method, ast.FunctionDef) and method.name not in CONSTRUCTORS:
                        forward = method.name == FORWARD[backend]
                        yield f"{node.name}.{'forward' if forward else method.name}", method
            case ast.FunctionDef():
                yield node.name, node
            case ast.Assign(targets=[target, *_]) | ast.AnnAssign(target=target):
                yield ast.unparse(target), node


def align(columns: Mapping[str, Sequence[Piece]]) -> list[dict[str, Piece]]:
    """Rows of pieces that have one role, by column; every column's pieces keep their order."""
    rows: list[dict[str, Piece]] = []
    for name, column in columns.items():
        above, merged = rows, []
        roles = [_role(row) for row in above], [piece.role for piece in column]
        for tag, a, b, c, d in SequenceMatcher(None, *roles, autojunk=False).get_opcodes():
            alone = [{name: piece} for piece in column[c:d]]
            if tag == "equal":
                merged += [old | new for old, new in zip(above[a:b], alone, strict=True)]
            else:
                merged += above[a:b] + alone
        rows = merged
    return rows


def _role(row: Mapping[str, Piece]) -> str:
    return next(piece.role for piece in row.values())


def fold(line: Text, width: int) -> list[Text]:
    """Break a line of code into rows of at most `width` characters, the later ones indented.

    A trailing comment gets a row of its own. Else rows end after a comma, where prose does not
    forbid it, or at a space, or after a bracket; where there is none, anywhere.
    """
    rows, prose = [], _is_prose(line)
    hang = _indent(line) + (2 if prose else 8)  # code: deeper than a block would be
    while len(line) > width:
        code, start = line.plain, _indent(line)
        if code.startswith("#", start):
            hang = start + 2
        prose = prose or code.startswith("#", start)
        ends = (
            code.find("  # ", start, width + 2) + 2,
            0 if prose else code.rfind(", ", width // 2, width + 1) + 2,
            code.rfind(" ", start, width + 1) + 1,
            code.rfind("(", start, width) + 1,
            max(width, start + 2),
        )
        row, line = line.divide([next(end for end in ends if end > start + 1)])
        row.rstrip()
        rows.append(row)
        line.pad_left(min(hang, width // 2))
    return [*rows, line]


def _is_prose(line: Text) -> bool:
    """Whether a line is of a docstring."""
    start = _indent(line)
    if line.plain.startswith('"""', start):
        return True
    inside = any(s.start <= start < s.end and s.style == _STRING for s in line.spans)
    return inside and not _QUOTED.match(line.plain, start)


def _indent(line: Text) -> int:
    return len(line) - len(line.plain.lstrip())


def _folded(lines: Iterable[Text], width: int) -> list[Text]:
    return [row for line in lines for row in fold(line, width)]


def _highlight(text: str) -> list[Text]:
    """The lines of a file."""
    return list(Syntax("", "python", theme=_THEME).highlight(text).split("\n"))


def _side_by_side(
    rows: Iterable[Mapping[str, Piece]], titles: Mapping[str, Text], console: Console
) -> Iterator[Text]:
    """The columns; every row of pieces begins on one line."""
    rule = Text.assemble((" │ " if draws(console) else "   ", "dim"))
    width = (console.width - len(rule) * (len(titles) - 1)) // len(titles)

    def beside(cells: Iterable[Text]) -> Text:
        padded = [cell.copy() for cell in cells]
        for cell in padded:
            cell.pad_right(width - cell.cell_len)
        line = rule.join(padded)
        line.rstrip()
        return line

    yield beside(titles.values())
    yield beside(Text() for _ in titles)
    for row in rows:
        columns = [_folded(row[name].lines, width) if name in row else [] for name in titles]
        for cells in zip_longest(*columns, fillvalue=Text()):
            yield beside(cells)


def _stacked(
    rows: Iterable[Mapping[str, Piece]], titles: Mapping[str, Text], console: Console
) -> Iterator[Text]:
    """The columns' pieces one under another, each with a label."""
    for row in rows:
        for name, piece in row.items():
            title = titles[name].plain
            label = f"{title.partition(': ')[0]}: {piece.name}" if piece.name else title
            if draws(console):
                yield Text(f"── {label} ".ljust(console.width, "─"), titles[name].style)
            else:
                yield Text(f"-- {label}", titles[name].style)
            lines = list(piece.lines)
            while lines and not lines[0]:
                del lines[0]
            yield from _folded(lines, console.width)
            yield Text()


def _print(console: Console, lines: Iterable[Text]) -> None:
    """Print lines that are already as long as they should be."""
    for line in lines:
        console.print(line, soft_wrap=True)
