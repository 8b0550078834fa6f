"""Pictures of the pages for the docs: `python -m tests.e2e.pictures REPORT FOLDER`."""

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from tests.e2e.chromium import ARGUMENTS, CHROMIUM

PICTURES = {
    "index": ("index", 0),
    "architecture": ("branching_net", "#sources"),
    "graph": ("branching_net", "#graph"),
    "conventions": ("conventions", "#losses"),
    "guide": ("guide-04_residual_blocks", 0),
}
SIZE = {"width": 1440, "height": 900}
COLOURS = 256
"""The most that a palette holds."""


def main(report: Path, folder: Path) -> None:
    """Write a small PNG of each page.

    Args:
        report: The folder that `triptych report branching_net` wrote.
        folder: Where the pictures go.
    """
    if CHROMIUM is None:
        sys.exit("pictures: needs Chromium: apt install chromium")
    folder.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport=SIZE, reduced_motion="reduce")  # type: ignore[arg-type]
        for name, (of, place) in PICTURES.items():
            page.goto((report / f"{of}.html").resolve().as_uri())
            if place:
                page.locator(str(place)).evaluate("element => element.scrollIntoView()")
            seen = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            reduced(seen).save(folder / f"{name}.png", optimize=True)
            print(f"{folder / name}.png: {(folder / f'{name}.png').stat().st_size // 1024} KiB")
        browser.close()


def reduced(picture: Image.Image) -> Image.Image:
    """The picture with a palette.

    Median cut, the default, would leave out colours of few pixels: those of the panels' names.
    """
    return picture.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
