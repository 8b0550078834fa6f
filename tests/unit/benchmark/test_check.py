"""Ratios, recorded and held against."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from shared.benchmark import check, table
from shared.benchmark.run import figure
from shared.errors import DataError
from tests.unit.benchmark.workers import benched, printed, with_costs


@pytest.mark.usefixtures("quiet")
def test_ratios_are_larger_where_something_is_better() -> None:
    outcome, _ = benched(backends=("torch",))
    outcome.costs = with_costs()
    ratios = check.ratios(outcome)
    assert ratios == pytest.approx(
        {
            "mnist_classifier torch, tuned over idiomatic: training": 2,
            "mnist_classifier torch, tuned over idiomatic: inference of 64": 1,
            "mnist_classifier torch, tuned over idiomatic: inference of 256": 1,
            "mnist_classifier torch, tuned over idiomatic: inference of 1": 1,
            "mnist_classifier torch, tuned over idiomatic: memory": 0.8,
            "mnist_classifier torch, tuned over reference: training": 4,
            "mnist_classifier torch: the shared loop over a bare loop": 1 / 1.1,
            "mnist_classifier torch: the speed of the largest training over the smallest's": 0.8,
            "batches over torchvision's loader": 500,
            "triptych list over a bare interpreter": 0.1,
        }
    )


@pytest.mark.usefixtures("quiet")
def test_a_longer_first_step_is_made_up_for_later() -> None:
    outcome, _ = benched(backends=("torch",))
    idiomatic, tuned, _ = outcome.rows
    # Two seconds more, of 64 / 1000 - 64 / 2000 a step.
    assert check.break_even(tuned, idiomatic, 64) == pytest.approx(62.5)
    assert check.break_even(idiomatic, tuned, 64) == 0
    slower = replace(tuned, training=figure([500.0]))
    assert check.break_even(slower, idiomatic, 64) is None
    assert "its slower start pays off after 62 steps" in printed(outcome)


@pytest.mark.usefixtures("quiet")
def test_a_record_is_read_back_and_held_against(tmp_path: Path) -> None:
    outcome, _ = benched(backends=("torch",))
    path = tmp_path / "ratios.json"
    check.record(outcome, path)
    recorded = check.read(path)
    assert recorded == pytest.approx(check.ratios(outcome))
    written = json.loads(path.read_text())
    assert written["versions"] == {"torch": {"torch": "9"}}
    assert set(written) == {
        "kind", "format", "machine", "versions", "device", "dtype", "foreign_load", "ratios",
    }  # fmt: skip
    assert check.check(check.ratios(outcome), recorded).passed


def test_a_ratio_falls_below_a_wide_margin() -> None:
    recorded = {"a": 2.0, "b": 1.0}
    assert check.check({"a": 1.21, "b": 5.0, "new": 0.1}, recorded).passed
    verdict = check.check({"a": 1.19, "b": 5.0}, recorded)
    assert [each.fell for each in verdict.checked] == [True, False]
    assert not verdict.passed
    half = check.check({"b": 0.9}, recorded)
    assert half.passed
    assert half.checked[0].now is None
    assert not check.check({"new": 1.0}, recorded).passed
    assert "fell" in shown_check(verdict)


def shown_check(verdict: check.Verdict) -> str:
    stream = io.StringIO()
    table.show_check(verdict, Console(file=stream, width=100))
    return stream.getvalue()


def test_recorded_ratios_that_were_not_measured_are_counted_and_fill_no_table() -> None:
    recorded = {"a": 2.0, **{f"other {number}": 1.0 for number in range(1200)}}
    text = shown_check(check.check({"a": 2.0}, recorded))
    assert "other" not in text
    assert "1,200 recorded ratios were not measured" in text
    assert "not measured" not in shown_check(check.check({"a": 2.0}, {"a": 2.0}))
    text = shown_check(check.check({}, recorded))
    assert "none of the recorded ratios was measured" in text


def test_a_record_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"`triptych bench --record none.json` writes them"):
        check.read(tmp_path / "none.json")
    wrong = tmp_path / "wrong.json"
    for text in ("{", "{}", '{"ratios": 3}', '{"ratios": {"a": "much"}}'):
        wrong.write_text(text)
        with pytest.raises(DataError, match="has no ratios"):
            check.read(wrong)
