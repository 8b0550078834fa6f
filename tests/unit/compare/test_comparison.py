"""The main job where it needs no backend: what it refuses, and how its figures are written."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from shared import machine, registry, specs, strict
from shared.compare import comparison, table
from shared.errors import ConfigurationError, DeviceMissingError
from shared.train import loop
from shared.train.worker import Run
from shared.workers import Worker
from tests.printed import shown
from tests.shorter import quick


def test_an_architecture_that_is_not_trained_says_so() -> None:
    with pytest.raises(ConfigurationError, match="train the network that it wraps"):
        comparison.compare(specs.find("inference_model"), quick(), "here")


class Ready(Worker):
    """A worker that is there, and has done what it is asked for."""

    startup_seconds = 1.0

    def __init__(self) -> None:
        epoch = loop.Epoch(0.5, 80.0, 0.5, 75.0, 1.0, 1.0, {"accuracy": 75.0})
        history = loop.History(specs.Settings(), 0, [epoch])
        outputs = {"logits": np.ones((64, 10))}
        self.run = Run({"torch": "9"}, 3, outputs, {}, {}, history, 1.0, None)

    def wait_until_ready(self) -> None:
        pass

    def call(self, *_: Any) -> Any:
        return self.run


def test_a_device_that_is_missing_is_told_once_for_each_backend(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Without(Ready):
        def call(self, _: Any, name: str, *_others: Any) -> Any:
            raise DeviceMissingError(f"{name} finds no CUDA device")

    monkeypatch.setattr(registry, "missing", lambda _: [])
    running, told = {"torch": Without(), "flax": Without()}, list[str]()
    with pytest.raises(DeviceMissingError) as caught:
        comparison.compare(
            specs.find("basic_net"), quick(), "here", [*running], told.append, running
        )
    assert str(caught.value) == "torch finds no CUDA device; flax finds no CUDA device"
    assert told == ["torch: starting", "flax: starting"]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[[float | None], None]:
    """Let others take so much of the machine, in percent, or let nobody know how much."""

    def take(percent: float | None) -> None:
        class Load(machine.ForeignLoad):
            @contextmanager
            def watch(self) -> Iterator[None]:
                yield
                self.known &= percent is not None
                self.seconds += 1
                self.foreign_seconds += (percent or 0) / 100 * self.cpus

        monkeypatch.setattr(machine, "ForeignLoad", Load)

    return take


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize(
    ("percent", "is_told"), [(25.0, True), (9.9, False), (3.0, False), (None, False)]
)
def test_what_others_took_of_the_machine_is_told_and_warned_of(
    percent: float | None,
    is_told: bool,
    terminal: bool,
    load: Callable[[float | None], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load(percent)
    monkeypatch.setattr(registry, "missing", lambda _: [])
    running = {"torch": Ready(), "flax": Ready()}
    outcome = comparison.compare(
        specs.find("basic_net"), quick(), "here", ("torch", "flax"), running=running
    )
    assert list(outcome.rows) == ["torch", "flax"]
    share = outcome.to_dict()["foreign_load"]
    assert share is None if percent is None else share == pytest.approx(percent)
    text = shown(table.show, outcome, terminal=terminal)
    sentence = (
        "WARNING: other processes took 25 % of the machine's CPU time while this ran, where 10 % "
        "is much: measure again on a quiet machine\n"
    )
    assert text.endswith(sentence) is is_told
    assert ("WARNING" in text) is is_told


def test_figures_that_are_not_finite_are_null_in_json() -> None:
    value = {"a": [math.inf, 1.0, math.nan], "b": ({"c": -math.inf},)}
    assert strict.finite(value) == {"a": [None, 1.0, None], "b": [{"c": None}]}
