"""`triptych bench`, with workers that are made up."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from shared import cli
from shared.benchmark import check, costs, run, table
from tests.printed import refused
from tests.unit.benchmark.workers import FakeWorker, silence, with_costs


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mnist_clasifier"], "did you mean 'mnist_classifier'?"),
        (["inference_model"], "train the network that it wraps"),
        (["--backends", "torch,mxnet"], "there is no backend 'mxnet'"),
        (["--variants", "tuned,fast"], "there is no variant 'fast'; there are idiomatic, tuned, r"),
        (["--batch-sizes", "64,many"], "batch sizes must be whole numbers with commas between"),
        (["--batch-sizes", ","], "batch sizes must be whole numbers with commas between, not ','"),
        (["--batch-sizes", "64,0"], "a batch size must be at least 1, not 0"),
        (["--batch-sizes", "4001"], "batch_size must be at most 4000"),
        (["unet", "--batch-sizes", "1001"], "batch_size must be at most 1000"),
        (["--dtype", "float16"], "there is no dtype 'float16'"),
        (["--device", "tpu"], "there is no device 'tpu'"),
        (["--rounds", "0"], "rounds must be at least 1, not 0"),
        (["--epochs", "-1"], "epochs must be at least 1, not -1"),
        (["--seconds", "0"], "seconds must be above 0, not 0"),
        (["--seconds", "nan"], "seconds must be above 0, not nan"),
        (["basic_net", "--variants", "reference"], "a reference of mnist_classifier alone"),
        (["--variants", "reference", "--dtype", "float64"], "a reference computes in float32"),
        (["--json", "nowhere/x.json"], "nowhere is no directory"),
        (["--record", "."], ". is a directory; name a file"),
        (["--markdown", "none.md"], "none.md cannot be read: there is no such file"),
        (["--check"], "no recorded ratios"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_gets_one_sentence(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: list[str],
    message: str,
) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("something was measured")

    monkeypatch.setattr(run, "run", never)
    monkeypatch.setattr(check, "RECORDED", tmp_path / "none.json")
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, "bench", *arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., tuple[int, str]]:
    """The command with workers that are made up: its status, and what it prints."""
    silence(monkeypatch)
    real = run.run
    monkeypatch.setattr(costs, "collect", lambda *_: with_costs())
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, faults: Mapping[str, str] | None = None) -> tuple[int, str]:
        kind: Any = type("Watched", (FakeWorker,), {"log": [], "faults": faults or {}})
        monkeypatch.setattr(run, "run", lambda request, report: real(request, report, kind))
        with pytest.raises(SystemExit) as caught:
            cli.main(["bench", "--rounds", "2", *arguments])
        return int(caught.value.code or 0), capsys.readouterr().out

    return call


def test_the_command_writes_everything(
    command: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    (tmp_path / "B.md").write_text(f"{table.BEGIN}\n{table.END}\n")
    status, text = command("--markdown", "B.md", "--record", "ratios.json", "--backends", "torch")
    assert status == 0
    assert "written to triptych-bench.json" in text
    value = json.loads((tmp_path / "triptych-bench.json").read_text())
    recorded = json.loads((tmp_path / "ratios.json").read_text())["ratios"]
    assert value["ratios"] == pytest.approx(recorded, rel=1e-2)
    assert "batches over torchvision's loader" in recorded  # --costs is in --record
    assert "`mnist_classifier`" in (tmp_path / "B.md").read_text()
    status, text = command("--backends", "torch", faults={"torch tuned": "train"})
    assert status == 1
    assert "mnist_classifier torch tuned: torch tuned broke in train" in text
    assert json.loads((tmp_path / "triptych-bench.json").read_text())["costs"] is None


def test_the_command_checks(
    command: Callable[..., tuple[int, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "recorded.json"
    monkeypatch.setattr(check, "RECORDED", path)
    name = "mnist_classifier torch, tuned over idiomatic: training"
    for ratio, status in ((1.5, 0), (3.3, 0), (3.4, 1)):
        path.write_text(json.dumps({"ratios": {name: ratio}}))
        exit_status, text = command("--check")
        assert exit_status == status
        assert ("fell" in text) is bool(status)
    path.write_text(json.dumps({"ratios": {"another": 1.0}}))
    status, text = command("--check")
    assert status == 1
    assert "none of the recorded ratios was measured" in text
