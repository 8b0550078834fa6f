"""What is recorded for the pages: read, refused, brought up to date, and shown."""

import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import nbformat
import pytest

from shared import formats, strict
from shared.errors import DataError
from shared.panels import PANELS
from shared.parity.checks import Check
from shared.report import chapters, files, guide, recorded, recording, results
from shared.report.recorded import Origin, Parity, Printed, Recorded, Score
from shared.report.study import Report, Study
from shared.specs import SPECS
from shared.train.worker import Request
from tests.assertions import status
from tests.sources import SHIPPED

NAME = "basic_net"
SPEC = SPECS[NAME]
VERSIONS = {name: {name: "1.0"} for name in PANELS}
ORIGIN = Origin("2026-01-02", "triptych some", VERSIONS, {"cpus": 2})
OLD_SCORE = Score("accuracy", dict.fromkeys(PANELS, 50.0), ORIGIN)
OLD_PARITY = Parity({"float64": {"passed": 1}}, {}, ORIGIN)
CHAPTER = guide.chapters()[0]
CELLS = [None if isinstance(cell, guide.Text) else "before\n" for cell in CHAPTER.cells]
BEFORE = Recorded(
    {NAME: OLD_SCORE},
    {NAME: OLD_PARITY},
    {CHAPTER.name: {name: Printed(tuple(CELLS), ORIGIN) for name in PANELS}},
)


# The file that comes with the package


def test_the_packages_file_has_every_score_and_ladder_and_chapter() -> None:
    own = recorded.read()
    shipped = {name for name in SHIPPED if SPECS[name].task}
    assert shipped <= {*own.scores} <= {*SPECS}
    for name, score in own.scores.items():
        assert score.metric == SPECS[name].require_task().metrics[0]
        assert [*score.percent] == [*score.origin.versions] == [*PANELS]
        assert all(50 < percent <= 100 for percent in score.percent.values())
        assert score.origin.command.startswith(f"triptych compare {name}")
    assert {*SHIPPED} <= {*own.parity} <= {*SPECS}
    for name, parity in own.parity.items():
        assert [*parity.counts] == [recording.SOURCES, "float64", "float32"]
        assert all(not of["failed"] and not of["missing"] for of in parity.counts.values())
        assert parity.forward["float64"] < 1e-12
        assert parity.origin.command == f"triptych parity {name}"
    assert [*own.guide] == guide.names()
    for chapter in guide.chapters():
        shown = chapters.outputs(chapter, Report([], recorded=own))
        assert [*shown] == [*PANELS], f"{chapter.name}: record it anew, with `make record-guide`"
        for one in own.guide[chapter.name].values():
            assert re.fullmatch(r"\d{4}-\d\d-\d\d", one.origin.date)
            assert one.origin.versions
            assert one.origin.machine


# Files


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "recorded.json"
    recorded.write(path, BEFORE)
    assert recorded.read(path) == BEFORE
    assert formats.kind_of(json.loads(path.read_text("utf-8"))) == recorded.KIND
    recorded.write(path, Recorded({NAME: replace(OLD_SCORE, origin=Origin("2026-01-02"))}))
    assert json.loads(path.read_text("utf-8"))["architectures"][NAME]["score"]["origin"] == {
        "date": "2026-01-02"  # what is not known is not in the file
    }


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (formats.stamp("parity"), "of the kind 'triptych parity', not 'triptych recorded report'"),
        ({**formats.stamp(recorded.KIND), "format": 99}, "of format 99"),
        ({"architectures": {}, "guide": {}}, "does not say that it is a recorded report"),
        ({**formats.stamp(recorded.KIND), "guide": {}}, "KeyError: 'architectures'"),
        (3, "TypeError"),
    ],
)
def test_a_file_of_another_kind_is_refused_and_stays(
    content: Any, problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "other.json"
    strict.write(path, content)
    with pytest.raises(DataError, match=re.escape(problem)):
        recorded.read(path)
    out = tmp_path / "out"
    assert status(["report", "--record", str(path), "-o", str(out)]) == 2
    message = capsys.readouterr().err
    assert str(path) in message
    assert message.count("\n") == 1
    assert json.loads(path.read_text("utf-8")) == content
    assert not out.exists()


# Scores


def compared(backends: Any = PANELS, passed: bool = True, **changes: Any) -> Study:
    """A study with a comparison that a file held: the default one, with these changes."""
    settings = replace(SPEC.settings, **changes.pop("settings", {}))
    request = Request(NAME, changes.pop("data", "sample"), None, settings, 0, "cpu")
    row = {"history": {"epochs": [{"test_scores": {"accuracy": 90.25}}]}}
    comparison = {
        "request": asdict(replace(request, **changes)),
        "rows": {name: {**row, "versions": VERSIONS[name]} for name in backends},
        "machine": {"cpus": 4},
        "passed": passed,
    }
    file = {"comparison": Origin("2026-03-04", file="compare.json")}
    return Study(SPEC, comparison=comparison, origins=file)


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({}, ""),
        ({"settings": {"epochs": 11}}, " --epochs 11"),
        ({"settings": {"epochs": 1}, "data": "mnist"}, " --data mnist --epochs 1"),
        ({"seed": 3, "variant": "idiomatic", "device": "cuda"}, " --seed 3 --variant idiomatic --"),
    ],
    ids=["default", "more epochs", "more digits", "others"],
)
def test_a_whole_training_gives_the_score(changes: dict[str, Any], options: str) -> None:
    after, (line,) = recording.updated(BEFORE, Report([compared(**changes)]))
    score = after.scores[NAME]
    assert score.percent == dict.fromkeys(PANELS, 90.25)
    assert score.origin.command.startswith(f"triptych compare {NAME}{options}")
    assert (score.origin.date, score.origin.versions) == ("2026-03-04", VERSIONS)
    assert score.origin.machine == {"cpus": 4}
    assert line == f"recorded: the scores of {NAME}"
    assert (after.parity, after.guide) == (BEFORE.parity, BEFORE.guide)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"examples": 1280}, "it has the first 1,280 examples alone"),
        ({"settings": {"epochs": 9}}, "it sees 36,000 examples, and the default one 40,000"),
        ({"settings": {"dropout": False}}, "its settings are not the default ones: dropout"),
        ({"settings": {"epochs": 30}, "data": "fashion_mnist"}, "it is of fashion_mnist"),
        ({"dtype": "bfloat16"}, "it is in bfloat16"),
        ({"passed": False}, "a backend failed in it, or the first forward passes do not agree"),
        ({"backends": ["torch"]}, "it lacks flax, keras, and what is recorded has them"),
    ],
)
def test_another_training_leaves_the_score_as_it_is(changes: dict[str, Any], reason: str) -> None:
    study = compared(**changes)
    after, lines = recording.updated(BEFORE, Report([study]))
    assert after == BEFORE
    assert lines == ["recorded: nothing", f"the comparison of {NAME} is not recorded: {reason}"]
    study.origins = {}  # of one that the report made itself nothing was expected
    assert recording.updated(BEFORE, Report([study]))[1] == ["recorded: nothing"]


# Parity


def checks(*rungs: str, dtypes: Any = ("float64", "float32"), **changes: Any) -> list[Any]:
    passed = Check("", NAME, "default", "", "torch-flax", "passed", 1e-15, 1e-12)
    return [{**asdict(passed), "rung": "mirror", "between": "sources"}] * ("mirror" in rungs) + [
        {**asdict(passed), "rung": rung, "dtype": dtype, **changes}
        for rung in rungs
        if rung != "mirror"
        for dtype in dtypes
    ]


WHOLE = ("mirror", "forward", "optimizers")


def test_a_whole_ladder_gives_the_parity(tmp_path: Path) -> None:
    path = tmp_path / "parity.json"
    every = [
        *checks(*WHOLE),
        *checks("forward", between="torch-keras", difference=3e-7, dtypes=["float32"]),
        *checks("gradients", status="bounded"),
        *checks("gradients", status="passed", dtypes=["float32"]),  # made again
    ]
    about = {"device": "cuda", "precision": "highest", "versions": VERSIONS}
    strict.write(path, {**formats.stamp("parity"), **about, "checks": every})
    saved = files.read([path])
    study = Study(SPEC, checks=saved.checks, origins=saved.origins[NAME])
    after, (line,) = recording.updated(BEFORE, Report([study]))
    none = dict.fromkeys(recording.STATUSES, 0)
    parity = after.parity[NAME]
    assert parity.counts == {
        "sources": {**none, "passed": 1},
        "float64": {**none, "passed": 2, "bounded": 1},
        "float32": {**none, "passed": 4},
    }
    assert parity.forward == {"float64": 1e-15, "float32": 3e-7}
    assert parity.origin.command == f"triptych parity {NAME} --device cuda"
    assert parity.origin.versions == VERSIONS
    assert parity.origin.date > "2026"
    assert not parity.origin.machine
    assert line == f"recorded: the parity of {NAME}"
    assert results.results(study, after)["recorded"]["parity"]["text"] == (
        "8 checks: 7 passed, 1 bounded"
    )


@pytest.mark.parametrize(
    ("some", "reason"),
    [
        (checks("mirror", "forward"), "it is a part of the ladder, without optimizers"),
        (checks(*WHOLE, dtypes=["float64"]), "it is a part of the ladder, without float32"),
        (checks("forward", "optimizers"), "it is a part of the ladder, without mirror"),
    ],
)
def test_a_part_of_the_ladder_leaves_the_parity_as_it_is(some: list[Any], reason: str) -> None:
    origin = Origin("2026-03-04", versions=VERSIONS, file="parity.json")
    study = Study(SPEC, checks=some, origins={"parity": origin})
    after, lines = recording.updated(BEFORE, Report([study]))
    assert after == BEFORE
    assert lines == ["recorded: nothing", f"the parity of {NAME} is not recorded: {reason}"]


def test_a_ladder_that_lacks_a_backend_leaves_the_parity_as_it_is() -> None:
    origin = Origin("2026-03-04", versions={"torch": {}}, file="parity.json")
    study = Study(SPEC, checks=checks(*WHOLE), origins={"parity": origin})
    assert recording.updated(BEFORE, Report([study]))[0] == BEFORE
    assert recording.updated(Recorded(), Report([study]))[0].parity


# The guide


def test_chapters_that_ran_are_recorded_by_backend() -> None:
    now = [cell and "now\n" for cell in CELLS]
    ran = {CHAPTER.name: {"torch": now, "flax": "the flax backend failed"}}
    origin = Origin("2026-03-04", versions={"torch": {"torch": "2.0"}}, file="report.json")
    report = Report([], guide=ran, guide_origin=origin, recorded=BEFORE)
    after, lines = recording.updated(BEFORE, report)
    chapter = after.guide[CHAPTER.name]
    assert chapter["torch"] == Printed(now, replace(origin, file=""))
    assert {name: chapter[name] for name in ("flax", "keras")} == {
        name: BEFORE.guide[CHAPTER.name][name] for name in ("flax", "keras")
    }
    assert lines == [
        f"recorded: what these chapters print: {CHAPTER.name}",
        f"{CHAPTER.name} is not recorded in flax: the flax backend failed",
    ]
    shown = chapters.outputs(CHAPTER, report)
    assert {name: one.now for name, one in shown.items()} == {
        "torch": True,
        "flax": False,
        "keras": False,
    }
    page = chapters.contexts(report, ())[0]
    outputs = [part["outputs"] for part in page["parts"] if part["kind"] == "group"]
    assert outputs[0] == {"torch": "now\n", "flax": "before\n", "keras": "before\n"}
    labels = [(one["now"], one["names"], one["date"]) for one in page["origins"]]
    assert labels == [(True, ["torch"], "2026-03-04"), (False, ["flax", "keras"], "2026-01-02")]
    assert page["failed"] == {"flax": "the flax backend failed"}


def test_what_other_cells_printed_is_not_shown() -> None:
    other = {CHAPTER.name: {"torch": Printed(tuple(CELLS[:-1]), ORIGIN)}}
    assert chapters.outputs(CHAPTER, Report([], recorded=Recorded(guide=other))) == {}
    page = chapters.contexts(Report([], recorded=Recorded(guide=other)), ())[0]
    assert not page["origins"]
    groups = [part["outputs"] for part in page["parts"] if part["kind"] == "group"]
    assert groups[0] == dict.fromkeys(PANELS)


def test_notebooks_have_the_recorded_outputs(tmp_path: Path) -> None:
    chapters.write_notebooks(tmp_path, Report([], recorded=BEFORE))
    book = nbformat.read(tmp_path / f"{CHAPTER.name}-keras.ipynb", as_version=4)
    codes = [cell for cell in book.cells if cell.cell_type == "code"]
    assert codes
    assert all(cell.outputs[0].text == "before\n" for cell in codes)
    other = nbformat.read(tmp_path / f"{guide.names()[1]}-keras.ipynb", as_version=4)
    assert not any(cell.outputs for cell in other.cells if cell.cell_type == "code")


# What pages say


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ({"passed": 1}, "1 check passed"),
        ({"passed": 1200, "failed": 0}, "1,200 checks passed"),
        ({"passed": 3, "bounded": 2, "failed": 1, "missing": 0}, "6 checks: 3 passed, 2 bounded"),
        ({"missing": 2}, "2 checks: 2 missing"),
    ],
)
def test_checks_are_counted_in_words(counts: dict[str, int], text: str) -> None:
    assert results.counted(counts).startswith(text)


def test_a_short_training_is_no_score() -> None:
    short = compared(examples=1280)
    for row in short.comparison["rows"].values():  # type: ignore[index]
        row["history"]["losses"] = [1.0] * 40
    training = results.results(short, BEFORE)["now"]["training"]
    assert (training["short"], training["title"], training["steps"]) == (True, "training", 40)
    for epochs, title in (
        (10, "final test accuracy after 10 epochs"),
        (1, "test accuracy after 1"),
    ):
        study = compared(settings={"epochs": epochs})
        for row in study.comparison["rows"].values():  # type: ignore[index]
            row["history"]["losses"] = [1.0]
        assert results.results(study, BEFORE)["now"]["training"]["title"].startswith(title)
