"""An architecture's file in the panels, side by side and aligned piece by piece.

Read from the sources, so no framework is needed. A piece is the module's head (docstring and
imports), a class header with its constructor, a method, or a function or constant of the module.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise, zip_longest

from rich.console import Console
from rich.style import Style
from rich.syntax import ANSISyntaxTheme, Syntax
from rich.text import Text

from shared.parity import mirror
from shared.specs import PANELS, choose

NARROWEST = 60  # characters: below it the panels are shown one under another

CONSTRUCTORS = ("__init__", "setup")

# The terminal's own colours, and of them those that can be read on black as well as on white.
_THEME = ANSISyntaxTheme(
    {
        ("Comment",): Style(dim=True),
        ("Keyword",): Style(color="magenta"),
        ("Literal", "Number"): Style(color="cyan"),
        ("Literal", "String"): Style(color="green"),
        ("Name", "Class"): Style(bold=True),
        ("Name", "Decorator"): Style(color="cyan"),
        ("Name", "Function"): Style(bold=True),
        ("Operator", "Word"): Style(color="magenta"),
    }
)


@dataclass(frozen=True)
class Piece:
    """Successive lines of a file, and what they are: a name that the panels share."""

    role: str
    lines: Sequence[Text]


def show(file: str, backends: Sequence[str], console: Console) -> None:
    """Print an architecture's file in some panels.

    One panel's is printed as it is: highlighted on a terminal, elsewhere the bare text, so that it
    can be sent to a file. Several stand side by side where each gets `NARROWEST` characters, else
    one under another, piece by piece.

    Args:
        file: The file's name without its suffix, such as "mlp".
        backends: The panels, at least one.
        console: Where to print.

    Raises:
        ConfigurationError: there is no backend of that name.
    """
    names = [choose("backend", name, PANELS) for name in dict.fromkeys(backends)]
    paths = {name: mirror.source(name, file) for name in names}
    texts = {name: path.read_text("utf-8") for name, path in paths.items()}
    if len(names) > 1:
        rows = align({name: pieces(text, name) for name, text in texts.items()})
        titles = {name: f"{path.parent.name}/{path.name}" for name, path in paths.items()}
        arrange = _side_by_side if console.width // len(names) >= NARROWEST else _stacked
        _print(console, arrange(rows, titles, console))
    elif console.is_terminal:
        title = Text(str(paths[names[0]]), "bold")
        _print(console, [title, Text(), *_folded(_highlight(texts[names[0]]), console.width)])
    else:
        console.file.write(texts[names[0]])


def pieces(text: str, backend: str) -> list[Piece]:
    """Cut a file into pieces. Comments and blank lines go with what follows them.

    Args:
        text: The file.
        backend: Whose it is.

    Returns:
        Pieces whose lines, highlighted, are all those of the file in their order.
    """
    lines = _highlight(text)
    starts = [(0, "")]
    for role, node in _outline(ast.parse(text), backend):
        start = min(n.lineno for n in (node, *getattr(node, "decorator_list", []))) - 1
        while start and lines[start - 1].plain.lstrip()[:1] in ("", "#"):
            start -= 1
        if role != starts[-1][1]:  # a property and its setter have one name, and are one piece
            starts.append((start, role))
    ends = pairwise([*starts, (len(lines), "")])
    return [Piece(role, lines[start:end]) for (start, role), (end, _) in ends if end > start]


def _outline(module: ast.Module, backend: str) -> Iterator[tuple[str, ast.stmt]]:
    """The statements that begin a piece; all others stay with what they follow."""
    for node in module.body:
        match node:
            case ast.ClassDef():
                yield node.name, node
                for method in node.body:
                    if isinstance(method, ast.FunctionDef) and method.name not in CONSTRUCTORS:
                        forward = method.name == mirror.FORWARD[backend]
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
    rows, prose = [], False
    hang = _indent(line) + 8  # deeper than a block would be
    while len(line) > width:
        code, start = line.plain, _indent(line)
        if code.startswith("#", start):
            hang = start + 2
        prose = prose or code.startswith(("#", '"""'), start)
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


def _indent(line: Text) -> int:
    return len(line) - len(line.plain.lstrip())


def _folded(lines: Iterable[Text], width: int) -> list[Text]:
    return [row for line in lines for row in fold(line, width)]


def _highlight(text: str) -> list[Text]:
    """The lines of a file."""
    return list(Syntax("", "python", theme=_THEME).highlight(text).split("\n"))


def _draws(console: Console) -> bool:
    """Whether lines can be drawn: on a terminal that has the characters for them."""
    return console.is_terminal and not console.options.ascii_only


def _side_by_side(
    rows: Iterable[Mapping[str, Piece]], titles: Mapping[str, str], console: Console
) -> Iterator[Text]:
    """The panels as columns; every row of pieces begins on one line."""
    rule = Text.assemble((" │ " if _draws(console) else "   ", "dim"))
    width = (console.width - len(rule) * (len(titles) - 1)) // len(titles)

    def beside(cells: Iterable[Text]) -> Text:
        padded = [cell.copy() for cell in cells]
        for cell in padded:
            cell.pad_right(width - cell.cell_len)
        line = rule.join(padded)
        line.rstrip()
        return line

    yield beside(Text(f"{name}: {title}", "bold") for name, title in titles.items())
    yield beside(Text() for _ in titles)
    for row in rows:
        columns = [_folded(row[name].lines, width) if name in row else [] for name in titles]
        for cells in zip_longest(*columns, fillvalue=Text()):
            yield beside(cells)


def _stacked(
    rows: Iterable[Mapping[str, Piece]], titles: Mapping[str, str], console: Console
) -> Iterator[Text]:
    """The panels' pieces one under another, each with a label."""
    for row in rows:
        for name, piece in row.items():
            label = f"{name}: {piece.role or titles[name]}"
            if _draws(console):
                yield Text(f"── {label} ".ljust(console.width, "─"), "bold cyan")
            else:
                yield Text(f"-- {label}", "bold cyan")
            lines = list(piece.lines)
            while lines and not lines[0]:
                del lines[0]
            yield from _folded(lines, console.width)
            yield Text()


def _print(console: Console, lines: Iterable[Text]) -> None:
    """Print lines that are already as long as they should be."""
    for line in lines:
        console.print(line, soft_wrap=True)
