"""What the pages say, from values that are made up: the words and the figures of the command."""

import html
import json
import os
import re
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from shared import strict
from shared.compare import table
from shared.compare.comparison import Comparison, Row
from shared.interface import Place, TensorInfo, Trace
from shared.panels import PANELS
from shared.parity.checks import Check, Outcome
from shared.report import files, guide, measuring, pages, results
from shared.report.recorded import Origin
from shared.report.study import Report, Study
from shared.report.survey import Survey
from shared.specs import SPECS
from shared.train import loop
from tests.printed import shown

NAME = "basic_net"
SPEC = SPECS[NAME]


def compared(backends: Any = PANELS, **changes: Any) -> Comparison:
    """A short training, as if it had been measured."""
    request = measuring.request(SPEC, 0)
    epoch = loop.Epoch(1.0, 50.0, 1.0, 50.0, 1.0, 1.0, {"accuracy": 50.0})
    curves: Any = {
        "losses": [1.0, 0.5],
        "accuracies": [50.0, 60.0],
        "rates": [900.0, 1100.0, 1000.0],
    }
    history = loop.History(request.settings, 0, [epoch], images_per_second=1234.0, **curves)
    rows = {
        name: Row({name: "9"}, 3, {"logits": (64, 10)}, 0.0, history, 1.0, 100.0)
        for name in backends
    }
    return Comparison(request, "the embedded sample", next(iter(rows)), rows, **changes)


def plain(comparison: Comparison) -> Any:
    """The same as it is read from JSON."""
    return json.loads(strict.text(comparison.to_dict()))


def written(folder: Path, *studies: Study, **about: Any) -> dict[str, str]:
    """The text of each page, its spaces single."""
    pages.write(folder, Report(studies, **about))
    texts = {}
    for path in folder.glob("*.html"):
        markup = re.sub(r"<(script|style).*?</\1>", "", path.read_text("utf-8"), flags=re.DOTALL)
        texts[path.stem] = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", markup)).split())
    return texts


# Speed and cost

STEADY = "training, images/s, steady"


def test_a_figure_has_the_label_that_the_command_gives_it(tmp_path: Path) -> None:
    comparison = compared(["torch"])
    (line,) = [line for line in shown(table.show, comparison).splitlines() if STEADY in line]
    assert "1,234" in line
    page = written(tmp_path, Study(SPEC, comparison=plain(comparison)))[NAME]
    assert f"{STEADY} 1,234 " in page
    assert "training, images/s, median of short stretches 1,000 ±" in page


def test_one_step_alone_has_no_steady_rate(tmp_path: Path) -> None:
    comparison = compared(["torch"])
    history = comparison.rows["torch"].history
    history.images_per_second, history.rates = 0.0, []
    (line,) = [line for line in shown(table.show, comparison).splitlines() if STEADY in line]
    assert "not known" in line
    assert (
        f"{STEADY} not known" in written(tmp_path, Study(SPEC, comparison=plain(comparison)))[NAME]
    )


@pytest.mark.parametrize(("load", "is_told"), [(25.0, True), (9.9, False), (None, False)])
def test_what_others_took_of_the_machine_is_warned_of(
    load: float | None, is_told: bool, tmp_path: Path
) -> None:
    comparison = compared(["torch"], foreign_load=load)
    texts = written(tmp_path, Study(SPEC, comparison=plain(comparison)))
    sentence = (
        "WARNING: other processes took 25 % of the machine's CPU time while this ran, where 10 % "
        "is much: measure again on a quiet machine"
    )
    printed = " ".join(shown(table.show, comparison).split())
    assert [sentence in text for text in (printed, texts[NAME], texts["index"])] == [is_told] * 3
    if is_told:
        assert f"Speed and cost {sentence}" in texts[NAME]
        assert f"BasicNet, training. {sentence}" in texts["index"].partition("Measured now")[2]


def test_a_warning_of_a_benchmark_is_told_apart_from_that_of_a_training(tmp_path: Path) -> None:
    request = {"rounds": 3, "batch_sizes": [64], "dtype": "float32", "device": "cpu"}
    bench = {"rows": [], "request": request, "machine": {}, "foreign_load": 30.0}
    comparison = plain(compared(["torch"], foreign_load=25.0))
    texts = written(tmp_path, Study(SPEC, comparison=comparison, bench=bench))
    for name, share in (("benchmark", 30), ("training", 25)):
        warning = f"{name}. WARNING: other processes took {share} %"
        assert f"The {warning}" in texts[NAME]
        assert f"BasicNet, {warning}" in texts["index"]


# What was not measured


def test_a_page_names_no_command_that_refuses_its_architecture(tmp_path: Path) -> None:
    texts = written(tmp_path, *(Study(spec) for spec in SPECS.values()))
    for name, spec in SPECS.items():
        for verb in ("compare", "bench"):
            assert (f"triptych {verb} {name}" in texts[name]) is (spec.task is not None)
        assert f"triptych report {name} does" in texts[name]
        assert f"triptych parity {name} makes every check" in texts[name]
    alone = texts["inference_model"]
    assert "It is not trained itself, and no benchmark measures it" in alone
    assert "This report did not check it" in alone


# Words

SAME = "the same initial weights and the same batches"


@pytest.mark.parametrize("backends", [["torch"], ["torch", "flax"]])
def test_only_what_several_backends_share_is_called_the_same(
    backends: list[str], tmp_path: Path
) -> None:
    text = written(tmp_path, Study(SPEC, comparison=plain(compared(backends))))[NAME]
    several = len(backends) > 1
    assert (SAME in text) is several
    assert ("how far the backends agree" in text) is several


def test_a_machine_is_described_in_words() -> None:
    known = {"system": "Linux-6", "processor": "AMD EPYC", "cpus": 2, "python": "3.11.7"}
    assert results.described(known) == "AMD EPYC, 2 CPUs, Linux-6, Python 3.11.7"
    assert results.described({"cpus": 1, "processor": None}) == "1 CPU"
    assert results.described({"{a}": "{b}"}) == "{a} {b}"


def test_graph_and_tensors_are_not_under_what_was_read_from_files(tmp_path: Path) -> None:
    trace = Trace((), {"": "Net"}, {"x": (2, 5)}, {})
    table = (TensorInfo("fc.weight", (3, 5), "float32", "parameter"),)
    one = Survey({"torch": "9"}, table, {"fc.weight": Place("fc.weight", (3, 5), (0, 1))}, trace)
    origin = {"comparison": Origin("2026-01-02", file="compare.json")}
    study = Study(SPEC, {"torch": one}, plain(compared(["torch"])), origins=origin)
    text = written(tmp_path, study)[NAME]
    assert "Read from files Training" in text
    sentence = (
        "The graph and the tensors below are those of the network as these libraries build it"
    )
    assert f"{sentence}: torch 9." in text
    assert "Read from files" not in text[text.index(sentence) :]


def test_what_is_known_of_an_origin_reads_as_a_sentence(tmp_path: Path) -> None:
    checks = [asdict(Check("forward", NAME, "default", "float64", "a-b", "bounded", 0.1, 1e-12))]
    versions = {"torch": {"torch": "9"}}
    for origin, sentence in (
        (Origin(versions=versions), "It was measured with torch 9."),
        (Origin("2026-01-02", versions=versions), "It was measured on 2026-01-02, with torch 9."),
        (Origin("2026-01-02"), "It was measured on 2026-01-02."),
    ):
        texts = written(tmp_path, Study(SPEC, checks=checks, origins={"parity": origin}))
        assert sentence in texts[NAME]
    assert "A parity check is bounded if" in texts["index"]
    assert "bounded" not in written(tmp_path, Study(SPEC))["index"]


def test_evidence_has_the_date_of_its_newest_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / f"{name}.safetensors" for name in ("torch", "flax")]
    for path, day in zip(paths, (3, 2), strict=True):
        path.touch()
        noon = datetime(2026, 1, day, 12).timestamp()
        os.utime(path, (noon, noon))
    check = Check("forward", NAME, "default", "float64", "torch-flax", "passed", 0.0, 1e-12)
    monkeypatch.setattr(files, "compare_files", lambda _: Outcome([check], {"torch": {}}))
    assert files.read(paths).origins[NAME]["parity"].date == "2026-01-03"


# The guide


def test_a_chapter_leads_to_the_one_before_the_next_and_the_list(tmp_path: Path) -> None:
    texts = written(tmp_path)
    titles = [chapter.title for chapter in guide.chapters()]
    for number, chapter in enumerate(guide.chapters()):
        before = [f"Previous: {titles[number - 1]}"] if number else []
        after = [f"Next: {title}" for title in titles[number + 1 : number + 2]]
        foot = " ".join([*before, "All chapters", *after])
        assert texts[f"guide-{chapter.name}"].endswith(foot)
        page = (tmp_path / f"guide-{chapter.name}.html").read_text("utf-8")
        assert '<a href="guide.html">All chapters</a>' in page
