"""What the README and the docs state is so."""

import re
from collections.abc import Sequence

import numpy as np
import pytest

from shared import specs
from tests.readme import PAGES, README, ROOT, blocks
from tests.sources import SHIPPED

MOST_WORDS = 1_500
ARCHITECTURES = PAGES["docs/architectures.md"]


def test_the_two_commands_come_first_and_are_in_the_makefile() -> None:
    commands = blocks(README, "sh")[0].splitlines()
    assert commands == ["make demo", "make test"]
    makefile = (ROOT / "Makefile").read_text()
    for command in commands:
        assert f"\n{command.split()[1]}: " in makefile


def test_the_readme_is_short() -> None:
    assert len(PAGES[README].split()) <= MOST_WORDS


@pytest.mark.parametrize("page", [*PAGES, "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_somewhere(page: str) -> None:
    """Those within the project: a file that is there, and a heading that it has."""
    text = PAGES.get(page) or (ROOT / page).read_text("utf-8")
    links = re.findall(r"\]\(([^)]+)\)", text)
    for link in links:
        if re.match(r"https?:", link):
            continue
        file, _, heading = link.partition("#")
        target = (ROOT / page).parent / file if file else ROOT / page
        assert target.exists(), link
        if heading:
            titles = re.findall(r"^#+ (.*)$", target.read_text("utf-8"), re.MULTILINE)
            assert heading in {re.sub(r"\W+", "-", title.lower()).strip("-") for title in titles}


def test_code_that_is_quoted_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    quotes = re.findall(
        r"From `([\w/]+\.py)`:\n\n```text\n(.*?)^```$", text, re.DOTALL | re.MULTILINE
    )
    assert len(quotes) == text.count("From `") > 0
    for file, quote in quotes:
        lines = [line.strip() for line in (ROOT / file).read_text("utf-8").splitlines()]
        assert {line.strip() for line in quote.splitlines()} <= {*lines}, file


def test_every_page_is_reached_from_the_readme() -> None:
    linked = set(re.findall(r"\]\((docs/[\w-]+\.md)\)", PAGES[README]))
    assert linked == {*PAGES} - {README}


def assert_has_shipped(names: Sequence[str]) -> None:
    """Those that ship are all there; each is of the catalogue, and in its order."""
    assert {*SHIPPED} <= {*names}, "docs/architectures.md lacks a row"
    assert [*names] == [name for name in specs.SPECS if name in names]


def test_the_table_of_architectures_is_that_of_the_specs() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (`\w+\.py`.*?) \| (.*?) \| (.*) \| (.*?) \|$",
        ARCHITECTURES,
        re.MULTILINE,
    )
    assert_has_shipped([row[0] for row in rows])
    for name, files, classes, shows, parameters in rows:
        spec = specs.find(name)
        assert shows == spec.shows
        assert re.findall(r"`(\w+)\.py`", files) == list(spec.files)
        # A cell is reached through its network: no case builds it alone.
        built = {case.network.cls for case in spec.cases}
        assert built <= {*re.findall(r"`(\w+)`", classes)} <= built | {"GRUCell"}
        around = f"its base's; {spec.parameters:,} around `mnist_classifier`, its default"
        assert parameters == (f"{spec.parameters:,}" if spec.task else around)


def test_the_table_of_scores_has_every_network_that_is_trained() -> None:
    rows = re.findall(
        r"^\| `triptych compare (\w+)(.*?)` \| (.*?) \| (.*?) % \| (.*?) % \| (.*?) % \|$",
        ARCHITECTURES,
        re.MULTILINE,
    )
    trained = {spec.name: spec.require_task() for spec in specs.SPECS.values() if spec.task}
    assert_has_shipped([*(row[0] for row in rows), "inference_model"])
    least = {"basic_net": 93, "skip_mlp": 96, "unet": 80, "seq2seq": 90, "mnist_classifier": 96}
    for name, options, score, *reached in rows:
        assert score == specs.METRICS[trained[name].metrics[0]].removeprefix("test ")
        assert ("--data mnist" in options) is (name in ("unet", "seq2seq"))
        assert all(least.get(name, 85) <= float(value) <= 100 for value in reached)


def test_the_output_shown_has_what_compare_prints() -> None:
    shown = blocks(README, "text")[0]
    for title in ("parameters", "first forward pass", "test accuracy", "images/s", "peak memory"):
        assert title in shown
    accuracies = [float(value) for value in re.findall(r"(\d+\.\d+) %", shown)]
    assert len(accuracies) == 3
    assert np.min(accuracies) >= 96
