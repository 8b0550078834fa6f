"""The pages: what stands on them is what was measured, and what was not measured is said so."""

import html
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared import cli, registry, strict
from shared.interface import Step, Trace
from shared.parity import ladder, mirror
from shared.report import charts, code, graph, pages, parameters, parity, run
from shared.report.pages import Report, Study
from shared.report.survey import Survey
from shared.specs import PANELS, SPECS

NAME = "basic_net"
INSTALLED = registry.installed()
pytestmark = pytest.mark.skipif(not INSTALLED, reason="needs a backend")
HOSTILE = '<script>bad()</script><b onmouseover="bad()">&\'"'


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


def triptych(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        cli.main(list(arguments))
    return int(caught.value.code or 0)


def test_a_page_shows_what_was_measured(report_folder: Path, measured: Any) -> None:
    text, _ = words(report_folder / f"{NAME}.html")
    study = measured["studies"][NAME]
    assert list(study["surveys"]) == INSTALLED
    assert "109,386 parameters" in text
    for name, found in study["surveys"].items():
        assert len(found["table"]) == 6
        for place in found["places"].values():
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
    assert losses.shape == (len(INSTALLED), run.STEPS)
    assert np.abs(losses / losses[0] - 1).max() < 0.01


def test_what_was_measured_is_shown_again_without_measuring(
    report_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(run, "Worker", refuse)
    monkeypatch.setattr(run.compare, "compare", refuse)
    monkeypatch.setattr(run.ladder, "climb", refuse)
    again = tmp_path / "again"
    file = report_folder / run.MEASURED
    assert triptych("report", "--from", str(file), "--no-guide", "-o", str(again)) == 0
    made = (again / f"{NAME}.html").read_text()
    assert made == (report_folder / f"{NAME}.html").read_text()
    assert json.loads((again / run.MEASURED).read_text())["studies"].keys() == {NAME}


def test_the_sources_can_be_searched_without_scripts(report_folder: Path) -> None:
    text, _ = words(report_folder / f"{NAME}.html")
    (file,) = SPECS[NAME].files
    for panel in PANELS:
        for line in mirror.source(panel, file).read_text("utf-8").splitlines():
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


@pytest.mark.parametrize("file", {file for spec in SPECS.values() for file in spec.files})
def test_columns_are_the_files_aligned_by_method(file: str) -> None:
    rows = code.rows(file)
    for panel in PANELS:
        text = mirror.source(panel, file).read_text("utf-8").splitlines()
        shown = {line.number: line for row in rows for line in row.cells.get(panel, ())}
        left_out = [n for n, line in enumerate(text, 1) if n not in shown and line.strip()]
        assert left_out == []
        for number, line in shown.items():
            plain = html.unescape(re.sub(r"<[^>]*>", "", line.html))
            assert " " * (line.indent if plain else 0) + plain == text[number - 1].rstrip()
    forwards = [row for row in rows if row.role.endswith(".forward")]
    assert forwards
    assert all(set(row.cells) == set(PANELS) for row in forwards)


@pytest.mark.parametrize("name", SPECS)
def test_a_layer_has_one_key_in_sources_table_and_graph(
    name: str, surveys: dict[str, dict[str, Survey]]
) -> None:
    spec, found = SPECS[name], surveys[name]
    rows = parameters.tensors(found)
    assert [row.name for row in rows] == [info.name for info in found[INSTALLED[0]].table]
    for backend, one in found.items():
        marked: set[str] = set()
        for file in spec.files:
            marked |= keys(code.rows(file), backend)
        wanted = {row.key for row in rows}
        # The wrapped network's own file is not part of the wrapper's page.
        assert wanted <= marked or name == "inference_model"
        drawn = graph.draw(one.trace)
        there = {node.key for node in drawn.nodes} | {block.key for block in drawn.blocks}
        if not (name == "early_exit_net" and backend == "torch"):  # one branch alone ran
            assert wanted - there == set()
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


def step(kind: str, *inputs: int | str, layer: str = "", block: str = "", call: int = 0) -> Step:
    return Step(kind, layer, block, call, inputs, ((2, 3),), "file", 1)


def test_what_has_no_effect_is_not_drawn() -> None:
    steps = (
        step("arange"),  # 0: a constant
        step("cos", 0),  # 1: made of it alone
        step("Linear", "x", layer="fc"),  # 2
        step("add", 2, 1),  # 3
        step("mean", 2),  # 4: comes to nothing
        step("bool", 2),  # 5: decides
    )
    drawn = graph.draw(Trace(steps, {"": "Net"}, {"x": (2, 5)}, {"y": 3}))
    assert [node.label for node in drawn.nodes] == ["x", "Linear", "add", "if", "y"]
    assert set(drawn.arrows) == {
        ("in:x", "2", "B\u00d75"),
        ("2", "3", "B\u00d73"),
        ("2", "5", "B\u00d73"),
        ("3", "out:y", "B\u00d73"),
    }


# Charts


def test_a_chart_leaves_out_what_is_no_number() -> None:
    series = {"torch": [1.0, None, 0.25], "flax": [1.0, float("nan"), 0.0]}
    for log in (False, True):
        text = charts.lines(series, title='a < "b"', x="step", y="loss", log=log)  # type: ignore[arg-type]
        assert 'aria-label="a &lt; &quot;b&quot;"' in text
        assert text.count("<svg") == 1
        assert "var(--torch)" in text
        assert "var(--flax)" in text
        assert "nan" not in text.lower()
        assert "#0102" not in text
    first, second = (charts.lines(series, title=t, x="", y="") for t in ("one", "two"))  # type: ignore[arg-type]
    ids = [set(re.findall(r'id="([^"]+)"', text)) for text in (first, second)]
    assert ids[0]
    assert not ids[0] & ids[1], "two charts of one page share ids"


# The matrix of the ladder


def check(rung: str, between: str, **values: Any) -> dict[str, Any]:
    """A check as in the JSON of `triptych parity`."""
    found = ladder.Check(rung, NAME, "default", "float64", between, "passed", 1e-15, 1e-12)
    return {**asdict(found), **values}


def test_a_cell_has_the_worst_of_its_checks() -> None:
    checks = [
        check("mirror", "sources"),
        check("forward", "torch-flax"),
        check("forward", "torch-flax", difference=3e-13),
        check("forward", "torch-keras", status="failed", difference=None),
        check("gradients", "keras-flax", status="bounded", difference=2e-3),
        check("exchange", "torch>flax", difference=0.0, tolerance=0.0),
        check("exchange", "flax>torch", difference=0.0, tolerance=0.0),
        check("counts", "torch", difference=None, tolerance=None),
    ]
    between, alone = parity.matrices(checks, list(PANELS), NAME)
    cells = {
        (row.rung, who): cell
        for matrix in (between, alone)
        for row in matrix.rows
        for (who, _), cell in zip(matrix.columns, row.cells, strict=True)
        if cell
    }
    told = {key: (cell.status, cell.text, len(cell.checks)) for key, cell in cells.items()}
    assert told == {
        ("exchange", "torch-flax"): ("passed", "0", 2),
        ("forward", "torch-flax"): ("passed", "3e-13", 2),
        ("forward", "torch-keras"): ("failed", "failed", 1),
        ("gradients", "flax-keras"): ("bounded", "2e-03", 1),
        ("counts", "torch"): ("passed", "same", 1),
    }
    assert cells["exchange", "torch-flax"].much > cells["forward", "torch-flax"].much


def test_evidence_of_two_versions_has_columns_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = [
        ladder.Check("forward", NAME, "default", "float64", "torch-torch#2", "passed", 2e-16, 1e-12)
    ]
    monkeypatch.setattr(
        run.ladder, "compare_files", lambda _: ladder.Outcome(checks, {"torch": {}, "torch#2": {}})
    )
    saved = run.read([tmp_path / "old.safetensors", tmp_path / "new.safetensors"])
    assert saved.architectures() == [NAME]
    (matrix,) = parity.matrices(saved.checks, list(PANELS), NAME)
    (row,) = matrix.rows
    filled = [who for (who, _), cell in zip(matrix.columns, row.cells, strict=True) if cell]
    assert filled == ["torch-torch#2"]


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
    rows_of_speed = 6
    missing = tensors * (len(PANELS) - 1) + rows_of_speed * (len(PANELS) - 1)
    assert "Parity was not measured" in text
    assert text.count("not measured") == missing + 1
    bare, _ = words(tmp_path / "unet.html")
    for said in (
        "No backend was asked for its run",
        "No backend was asked for its tensors",
        "Parity was not measured",
        "No training was measured",
        "Speed was not measured",
    ):
        assert said in bare
    overview, _ = words(tmp_path / "index.html")
    assert overview.count("not measured") == 3
    assert " 0.0 %" not in overview


def poisoned(value: Any) -> Any:
    """The same value with a hostile text in place of every text that is no name of ours."""
    if isinstance(value, dict):
        return {key: poisoned(item) for key, item in value.items()}
    if isinstance(value, list):
        return [poisoned(item) for item in value]
    return HOSTILE if isinstance(value, str) else value


def hostile(surveys: dict[str, dict[str, Survey]], measured: Any) -> Report:
    """A report in which whatever comes from a file or a framework is hostile."""
    before = measured["studies"][NAME]
    comparison = {
        **before["comparison"],
        "source": HOSTILE,
        "machine": {HOSTILE: HOSTILE},
        "rows": {
            name: {**row, "versions": {HOSTILE: HOSTILE}}
            for name, row in before["comparison"]["rows"].items()
        },
        "request": {**poisoned(before["comparison"]["request"])},
    }
    checks = [
        {**check, "case": HOSTILE, "detail": HOSTILE, "part": HOSTILE} for check in before["checks"]
    ]
    found = {}
    for name, one in surveys[NAME].items():
        trace = one.trace
        steps = tuple(
            replace(each, kind=HOSTILE, layer=each.layer and HOSTILE) for each in trace.steps
        )
        places = {key: replace(place, name=HOSTILE) for key, place in one.places.items()}
        blocks = dict.fromkeys(trace.blocks, HOSTILE)
        found[name] = replace(one, places=places, trace=replace(trace, steps=steps, blocks=blocks))
    study = Study(SPECS[NAME], found, comparison, checks, gaps={"torch": HOSTILE})
    return Report([study], machine={HOSTILE: HOSTILE}, made_from=[HOSTILE])


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


def test_files_take_the_place_of_measurements(
    tmp_path: Path, measured: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = measured["studies"][NAME]
    rate = {"median": 4321.0, "spread": 7.0, "rounds": [4321.0]}
    row = {
        "architecture": NAME,
        "backend": "torch",
        "way": "tuned",
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
        "compare": study["comparison"],
        "parity": {"checks": study["checks"]},
        "bench": {"peak": {}, "request": request, "rows": [row], "machine": {"CPUs": 2}},
    }
    paths = []
    for kind, value in files.items():
        paths.append(tmp_path / f"{kind}.json")
        strict.write(paths[-1], value)
    saved = run.read(paths)
    assert saved.architectures() == [NAME]
    monkeypatch.setattr(run.registry, "missing", lambda _: ["something"])
    made = run.make([SPECS[NAME]], list(PANELS), saved, guide=False)
    folder = tmp_path / "pages"
    pages.write(folder, made)
    text, _ = words(folder / f"{NAME}.html")
    for said in ("4,321 ±7 %", "98,765 ±7 %", "1.00 / 2.50 ms", "1.25 s", "torch 0.0.1", "CPUs: 2"):
        assert said in text
    assert "pip install" in text
    overview, _ = words(folder / "index.html")
    for path in paths:
        assert path.name in overview


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("no json", "JSONDecodeError"),
        ("[]", "cannot be shown"),
        ('{"checks": [{"architecture": "no_net"}]}', "no_net"),
        ('{"request": {"architecture": "basic_net"}, "rows": {"torch": {}}}', "history"),
    ],
)
def test_a_file_that_is_none_of_ours_is_refused(
    content: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "some.json"
    path.write_text(content)
    assert triptych("report", "--from", str(path), "-o", str(tmp_path / "out")) == 2
    text = capsys.readouterr().err
    assert text.startswith("triptych: ")
    assert text.count("\n") == 1
    assert str(path) in text
    assert said in text
    assert not (tmp_path / "out").exists()


def test_one_backends_evidence_alone_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "torch.safetensors"
    path.touch()
    assert triptych("report", "--from", str(path)) == 2
    assert "two files or more" in capsys.readouterr().err


@pytest.mark.parametrize("verb", [["report"], ["compare", NAME, "--report", "--report-dir"]])
def test_a_folder_that_cannot_be_written_is_refused(
    verb: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.touch()
    option = ["--output"] if verb == ["report"] else []
    assert triptych(*verb, *option, str(file)) == 2
    assert f"{file} is no directory" in capsys.readouterr().err
    assert triptych(*verb, *option, str(tmp_path / "no" / "where")) == 2
    assert "is no directory" in capsys.readouterr().err


def test_a_file_of_another_version_is_refused(
    measured: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = measured["studies"][NAME]
    for row in (comparison := json.loads(json.dumps(study["comparison"])))["rows"].values():
        del row["examples"]
    study = {**study, "comparison": comparison}
    path = tmp_path / "old.json"
    strict.write(path, {**measured, "studies": {NAME: study}})
    assert triptych("report", "--from", str(path), "--no-guide", "-o", str(tmp_path / "out")) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "old.json, of triptych report cannot be shown" in said
    assert (tmp_path / "out" / run.MEASURED).exists()


def test_a_report_tells_programs_where_it_is(
    report_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = report_folder / run.MEASURED, tmp_path / "out"
    arguments = ["--no-guide", "-o", str(out), "--json"]
    assert triptych("report", "--from", str(file), *arguments) == 0
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
    found = list(sections(path))
    assert found == ["sources", "graph", "parameters", "parity", "training", "speed"]
    for name in found:
        assert f'href="#{name}"' in path.read_text("utf-8")
