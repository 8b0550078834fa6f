"""The README and the pages in `docs`, and the code and commands that they show."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = "README.md"
PAGES = {
    str(path.relative_to(ROOT)): path.read_text("utf-8")
    for path in [*sorted((ROOT / "docs").glob("*.md")), ROOT / README]
}
"""The text of each page, by its path; the README, which repeats some examples, comes last."""


def blocks(page: str, kind: str) -> list[str]:
    """The fenced blocks of a page that are tagged so."""
    shown = re.findall(r"^```(\w+)\n(.*?)^```$", PAGES[page], re.DOTALL | re.MULTILINE)
    return [text for tag, text in shown if tag == kind]


def examples(kind: str) -> dict[str, str]:
    """The blocks of all pages by page and first line, each example once."""
    kept: dict[str, str] = {}
    lines: set[str] = set()
    for page in PAGES:
        for text in blocks(page, kind):
            if not set(text.splitlines()) <= lines:
                kept[f"{page}: {text.splitlines()[0]}"] = text
            lines |= set(text.splitlines())
    return kept
