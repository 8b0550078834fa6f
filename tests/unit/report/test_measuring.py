"""What a report measures itself, where a backend fails meanwhile."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared import registry
from shared.compare.comparison import Comparison, Row
from shared.errors import WorkerError
from shared.parity.checks import Outcome
from shared.report import asked, measuring
from shared.report.study import Report, Study
from shared.specs import SPECS
from shared.train import loop
from tests.assertions import status

DIED = "the flax backend gave no result: its process ended with status 3"
BACKENDS = ["torch", "flax"]


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "missing", lambda _: [])


def ignore(text: str) -> None:
    """In place of who is told what is being done."""


def die(*_: Any, **__: Any) -> Any:
    raise WorkerError(DIED)


def compared(_: Any, request: Any, source: str, *__: Any) -> Comparison:
    """In place of a training that torch does."""
    epoch = loop.Epoch(1.0, 50.0, 1.0, 50.0, 1.0, 1.0, {"accuracy": 50.0})
    history = loop.History(request.settings, 0, [epoch], losses=[1.0, 0.5], accuracies=[50.0, 60.0])
    row = Row({"torch": "9"}, 3, {"logits": (64, 10)}, 0.0, history, 1.0, None)
    return Comparison(request, source, "torch", {"torch": row})


def compared_without_flax(_: Any, *arguments: Any) -> Comparison:
    return replace(compared(_, *arguments), errors={"flax": DIED})


def climbed(*_: Any, **__: Any) -> Outcome:
    """In place of a climb that proves nothing."""
    return Outcome()


def climbed_without_flax(*_: Any, **__: Any) -> Outcome:
    return Outcome(errors={"flax": DIED})


def test_a_ladder_that_cannot_be_climbed_leaves_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring.ladder, "climb", die)
    study, before = (Study(SPECS[name]) for name in ("basic_net", "unet"))
    before.checks = [{"rung": "forward"}]
    report = Report([study, before])
    measuring.climb(report, BACKENDS, ignore)
    assert study.gaps == report.failed == {"torch": DIED, "flax": DIED}
    assert not study.checks
    assert not before.gaps


@pytest.mark.parametrize(
    ("compare", "climb", "failed"),
    [
        (compared, climbed, []),
        (compared_without_flax, climbed, ["flax"]),
        (compared, climbed_without_flax, ["flax"]),
        (die, climbed, BACKENDS),
        (compared, die, BACKENDS),
    ],
)
def test_a_backend_that_fails_fails_the_report(
    compare: Any,
    climb: Any,
    failed: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(asked, "ask", lambda *_: None)
    monkeypatch.setattr(measuring.comparison, "compare", compare)
    monkeypatch.setattr(measuring.ladder, "climb", climb)
    options = ["--no-guide", "--backends", ",".join(BACKENDS), "-o", str(tmp_path / "out")]
    assert status(["report", "basic_net", *options]) == bool(failed)
    error = capsys.readouterr().err
    assert [line for line in error.splitlines() if line.startswith("triptych: ")] == [
        f"triptych: {name}: {DIED}" for name in failed
    ]
    assert (tmp_path / "out" / "index.html").exists()
