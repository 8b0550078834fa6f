"""The guide: chapters in Markdown, each of which is a notebook for every backend.

A chapter is Jupytext Markdown. A fenced Python block that is tagged with a backend is that
backend's; three in a row, one a backend, are a group, whose parts can be read against each other. A
fenced Python block without a tag is common to all. Every other block is text.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TypeAlias

import jupytext
import nbformat
from nbformat import NotebookNode, v4

from shared.choosing import choose
from shared.errors import GuideError
from shared.panels import PANELS

FOLDER = Path(__file__).parents[1] / "guide"
"""Where the chapters are, in the order of their names."""

_SHOWN = "%%"  # what Jupytext makes of a block in another language than Python begins with it


@dataclass(frozen=True)
class Text:
    """Markdown."""

    markdown: str


@dataclass(frozen=True)
class Code:
    """Python, and the line of the chapter's file that it begins in, counted from 1."""

    source: str
    line: int


@dataclass(frozen=True)
class Common(Code):
    """Code that every backend runs."""


@dataclass(frozen=True)
class Group:
    """Code by backend: each runs its own."""

    code: Mapping[str, Code]


Cell: TypeAlias = Text | Common | Group


@dataclass(frozen=True)
class Chapter:
    """A chapter: its file's name without the suffix, its title, and what it is made of."""

    name: str
    title: str
    cells: tuple[Cell, ...]

    @property
    def timed(self) -> bool:
        """Whether its code measures time, and wants the machine for itself."""
        sources = (code.source for backend in PANELS for _, code in self.code(backend))
        return any("perf_counter" in source for source in sources)

    def code(self, backend: str) -> Iterator[tuple[int, Code]]:
        """The code that a backend runs, each with the number of its cell, counted from 0."""
        for number, cell in enumerate(self.cells):
            if isinstance(cell, Group):
                yield number, cell.code[backend]
            elif isinstance(cell, Common):
                yield number, cell


def names() -> list[str]:
    """The chapters' names in their order.

    Raises:
        GuideError: there are none.
    """
    stems = sorted(path.stem for path in FOLDER.glob("*.md"))
    if not stems:
        raise GuideError(f"there are no chapters in {FOLDER}; there should be files *.md")
    return stems


def chapters() -> list[Chapter]:
    """The chapters in their order.

    Raises:
        GuideError: there are none, or one of them is not written as it should be.
    """
    return [find(name) for name in names()]


def find(name: str) -> Chapter:
    """The chapter of that name.

    Raises:
        ConfigurationError: there is none.
        GuideError: it is not written as it should be.
    """
    path = FOLDER / f"{choose('chapter', name, names())}.md"
    return parse(name, path.read_text("utf-8"))


def parse(name: str, text: str) -> Chapter:
    """A chapter from its file's contents.

    Raises:
        GuideError: it has no title, a tag is no backend, or a group lacks a backend.
    """
    title, _, _ = text.partition("\n")
    if not title.startswith("# "):
        raise GuideError(f"{name}.md must begin with '# ' and its title, not with {title!r}")
    cells: list[Cell] = []
    group: dict[str, Code] = {}
    position = 0
    for cell in jupytext.reads(text, fmt="md").cells:
        source = cell.source
        if cell.cell_type != "code" or source.startswith(_SHOWN):
            _check_whole(name, group)
            markdown = source if cell.cell_type != "code" else _fenced(source)
            match cells:
                case [*_, Text(before)]:
                    cells[-1] = Text(f"{before}\n\n{markdown}")
                case _:
                    cells.append(Text(markdown))
            continue
        position = text.index(f"\n{source}\n```", position) + 1
        code = Code(source, text.count("\n", 0, position) + 1)
        tags = cell.metadata.get("tags", [])
        if not tags:
            _check_whole(name, group)
            cells.append(Common(code.source, code.line))
            continue
        expected = list(PANELS)[len(group)]
        if tags != [expected]:
            raise GuideError(
                f"{name}.md, line {code.line}: the code is tagged {', '.join(tags)}, and should be "
                f"tagged {expected}: a group has each of {', '.join(PANELS)} once, in this order"
            )
        group[expected] = code
        if len(group) == len(PANELS):
            cells.append(Group(group))
            group = {}
    _check_whole(name, group)
    return Chapter(name, title.removeprefix("# ").strip(), tuple(cells))


def _check_whole(name: str, group: Mapping[str, Code]) -> None:
    """Raise GuideError if a group was begun and did not end."""
    if group:
        lacking = [backend for backend in PANELS if backend not in group]
        line = next(iter(group.values())).line
        raise GuideError(f"{name}.md, line {line}: the group lacks {', '.join(lacking)}")


def _fenced(source: str) -> str:
    """A block in another language as it was in the Markdown."""
    magic, _, rest = source.partition("\n")
    return f"```{magic.removeprefix(_SHOWN)}\n{rest}\n```"


def notebook(chapter: Chapter, backend: str, printed: Sequence[str | None] = ()) -> NotebookNode:
    """The chapter as a backend's notebook: its text, the common code and the backend's own.

    Args:
        chapter: The chapter.
        backend: The backend.
        printed: What each cell printed, to be shown as its output; nothing for none.

    Raises:
        ConfigurationError: there is no backend of that name.
    """
    choose("backend", backend, PANELS)
    code = dict(chapter.code(backend))
    cells = []
    for number, cell in enumerate(chapter.cells):
        identity = f"cell-{number}"  # nbformat's own is drawn anew each time
        if isinstance(cell, Text):
            cells.append(v4.new_markdown_cell(cell.markdown, id=identity))
        else:
            text = printed[number] if printed else None
            outputs = [v4.new_output("stream", name="stdout", text=text)] if text else []
            cells.append(v4.new_code_cell(code[number].source, id=identity, outputs=outputs))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    book = v4.new_notebook(
        cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}}
    )
    nbformat.validate(book)
    return book


def run(name: str, backend: str) -> list[str | None]:  # in a worker
    """Run a chapter's code for a backend in this process, in one namespace.

    Returns:
        What each cell of the chapter printed; None for text.

    Raises:
        ConfigurationError: there is no chapter or no backend of that name.
        GuideError: the chapter is not written as it should be, or its code fails; the sentence
            names the chapter, the cell and the line.
    """
    choose("backend", backend, PANELS)
    chapter = find(name)
    printed: list[str | None] = [None] * len(chapter.cells)
    if keras := sys.modules.get("keras"):  # which counts the names that it makes up
        keras.utils.clear_session(free_memory=False)
    with _module(chapter, backend) as module:
        path = str(module.__file__)
        for number, code in chapter.code(backend):
            with redirect_stdout(io.StringIO()) as output:
                try:
                    exec(compile(_placed(code), path, "exec"), vars(module))
                except Exception as error:
                    line = _line(error, path)
                    raise GuideError(
                        f"{name}.md, line {line}, cell {number + 1} of {len(chapter.cells)}, "
                        f"{backend}: {type(error).__name__}: {error}"
                    ) from error
            printed[number] = output.getvalue()
    return printed


def _placed(code: Code, line: int = 1) -> str:
    """The code with as many empty lines before it as lie between `line` and its own."""
    return "\n" * (code.line - line) + code.source


@contextmanager
def _module(chapter: Chapter, backend: str) -> Iterator[ModuleType]:
    """A module that code can run in, as a notebook's runs in `__main__`.

    Frameworks look a class's module up, and read a function's source where they trace it. So there
    is a file with the backend's code, in the lines that it has in the chapter.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder, f"{chapter.name}.py")
        script, line = "", 1
        for _, code in chapter.code(backend):
            script += f"{_placed(code, line)}\n"
            line = code.line + code.source.count("\n") + 1
        path.write_text(script, "utf-8")
        module = ModuleType(f"guide_{chapter.name}")
        module.__file__ = str(path)
        sys.modules[module.__name__] = module
        try:
            yield module
        finally:
            del sys.modules[module.__name__]


def _line(error: BaseException, path: str) -> int | None:
    """The innermost line of the chapter that raised."""
    if isinstance(error, SyntaxError) and error.filename == path:
        return error.lineno
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
