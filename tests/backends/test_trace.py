"""What a network does when it runs, as each framework tells it: the same in all of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import shared
from shared import differences, registry
from shared.interface import Step, Trace
from shared.panels import PANELS
from shared.parity import collect
from shared.specs import SPECS, Case
from shared.workers import Worker
from tests.flavours import ALL, lacking

SOME = ("unet", "simple_resnet", "seq2seq", "row_gru", "early_exit_net")

FLAVOURS = ("torch", "flax", "keras")
# An `if` on a tensor's value runs one branch in PyTorch; the other panels' frameworks see both.
ONE_BRANCH = ("early_exit_net",)


def lines(backend: str, case: Case, dtype: str) -> list[tuple[Any, ...]]:  # in a worker
    """What ran, and where it is written."""
    trace = collect.trace(backend, collect.Plan(case, (dtype,), "cpu"))
    return [(step.kind, step.layer, step.file, step.line, step.inputs) for step in trace.steps]


def look(backend: str, case: Case) -> tuple[Trace, dict[str, Any], list[Any]]:  # in a worker
    """The trace, where tensors are kept, and the weights and outputs before and after."""
    loaded = registry.load(backend)
    model = loaded.build(case.network, seed=3, variant="idiomatic")
    inputs = collect.sample_batch(case, 2, "float32")
    around = [model.weights(), model(inputs)]
    trace = loaded.probe(model).trace(inputs)
    return trace, model.places(), [*around, model.weights(), model(inputs)]


def flow(trace: Trace, layers: set[str]) -> set[tuple[str, str]]:
    """Which of these layers' or inputs' result comes to which, or to which output."""
    above: dict[int, frozenset[str]] = {}

    def sources(inputs: tuple[int | str, ...]) -> frozenset[str]:
        origins = [{x} if isinstance(x, str) else above[x] for x in inputs]
        return frozenset().union(*origins)

    arrows: set[tuple[str, str]] = set()
    for number, step in enumerate(trace.steps):
        before = sources(step.inputs)
        if step.layer in layers:
            arrows |= {(name, step.layer) for name in before}
            before = frozenset({step.layer})
        above[number] = before
    for name, maker in trace.outputs.items():
        arrows |= {(source, f"out:{name}") for source in sources((maker,))}
    return arrows


def line(backend: str, step: Step) -> str:
    """The line of the panel's source that a step says it is written in."""
    path = Path(shared.__file__).parents[1] / PANELS[backend] / f"{step.file}.py"
    return path.read_text("utf-8").splitlines()[step.line - 1]


def layers(weights: Mapping[str, np.ndarray]) -> set[str]:
    return {name.rpartition(".")[0] for name in weights}


@pytest.mark.parametrize("name", SPECS if ALL else SOME)
def test_the_same_layers_feed_each_other_in_every_framework(
    name: str, several: dict[str, Worker]
) -> None:
    case = SPECS[name].cases[0]
    flows: dict[str, set[tuple[str, str]]] = {}
    for backend in [each for each in several if each in FLAVOURS]:
        trace, places, (weights, outputs, later, again) = several[backend].call(look, backend, case)
        assert differences.unequal(weights, later) == []
        assert differences.unequal(outputs, again) == []
        assert set(places) == set(weights)
        for tensor, place in places.items():
            shape = weights[tensor].shape
            assert tuple(place.shape[axis] for axis in place.axes) == shape, tensor
        assert list(trace.inputs) == list(case.network.inputs)
        assert list(trace.outputs) == list(case.network.outputs)
        for output, maker in trace.outputs.items():
            (shape,) = trace.steps[int(maker)].shapes
            assert sorted(shape) == sorted(outputs[output].shape), output
        seen = {step.layer for step in trace.steps if step.layer}
        if not (name in ONE_BRANCH and backend == "torch"):
            assert seen >= layers(weights)
            flows[backend] = flow(trace, layers(weights))
        for step in trace.steps:
            assert line(backend, step).strip(), step
    first, *others = flows.values()
    assert first
    for other in others:
        # What a loop hands from one turn to the next is seen where every turn is run.
        assert {(a, b) for a, b in first ^ other if name != "row_gru"} == set()


@pytest.mark.parametrize("backend", FLAVOURS)
def test_the_same_runs_in_every_dtype(backend: str, lend: Any) -> None:
    case = SPECS["basic_net"].cases[0]
    worker = lend(backend)
    exact, usual = (worker.call(lines, backend, case, dtype) for dtype in ("float64", "float32"))
    assert exact == usual
    assert exact


def steps_of(trace: Trace, block: str) -> list[Step]:
    return [step for step in trace.steps if step.block == block]


@pytest.mark.parametrize(
    ("backend", "kinds"),
    [
        ("torch", "Conv2d BatchNorm2d relu Conv2d BatchNorm2d add relu"),
        ("flax", "Conv BatchNorm relu Conv BatchNorm add relu"),
        ("keras", "Pad Conv2D BatchNormalization Relu Conv2D BatchNormalization Add Relu"),
    ],
)
def test_a_residual_block_adds_what_it_was_given(backend: str, kinds: str, lend: Any) -> None:
    case = SPECS["simple_resnet"].cases[0]
    trace, _, _ = lend(backend).call(look, backend, case)
    assert trace.blocks[""] == "SimpleResNet"
    assert trace.blocks["layer1.0"] == "ResidualBlock"
    steps = steps_of(trace, "layer1.0")
    called = [step.kind for step in steps]
    assert called == kinds.split()
    (add,) = (step for step in steps if step.kind.lower() == "add")
    added = {trace.steps[int(x)].layer or trace.steps[int(x)].kind.lower() for x in add.inputs}
    assert added == {"layer1.0.bn2", "relu"}
    assert "conv1" in line(backend, next(step for step in steps if step.layer))


def test_a_loop_is_seen_with_its_turns(lend: Any) -> None:
    case = SPECS["row_gru"].cases[0]
    rows = next(iter(case.network.inputs.values())).shape[0]
    every, _, _ = lend("torch").call(look, "torch", case)
    once, _, _ = lend("flax").call(look, "flax", case)
    turns = [step for step in every.steps if step.block == "cell" and step.layer]
    recorded = [step for step in once.steps if step.block == "cell" and step.layer]
    assert {step.call for step in turns} == set(range(rows))
    assert {step.turns for step in recorded} == {rows}
    assert len(turns) == rows * len(recorded)


def test_a_choice_is_seen(lend: Any) -> None:
    """PyTorch runs the branch that Python takes; the others know both and choose."""
    case = SPECS["early_exit_net"].cases[0]
    kinds = {
        name: [step.kind.lower() for step in lend(name).call(look, name, case)[0].steps]
        for name in FLAVOURS
    }
    assert "bool" in kinds["torch"]
    assert kinds["flax"].count("cond") == 1
    assert kinds["keras"].count("cond") == 1


@pytest.mark.parametrize("flavour", ["keras-jax", "keras-torch"])
def test_keras_tells_the_same_on_every_framework(flavour: str, lend: Any) -> None:
    if reason := lacking("keras"):
        pytest.skip(reason)
    for name in SOME if ALL else SOME[-1:]:
        case = SPECS[name].cases[0]
        expected, _, _ = lend("keras").call(look, "keras", case)
        trace, _, _ = lend(flavour).call(look, "keras", case)
        assert trace == expected
