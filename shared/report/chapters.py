"""The guide's chapters as pages: text from Markdown, code in tabs, and what it printed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
from markdown_it import MarkdownIt
from markdown_it.token import Token

from shared.report import code, guide
from shared.specs import PANELS


def page(name: str) -> str:
    """What a chapter's page is called, without the suffix."""
    return f"guide-{name}"


def contexts(
    outputs: Mapping[str, Mapping[str, Any]] | None, pages: Collection[str]
) -> list[dict[str, Any]]:
    """What the template of a chapter needs, for each.

    Args:
        outputs: By chapter and backend what each cell printed, or why none did; None if none ran.
        pages: The names of the pages that there are; links to others become plain text.
    """
    chapters = guide.chapters()
    titles = [{"page": page(chapter.name), "title": chapter.title} for chapter in chapters]
    found = []
    for number, chapter in enumerate(chapters):
        of_chapter = (outputs or {}).get(chapter.name, {})
        printed = {name: of for name, of in of_chapter.items() if not isinstance(of, str)}
        found.append(
            {
                "name": chapter.name,
                **titles[number],
                "parts": [
                    _part(cell, index, printed, pages) for index, cell in enumerate(chapter.cells)
                ],
                "failed": {name: of for name, of in of_chapter.items() if isinstance(of, str)},
                "before": titles[number - 1] if number else None,
                "after": titles[number + 1] if number + 1 < len(titles) else None,
            }
        )
    return found


def _part(
    cell: guide.Cell,
    index: int,
    printed: Mapping[str, Sequence[str | None]],
    pages: Collection[str],
) -> dict[str, Any]:
    """A cell; its output is None where it did not run."""
    outputs = {name: printed[name][index] if name in printed else None for name in PANELS}
    if isinstance(cell, guide.Text):
        return {"html": html(cell.markdown, pages), "common": None}
    if isinstance(cell, guide.Common):
        first = next(iter(printed), None)
        output = outputs[first] if first else None
        return {"html": "", "common": code.highlighted(cell.source, layers=False), "output": output}
    lines = {name: code.highlighted(part.source, layers=False) for name, part in cell.code.items()}
    return {"html": "", "common": None, "code": lines, "outputs": outputs}


def html(markdown: str, pages: Collection[str]) -> str:
    """Markdown as HTML, in which HTML is text, and so are links to pages that there are not."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(markdown)
    for token in tokens:
        token.children = _linked(token.children, pages) if token.children else token.children
    return parser.renderer.render(tokens, parser.options, {})


def _linked(tokens: Sequence[Token], pages: Collection[str]) -> list[Token]:
    kept: list[Token] = []
    dropped = False
    for token in tokens:
        if token.type == "link_open":
            target = str(token.attrGet("href") or "")
            dropped = target.endswith(".html") and target.removesuffix(".html") not in pages
            if dropped:
                continue
        elif token.type == "link_close" and dropped:
            dropped = False
            continue
        kept.append(token)
    return kept


def write_notebooks(folder: Path) -> None:
    """Write every chapter as a notebook for every backend."""
    folder.mkdir(exist_ok=True)
    for chapter in guide.chapters():
        for name in PANELS:
            nbformat.write(guide.notebook(chapter, name), folder / f"{chapter.name}-{name}.ipynb")
