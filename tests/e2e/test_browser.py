"""The pages in a real browser: Debian's Chromium, without a window and without a network."""

import re
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from shared.panels import PANELS
from shared.report import pages
from shared.report.pages import Report, Study
from shared.report.survey import from_dict
from shared.specs import SPECS
from tests.e2e import pictures
from tests.e2e.chromium import ARGUMENTS, CHROMIUM
from tests.e2e.hostile import HOSTILE, hostile

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt install chromium"),
    pytest.mark.xdist_group("report"),
]
WIDE, NARROW = 1440, 390
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def show(browser: Browser) -> Iterator[Open]:
    """Open a page of a folder; at the end nothing went wrong in it, and nothing left the disk."""
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    def opened(
        folder: Path,
        name: str,
        width: int = WIDE,
        scheme: Any = "light",
        scripts: bool = True,
        before: str = "",
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            java_script_enabled=scripts,
        )
        contexts.append(context)
        page = context.new_page()
        page.on(
            "console",
            lambda message: wrong.append(message.text) if message.type == "error" else None,
        )
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("requestfailed", lambda request: wrong.append(request.url))
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith(("file://", "data:")) else wrong.append(request.url)
            ),
        )
        if before:
            page.add_init_script(before)
        page.goto((folder / f"{name}.html").as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture(scope="module")
def surveys(measured: Any) -> Any:
    """Every architecture as every backend tells of it: a report has that of all."""
    return {
        name: {backend: from_dict(value) for backend, value in study["surveys"].items()}
        for name, study in measured["studies"].items()
    }


@pytest.fixture(scope="module")
def blocks(tmp_path_factory: pytest.TempPathFactory, surveys: Any) -> Path:
    """Pages of networks with blocks and branches, as far as no training is needed."""
    folder = tmp_path_factory.mktemp("blocks")
    studies = [Study(SPECS[name], surveys[name]) for name in ("simple_resnet", "branching_net")]
    pages.write(folder, Report(studies))
    return folder


# One that was measured, and one that was only surveyed; a chapter whose outputs are recorded.
SHOWN = (
    "index",
    "basic_net",
    "sequential_net",
    "conventions",
    "guide",
    "guide-04_residual_blocks",
)


@pytest.mark.parametrize(("width", "scheme"), [(WIDE, "light"), (NARROW, "dark")])
@pytest.mark.parametrize("name", SHOWN)
def test_every_page_is_accessible_and_fits(
    name: str, width: int, scheme: str, show: Open, report_folder: Path
) -> None:
    page = show(report_folder, name, width, scheme)
    assert (report_folder / f"{name}.html").stat().st_size < 5e6
    page.evaluate(  # those after the first are of the same kind, and so many that it takes a minute
        "document.querySelectorAll('.convention:nth-of-type(n + 9)').forEach(one => one.remove())"
    )
    audit = Axe().run(page, options={"preload": False})  # it would fetch the styles again
    assert audit.violations_count == 0, audit.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    heading = page.locator("h1")
    assert heading.count() == 1
    assert heading.is_visible()
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", background)[:3])) < 150) is (scheme == "dark")


def tops(page: Page, selector: str) -> list[float]:
    return [box["y"] for place in page.locator(selector).all() if (box := place.bounding_box())]


def test_columns_stand_side_by_side_and_scroll_together(show: Open, report_folder: Path) -> None:
    page = show(report_folder, "basic_net")
    cells = "[data-role='BasicNet.forward']"
    before = tops(page, cells)
    assert len(before) == len(PANELS)
    assert max(before) - min(before) < 1
    lefts = [box["x"] for place in page.locator(cells).all() if (box := place.bounding_box())]
    assert len(set(lefts)) == len(PANELS)
    page.locator(".columns").first.evaluate("box => { box.scrollTop = 120; }")
    after = tops(page, cells)
    assert max(after) - min(after) < 1
    assert before[0] - after[0] == pytest.approx(120, abs=1)


def test_on_a_narrow_screen_the_panels_are_tabs(show: Open, report_folder: Path) -> None:
    page = show(report_folder, "basic_net", NARROW)

    def visible() -> list[str]:
        cells = page.locator("[data-role='BasicNet.forward']").all()
        return [str(cell.get_attribute("data-panel")) for cell in cells if cell.is_visible()]

    first, second, last = PANELS
    assert visible() == [first]
    tabs = page.get_by_role("tablist", name="Panels of mlp.py").get_by_role("tab")
    tabs.nth(1).click()
    assert visible() == [second]
    assert tabs.nth(1).get_attribute("aria-selected") == "true"
    page.keyboard.press("ArrowRight")
    assert visible() == [last]
    page.keyboard.press("ArrowRight")
    assert visible() == [first]


def test_a_layer_and_its_twins_are_marked(show: Open, blocks: Path) -> None:
    page = show(blocks, "simple_resnet")
    page.get_by_role("button", name="open all blocks").click()
    key = "ResidualBlock.conv1"
    page.locator(f"[data-panel=torch] .layer[data-layer='{key}']").first.hover()
    lit = page.locator(".lit")
    for panel in PANELS:
        assert page.locator(f"[data-panel={panel}] .layer.lit").count() >= 2  # made, and called
    rows = page.locator("tr.lit")
    assert rows.count() == 4  # of four blocks
    assert "layer1.0.conv1.weight" in rows.first.inner_text()
    assert page.locator(".graph .node.lit").count() == 4
    keys = lit.evaluate_all("found => [...new Set(found.map(one => one.dataset.layer))]")
    assert keys == [key]
    page.locator("h1").hover()
    assert lit.count() == 0
    node = page.locator(f".graph .node[data-layer='{key}']").first
    node.focus()
    assert page.locator("[data-panel=keras] .layer.lit").count() >= 2
    assert page.locator(".line.lit").count() == 1  # the line that it is called in


def test_a_topic_marks_its_lines(show: Open, blocks: Path) -> None:
    page = show(blocks, "simple_resnet")
    page.locator("[data-topic=padding]").hover()
    for panel in PANELS:
        lines = page.locator(f"[data-panel={panel}] .line.lit").all_inner_texts()
        assert lines
        assert all("pad" in line for line in lines)


def test_blocks_of_the_graph_open_and_close(show: Open, blocks: Path) -> None:
    page = show(blocks, "simple_resnet")
    graph = page.locator(".graph")
    closed = graph.locator(".node").count()
    block = graph.get_by_role("button", name="layer1: Sequential")
    block.click()
    opened = graph.locator(".node").count()
    assert opened > closed
    inner = graph.get_by_role("button", name="layer1.0: ResidualBlock")
    inner.focus()
    page.keyboard.press("Enter")
    assert graph.locator(".node").count() > opened
    assert graph.get_by_text("conv1", exact=True).count() == 2  # the network's own, and the block's
    inner = graph.get_by_role("button", name="layer1.0: ResidualBlock")
    assert inner.get_attribute("aria-expanded") == "true"
    page.get_by_role("button", name="close all").click()
    assert graph.locator(".node").count() == closed
    shapes = graph.locator(".shape").all_text_contents()
    assert "B\u00d764\u00d728\u00d728" in shapes
    page.get_by_role("tablist", name="Whose run").get_by_role("tab", name="flax").click()
    assert "B\u00d728\u00d728\u00d764" in graph.locator(".shape").all_text_contents()


def test_two_branches_and_a_skip_are_drawn_beside_each_other(show: Open, blocks: Path) -> None:
    page = show(blocks, "branching_net")
    places = {
        name: page.locator(f".graph [data-layer='BranchingNet.{name}']").bounding_box()
        for name in ("conv2a", "conv2b", "conv3a", "conv3b")
    }
    assert all(places.values())
    at = {name: (box["x"], box["y"]) for name, box in places.items() if box}
    assert at["conv2a"][1] == pytest.approx(at["conv2b"][1])
    assert abs(at["conv2a"][0] - at["conv2b"][0]) > 40
    assert at["conv3a"][1] > at["conv2a"][1]
    # The skip goes past the branches: from a node above them to an addition below.
    assert page.locator(".graph .node", has_text="add").count() == 2


def test_a_cell_of_the_ladder_opens_its_figures(
    show: Open, report_folder: Path, measured: Any
) -> None:
    page = show(report_folder, "basic_net")
    cell = page.get_by_role("button", name=re.compile("^gradients, torch-flax float64"))
    cell.click()
    figures = page.locator("[popover]:popover-open")
    assert figures.count() == 1
    checks = measured["studies"]["basic_net"]["checks"]
    cell_has = [c for c in checks if (c["rung"], c["between"]) == ("gradients", "torch-flax")]
    assert figures.locator("tbody tr").count() == len(cell_has) > 0
    page.keyboard.press("Escape")
    assert page.locator("[popover]:popover-open").count() == 0


def test_charts_are_drawn_in_the_pages_colours(show: Open, report_folder: Path) -> None:
    seen = {}
    for scheme in ("light", "dark"):
        page = show(report_folder, "basic_net", WIDE, scheme)
        charts = page.locator("figure svg")
        assert charts.count() == 3
        for chart in charts.all():
            box = chart.bounding_box()
            assert box is not None
            assert box["width"] > 300
            assert box["height"] > 100
            assert chart.locator("path").count() > 5
        text = charts.first.locator("text").first
        seen[scheme] = text.evaluate("element => getComputedStyle(element).fill")
    assert seen["light"] != seen["dark"]


def test_a_chapters_tabs_turn_together(show: Open, report_folder: Path) -> None:
    page = show(report_folder, "guide-01_first_subclass")
    groups = page.locator(".group")
    assert groups.count() > 2
    page.get_by_role("tab", name="keras").last.click()
    for group in groups.all():
        shown = [part for part in group.locator("[data-panel]").all() if part.is_visible()]
        assert [part.get_attribute("data-panel") for part in shown] == ["keras"]


def test_without_scripts_everything_can_be_read(show: Open, report_folder: Path) -> None:
    page = show(report_folder, "basic_net", NARROW, scripts=False)
    for panel in PANELS:
        assert page.locator(f"[data-panel={panel}][data-role='BasicNet.forward']").is_visible()
    page = show(report_folder, "guide-01_first_subclass", scripts=False)
    for panel in PANELS:
        assert page.locator(f".group [data-panel={panel}]").first.is_visible()


def test_hostile_names_do_nothing(show: Open, tmp_path: Path, surveys: Any, measured: Any) -> None:
    pages.write(tmp_path, hostile(surveys, measured))
    page = show(tmp_path, "basic_net", before="window.bad = () => { window.struck = true; };")
    assert HOSTILE in page.locator("body").inner_text()
    for node in page.locator(".graph .node").all():
        node.hover()
    assert page.locator(".graph .node").count() > 3
    assert page.evaluate("window.struck") is None
    assert page.locator("main b").count() == 0


def test_pictures_keep_the_colours_of_the_panels() -> None:
    """Those of a few letters, too, on a page of thousands of greys and pale colours."""
    random = np.random.default_rng(0)
    page = random.integers(230, 256, (900, 1440, 3), np.uint8)
    assets = resources.files("shared.report").joinpath(pages.ASSETS)
    css = assets.joinpath("report.css").read_text("utf-8")
    shades = re.findall(r"--(?:torch|flax|keras): #(\w{6})", css)
    colours = [tuple(bytes.fromhex(text)) for text in shades]
    assert len(colours) == 6, "light and dark"
    for number, colour in enumerate(colours):
        page[10 * number, :20] = colour
    small = np.asarray(pictures.reduced(Image.fromarray(page)).convert("RGB")).astype(int)
    for number, colour in enumerate(colours):
        assert np.abs(small[10 * number, :20] - colour).max() <= 8
