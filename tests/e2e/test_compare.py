"""The main job, on real digits, from the command line."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from shared import cli, registry, specs
from shared.compare import comparison, table
from shared.data import files
from shared.errors import ConfigurationError, WorkerError
from shared.panels import PANELS
from shared.workers import Worker
from tests.e2e.smaller import make_smaller
from tests.flavours import ALL
from tests.shorter import quick

INSTALLED = registry.installed()
pytestmark = pytest.mark.skipif(not INSTALLED, reason="needs a backend")
several = pytest.mark.skipif(len(INSTALLED) < 2, reason="a comparison needs two backends")


def run(path: Path, *arguments: str) -> int:
    """Run `triptych compare` and give its exit status."""
    with pytest.raises(SystemExit) as caught:
        cli.main(["compare", *arguments, "--json", str(path)])
    return int(caught.value.code or 0)


def test_default_training_reaches_its_accuracy_in_every_backend(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "all.json"
    epochs_asked = specs.find("mnist_classifier").settings.epochs if ALL else 1
    assert run(path, *([] if ALL else ["--epochs", str(epochs_asked)])) == 0
    text = capsys.readouterr().out
    result = json.loads(path.read_text())
    assert list(result["rows"]) == INSTALLED
    assert result["reference"] == INSTALLED[0]
    assert result["passed"] is True
    assert result["errors"] == {}
    assert result["request"]["data"] == "sample"
    for name, row in result["rows"].items():
        epochs = row["history"]["epochs"]
        assert len(epochs) == epochs_asked
        assert epochs[-1]["test_accuracy"] >= (96 if ALL else 75)
        losses = row["history"]["losses"]
        assert losses[-1] < losses[0] / 4
        assert row["parameters"] == 421_642
        assert row["output_shapes"] == {"logits": [64, 10]}
        assert 0 <= row["difference"] <= 1e-5
        assert (row["difference"] == 0) is (name == INSTALLED[0])
        for figure in ("startup_seconds", "peak_memory_mib"):
            assert row[figure] > 0
        for figure in ("images_per_second", "first_step_seconds", "seconds"):
            assert row["history"][figure] > 0
        assert f"{epochs[-1]['test_accuracy']:.2f} %" in text
        assert f"{row['history']['images_per_second']:,.0f}" in text
        assert row["versions"]
    for title in ("first forward pass", "first step (compile)", "start-up", "peak memory"):
        assert title in text
    assert str(path) in text


@several
def test_two_heads_train_alike_from_the_same_weights_and_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MIMONet has no dropout: the losses are the same but for float32's rounding.

    Rounding grows where a ReLU or a maximum falls on the other side; at larger rates of learning it
    would soon be no rounding any more.
    """
    if not ALL:
        make_smaller(monkeypatch)
    path = tmp_path / "mimo.json"
    options = ["--optimizer", "sgd", "--learning-rate", "0.015625", "--momentum", "0.5"]
    assert run(path, "mimo_net", "--epochs", "1", "--seed", "3", *options) == 0
    rows = json.loads(path.read_text())["rows"]
    losses = [row["history"]["epochs"][0]["loss"] for row in rows.values()]
    assert len(losses) == len(INSTALLED)
    assert max(losses) - min(losses) < 1e-4 * min(losses)
    tested = [row["history"]["epochs"][0]["test_accuracy"] for row in rows.values()]
    assert max(tested) - min(tested) <= 0.5
    assert min(tested) > (40 if ALL else 10)


@several
def test_without_dropout_a_training_is_the_same_everywhere(tmp_path: Path) -> None:
    path = tmp_path / "basic.json"
    options = ["--optimizer", "sgd", "--learning-rate", "0.03125", "--momentum", "0.5"]
    assert run(path, "basic_net", "--epochs", "1", "--no-dropout", *options) == 0
    result = json.loads(path.read_text())
    assert result["request"]["settings"]["dropout"] is False
    rows = result["rows"]
    steps = files.COUNTS["sample"][0] // result["request"]["settings"]["batch_size"]
    losses = np.array([row["history"]["losses"] for row in rows.values()])
    assert losses.shape == (len(INSTALLED), steps)
    assert losses[0, -1] < losses[0, 0] / 2
    assert np.abs(losses - losses[0]).max() < 1e-4 * losses.min()
    for row in rows.values():
        counted = np.array(row["examples"]["confusion"])
        right = 100 * counted.trace() / counted.sum()
        assert counted.sum() == files.COUNTS["sample"][1]
        assert right == pytest.approx(row["history"]["epochs"][-1]["test_accuracy"])
        assert row["examples"]["wrong"]


class Faulty(Worker):
    """A worker whose second backend gets a fault."""

    fault: Callable[[], None]

    def __enter__(self) -> "Faulty":
        super().__enter__()
        if self.backend == INSTALLED[1]:
            self.call(type(self).fault)
        return self


def end_process() -> None:
    import os

    os._exit(7)


def shift_inputs() -> None:
    """Let the worker see other images than the rest."""
    from shared.data import mnist

    right = mnist.normalise
    mnist.normalise = lambda images: right(images) + np.float32(0.01)


@several
def test_a_worker_that_dies_is_named_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = type("Dying", (Faulty,), {"fault": staticmethod(end_process)})
    monkeypatch.setattr(comparison, "Worker", kind)
    path = tmp_path / "x.json"
    assert run(path, "basic_net", "--epochs", "1") == 1
    result = json.loads(path.read_text())
    others = [name for name in INSTALLED if name != INSTALLED[1]]
    assert list(result["rows"]) == others
    assert f"the {INSTALLED[1]} backend gave no result" in result["errors"][INSTALLED[1]]
    assert "status 7" in capsys.readouterr().out
    assert result["passed"] is False


@several
def test_a_first_pass_that_differs_fails_and_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = type("Shifted", (Faulty,), {"fault": staticmethod(shift_inputs)})
    monkeypatch.setattr(comparison, "Worker", kind)
    result = comparison.compare(specs.find("basic_net"), quick(), "here", INSTALLED[:2])
    assert not result.passed
    assert result.rows[INSTALLED[1]].difference > 1e-4
    from rich.console import Console

    table.show(result, Console(width=120))
    assert f"{INSTALLED[1]}: the first forward pass differs" in capsys.readouterr().out


@several
def test_no_result_at_all_is_an_error_with_every_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = type("Dying", (Faulty,), {"fault": staticmethod(end_process)})
    monkeypatch.setattr(comparison, "Worker", kind)
    with pytest.raises(WorkerError, match=INSTALLED[1]):
        comparison.compare(specs.find("basic_net"), quick(), "here", [INSTALLED[1]])


def test_a_backend_that_is_not_installed_is_skipped_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = registry.missing
    absent = [name for name in PANELS if name != INSTALLED[0]]
    monkeypatch.setattr(
        registry, "missing", lambda name: ["something"] if name in absent else real(name)
    )
    result = comparison.compare(specs.find("basic_net"), quick(), "here")
    assert list(result.rows) == INSTALLED[:1]
    assert set(result.skipped) == set(absent)
    for name in absent:
        assert f"pip install -e '.[{name}]'" in result.skipped[name]
    monkeypatch.setattr(registry, "missing", lambda _: ["something"])
    with pytest.raises(ConfigurationError, match="pip install"):
        comparison.compare(specs.find("basic_net"), quick(), "here")
