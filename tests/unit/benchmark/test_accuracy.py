"""The time to a test accuracy: its order, its clocks and its words, with workers that are made."""

import io
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from shared import cli, machine, registry, specs, strict
from shared.benchmark import accuracy, check, run, table
from shared.benchmark.accuracy import FAST, Accuracy, Goal, Row, Try
from shared.benchmark.run import Outcome, Request
from shared.data import mnist, tasks
from shared.errors import ConfigurationError, DownloadError, WorkerError
from shared.train import loop
from shared.workers import COMPILED_ANEW, TUNED
from tests.printed import refused
from tests.unit.clock import Time

SAMPLE = Goal(percent=97, seeds=3, data="sample")


class FakeWorker:
    """In place of a process: a training of so many seconds, and what it reaches."""

    log: list[str]
    faults: tuple[str, ...]

    def __init__(self, backend: str, environment: Mapping[str, str]) -> None:
        self.backend = backend
        self.environment = environment
        self.startup_seconds = 2.0

    def __enter__(self) -> "FakeWorker":
        return self

    def __exit__(self, *_: Any) -> None:
        self.log.append(f"{self.backend}: ended")

    def call(
        self, function: Callable[..., Any], goal: Goal, backend: str, seed: int, device: str
    ) -> tuple[Try, float]:
        kind = function.__name__
        tuned = " tuned" if TUNED.items() <= self.environment.items() else ""
        assert COMPILED_ANEW.items() <= self.environment.items()
        self.log.append(f"{backend} {kind} {seed} on {device}{tuned}")
        if f"{backend} {kind}" in self.faults:
            raise WorkerError(f"{backend} broke")
        if function is accuracy.tutorial:
            return Try(seed, 100.0 + seed, (90.0, goal.percent + seed / 10)), 0.5
        reached = goal.percent - 1 if backend == "flax" and seed else goal.percent
        return Try(seed, 20.0 + seed, (95.0, reached)), 0.0


def collected(
    goal: Goal = SAMPLE, faults: tuple[str, ...] = (), backends: tuple[str, ...] = ("torch", "flax")
) -> tuple[Accuracy, list[str]]:
    """What workers that are made up give, and what they were asked for."""
    log: list[str] = []
    kind: Any = type("Watched", (FakeWorker,), {"log": log, "faults": faults})
    return accuracy.collect(goal, backends, "cpu", lambda _: None, kind), log


def test_every_training_has_a_process_and_the_candidates_take_turns() -> None:
    measured, log = collected()
    assert [line.split()[0] + " ended" for line in log[::2]] == [
        line.replace(":", "") for line in log[1::2]
    ]
    assert log[::2] == [
        "torch tutorial 0 on cpu",
        "torch fast 0 on cpu tuned",
        "flax fast 0 on cpu tuned",
        "torch fast 1 on cpu tuned",
        "flax fast 1 on cpu tuned",
        "torch tutorial 1 on cpu",
        "flax fast 2 on cpu tuned",
        "torch tutorial 2 on cpu",
        "torch fast 2 on cpu tuned",
    ]
    assert [row.title for row in measured.rows] == ["torch tutorial", "torch fast", "flax fast"]
    assert [each.seed for each in measured.rows[2].tries] == [0, 1, 2]
    # The tutorial has more to import.
    assert [row.startup_seconds for row in measured.rows] == [2.5, 2.0, 2.0]
    assert not measured.errors


def test_what_is_not_reached_takes_for_ever() -> None:
    measured, _ = collected()
    tutorial, torch, flax = measured.rows
    assert (torch.reached, torch.seconds, torch.epochs) == (3, [20, 21, 22], [2, 2, 2])
    assert tutorial.accuracies == [97.0, 97.1, 97.2]
    assert (flax.reached, flax.seconds) == (1, [20, math.inf, math.inf])
    assert measured.ratio == pytest.approx(101 / 21)
    without, _ = collected(backends=("flax",))
    assert without.ratio is None
    seldom = Accuracy(SAMPLE, "", [tutorial, Row("torch", FAST, 97.0, flax.tries)])
    assert seldom.ratio is None


def test_a_candidate_that_fails_is_named_and_not_asked_again() -> None:
    measured, log = collected(faults=("torch fast",))
    assert measured.errors == {"accuracy torch fast": "torch broke"}
    assert [row.title for row in measured.rows] == ["torch tutorial", "flax fast"]
    assert len([line for line in log if line.startswith("torch fast")]) == 1
    assert measured.ratio is None


# The two trainings


@pytest.mark.parametrize(("gain", "epochs"), [(40.0, 3), (33.0, 3), (1.0, 15)])
def test_the_tutorial_ends_when_the_accuracy_is_reached_or_is_given_up(
    monkeypatch: pytest.MonkeyPatch, gain: float, epochs: int
) -> None:
    time = Time()
    options: dict[str, Any] = {}

    class Reference:
        def __init__(self, images: Any, labels: Any, batch_size: int, **named: Any) -> None:
            time.now += 5
            options.update(named, batch_size=batch_size, count=len(images))
            assert len(labels) == len(images)
            self.epochs = 0

        def train_epoch(self, count: int) -> float:
            assert count == 4000
            self.epochs += 1
            time.now += 10
            return 0.1

        def accuracy(self, images: Any, labels: Any) -> float:
            assert images.dtype == np.uint8
            assert len(images) == len(labels) == 1000
            time.now += 1
            return gain * self.epochs

    def load(name: str) -> Any:
        assert name == "torch_impl.engine.reference"
        time.now += 3
        return SimpleNamespace(Reference=Reference)

    monkeypatch.setattr(accuracy.importlib, "import_module", load)
    done, imports = accuracy.tutorial(SAMPLE, "torch", 4, "cpu", time)
    assert imports == 3
    assert (done.seed, len(done.accuracies)) == (4, epochs)
    assert done.seconds == 5 + 11 * epochs
    assert options == {
        "batch_size": 64, "learning_rate": 1e-3, "seed": 4, "device": "cpu", "count": 4000
    }  # fmt: skip


def test_the_preset_is_timed_from_the_digits_to_the_last_evaluation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    time = Time()
    options: dict[str, Any] = {}
    prepare, read = tasks.build, mnist.load

    def build(*arguments: Any) -> Any:
        time.now += 1
        return prepare(*arguments)

    def load(*arguments: Any, **named: Any) -> Any:
        time.now += 1000
        return read(*arguments, **named)

    class Backend:
        def build(self, _: Any, **named: Any) -> str:
            time.now += 10
            options.update(named)
            return "model"

    def fit(model: Any, _: Any, data: Any, settings: Any, *, seed: int) -> Any:
        assert (model, seed, len(data.train["label"])) == ("model", 2, 4000)
        time.now += 100
        options["settings"] = settings
        epochs = [SimpleNamespace(test_accuracy=value) for value in (80.0, 90.0)]
        return SimpleNamespace(epochs=epochs)

    monkeypatch.setattr(registry, "load", lambda _: Backend())
    monkeypatch.setattr(tasks, "build", build)
    monkeypatch.setattr(mnist, "load", load)
    monkeypatch.setattr(loop, "fit", fit)
    done, imports = accuracy.fast(SAMPLE, "flax", 2, "cpu", time)
    assert (done.seconds, done.accuracies, imports) == (111, (80.0, 90.0), 0)
    preset = specs.find("mnist_classifier").preset("fast")
    assert options.pop("settings") == preset.scheduled(preset.settings, 4000)
    assert options == {"seed": 2, "device": "cpu", "variant": "tuned"}


# What is shown, held against, and written


def outcome(goal: Goal = SAMPLE, foreign_load: float | None = 0.0) -> Outcome:
    """A benchmark of which nothing but this is known."""
    measured, _ = collected(goal)
    measured.foreign_load = foreign_load
    return Outcome(Request(goal=goal), accuracy=measured)


def printed(of: Outcome) -> str:
    stream = io.StringIO()
    table.show(of, Console(file=stream, width=160, markup=False))
    return stream.getvalue()


def test_it_is_shown_and_put_into_markdown() -> None:
    text = printed(outcome())
    for words in (
        "time to 97 % of the test digits of sample, seeds 3",
        "3 of 3",
        "1 of 3",
        "21.0 s",
        "20.0 s to not reached",
        "97.00 to 97.20 %",
        "torch, preset fast over the tutorial's loop: 97 % 4.81 x sooner",
        "the sample's 4,000 training digits are too few for 99 %",
        "foreign load meanwhile: 0.0 %",
    ):
        assert words in text
    assert "WARNING" not in text
    assert "WARNING: other processes took 30 %" in printed(outcome(foreign_load=30.0))
    text = table.markdown(outcome())
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 3
    assert {line.count("|") for line in rows} == {rows[0].count("|")}
    assert "| torch fast | 3 of 3 | 21.0 s | 20.0 to 22.0 s | 2 |" in text
    assert "time to" not in table.markdown(Outcome(Request()))


def test_a_page_names_no_folder_of_this_machine() -> None:
    measured = outcome()
    assert measured.accuracy
    measured.accuracy.source = "/home/somebody/digits"
    assert "/home/somebody/digits" in printed(measured)
    assert "/home/somebody" not in table.markdown(measured)


def test_json_has_what_is_counted_from_the_trainings() -> None:
    value = json.loads(json.dumps(strict.finite(outcome().to_dict()), allow_nan=False))["accuracy"]
    assert value["ratio"] == pytest.approx(101 / 21)
    assert value["goal"] == {"percent": 97, "seeds": 3, "data": "sample", "directory": None}
    flax = value["rows"][2]
    assert (flax["reached"], flax["seconds"], flax["median"]) == (1, [20, None, None], None)
    assert flax["tries"][1]["seconds"] == 21
    assert flax["tries"][1]["accuracies"] == [95, 96]
    assert Outcome(Request()).to_dict()["accuracy"] is None


def test_the_ratio_is_held_against_the_recorded_one() -> None:
    name = "time to 97 %, torch, tutorial over fast"
    assert check.ratios(outcome()) == {name: pytest.approx(101 / 21)}
    assert check.ratios(Outcome(Request())) == {}


# The command


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--accuracy", "0"], "accuracy must be in (0, 100], not 0"),
        (["--accuracy", "101"], "accuracy must be in (0, 100], not 101"),
        (["--accuracy", "nan"], "accuracy must be in (0, 100], not nan"),
        (["--accuracy", "--seeds", "0"], "seeds must be at least 1, not 0"),
        (["--accuracy", "--data", "cifar"], "there is no data set 'cifar'"),
        (["--accuracy", "--dtype", "float64"], "to an accuracy is measured in float32, not in"),
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
    monkeypatch.setattr(run, "run", lambda *_: pytest.fail("something was measured"))
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, "bench", *arguments)


def test_without_the_full_set_the_sample_is_used_with_a_notice(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    read, asked = mnist.load, []

    def load(name: str, *arguments: Any, **named: Any) -> Any:
        if name == "mnist":
            raise DownloadError("cannot download mnist")
        return read(name, *arguments, **named)

    def measure(request: Request, _: Any) -> Outcome:
        asked.append(request)
        raise ConfigurationError("enough is seen")

    monkeypatch.setattr(mnist, "load", load)
    monkeypatch.setattr(run, "run", measure)
    monkeypatch.chdir(tmp_path)
    for options in ([], ["--accuracy"], ["--accuracy", "98.5", "--seeds", "2"]):
        with pytest.raises(SystemExit):
            cli.main(["bench", *options, "--data-dir", "somewhere"])
    assert "using the embedded sample of 5,000 MNIST digits instead" in capsys.readouterr().err
    assert [request.goal for request in asked] == [
        None,
        Goal(99, 5, "sample", "somewhere"),
        Goal(98.5, 2, "sample", "somewhere"),
    ]


def test_the_machine_is_watched_during_each_training(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = []
    watch = machine.ForeignLoad.watch

    def counted(load: machine.ForeignLoad) -> Any:
        watched.append(load)
        return watch(load)

    monkeypatch.setattr(machine.ForeignLoad, "watch", counted)
    collected()
    assert len(watched) == 9
