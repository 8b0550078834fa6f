"""One backend's evidence of a network: everything that it is compared by, computed in one process.

The numbers that go in are rounded to float32 first, whatever the dtype: so float64 computes with
the same numbers, and tells how much of float32's result is rounding.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from shared import registry
from shared.interface import WAYS, Model, Probe, Slots, Stepper
from shared.parity import arrays, recipes
from shared.parity.evidence import Arrays, CaseEvidence
from shared.specs import Case, Spec, Task

BATCHES = (1, 2, 7)
OUTSTANDING = 8.0
"""How many times the usual rounding a step must have to be looked at for kinks."""


@dataclass(frozen=True)
class Plan:
    """What is to be computed of a case."""

    case: Case
    dtypes: tuple[str, ...]
    device: str
    task: Task | None = None
    batches: Sequence[Arrays] = ()
    """Real batches for the trainings, and to go on with; without any there are no trainings."""
    steps: int = recipes.STEPS
    recipes: tuple[str, ...] = tuple(recipes.RECIPES)
    both_ways: Sequence[Arrays] = ()
    """Real batches that both ways of a backend are trained on in float64, perhaps none."""


def plan(
    spec: Spec,
    case: Case,
    dtypes: Iterable[str],
    device: str = "cpu",
    *,
    trainings: bool = True,
    ways: bool = True,
) -> Plan:
    """Everything for a case; trainings where the architecture's are compared on it."""
    task = recipes.task_of(spec, case)
    batches: list[Arrays] = []
    if trainings and task is not None and case == recipes.trained_case(spec):
        batches = recipes.real_batches(case.network, task, recipes.STEPS + recipes.FURTHER)
    both_ways: list[Arrays] = []
    if ways and task is not None and recipes.is_whole(spec, case):
        both_ways = recipes.real_batches(case.network, task, recipes.STEPS_BOTH_WAYS)
    return Plan(case, tuple(dtypes), device, task, batches, both_ways=both_ways)


@dataclass
class Session:
    """A case's networks in one backend, by dtype, and trainings that can be gone on with."""

    backend: str
    plan: Plan
    models: dict[str, Model] = field(default_factory=dict)
    probes: dict[str, Probe] = field(default_factory=dict)
    trained: dict[str, tuple[Arrays, Slots]] = field(default_factory=dict)
    led: list[dict[str, Any]] = field(default_factory=list)
    """Of each step of a float64 training where it began and what it changed."""

    def __post_init__(self) -> None:
        for dtype in self.plan.dtypes:
            model = self._build(dtype, "idiomatic")
            self.models[dtype], self.probes[dtype] = model, model.probe()

    def _build(self, dtype: str, way: str) -> Model:
        """The network in a dtype, with weights that are to be loaded."""
        return registry.load(self.backend).build(
            self.plan.case.network, seed=None, dtype=dtype, device=self.plan.device, way=way
        )

    def evidence(self) -> CaseEvidence:
        """Compute all of it."""
        dtypes = self.plan.dtypes
        return CaseEvidence(
            self.backend,
            self.plan.case.label,
            {dtype: self.models[dtype].table() for dtype in dtypes},
            {dtype: self._in(dtype) for dtype in dtypes},
            self.probes[dtypes[0]].dropouts(),
            registry.load(self.backend).unbiased_variance,
        )

    def _in(self, dtype: str) -> Arrays:
        """A dtype's arrays."""
        model, case = self.models[dtype], self.plan.case
        weights = arrays.sample_weights(model.table(), "float32", recipes.SEED)
        model.load_weights(weights)
        found = _under("weights", model.weights())
        for batch in BATCHES:
            outputs = model(sample_batch(case, batch, dtype))
            found |= _under(f"forward/{batch}", outputs)
        found |= passes(self.probes[dtype], self.plan, dtype)
        if self.plan.batches:
            found |= self._train(dtype)
        if dtype == "float64":
            for way in WAYS if self.plan.both_ways else ():
                found |= _under(f"ways/{way}", self._in_way(way, dtype))
        return found

    def _in_way(self, way: str, dtype: str) -> Arrays:
        """Outputs of one of the backend's ways, and what each step of its trainers changes."""
        task = self.plan.task
        assert task is not None
        model = self._build(dtype, way)
        start = arrays.starting_weights(model.table(), "float32", recipes.SEED)
        model.load_weights(start)
        batches = [_cast(batch, dtype) for batch in self.plan.both_ways]
        inputs = {name: batches[0][name] for name in self.plan.case.network.inputs}
        found = _under("forward", model(inputs))
        recipe = "adam" if self.plan.batches else "momentum"
        trainer = model.trainer(task, recipes.BOTH_WAYS[recipe], recipes.SEED)
        for index, batch in enumerate(batches):
            before = model.weights()
            loss = trainer.train_step(batch)["loss"]
            found[f"{recipe}/{index}/loss"] = np.asarray(float(loss))
            after = model.weights()
            found |= _under(f"{recipe}/{index}", {n: after[n] - before[n] for n in after})
        figures = trainer.evaluation_step(batches[0])
        return found | _under(
            f"{recipe}/evaluation", {n: np.asarray(f, np.float64) for n, f in figures.items()}
        )

    def _train(self, dtype: str) -> Arrays:
        """Every recipe's training."""
        assert self.plan.task is not None
        model, probe = self.models[dtype], self.probes[dtype]
        start = arrays.starting_weights(model.table(), "float32", recipes.SEED)
        model.load_weights(start)
        first = probe.differentiate(_cast(self.plan.batches[0], dtype), self.plan.task)
        found = _under("first gradients", first.gradients)
        for recipe in self.plan.recipes:
            settings = recipes.RECIPES[recipe]
            model.load_weights(start)
            stepper = probe.stepper(self.plan.task, settings, recipes.RATE)
            steps = self.plan.steps if settings else 1
            leads = recipe == recipes.FORCED and dtype == "float64"
            track: dict[str, list[np.ndarray]] = {}
            for index, batch in enumerate(self.plan.batches[:steps]):
                before = self._remember(model, stepper) if leads else {}
                stepper.step(_cast(batch, dtype))
                for name, array in _state(model, stepper).items():
                    track.setdefault(name, []).append(arrays.sketch(array))
                if index == 0:
                    found |= _under(f"first/{recipe}", model.weights())
                if leads:
                    self.led[-1] |= {
                        f"forced float64/{name}": arrays.sketch(array - before[name])
                        for name, array in model.weights().items()
                    }
            found |= _under(f"steps/{recipe}", {n: np.stack(s) for n, s in track.items()})
            if recipe == recipes.FORCED:
                self.trained[dtype] = (model.weights(), stepper.slots())
        if dtype == "float32" and self.led:
            found |= self._forced()
        return found

    def _remember(self, model: Model, stepper: Stepper) -> Arrays:
        """Note in float32 where a float64 step begins; gives the weights as they are."""
        before = model.weights()
        slots = {
            name: {slot: array.astype(np.float32) for slot, array in of_name.items()}
            for name, of_name in stepper.slots().items()
        }
        weights = {name: array.astype(np.float32) for name, array in before.items()}
        self.led.append({"weights": weights, "slots": slots})
        return before

    def _forced(self) -> Arrays:
        """What each float32 step changes, from the state of the float64 training before it."""
        task = self.plan.task
        assert task is not None
        model = self.models["float32"]
        stepper = self.probes["float32"].stepper(task, recipes.RECIPES[recipes.FORCED])
        track: dict[str, list[np.ndarray]] = {}
        for index, led in enumerate(self.led):
            before = led["weights"]
            model.load_weights(before)
            if index:
                stepper.load_slots(led["slots"], index)
            stepper.step(_cast(self.plan.batches[index], "float32"))
            for name, after in model.weights().items():
                change = arrays.sketch(after - before[name])
                track.setdefault(f"forced/{name}", []).append(change)
                name = f"forced float64/{name}"
                track.setdefault(name, []).append(led[name])
        found = {name: np.stack(sketches) for name, sketches in track.items()}
        found |= self._kinks(found)
        self.led.clear()
        return found

    def _kinks(self, found: Arrays) -> Arrays:
        """Where float32 fell on the other side of a kink, in steps that stand out.

        Under `forced kinks/STEP/LAYER`: the value there in float32 and in float64, from the same
        weights on the same batch.
        """
        names = [name.removeprefix("forced/") for name in found if name.startswith("forced/")]
        rounding = np.max(
            [
                arrays.sketch_difference(found[f"forced float64/{name}"], found[f"forced/{name}"])
                for name in names
            ],
            axis=0,
        )
        kinks: Arrays = {}
        for step in map(int, np.flatnonzero(rounding > OUTSTANDING * np.median(rounding))):
            network, batch = self.plan.case.network, self.plan.batches[step]
            seen = []
            for dtype in ("float32", "float64"):
                self.models[dtype].load_weights(self.led[step]["weights"])
                inputs = _cast({name: batch[name] for name in network.inputs}, dtype)
                seen.append(self.probes[dtype].watch(inputs, train=True))
            for name, single in seen[0].items():
                layer, _, which = name.rpartition(":")
                double = seen[1].get(name)
                if which != "out" or double is None or single.dtype.kind != "f":
                    continue
                kink = arrays.kinks(single, double)
                if kink is not None:
                    kinks[f"forced kinks/{step}/{layer}"] = np.array(kink[1])
        return kinks

    def go_on(self, dtype: str, weights: Arrays, slots: Slots) -> tuple[Arrays, Arrays]:
        """Take over a training of the forced recipe: the outputs now, the weights when it ends."""
        assert self.plan.task is not None
        model, probe = self.models[dtype], self.probes[dtype]
        model.load_weights(weights)
        outputs = model(sample_batch(self.plan.case, BATCHES[-1], dtype))
        stepper = probe.stepper(self.plan.task, recipes.RECIPES[recipes.FORCED])
        stepper.load_slots(slots, self.plan.steps)
        for batch in self.plan.batches[self.plan.steps :]:
            stepper.step(_cast(batch, dtype))
        return outputs, model.weights()


def sample_batch(case: Case, batch: int, dtype: str) -> Arrays:
    """Random inputs, with digits that float32 has."""
    return _cast(arrays.sample_inputs(case.network, batch, "float32"), dtype)


def passes(probe: Probe, plan: Plan, dtype: str) -> Arrays:
    """Passes in both modes: what layers do, the loss, gradients, statistics and dropout."""
    network, task = plan.case.network, plan.task
    inputs = sample_batch(plan.case, recipes.BATCH, dtype)
    found = _under("inputs", inputs)
    found |= _under("evaluation", probe.watch(inputs, train=False))
    if task is None:  # a frozen network has no training mode
        return found
    targets = _cast(recipes.sample_targets(network, task, recipes.BATCH), dtype)
    found |= _under("targets", targets)
    derivatives = probe.differentiate({**inputs, **targets}, task)
    found |= _under("training", derivatives.activations)
    found["loss/value"] = derivatives.loss
    found |= _under("gradients", derivatives.gradients)
    found |= _under("input gradients", derivatives.input_gradients)
    found |= _under("buffers", derivatives.buffers)
    rates = probe.dropouts()
    if rates:
        masked = probe.differentiate({**inputs, **targets}, task, dropout=partial(_mask, rates))
        found["dropout loss/value"] = masked.loss
        found |= _under("dropout gradients", masked.gradients)
        found |= _under("own dropout", own_dropout(probe, inputs, rates))
    return found


def _mask(rates: Mapping[str, float], name: str, shape: tuple[int, ...]) -> np.ndarray:
    return arrays.dropout_mask(rates[name], name, shape)


def own_dropout(probe: Probe, inputs: Arrays, rates: Mapping[str, float]) -> Arrays:
    """What a framework's own dropout does with the values that are not 0 anyway."""
    own = probe.watch(inputs, train=True, dropout="own")
    still = probe.watch(inputs, train=False, dropout="own")
    found = {}
    for name, rate in rates.items():
        given, made = own[f"{name}:in"], own[f"{name}:out"]
        counts = given != 0
        kept = counts & (made != 0)
        off = np.abs(made[kept] * (1 - rate) - given[kept])
        found[name] = np.array(
            [
                kept.sum() / counts.sum(),
                counts.sum(),
                off.max(initial=0) / np.abs(given).max(),
                np.abs(still[f"{name}:out"] - still[f"{name}:in"]).max(),
            ]
        )
    return found


def _state(model: Model, stepper: Stepper) -> Arrays:
    """Parameters, buffers and the optimizer's state."""
    found = dict(model.weights())
    for name, slots in stepper.slots().items():
        found |= {f"{name}@{slot}": array for slot, array in slots.items()}
    return found


def _under(start: str, found: Mapping[str, Any]) -> Arrays:
    return {f"{start}/{name}": np.asarray(array) for name, array in found.items()}


def _cast(batch: Mapping[str, np.ndarray], dtype: str) -> Arrays:
    """A batch in a dtype; whole numbers and masks stay."""
    return {n: a.astype(dtype) if a.dtype.kind == "f" else a for n, a in batch.items()}
