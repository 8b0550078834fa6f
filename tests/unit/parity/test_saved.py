"""A climb's outcome, written and read again; what is none is refused."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from shared import formats, strict
from shared.parity import ladder, saved
from shared.parity.checks import sum_of
from shared.specs import SPECS
from tests.unit import climbs


@pytest.fixture
def content(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The JSON of a climb of which half has failed."""
    climbs.fake(monkeypatch, bad=0.5)
    return json.loads(strict.text(ladder.climb([SPECS["skip_mlp"]]).to_dict()))


def test_what_is_read_is_what_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    climbs.fake(monkeypatch, bad=0.5, skipped={"flax": "it is not installed"})
    outcome = ladder.climb([*SPECS.values()])
    outcome.notes = ["one note"]
    assert {check.status for check in outcome.checks} == {"passed", "bounded", "failed", "missing"}
    assert any(check.difference == float("inf") for check in outcome.checks)
    assert any(check.first for check in outcome.checks)
    assert saved.outcome(json.loads(strict.text(outcome.to_dict()))) == outcome


def test_whole_numbers_are_numbers(content: Any) -> None:
    content["checks"][1] |= {"status": "passed", "difference": 0, "tolerance": 1}
    assert saved.outcome(sealed(content)).checks[1].difference == 0.0


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value.pop("checks"),
        lambda value: value["checks"][0].pop("part"),
        lambda value: value["checks"].append(None),
        lambda value: value["checks"][1].update(status="fine"),
        lambda value: value["checks"][1].update(rung="roof"),
        lambda value: value["checks"][1].update(dtype="float16"),
        lambda value: value["checks"][1].update(dtype=""),
        lambda value: value["checks"][0].update(dtype="float64"),
        lambda value: value["checks"][1].update(difference="1e-16"),
        lambda value: value["checks"][1].update(tolerance=True),
        lambda value: value["checks"][1].update(difference=10**400),
        lambda value: value["checks"][1].update(first={"layer": "conv"}),
        lambda value: value["checks"][1].update(case=None),
        lambda value: value.update(checks={}),
        lambda value: value.update(versions=[]),
        lambda value: value.update(notes="none"),
        lambda value: value.update(errors={"keras": 3}),
        lambda value: value.update(errors={}, versions={"torch": {}, "flax": {}}),
        lambda value: value.update(device="cuda"),
        lambda value: value.update(proved=True),
        lambda value: value.pop("proved"),
        lambda value: value["asked"].update(dtypes="float64"),
        lambda value: value["asked"].update(trainings="no"),
        lambda value: value["asked"].update(shard=2),
        lambda value: value["asked"].pop("sources"),
        lambda value: value.update(asked=None),
    ],
)
def test_what_is_no_outcome_is_refused(content: Any, change: Callable[[Any], object]) -> None:
    changed = copy.deepcopy(content)
    change(changed)
    assert changed != content
    saved.outcome(content)
    with pytest.raises(formats.UNREADABLE) as error:
        saved.outcome(sealed(changed))
    assert "it was changed" not in str(error.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value["checks"].pop(),
        lambda value: value["checks"][1].update(detail="another"),
        lambda value: value["checks"].reverse(),
        lambda value: value.update(notes=["another"]),
        lambda value: value["asked"].update(trainings=False),
        lambda value: value.update(sum="0"),
        lambda value: value.pop("sum"),
    ],
)
def test_what_was_changed_after_it_was_written_is_refused(
    content: Any, change: Callable[[Any], object]
) -> None:
    change(content)
    with pytest.raises(formats.UNREADABLE, match=r"it was changed|sum"):
        saved.outcome(content)


def sealed(value: Any) -> Any:
    """The same with the sum of what it holds now."""
    return {**value, "sum": sum_of(value)}
