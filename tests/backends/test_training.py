"""Each step's learning rate, and what momentum sums, are the same formulas in every backend."""

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from shared import registry
from shared.interface import VARIANTS
from shared.panels import PANELS
from shared.parity import recipes
from shared.parity.samples import starting_weights
from shared.specs import Settings, find
from tests.assertions import close
from tests.backends.small_networks import table
from tests.conftest import Lend
from tests.flavours import FLAVOURS, SECOND_TO_TENSORFLOW

Arrays = dict[str, np.ndarray]
State = tuple[Arrays, Arrays]


def rates(backend: str, settings: Settings, steps: int) -> list[float]:  # in a worker
    """The learning rate of each step, in float64."""
    panel: Any = importlib.import_module(f"{PANELS[backend]}.training")
    if backend == "torch":
        import torch

        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], settings.learning_rate)
        schedule = panel.make_schedule(optimizer, settings)
        values = []
        for _ in range(steps):
            values.append(schedule.get_last_lr()[0])
            optimizer.step()
            schedule.step()
        return values
    if backend == "flax":
        import jax

        with jax.enable_x64(True):
            rate = panel.make_schedule(settings)
            return [float(rate(jax.numpy.asarray(step, "int32"))) for step in range(steps)]
    from keras_impl.engine.computing import computing

    with computing("float64", "cpu"):
        rate = panel.make_schedule(settings)
        return [float(rate(step)) for step in range(steps)]


def expected_rates(settings: Settings, count: int) -> np.ndarray:
    """The learning rate of each step by the formula of `Settings`."""
    warmup, decay, steps = settings.warmup_steps or 0, settings.decay_steps, np.arange(count)
    past = np.clip((steps - warmup) / decay, 0, 1) if decay else np.zeros(count)
    rise = (steps + 1) / (warmup + 1)
    return settings.learning_rate * np.where(steps < warmup, rise, (1 + np.cos(np.pi * past)) / 2)


def loaded_meanwhile(backend: str, variant: str) -> tuple[Arrays, Arrays, list[float]]:
    """In a worker: a step on weights that a trainer had, and on those that were loaded later."""
    spec = find("basic_net")
    task = spec.require_task()
    case = spec.more_cases[0]
    batch = recipes.real_batches(case.network, task, 1)[0]
    settings = Settings(optimizer="sgd", learning_rate=0.5, momentum=0.0, dropout=False)
    model = registry.load(backend).build(case.network, seed=1, variant=variant)
    trainer = model.trainer(task, settings, 0)
    start = model.weights()
    trainer.train_step(batch)
    once = model.weights()
    trainer.train_step(batch)
    model.load_weights(start)
    losses = [float(trainer.evaluation_step(batch)["loss"])]
    trainer.train_step(batch)
    model.load_weights(start)
    losses.append(float(trainer.evaluation_step(batch)["loss"]))
    trainer.train_step(batch)
    return once, model.weights(), losses


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("backend", PANELS)
def test_weights_that_are_loaded_meanwhile_are_those_of_the_next_step(
    lend: Lend, backend: str, variant: str
) -> None:
    once, again, losses = lend(backend).call(loaded_meanwhile, backend, variant)
    for name, array in once.items():
        assert close(again[name], array, 1e-6), name
    assert losses[0] == losses[1]


def traces(variant: str) -> int:
    """In a worker: how often Python runs through a network in two train steps of Keras."""
    spec = find("basic_net")
    task, case = spec.require_task(), spec.more_cases[0]
    model = registry.load("keras").build(case.network, seed=1, variant=variant)
    native: Any = model.native  # type: ignore[attr-defined]
    calls, call = [], native.call

    def counted(*arguments: Any, **named: Any) -> Any:
        calls.append(arguments)
        return call(*arguments, **named)

    native.call = counted
    trainer = model.trainer(task, Settings(optimizer="adam"), 0)
    for batch in recipes.real_batches(case.network, task, 2):
        trainer.train_step(batch)
    return len(calls)


@pytest.mark.parametrize("variant", VARIANTS)
def test_keras_traces_a_train_step_once(lend: Lend, variant: str) -> None:
    """Twice, if TensorFlow finds variables that are made on the way."""
    assert lend("keras").call(traces, variant) == 1


@pytest.mark.parametrize("backend", PANELS)
@pytest.mark.parametrize(
    ("warmup", "decay"), [(None, 9), (5, None), (5, 9), (1, 1), (6, 1)], ids=str
)
def test_the_learning_rate_is_the_same_formula_everywhere(
    lend: Lend, backend: str, warmup: int | None, decay: int | None
) -> None:
    settings = Settings(learning_rate=0.003, warmup_steps=warmup, decay_steps=decay)
    actual = lend(backend).call(rates, backend, settings, 20)
    np.testing.assert_allclose(actual, expected_rates(settings, 20), rtol=0, atol=0.003 * 1e-12)
    assert actual[0] > 0


# Momentum under a learning rate that changes


SPEC = find("basic_net")
TASK = SPEC.require_task()
STEPS = 50
RESUMED = 20
SCHEDULES = {
    "momentum, cosine": Settings(
        optimizer="sgd", learning_rate=2.0**-7, momentum=7 / 8, decay_steps=STEPS, dropout=False
    ),
    "Nesterov, warm-up": Settings(
        optimizer="sgd",
        learning_rate=2.0**-7,
        momentum=7 / 8,
        nesterov=True,
        warmup_steps=30,
        dropout=False,
    ),
}
EVERYWHERE = [
    pytest.param(flavour, dtype, id=f"{flavour}-{dtype}")
    for flavour in FLAVOURS
    for dtype in ("float32", "float64")
    if dtype == "float32" or flavour not in SECOND_TO_TENSORFLOW
]
TOLERANCE = {"float32": 1e-4, "float64": 1e-12}


def gradients(weights: Arrays, batch: Arrays) -> Arrays:
    """Of BasicNet's cross entropy, by hand."""
    (objective,) = TASK.objectives
    labels, names = batch[objective.target], ("fc1", "fc2", "fc3")
    x = batch["image"].astype(np.float64).reshape(len(labels), -1)
    inputs, logits = [], x
    for name in names:
        inputs.append(x)
        logits = x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]
        x = np.maximum(logits, 0)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares = exponentials / exponentials.sum(axis=1, keepdims=True)
    g = (shares - np.eye(shares.shape[1])[labels]) / len(labels)
    result: Arrays = {}
    for name, x in reversed([*zip(names, inputs, strict=True)]):
        result |= {f"{name}.weight": g.T @ x, f"{name}.bias": g.sum(axis=0)}
        g = g @ weights[f"{name}.weight"] * (x > 0)
    return result


def descend(settings: Settings, batches: Sequence[Arrays], weights: Arrays) -> list[State]:
    """Weights and momentum before and after each step, in float64, as `torch.optim.SGD` has them.

    The learning rate multiplies the sum of gradients, and is no part of it:
    https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html
    """
    weights = {name: array.astype(np.float64) for name, array in weights.items()}
    sums = {name: np.zeros_like(array) for name, array in weights.items()}
    states = [(weights, sums)]
    for rate, batch in zip(expected_rates(settings, len(batches)), batches, strict=True):
        new = gradients(weights, batch)
        sums = {name: settings.momentum * sums[name] + new[name] for name in weights}
        if settings.nesterov:
            new = {name: new[name] + settings.momentum * sums[name] for name in weights}
        else:
            new = sums
        weights = {name: weights[name] - rate * new[name] for name in weights}
        states.append((weights, sums))
    return states


def trained(
    backend: str, dtype: str, variant: str, settings: Settings, start: Arrays, batches: list[Arrays]
) -> Arrays:  # in a worker
    """Weights after the trainer's steps."""
    model = registry.load(backend).build(SPEC.network, dtype=dtype, variant=variant)
    model.load_weights(start)
    trainer = model.trainer(TASK, settings, seed=0)
    for batch in batches:
        trainer.train_step(batch)
    return model.weights()


def stepped(
    backend: str, dtype: str, settings: Settings, state: State, first: int, batches: list[Arrays]
) -> State:  # in a worker
    """Weights and momentum after the stepper's steps, which go on from a state."""
    model = registry.load(backend).build(SPEC.network, dtype=dtype)
    weights, sums = ({n: a.astype(dtype) for n, a in arrays.items()} for arrays in state)
    model.load_weights(weights)
    stepper = registry.load(backend).probe(model).stepper(TASK, settings)
    if first:
        stepper.load_slots({n: {"momentum_buffer": a} for n, a in sums.items()}, first)
    for batch in batches:
        stepper.step(batch)
    return model.weights(), {n: slots["momentum_buffer"] for n, slots in stepper.slots().items()}


def check(actual: Arrays, expected: Arrays, dtype: str) -> None:
    assert actual.keys() == expected.keys()
    for name, array in expected.items():
        assert actual[name].dtype == dtype
        assert close(actual[name].astype(np.float64), array, TOLERANCE[dtype]), name


@pytest.mark.parametrize(("flavour", "dtype"), EVERYWHERE)
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_trainers_momentum_sums_gradients_not_steps(
    lend: Lend, flavour: str, dtype: str, variant: str, schedule: str
) -> None:
    worker, settings = lend(flavour), SCHEDULES[schedule]
    batches = recipes.real_batches(SPEC.network, TASK, STEPS)
    start = starting_weights(worker.call(table, worker.backend, SPEC.network, dtype), dtype, 1)
    end = worker.call(trained, worker.backend, dtype, variant, settings, start, batches)
    check(end, descend(settings, batches, start)[-1][0], dtype)


@pytest.mark.parametrize(("flavour", "dtype"), EVERYWHERE)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_momentum_is_read_and_taken_over_within_a_schedule(
    lend: Lend, flavour: str, dtype: str, schedule: str
) -> None:
    worker, settings = lend(flavour), SCHEDULES[schedule]
    batches = recipes.real_batches(SPEC.network, TASK, STEPS)
    start = starting_weights(worker.call(table, worker.backend, SPEC.network, dtype), dtype, 1)
    states = descend(settings, batches, start)
    for first, end in ((0, RESUMED), (RESUMED, STEPS), (0, STEPS)):
        few = batches[first:end]
        state = worker.call(stepped, worker.backend, dtype, settings, states[first], first, few)
        for actual, expected in zip(state, states[end], strict=True):
            check(actual, expected, dtype)
