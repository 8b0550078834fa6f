"""What verbs print that give their results as JSON."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from shared import cli, specs
from shared.benchmark import run
from shared.benchmark import table as bench_table
from shared.cli import printing
from shared.compare import comparison
from shared.parity import ladder
from shared.parity.checks import Check, Outcome
from shared.train import loop
from shared.train.worker import Request
from tests.printed import as_json


def test_results_are_printed_where_no_file_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    request = Request("basic_net", "sample", None, specs.Settings(), 0, "cpu")
    epoch = loop.Epoch(0.5, 80.0, math.nan, 75.0, 1.0, 1.0, {"accuracy": 75.0})
    history = loop.History(specs.Settings(), 0, [epoch])
    row = comparison.Row({"torch": "9"}, 3, {"logits": (64, 10)}, math.inf, history, 1.0, None)
    compared = comparison.Comparison(request, "here", "torch", {"torch": row})
    monkeypatch.setattr(comparison, "compare", lambda *_: compared)
    value = as_json(capsys, "compare", "basic_net", status=1)
    assert value["data_asked_for"] == "sample"
    assert value["rows"]["torch"]["difference"] is None
    assert value["rows"]["torch"]["history"]["epochs"][0]["test_loss"] is None

    check = Check("forward", "basic_net", "default", "float64", "a-b", "failed", math.inf)
    climbed = Outcome([check], {"torch": {"torch": "9"}})
    monkeypatch.setattr(ladder, "climb", lambda *_, **__: climbed)
    value = as_json(capsys, "parity", "basic_net", status=1)
    assert value["proved"] is False
    assert value["checks"][0]["difference"] is None

    monkeypatch.setattr(run, "run", lambda request, _: run.Outcome(request))
    page = tmp_path / "x.md"
    page.write_text(f"{bench_table.BEGIN}\n{bench_table.END}\n")
    value = as_json(capsys, "bench", "unet", "--markdown", str(page), status=None)
    assert value["request"]["architectures"] == ["unet"]
    assert value["ratios"] == {}
    assert list(tmp_path.iterdir()) == [page]


def test_a_log_has_a_line_for_each_architecture(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)

    def climb(*_: object, report: Callable[[str], None], **__: object) -> Outcome:
        for text in ("starting torch", "unet, default", "unet, 6x5 image, 3 channels", "mlp, x"):
            report(text)
        return Outcome()

    monkeypatch.setattr(ladder, "climb", climb)
    with pytest.raises(SystemExit):
        cli.main(["parity", "--json"])
    out, err = capsys.readouterr()
    assert err.splitlines() == ["starting torch", "unet", "mlp"]
    assert out.startswith("{")

    with printing.doing() as log:
        for text in ("torch: unet", "flax: unet", "torch: guide, States", "keras: guide, Modes"):
            log(text)
        for text in ("training unet, torch", "training unet, flax", "parity: unet, default"):
            log(text)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["unet", "guide", "training unet", "parity: unet"]
