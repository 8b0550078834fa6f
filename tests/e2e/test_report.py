"""The pages: what stands on them is what was measured, and what was not measured is said so."""

import html
import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared import registry, strict
from shared.panels import PANELS, source
from shared.report import (
    asked,
    code,
    graph,
    guide,
    measuring,
    pages,
    parameters,
    recorded,
    results,
    run,
)
from shared.report.pages import Report, Study
from shared.report.survey import Survey, from_dict
from shared.specs import SPECS
from tests.assertions import status
from tests.e2e.hostile import hostile
from tests.printed import refused

NAME = "basic_net"
INSTALLED = registry.installed()
pytestmark = [
    pytest.mark.skipif(not INSTALLED, reason="needs a backend"),
    pytest.mark.xdist_group("report"),
]


class Words(HTMLParser):
    """The text of a page, without scripts, and its elements."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.within: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.within.append(tag)
        self.text.append(" " * (tag in ("td", "th", "tr", "li", "dt", "dd", "div", "p", "br")))

    def handle_endtag(self, tag: str) -> None:
        if tag in self.within:
            del self.within[len(self.within) - 1 - self.within[::-1].index(tag) :]

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.within):
            self.text.append(data)


def words(path: Path) -> tuple[str, Words]:
    """A page's text with single spaces, and what was parsed."""
    parsed = Words()
    parsed.feed(path.read_text("utf-8"))
    return " ".join("".join(parsed.text).split()), parsed


@pytest.fixture(scope="module")
def surveys(measured: Any) -> dict[str, dict[str, Survey]]:
    """Every architecture as every backend tells of it: a report has that of all."""
    return {
        name: {backend: from_dict(value) for backend, value in study["surveys"].items()}
        for name, study in measured["studies"].items()
    }


def test_a_page_shows_what_was_measured(report_folder: Path, measured: Any) -> None:
    text, _ = words(report_folder / f"{NAME}.html")
    study = measured["studies"][NAME]
    assert list(study["surveys"]) == INSTALLED
    assert "109,386 parameters" in text
    for name, survey in study["surveys"].items():
        assert len(survey["table"]) == 6
        for place in survey["places"].values():
            assert place["name"] in text
        for library, version in study["comparison"]["rows"][name]["versions"].items():
            assert f"{library} {version}" in text
    for name, row in study["comparison"]["rows"].items():
        assert row["history"]["losses"]
        assert f"{row['history']['seconds']:.1f} s" in text
        assert f"{row['peak_memory_mib']:,.0f} MiB" in text
        assert f"{name}: what it says of test examples" in text
        for counts in row["examples"]["confusion"]:
            assert " ".join(map(str, counts)) in text
    assert study["comparison"]["request"]["settings"]["dropout"] is False
    compared = [check for check in study["checks"] if check["between"] == "torch-flax"]
    if {"torch", "flax"} <= set(INSTALLED):
        assert {check["rung"] for check in compared} >= {"forward", "gradients", "activations"}
        for check in compared:
            assert check["status"] == "passed"
            if check["difference"]:
                assert f"{check['difference']:.1e}" in text
    overview, _ = words(report_folder / "index.html")
    assert "109,386" in overview
    assert f"{len(study['checks']):,} checks passed" in overview


def test_without_dropout_the_losses_lie_on_each_other(measured: Any) -> None:
    rows = measured["studies"][NAME]["comparison"]["rows"]
    losses = np.array([row["history"]["losses"] for row in rows.values()])
    assert losses.shape == (len(INSTALLED), measuring.STEPS)
    assert np.abs(losses / losses[0] - 1).max() < 0.01


def test_what_was_measured_is_shown_again_without_measuring(
    report_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(asked, "Worker", refuse)
    monkeypatch.setattr(measuring.comparison, "compare", refuse)
    monkeypatch.setattr(measuring.ladder, "climb", refuse)
    again = tmp_path / "again"
    file = report_folder / run.MEASURED
    assert status(["report", "--from", str(file), "--no-guide", "-o", str(again)]) == 0
    before, after = (folder / f"{NAME}.html" for folder in (report_folder, again))
    assert without_results(after) == without_results(before)
    assert "Measured now" in words(before)[0]
    text, _ = words(after)
    assert "Measured now" not in text
    assert f"Read from files Training: the first {measuring.STEPS} steps" in text
    assert f"It was read from {run.MEASURED}" in text
    studies = json.loads((again / run.MEASURED).read_text())["studies"]
    assert [name for name, study in studies.items() if study["asked"]] == [NAME]
    assert [*studies] == [*SPECS]


def without_results(page: Path) -> str:
    """A page without the section that says where its figures come from."""
    return re.sub(r'<h2 id="results".*?(?=<h2)', "", page.read_text("utf-8"), flags=re.DOTALL)


def test_every_architecture_has_its_page_with_its_recorded_score(
    report_folder: Path, measured: Any
) -> None:
    overview, parsed = words(report_folder / "index.html")
    own = recorded.read()
    scores = own.scores
    assert [tag for tag, _ in parsed.elements].count("h2") == len(SPECS) + 1
    cards, _, _ = overview.partition("This report was made on")  # a warning has percents too
    assert cards.count(" %") == sum(len(score.percent) for score in scores.values())
    assert f"Measured now training the first {measuring.STEPS} steps without dropout" in overview
    for spec in SPECS.values():
        text, _ = words(report_folder / f"{spec.name}.html")
        assert list(measured["studies"][spec.name]["surveys"]) == INSTALLED
        assert f"{spec.parameters:,} parameters" in text
        unasked = re.search(r"This report (neither trained nor checked|did not check) it", text)
        assert (unasked is None) is (spec.name == NAME)
        parity = results.results(Study(spec), own)["recorded"]["parity"]
        for page in (text, overview):
            assert parity["text"] in page
            assert parity["origin"].command in page
        assert f"differ by at most {parity['forward']['float32']:.1e}" in text
        if spec.name not in scores:
            assert "It is not trained itself, so it has no score" in text
            continue
        score = scores[spec.name]
        percents = ", ".join(f"{name} {value:.1f} %" for name, value in score.percent.items())
        for page in (text, overview):
            assert percents in page
            assert score.origin.command in page
            assert score.origin.date in page
            assert f"keras {score.origin.versions['keras']['keras']}" in page


@pytest.mark.skipif(len(INSTALLED) < len(PANELS), reason="what is not installed leaves gaps")
def test_nothing_that_is_recorded_is_said_to_be_missing(report_folder: Path) -> None:
    for path in report_folder.glob("*.html"):
        text, _ = words(path)
        if path.stem != "conventions":
            assert "not measured" not in text, path.name
            assert "not run" not in text.lower(), path.name
    for chapter, by_backend in recorded.read().guide.items():
        text, _ = words(report_folder / f"guide-{chapter}.html")
        assert text.count("The outputs on this page are recorded. They were printed on") == 1
        for one in by_backend.values():
            for output in filter(None, one.cells):
                assert " ".join(output.split()) in text
        assert ("Times and rates are those of this machine" in text) is guide.find(chapter).timed


def test_the_sources_can_be_searched_without_scripts(report_folder: Path) -> None:
    text, _ = words(report_folder / f"{NAME}.html")
    (file,) = SPECS[NAME].files
    for panel in PANELS:
        for line in source(panel, file).read_text("utf-8").splitlines():
            assert " ".join(line.split()) in text
        assert f"{PANELS[panel]}/{file}.py" in text


def test_nothing_on_a_page_is_fetched_from_elsewhere(report_folder: Path) -> None:
    for path in report_folder.glob("*.html"):
        _, parsed = words(path)
        for tag, attributes in parsed.elements:
            for name in ("src", "href", "data", "action", "poster"):
                value = attributes.get(name) or ""
                if value.startswith(("data:", "#")) or (tag == "a" and "://" in value):
                    continue
                assert "//" not in value, (path.name, tag, value)
                assert not value or (report_folder / value.partition("#")[0]).exists(), value
    for path in (report_folder / "assets").glob("*.css"):
        assert "url(" not in path.read_text("utf-8")


# Sources


def keys(rows: list[code.Row], panel: str) -> set[str]:
    """The keys that are marked in a panel's column."""
    text = "".join(line.html for row in rows for line in row.cells.get(panel, ()))
    return {html.unescape(key) for key in re.findall(r'data-layer="([^"]*)"', text)}


@pytest.mark.parametrize("name", SPECS)
def test_a_layer_has_one_key_in_sources_table_and_graph(
    name: str, surveys: dict[str, dict[str, Survey]]
) -> None:
    spec, by_backend = SPECS[name], surveys[name]
    rows = parameters.tensors(by_backend)
    assert [row.name for row in rows] == [info.name for info in by_backend[INSTALLED[0]].table]
    for backend, one in by_backend.items():
        marked: set[str] = set()
        for file in spec.files:
            marked |= keys(code.rows(file), backend)
        in_table = {row.key for row in rows}
        # The wrapped network's own file is not part of the wrapper's page.
        assert in_table <= marked or name == "inference_model"
        drawn = graph.draw(one.trace)
        in_graph = {node.key for node in drawn.nodes} | {block.key for block in drawn.blocks}
        if not (name == "early_exit_net" and backend == "torch"):  # one branch alone ran
            assert in_table - in_graph == set()
        for row in rows:
            own = row.own[backend]
            assert sorted(own.axes) == sorted(row.axes)
            sizes = dict(zip(row.axes, row.shape, strict=True))
            if len(set(row.axes)) == len(row.axes):
                assert [sizes[axis] for axis in own.axes] == list(own.shape)
    assert parameters.counts(rows)["parameter"] == spec.parameters


# The graph


@pytest.mark.parametrize("name", SPECS)
def test_arrows_join_what_is_drawn(name: str, surveys: dict[str, dict[str, Survey]]) -> None:
    spec = SPECS[name]
    for backend, one in surveys[name].items():
        drawn = graph.draw(one.trace)
        nodes = {node.name: node for node in drawn.nodes}
        blocks = {block.name for block in drawn.blocks}
        assert len(nodes) == len(drawn.nodes)
        assert {node.block for node in drawn.nodes} <= blocks | {""}
        assert {block.parent for block in drawn.blocks} <= blocks | {""}
        for start, end, shape in drawn.arrows:
            assert start in nodes
            assert end in nodes
            assert shape.startswith("B") or shape == "1", (backend, shape)
        for output in spec.network.outputs:
            assert any(end == f"out:{output}" for _, end, _ in drawn.arrows)
        for input_ in spec.network.inputs:
            assert any(start == f"in:{input_}" for start, _, _ in drawn.arrows)


def test_a_block_is_drawn_once_however_often_it_ran(
    surveys: dict[str, dict[str, Survey]],
) -> None:
    rows = next(iter(SPECS["row_gru"].network.inputs.values())).shape[0]
    for one in surveys["row_gru"].values():
        drawn = graph.draw(one.trace)
        cells = [block for block in drawn.blocks if block.cls == "GRUCell"]
        assert [block.turns for block in cells] == [rows]
        gates = [node for node in drawn.nodes if node.detail.endswith("input_gates")]
        assert [node.turns for node in gates] == [rows]


# What is not measured, and what is hostile


def gappy(surveys: dict[str, dict[str, Survey]], measured: Any) -> Study:
    """One backend alone, and another only in its training."""
    comparison = measured["studies"][NAME]["comparison"]
    first, last = INSTALLED[0], INSTALLED[-1]
    study = Study(SPECS[NAME], {first: surveys[NAME][first]})
    study.comparison = {**comparison, "rows": {last: comparison["rows"][last]}}
    study.gaps = {"flax": "flax is not here"}
    return study


@pytest.mark.skipif(len(INSTALLED) < 2, reason="one backend leaves no gap")
def test_a_backend_that_was_not_measured_leaves_a_gap(
    tmp_path: Path, surveys: dict[str, dict[str, Survey]], measured: Any
) -> None:
    pages.write(tmp_path, Report([gappy(surveys, measured), Study(SPECS["unet"])]))
    text, _ = words(tmp_path / f"{NAME}.html")
    assert "flax: flax is not here" in text
    tensors = len(surveys[NAME][INSTALLED[0]].table)
    rows_of_speed = 7
    missing = tensors * (len(PANELS) - 1) + rows_of_speed * (len(PANELS) - 1)
    assert "This report made no parity checks of it" in text
    assert text.count("not measured") == missing
    bare, _ = words(tmp_path / "unet.html")
    for sentence in (
        "No backend was asked for its run",
        "No backend was asked for its tensors",
        "No final score is recorded",
        "No parity is recorded",
        "This report neither trained nor checked it",
        "This report made no parity checks of it. triptych parity unet makes every check",
        "This report did not train it. triptych compare unet --report trains it",
        "This report did not measure its speed. triptych bench unet does",
    ):
        assert sentence in bare
    overview, _ = words(tmp_path / "index.html")
    assert "Recorded" not in overview
    assert overview.count("Measured now") == 1
    assert "%" not in overview.partition("WARNING")[0]


def test_hostile_names_are_text(
    tmp_path: Path, surveys: dict[str, dict[str, Survey]], measured: Any
) -> None:
    pages.write(tmp_path, hostile(surveys, measured))
    for path in tmp_path.glob("*.html"):
        text, parsed = words(path)
        assert ("<script>bad()</script>" in text) is (path.stem in ("index", NAME))
        for tag, attributes in parsed.elements:
            assert "onmouseover" not in attributes
            if tag == "script":
                assert set(attributes) in ({"src"}, {"type", "id"})


# Files


def test_files_take_the_place_of_measurements_and_are_recorded(
    tmp_path: Path,
    measured: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    study = measured["studies"][NAME]
    settings = asdict(SPECS[NAME].settings)
    whole = {**study["comparison"]["request"], "examples": None, "settings": settings}
    rate = {"median": 4321.0, "spread": 7.0, "rounds": [4321.0]}
    row = {
        "architecture": NAME,
        "backend": "torch",
        "variant": "tuned",
        "unit": "images",
        "versions": {"torch": "0.0.1"},
        "training": rate,
        "inference": {"1": rate, "256": {**rate, "median": 98765.0}},
        "latency": {"p50": 0.001, "p99": 0.0025},
        "startup_seconds": 1.25,
        "first_step_seconds": None,
        "peak_memory_mib": None,
    }
    request = {
        "architectures": [NAME],
        "rounds": 5,
        "batch_sizes": [64, 256],
        "dtype": "float32",
        "device": "cpu",
    }
    files = {
        "compare": {**study["comparison"], "request": whole},
        "parity": {"checks": study["checks"]},
        "bench": {"peak": {}, "request": request, "rows": [row], "machine": {"CPUs": 2}},
    }
    paths = []
    for kind, value in files.items():
        paths.append(tmp_path / f"{kind}.json")
        strict.write(paths[-1], value)
    assert run.read(paths).architectures() == [NAME]
    monkeypatch.setattr(registry, "missing", lambda _: ["something"])
    folder, record = tmp_path / "pages", tmp_path / "recorded.json"
    options = ["--no-guide", "--record", str(record), "-o", str(folder)]
    assert status(["report", "--from", *map(str, paths), *options]) == 0
    printed = capsys.readouterr().out
    assert f"recorded: the scores of {NAME}\n" in printed
    assert f"the parity of {NAME} is not recorded: it is a part of the ladder" in printed
    written = recorded.read(record)
    assert [*written.scores] == [NAME]
    assert written.scores[NAME].origin.command == f"triptych compare {NAME}"
    text, _ = words(folder / f"{NAME}.html")
    assert "Read from files Final test accuracy after 10 epochs" in text
    for figure in (
        "4,321 ±7 %",
        "98,765 ±7 %",
        "1.00 / 2.50 ms",
        "1.25 s",
        "torch 0.0.1",
        "CPUs 2",
    ):
        assert figure in text
    assert "pip install" in text
    overview, _ = words(folder / "index.html")
    for path in paths:
        assert path.name in overview


def test_a_file_of_another_version_is_refused(
    measured: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = measured["studies"][NAME]
    for row in (comparison := json.loads(json.dumps(study["comparison"])))["rows"].values():
        del row["examples"]
    study = {**study, "comparison": comparison}
    path = tmp_path / "old.json"
    strict.write(path, {**measured, "studies": {**measured["studies"], NAME: study}})
    options = ["--no-guide", "-o", str(tmp_path / "out")]
    message = refused(capsys, "report", "--from", str(path), *options)
    assert "old.json, of triptych report cannot be shown" in message
    assert (tmp_path / "out" / run.MEASURED).exists()


def test_a_file_that_cannot_be_recorded_is_refused(
    measured: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    comparison = json.loads(json.dumps(measured["studies"][NAME]["comparison"]))
    comparison["request"] |= {"examples": None, "settings": asdict(SPECS[NAME].settings)}
    del comparison["request"]["device"]  # which no page shows
    path, record = tmp_path / "compare.json", tmp_path / "recorded.json"
    strict.write(path, comparison)
    monkeypatch.setattr(registry, "missing", lambda _: ["something"])
    options = ["--no-guide", "--record", str(record), "-o", str(tmp_path / "out")]
    message = refused(capsys, "report", "--from", str(path), *options)
    assert "compare.json, of triptych compare cannot be shown" in message
    assert not record.exists()


def test_a_report_tells_programs_where_it_is(
    report_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = report_folder / run.MEASURED, tmp_path / "out"
    arguments = ["--no-guide", "-o", str(out), "--json"]
    assert status(["report", "--from", str(file), *arguments]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {
        "pages": str(out / "index.html"),
        "measured": str(out / run.MEASURED),
        "failed": {},
    }


def sections(path: Path) -> Iterator[str]:
    yield from re.findall(r'<h2 id="(\w+)"', path.read_text("utf-8"))


def test_every_section_is_in_the_navigation(report_folder: Path) -> None:
    path = report_folder / f"{NAME}.html"
    names = list(sections(path))
    assert names == ["results", "sources", "graph", "parameters", "parity", "training", "speed"]
    for name in names:
        assert f'href="#{name}"' in path.read_text("utf-8")
