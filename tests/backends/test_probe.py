"""Probes see the same in every flavour, and leave the model as it was."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from shared import differences, registry, specs
from shared.parity import collect, recipes, samples
from shared.parity.evidence import CaseEvidence
from shared.parity.expected import absent
from shared.parity.judge import Pair, rungs
from shared.specs import Network, Settings, Tensor
from shared.workers import Worker
from tests.conftest import Lend
from tests.flavours import ALL, FLAVOURS, SECOND_TO_TENSORFLOW, lacking

# Dropout and dense layers; batch norm; a loop; attention with two outputs and a mask.
PLACES = [
    ("basic_net", "6x5 image, 3 channels"),
    ("dense_net", "block 5 channels, growth 2, 3 layers"),
    ("row_gru", "7x10 image, 3 channels, 4 classes"),
    ("seq2seq", "attention, 3 heads, 5 to 7 steps"),
]
RECIPES = ("momentum", "adam")


def plan_of(architecture: str, label: str) -> collect.Plan:
    """A short training in float32 beside the passes, where the case has one."""
    spec = specs.find(architecture)
    (case,) = (case for case in spec.cases if case.label == label)
    plan = collect.plan(spec, case, ["float32"])
    return replace(plan, batches=plan.batches[:3], steps=2, recipes=RECIPES, combinations=())


def gather(backend: str, plan: collect.Plan) -> CaseEvidence:  # in a worker
    return collect.collect(backend, plan)


@pytest.fixture(scope="module")
def reference(lend: Lend) -> Any:
    """PyTorch's evidence, once for each place."""
    gathered: dict[tuple[str, str], CaseEvidence] = {}

    def get(place: tuple[str, str]) -> CaseEvidence:
        if place not in gathered:
            gathered[place] = lend("torch").call(gather, "torch", plan_of(*place))
        return gathered[place]

    return get


@pytest.mark.skipif(lacking("torch") is not None, reason="PyTorch is the reference")
@pytest.mark.parametrize(
    ("flavour", "place"),
    [
        pytest.param(name, place, id=f"{name}-{' '.join(place)}")
        for name in FLAVOURS
        for place in PLACES
        # Flax, and Keras on TensorFlow, climb the ladder with all of them.
        if ALL or (name in SECOND_TO_TENSORFLOW and place in PLACES[:2])
        if name != "torch"
    ],
)
def test_every_flavour_gives_pytorchs_evidence(
    flavour: str, lend: Lend, reference: Any, place: tuple[str, str]
) -> None:
    plan = plan_of(*place)
    worker = lend(flavour)
    evidence = worker.call(gather, worker.backend, plan)
    results = {
        (rung, part): result
        for rung, part, result in rungs(
            Pair(reference(place), evidence, "float32"), plan.asked, trained=True
        )
    }
    spec = specs.find(place[0])
    assert absent(spec, plan.case, plan.asked, evidence, "float32") == {}
    names = {rung for rung, _ in results}
    assert {"forward", "activations", "loss", "gradients"} <= names
    assert ("buffers" in names) is (place[0] == "dense_net")
    assert ("dropout" in names) is (place[0] == "basic_net")
    for trained in ("optimizers", "resume"):
        parts = {part for rung, part in results if rung == trained}
        assert parts == (set(RECIPES) if plan.batches else set())
    assert {key: r.detail for key, r in results.items() if r.status != "passed"} == {}


def after_watching(backend: str, plan: collect.Plan) -> tuple[Any, ...]:  # in a worker
    """Weights and outputs before and after everything that does not train."""
    model = registry.load(backend).build(plan.case.network, dtype="float32", seed=3)
    inputs = collect.sample_batch(plan.case, 2, "float32")
    before = (model.weights(), model(inputs))
    probe = registry.load(backend).probe(model)
    assert plan.task is not None
    targets = recipes.sample_targets(plan.case.network, plan.task, 2)
    seen = [
        probe.watch(inputs, train=False),
        probe.watch(inputs, train=True),
        probe.watch(inputs, train=True, dropout="own"),
        probe.differentiate({**inputs, **targets}, plan.task).activations,
    ]
    return (*before, model.weights(), model(inputs), seen)


@pytest.mark.parametrize("place", PLACES[:3], ids=" ".join)
def test_watching_changes_nothing(worker: Worker, place: tuple[str, str]) -> None:
    plan = plan_of(*place)
    weights, outputs, later, again, seen = worker.call(after_watching, worker.backend, plan)
    assert differences.unequal(weights, later) == []
    assert differences.unequal(outputs, again) == []
    layers = {name.rpartition(".")[0] for name in weights}
    for activations in seen:
        assert {f"{layer}:in" for layer in layers} <= set(activations)
        assert {f"{layer}:out" for layer in layers} <= set(activations)


def dropped_twice(backend: str, plan: collect.Plan) -> list[Any]:  # in a worker
    """What two networks that are built alike show of their own dropout."""
    inputs, shown = collect.sample_batch(plan.case, 3, "float32"), []
    for _ in range(2):
        model = registry.load(backend).build(plan.case.network, dtype="float32", seed=None)
        model.load_weights(samples.sample_weights(model.table(), "float32", 1))
        probe = registry.load(backend).probe(model)
        shown.append(collect.own_dropout(probe, inputs, probe.dropouts()))
    return shown


def test_a_networks_own_dropout_shows_the_same_each_time(worker: Worker) -> None:
    """Evidence is kept, and merged: nothing in it is left to chance."""
    one, other = worker.call(dropped_twice, worker.backend, plan_of("basic_net", "default"))
    assert one
    assert differences.unequal(one, other) == []


def watched(backend: str, network: Network) -> dict[str, tuple[int, ...]]:  # in a worker
    model = registry.load(backend).build(network)
    seen = (
        registry.load(backend)
        .probe(model)
        .watch(samples.sample_inputs(network, 2, "float32"), train=False)
    )
    return {name: array.shape for name, array in seen.items() if name.startswith("cell.input")}


@pytest.mark.parametrize(("rows", "turns"), [(1, ()), (3, (3,))])
def test_a_loop_of_one_turn_has_no_axis_of_turns(
    worker: Worker, rows: int, turns: tuple[int, ...]
) -> None:
    image = Tensor("HWC", (rows, 4, 1))
    network = specs.find("row_gru").make(4, 5, 3, image)
    assert worker.call(watched, worker.backend, network) == {
        "cell.input_gates:in": (*turns, 2, 4),
        "cell.input_gates:out": (*turns, 2, 15),
    }


def resumed(backend: str, plan: collect.Plan, settings: Settings) -> list[Any]:  # in a worker
    """Weights after four steps at once, and after two, saved, loaded and two more."""
    model = registry.load(backend).build(plan.case.network, dtype="float32", seed=3)
    start, probe = model.weights(), registry.load(backend).probe(model)
    assert plan.task is not None
    ends = []
    for cut in (4, 2):
        model.load_weights(start)
        stepper = probe.stepper(plan.task, settings)
        for batch in plan.batches[:cut]:
            stepper.step(batch)
        if cut == 2:
            weights, slots = model.weights(), stepper.slots()
            for batch in plan.batches[:3]:
                stepper.step(batch)  # astray
            model.load_weights(weights)
            stepper = probe.stepper(plan.task, settings)
            stepper.load_slots(slots, cut)
            for batch in plan.batches[cut:4]:
                stepper.step(batch)
        ends.append(model.weights())
    return ends


@pytest.mark.parametrize(
    "settings",
    [
        Settings(optimizer="sgd", learning_rate=2.0**-5, momentum=0.0, decay_steps=8),
        Settings(optimizer="sgd", learning_rate=2.0**-5, momentum=0.0, warmup_steps=3),
        Settings(optimizer="sgd", learning_rate=2.0**-5, momentum=0.875, nesterov=True),
        Settings(optimizer="adam", learning_rate=2.0**-6),
        Settings(optimizer="adamw", learning_rate=2.0**-6, weight_decay=0.25, clip_norm=0.5),
    ],
    ids=["cosine", "warm-up", "nesterov", "adam", "adamw, clipped"],
)
def test_a_training_goes_on_where_it_was_saved(worker: Worker, settings: Settings) -> None:
    spec = specs.find("basic_net")
    plan = collect.plan(spec, spec.more_cases[0], ["float32"])
    whole, parts = worker.call(resumed, worker.backend, plan, settings)
    for name, array in whole.items():
        assert differences.difference(array, parts[name]) < 1e-6, name
    moved = max(np.abs(whole[name]).max() for name in whole)
    assert np.isfinite(moved)
