"""The guide's chapters as pages: text from Markdown, code in tabs, and what it printed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from markdown_it import MarkdownIt
from markdown_it.token import Token

from shared.panels import PANELS
from shared.report import code, guide, recording
from shared.report.recorded import Cells, Origin
from shared.report.study import Report


def page(name: str) -> str:
    """What a chapter's page is called, without the suffix."""
    return f"guide-{name}"


@dataclass(frozen=True)
class Shown:
    """What a chapter's cells printed in one backend: for this report, or once, as recorded."""

    cells: Cells
    origin: Origin
    now: bool


def outputs(chapter: guide.Chapter, report: Report) -> dict[str, Shown]:
    """By backend what a chapter's cells printed; what is recorded stands in for what did not run.

    What was printed by other cells than the chapter has is left out.
    """
    ran = recording.printed(report).get(chapter.name, {})
    kept = report.recorded.guide.get(chapter.name, {})
    by_backend = {}
    for name in PANELS:
        for source, now in ((ran, True), (kept, False)):
            if name in source and _fits(source[name].cells, chapter):
                by_backend[name] = Shown(source[name].cells, source[name].origin, now)
                break
    return by_backend


def _fits(cells: Cells, chapter: guide.Chapter) -> bool:
    """Whether there is an output for each cell, and none for text."""
    texts = [isinstance(cell, guide.Text) for cell in chapter.cells]
    return [cell is None for cell in cells] == texts


def contexts(report: Report, pages: Collection[str]) -> list[dict[str, Any]]:
    """What the template of a chapter needs, for each.

    Args:
        report: It may have what each cell printed, or why none did; and what was recorded.
        pages: The names of the pages that there are; links to others become plain text.
    """
    chapters = guide.chapters()
    titles = [{"page": page(chapter.name), "title": chapter.title} for chapter in chapters]
    chapter_contexts = []
    for number, chapter in enumerate(chapters):
        shown = outputs(chapter, report)
        of_chapter = (report.guide or {}).get(chapter.name, {})
        parts = [_part(cell, index, shown, pages) for index, cell in enumerate(chapter.cells)]
        heading, end, parts[0]["html"] = parts[0]["html"].partition("</h1>")
        chapter_contexts.append(
            {
                "name": chapter.name,
                **titles[number],
                "heading": heading + end,
                "parts": parts,
                "origins": origins(shown),
                "timed": chapter.timed,
                "failed": {name: of for name, of in of_chapter.items() if isinstance(of, str)},
                "before": titles[number - 1] if number else None,
                "after": titles[number + 1] if number + 1 < len(titles) else None,
            }
        )
    return chapter_contexts


def origins(shown: Mapping[str, Shown]) -> list[dict[str, Any]]:
    """Which backends' outputs were printed together, and when and with what."""
    groups: list[dict[str, Any]] = []
    for name, one in shown.items():
        same = {"now": one.now, "date": one.origin.date, "machine": one.origin.machine}
        group = next((each for each in groups if same.items() <= each.items()), None)
        if group is None:
            group = {**same, "names": [], "versions": {}}
            groups.append(group)
        group["names"].append(name)
        group["versions"] |= one.origin.versions
    return groups


def _part(
    cell: guide.Cell, index: int, shown: Mapping[str, Shown], pages: Collection[str]
) -> dict[str, Any]:
    """A cell; its output is None where there is none to show."""
    cells = {name: shown[name].cells[index] if name in shown else None for name in PANELS}
    if isinstance(cell, guide.Text):
        return {"kind": "text", "html": html(cell.markdown, pages)}
    if isinstance(cell, guide.Common):
        output = cells[next(iter(shown))] if shown else None
        lines = code.highlighted(cell.source, layers=False)
        return {"kind": "common", "code": lines, "output": output}
    listings = {
        name: code.highlighted(part.source, layers=False) for name, part in cell.code.items()
    }
    return {"kind": "group", "code": listings, "outputs": cells}


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


def write_notebooks(folder: Path, report: Report) -> None:
    """Write every chapter as a notebook for every backend, with the outputs that there are."""
    folder.mkdir(exist_ok=True)
    for chapter in guide.chapters():
        shown = outputs(chapter, report)
        for name in PANELS:
            cells = shown[name].cells if name in shown else ()
            book = guide.notebook(chapter, name, cells)
            nbformat.write(book, folder / f"{chapter.name}-{name}.ipynb")
