"""The pages' parts, from values that are made up: sources, graphs, charts, the ladder's matrix."""

import html
import json
import re
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from shared import registry, strict
from shared.errors import WorkerError
from shared.interface import Place, Step, TensorInfo, Trace
from shared.panels import PANELS, source
from shared.parity.checks import Check, Outcome
from shared.report import asked, charts, code, files, graph, guide, parity, run
from shared.report.recorded import Origin
from shared.report.study import Report, Study
from shared.report.survey import Survey
from shared.specs import SPECS
from tests.printed import refused

NAME = "basic_net"


# Sources


@pytest.mark.parametrize("file", sorted({f for spec in SPECS.values() for f in spec.files}))
def test_columns_are_the_files_aligned_by_method(file: str) -> None:
    rows = code.rows(file)
    for panel in PANELS:
        text = source(panel, file).read_text("utf-8").splitlines()
        shown = {line.number: line for row in rows for line in row.cells.get(panel, ())}
        left_out = [n for n, line in enumerate(text, 1) if n not in shown and line.strip()]
        assert left_out == []
        for number, line in shown.items():
            plain = html.unescape(re.sub(r"<[^>]*>", "", line.html))
            assert " " * (line.indent if plain else 0) + plain == text[number - 1].rstrip()
    forwards = [row for row in rows if row.role.endswith(".forward")]
    assert forwards
    assert all(set(row.cells) == set(PANELS) for row in forwards)


# The graph


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
    passed = Check(rung, NAME, "default", "float64", between, "passed", 1e-15, 1e-12)
    return {**asdict(passed), **values}


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
    checks = [Check("forward", NAME, "default", "float64", "torch-torch#2", "passed", 2e-16, 1e-12)]
    monkeypatch.setattr(
        files, "compare_files", lambda _: Outcome(checks, {"torch": {}, "torch#2": {}})
    )
    paths = [tmp_path / "old.safetensors", tmp_path / "new.safetensors"]
    for path in paths:
        path.touch()
    saved = files.read(paths)
    assert saved.architectures() == [NAME]
    (matrix,) = parity.matrices(saved.checks, list(PANELS), NAME)
    (row,) = matrix.rows
    filled = [who for (who, _), cell in zip(matrix.columns, row.cells, strict=True) if cell]
    assert filled == ["torch-torch#2"]


# Files


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("no json", "`record` wrote (it is no JSON)"),
        ("[]", "cannot be shown"),
        ('{"checks": [{"architecture": "no_net"}]}', "no_net"),
        ('{"request": {"architecture": "basic_net"}, "rows": {"torch": {}}}', "history"),
    ],
)
def test_a_file_that_is_none_of_ours_is_refused(
    content: str, problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "some.json"
    path.write_text(content)
    text = refused(capsys, "report", "--from", str(path), "-o", str(tmp_path / "out"))
    assert str(path) in text
    assert problem in text
    assert not (tmp_path / "out").exists()


def measured() -> dict[str, Any]:
    """A report's JSON with one network's tensors and run."""
    trace = Trace((step("Linear", "x", layer="fc"),), {"": "Net"}, {"x": (2, 5)}, {"y": 0})
    table = (TensorInfo("fc.weight", (3, 5), "float32", "parameter"),)
    one = Survey({"torch": "9"}, table, {"fc.weight": Place("fc.weight", (3, 5), (0, 1))}, trace)
    study = Study(SPECS[NAME], {"torch": one}, gaps={"flax": "not here"})
    study.checks = [check("forward", "torch-flax")]
    study.origins = {"parity": Origin("2026-01-01")}
    return json.loads(strict.text(run.to_dict(Report([study], guide={"chapter": {}}))))


LACKING = "lacking"
"""Damage that takes something away."""


def test_what_a_report_measured_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "missing", lambda _: ["something"])
    value, path = measured(), tmp_path / "report.json"
    strict.write(path, value)
    again = run.make([SPECS[NAME]], [], files.read([path]), guide=False)
    studies = json.loads(strict.text(run.to_dict(again)))["studies"]
    assert studies[NAME] == value["studies"][NAME]


ONE = f"studies {NAME} surveys torch"
REQUIRED = [
    "studies",
    *(
        f"{ONE} {rest}"
        for rest in (
            "versions",
            "table",
            "table 0 shape",
            "places",
            "places fc.weight axes",
            "trace",
            "trace steps",
            "trace steps 0 shapes",
            "trace inputs",
            "trace blocks",
            "trace outputs",
        )
    ),
]
OPTIONAL = [
    f"studies {NAME}",
    ONE,
    *(f"{ONE} {rest}" for rest in ("table 0", "places fc.weight", "trace steps 0")),
    *(f"{ONE} trace {rest}" for rest in ("steps 0 shapes 0", "inputs x")),
    *(
        f"studies {NAME} {rest}"
        for rest in ("surveys", "checks", "checks 0", "gaps", "origins", "origins parity")
    ),
]


@pytest.mark.parametrize(
    ("place", "damage"),
    [
        *product([*REQUIRED, *OPTIONAL], [None, 5]),
        *((place, LACKING) for place in REQUIRED),
        (f"studies {NAME} comparison", 5),
        (f"studies {NAME} comparison", {"rows": {"torch": {}}}),
    ],
)
def test_a_damaged_report_is_refused(
    place: str, damage: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys: list[Any] = [int(key) if key.isdigit() else key for key in place.split()]
    value, path = measured(), tmp_path / "bad.json"
    within = value
    for key in keys[:-1]:
        within = within[key]
    if damage is LACKING:
        del within[keys[-1]]
    else:
        within[keys[-1]] = damage
    strict.write(path, value)
    text = refused(capsys, "report", "--from", str(path), "-o", str(tmp_path / "out"))
    assert text.startswith(f"triptych: {path} cannot be shown: ")
    assert not (tmp_path / "out").exists()


def test_one_backends_evidence_alone_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "torch.safetensors"
    path.touch()
    assert "two files or more" in refused(capsys, "report", "--from", str(path))


@pytest.mark.parametrize("verb", [["report"], ["compare", NAME, "--report", "--report-dir"]])
def test_a_folder_that_cannot_be_written_is_refused(
    verb: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.touch()
    option = ["--output"] if verb == ["report"] else []
    assert f"{file} is no directory" in refused(capsys, *verb, *option, str(file))
    nowhere = str(tmp_path / "no" / "where")
    assert "is no directory" in refused(capsys, *verb, *option, nowhere)


class Lector:
    """In place of a worker that reads chapters: what it says is who read what, and when."""

    backend = "torch"

    def __init__(self) -> None:
        self.read: list[str] = []

    def submit(self, function: Any, *arguments: str) -> str:
        if function is asked.versions:
            return "versions"
        chapter, backend = arguments
        self.read.append(f"{chapter} with the others")
        return f"{chapter} on {backend}"

    def result(self, future: str) -> list[str]:
        return [future]

    def call(self, _: Any, chapter: str, backend: str) -> list[str]:
        self.read.append(f"{chapter} alone")
        if "broken" in chapter:
            raise WorkerError("the torch backend failed")
        return [f"{chapter} on {backend}"]


def test_chapters_that_measure_time_are_read_alone() -> None:
    timed = [chapter for chapter in guide.chapters() if chapter.timed]
    other = next(chapter for chapter in guide.chapters() if not chapter.timed)
    broken = replace(timed[0], name="broken")
    worker: Any = Lector()
    one = asked.Asked(worker, [], False, False, [timed[0], other, broken])
    assert worker.read == [f"{other.name} with the others"]
    told: list[str] = []
    assert one.printed(timed[0], told.append) == [f"{timed[0].name} on torch"]
    assert one.printed(other, told.append) == [f"{other.name} on torch"]
    assert one.printed(broken, told.append) == "the torch backend failed"
    assert worker.read[1:] == [f"{timed[0].name} alone", "broken alone"]
    assert told[1] == f"torch: guide, {other.title}"
