"""One candidate's work, with a clock and a model that are made up."""

import math
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from shared import registry
from shared.benchmark import measure
from shared.benchmark.measure import Job, WarmUp
from shared.errors import DivergedError
from shared.train import loop
from shared.workers import TUNED
from tests.unit.clock import Time


def test_warm_up_ends_when_steps_take_equally_long() -> None:
    time = Time()
    slow = [5.0, 2.0, *[1.0] * 4, 0.9, 0.8, 0.7, 0.6, 0.5]
    warm = measure.warm_up(time.steps(*slow, 0.5), time, least=1, most=1000)
    # The medians of the last five and the five before are both 0.5 after five and three more.
    assert warm == WarmUp(18, sum(slow) + 7 * 0.5, True)
    assert measure.warm_up(time.steps(0.2), time).steps == 10
    assert measure.warm_up(time.steps(0.25), time, group=1).steps == 2


def test_warm_up_waits_for_a_while_and_then_gives_up() -> None:
    time = Time()
    quick = measure.warm_up(time.steps(0.015625), time, least=1)
    assert (quick.steps, quick.stable) == (64, True)
    twice = [2.0**n for n in range(20)]
    never = measure.warm_up(time.steps(*twice), time, least=0, most=3000)
    assert (never.steps, never.seconds, never.stable) == (12, 2.0**12 - 1, False)


def test_work_takes_whole_steps_and_at_least_one() -> None:
    time = Time()
    window = measure.work(time.steps(9, 9, 1, 2, 3), 2.5, 64, time)
    assert (window.examples, window.seconds, window.steps) == (128, 3, (1, 2))
    assert measure.work(time.steps(4), 0.5, 7, time, lead_in=0).examples == 7


def test_what_is_no_number_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    session = fake_session(monkeypatch, loss=math.nan)
    with pytest.raises(DivergedError, match="the loss is nan"):
        session.prepare(None)


class Loss:
    """A loss that is computed when somebody asks for its value."""

    def __init__(self, model: "FakeModel", value: float) -> None:
        self.model = model
        self.value = value

    def __float__(self) -> float:
        self.model.log.append("waited")
        return self.value


class FakeModel:
    """A model whose every step takes a second of a clock."""

    def __init__(self, backend: "FakeBackend", variant: str) -> None:
        self.backend = backend
        self.variant = variant
        self.log: list[str] = []
        self.sizes: list[int] = []
        self.values: dict[str, np.ndarray] = {"weight": np.full(2, len(backend.built))}

    def weights(self) -> dict[str, np.ndarray]:
        return dict(self.values)

    def load_weights(self, weights: Mapping[str, np.ndarray]) -> None:
        self.values = dict(weights)

    def trainer(self, *_: Any) -> "FakeModel":
        self.backend.time.now += 7
        return self

    def train_step(self, batch: Mapping[str, np.ndarray]) -> dict[str, Any]:
        self.backend.time.now += 1
        self.log.append(f"trained {len(batch['image'])}")
        return {"loss": Loss(self, self.backend.loss), "correct": 1, "counted": 1}

    def evaluation_step(self, batch: Mapping[str, np.ndarray]) -> dict[str, Any]:
        self.backend.time.now += 100
        return {"loss": 1.0, "correct": 1, "counted": len(batch["image"])}

    def record_epoch(self, *_: float) -> None:
        pass

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.backend.time.now += 0.5
        self.sizes.append(len(inputs["image"]))
        return {"logits": np.ones((len(inputs["image"]), 10)) * self.values["weight"][0]}


class FakeBackend:
    def __init__(self, time: Time, loss: float) -> None:
        self.time = time
        self.loss = loss
        self.built: list[FakeModel] = []

    def versions(self) -> dict[str, str]:
        return {"fake": "1"}

    def resolved(self) -> dict[str, str]:
        return {"threads": "3"}

    def build(self, *_: Any, variant: str, **__: Any) -> FakeModel:
        self.time.now += 5
        self.built.append(FakeModel(self, variant))
        return self.built[-1]


def fake_session(
    monkeypatch: pytest.MonkeyPatch, loss: float = 1.0, **job: Any
) -> measure.VariantSession:
    """A session of a backend that computes nothing."""
    time = Time()
    backend = FakeBackend(time, loss)
    monkeypatch.setattr(registry, "load", lambda _: backend)
    fields = {"architecture": "basic_net", "backend": "torch", "variant": "tuned", **job}
    return measure.VariantSession(Job(**fields), time)


def test_a_session_waits_for_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    session = fake_session(monkeypatch, batch_sizes=(8, 500))
    for name, value in TUNED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", "nobody's business")
    weights = {"weight": np.full(2, 11.0)}
    prepared = session.prepare(weights)
    trained, still = session.backend.built
    assert trained.log[::2] == ["trained 8"] * 11
    assert trained.log[1::2] == ["waited"] * 11
    # The optimizer's making and one step; half a second a call.
    assert (prepared.build_seconds, prepared.first_step_seconds) == (5, 8)
    assert prepared.first_inference_seconds == {1: 0.5, 8: 0.5, 500: 0.5}
    assert list(prepared.warm_up) == ["training", "inference 1", "inference 8", "inference 500"]
    assert all(warm.stable for warm in prepared.warm_up.values())
    assert prepared.weights == weights
    assert prepared.versions == {"fake": "1"}
    assert prepared.resolved["threads"] == "3"
    assert prepared.resolved["OMP_NUM_THREADS"] == "3"
    assert prepared.resolved["allocator"] == "keeps what is freed"
    assert "TF_CLI_CONFIG_FILE" not in prepared.resolved
    # Another model infers, with the weights that training began with.
    assert still.values == weights
    assert prepared.outputs["logits"].shape == (measure.OUTPUT_IMAGES, 10)
    assert (prepared.outputs["logits"] == 11).all()
    assert not trained.sizes
    assert set(still.sizes) == {1, 8, 64, 500}

    window = session.train(2.5)
    assert (window.examples, window.seconds, len(window.steps)) == (24, 3, 3)
    assert len(trained.log) == 2 * (11 + 3 + measure.LEAD_IN)
    window = session.infer(500, 0.75)
    assert (window.examples, window.seconds) == (1000, 1)
    assert [model.variant for model in session.backend.built] == ["tuned"] * 2

    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=session.clock))
    later = session.run_epochs()
    assert session.backend.built[2].log.count("trained 8") == 500
    # Without the first step, and without evaluation, which took 200 more.
    assert later == 499


def test_the_sample_is_enough_for_any_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    session = fake_session(monkeypatch)
    inputs = session._inputs(1500, 0)["image"]
    assert len(inputs) == 1500
    np.testing.assert_array_equal(inputs[1000:], inputs[:500])
    other = session._inputs(400, 1)["image"]
    np.testing.assert_array_equal(other, inputs[400:800])
