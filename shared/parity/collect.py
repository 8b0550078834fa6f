"""One backend's evidence of a network: everything that it is compared by, computed in one process.

The numbers that go in are rounded to float32 first, whatever the dtype: so float64 computes with
the same numbers, and tells how much of float32's result is rounding.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from shared import differences, registry, weights
from shared.errors import DeviceMissingError, WeightsError
from shared.interface import VARIANTS, Model, Probe, Slots, Stepper
from shared.parity import recipes, samples
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
    both_variants: Sequence[Arrays] = ()
    """Real batches that both variants of a backend are trained on in float64, perhaps none."""


def plan(
    spec: Spec,
    case: Case,
    dtypes: Iterable[str],
    device: str = "cpu",
    *,
    trainings: bool = True,
    variants: bool = True,
) -> Plan:
    """Everything for a case; trainings where the architecture's are compared on it."""
    task = recipes.task_of(spec, case)
    batches: list[Arrays] = []
    if trainings and task is not None and case == recipes.trained_case(spec):
        batches = recipes.real_batches(case.network, task, recipes.STEPS + recipes.FURTHER)
    both_variants: list[Arrays] = []
    if variants and task is not None and recipes.is_whole(spec, case):
        both_variants = recipes.real_batches(case.network, task, recipes.STEPS_BOTH_VARIANTS)
    return Plan(case, tuple(dtypes), device, task, batches, both_variants=both_variants)


@dataclass(frozen=True)
class Continued:
    """Where a training goes on to: its outputs at once, and its weights when it ends.

    `exact` are the weights of float64 from the same state, empty where it is not computed.
    """

    outputs: Arrays
    landed: Arrays
    exact: Arrays = field(default_factory=dict)


@dataclass(frozen=True)
class Saved:
    """A training that was saved: the file of its weights, the optimizer's state, what follows."""

    file: Path
    slots: Slots
    continued: Continued


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
            self.models[dtype], self.probes[dtype] = model, registry.load(self.backend).probe(model)

    def _build(self, dtype: str, variant: str) -> Model:
        """The network in a dtype, with weights that are to be loaded."""
        return registry.load(self.backend).build(
            self.plan.case.network, seed=None, dtype=dtype, device=self.plan.device, variant=variant
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
        weights = samples.sample_weights(model.table(), "float32", recipes.SEED)
        model.load_weights(weights)
        arrays = _under("weights", model.weights())
        for batch in BATCHES:
            outputs = model(sample_batch(case, batch, dtype))
            arrays |= _under(f"forward/{batch}", outputs)
        arrays |= passes(self.probes[dtype], self.plan, dtype)
        if self.plan.batches:
            arrays |= self._train(dtype)
        if dtype == "float64":
            for variant in VARIANTS if self.plan.both_variants else ():
                arrays |= _under(f"variants/{variant}", self._in_variant(variant, dtype))
        return arrays

    def _in_variant(self, variant: str, dtype: str) -> Arrays:
        """Outputs of one of the backend's variants, and what each step of its trainers changes."""
        task = self.plan.task
        assert task is not None
        model = self._build(dtype, variant)
        start = samples.starting_weights(model.table(), "float32", recipes.SEED)
        model.load_weights(start)
        batches = [cast(batch, dtype) for batch in self.plan.both_variants]
        inputs = {name: batches[0][name] for name in self.plan.case.network.inputs}
        arrays = _under("forward", model(inputs))
        recipe = "adam" if self.plan.batches else "momentum"
        trainer = model.trainer(task, recipes.BOTH_VARIANTS[recipe], recipes.SEED)
        for index, batch in enumerate(batches):
            before = model.weights()
            loss = trainer.train_step(batch)["loss"]
            arrays[f"{recipe}/{index}/loss"] = np.asarray(float(loss))
            after = model.weights()
            arrays |= _under(f"{recipe}/{index}", {n: after[n] - before[n] for n in after})
        figures = trainer.evaluation_step(batches[0])
        return arrays | _under(
            f"{recipe}/evaluation", {n: np.asarray(f, np.float64) for n, f in figures.items()}
        )

    def _train(self, dtype: str) -> Arrays:
        """Every recipe's training."""
        assert self.plan.task is not None
        model, probe = self.models[dtype], self.probes[dtype]
        start = samples.starting_weights(model.table(), "float32", recipes.SEED)
        model.load_weights(start)
        first = probe.differentiate(cast(self.plan.batches[0], dtype), self.plan.task)
        arrays = _under("first gradients", first.gradients)
        for recipe in self.plan.recipes:
            settings = recipes.RECIPES[recipe]
            model.load_weights(start)
            stepper = probe.stepper(self.plan.task, settings, recipes.RATE)
            steps = self.plan.steps if settings else 1
            leads = recipe == recipes.TEACHER_FORCED and dtype == "float64"
            track: dict[str, list[np.ndarray]] = {}
            for index, batch in enumerate(self.plan.batches[:steps]):
                before = self._remember(model, stepper) if leads else {}
                stepper.step(cast(batch, dtype))
                for name, array in _state(model, stepper).items():
                    track.setdefault(name, []).append(differences.sketch(array))
                if index == 0:
                    arrays |= _under(f"first/{recipe}", model.weights())
                if leads:
                    self.led[-1] |= {
                        f"teacher-forced float64/{name}": differences.sketch(array - before[name])
                        for name, array in model.weights().items()
                    }
            arrays |= _under(f"steps/{recipe}", {n: np.stack(s) for n, s in track.items()})
            if recipe == recipes.TEACHER_FORCED:
                self.trained[dtype] = (model.weights(), stepper.slots())
        if dtype == "float32" and self.led:
            arrays |= self._teacher_forced()
        return arrays

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

    def _teacher_forced(self) -> Arrays:
        """What each float32 step changes, from the state of the float64 training before it."""
        task = self.plan.task
        assert task is not None
        model = self.models["float32"]
        stepper = self.probes["float32"].stepper(task, recipes.RECIPES[recipes.TEACHER_FORCED])
        track: dict[str, list[np.ndarray]] = {}
        for index, led in enumerate(self.led):
            before = led["weights"]
            model.load_weights(before)
            if index:
                stepper.load_slots(led["slots"], index)
            stepper.step(cast(self.plan.batches[index], "float32"))
            for name, after in model.weights().items():
                change = differences.sketch(after - before[name])
                track.setdefault(f"teacher-forced/{name}", []).append(change)
                name = f"teacher-forced float64/{name}"
                track.setdefault(name, []).append(led[name])
        arrays = {name: np.stack(sketches) for name, sketches in track.items()}
        arrays |= self._kinks(arrays)
        self.led.clear()
        return arrays

    def _kinks(self, arrays: Arrays) -> Arrays:
        """Where float32 fell on the other side of a kink, in steps that stand out.

        Under `teacher-forced kinks/STEP/LAYER`: the value there in float32 and in float64, from
        the same weights on the same batch.
        """
        names = [
            name.removeprefix("teacher-forced/")
            for name in arrays
            if name.startswith("teacher-forced/")
        ]
        rounding = np.max(
            [
                differences.sketch_difference(
                    arrays[f"teacher-forced float64/{name}"], arrays[f"teacher-forced/{name}"]
                )
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
                inputs = cast({name: batch[name] for name in network.inputs}, dtype)
                seen.append(self.probes[dtype].watch(inputs, train=True))
            for name, single in seen[0].items():
                layer, _, which = name.rpartition(":")
                double = seen[1].get(name)
                if which != "out" or double is None or single.dtype.kind != "f":
                    continue
                kink = differences.kinks(single, double)
                if kink is not None:
                    kinks[f"teacher-forced kinks/{step}/{layer}"] = np.array(kink[1])
        return kinks

    def random_weights(self, dtype: str, seed: int) -> Arrays:
        """Random weights as the backend reads them out after it took them."""
        model = self.models[dtype]
        model.load_weights(samples.sample_weights(model.table(), dtype, seed))
        return model.weights()

    def exchange(self, dtype: str, sent: Arrays) -> Arrays | str:
        """Load weights and read them out again; or why they are refused."""
        model = self.models[dtype]
        try:
            model.load_weights(sent)
        except WeightsError as error:
            return str(error)
        return model.weights()

    def save(self, dtype: str, path: Path) -> Saved:
        """Save a training's weights, and see where it goes from there."""
        state, slots = self.trained[dtype]
        weights.write(path, state, {})
        return Saved(path, slots, self._go_on(dtype, state, slots))

    def resume(self, dtype: str, saved: Saved) -> Continued:
        """Load what another backend saved, and go on."""
        state, _ = weights.read(saved.file)
        return self._go_on(dtype, state, saved.slots)

    def _go_on(self, dtype: str, state: Arrays, slots: Slots) -> Continued:
        outputs, landed = self.go_on(dtype, state, slots)
        if dtype == "float64" or "float64" not in self.models:
            return Continued(outputs, landed)
        return Continued(outputs, landed, self.go_on("float64", state, slots)[1])

    def go_on(self, dtype: str, state: Arrays, slots: Slots) -> tuple[Arrays, Arrays]:
        """Take over the teacher-forced recipe's training: outputs now, the weights when it ends."""
        assert self.plan.task is not None
        model, probe = self.models[dtype], self.probes[dtype]
        model.load_weights(state)
        outputs = model(sample_batch(self.plan.case, BATCHES[-1], dtype))
        stepper = probe.stepper(self.plan.task, recipes.RECIPES[recipes.TEACHER_FORCED])
        stepper.load_slots(slots, self.plan.steps)
        for batch in self.plan.batches[self.plan.steps :]:
            stepper.step(cast(batch, dtype))
        return outputs, model.weights()


def begin(backend: str, device: str, precision: str) -> dict[str, str]:
    """In a worker: set the arithmetic, see that the device is there, and tell the versions.

    Raises:
        DeviceMissingError: the backend does not have the device.
    """
    loaded = registry.load(backend)
    if precision == "highest":
        loaded.use_highest_precision()
    if device not in loaded.devices():
        raise DeviceMissingError(
            f"{backend} finds no {device} device on this machine; use the device cpu, "
            f"or leave {backend} out with --backends"
        )
    return loaded.versions()


def sample_batch(case: Case, batch: int, dtype: str) -> Arrays:
    """Random inputs, with digits that float32 has."""
    return cast(samples.sample_inputs(case.network, batch, "float32"), dtype)


def passes(probe: Probe, plan: Plan, dtype: str) -> Arrays:
    """Passes in both modes: what layers do, the loss, gradients, statistics and dropout."""
    network, task = plan.case.network, plan.task
    inputs = sample_batch(plan.case, recipes.BATCH, dtype)
    arrays = _under("inputs", inputs)
    arrays |= _under("evaluation", probe.watch(inputs, train=False))
    if task is None:  # a frozen network has no training mode
        return arrays
    targets = cast(recipes.sample_targets(network, task, recipes.BATCH), dtype)
    arrays |= _under("targets", targets)
    derivatives = probe.differentiate({**inputs, **targets}, task)
    arrays |= _under("training", derivatives.activations)
    arrays["loss/value"] = derivatives.loss
    arrays |= _under("gradients", derivatives.gradients)
    arrays |= _under("input gradients", derivatives.input_gradients)
    arrays |= _under("buffers", derivatives.buffers)
    rates = probe.dropouts()
    if rates:
        masked = probe.differentiate({**inputs, **targets}, task, dropout=partial(_mask, rates))
        arrays["dropout loss/value"] = masked.loss
        arrays |= _under("dropout gradients", masked.gradients)
        arrays |= _under("own dropout", own_dropout(probe, inputs, rates))
    return arrays


def _mask(rates: Mapping[str, float], name: str, shape: tuple[int, ...]) -> np.ndarray:
    return samples.dropout_mask(rates[name], name, shape)


def own_dropout(probe: Probe, inputs: Arrays, rates: Mapping[str, float]) -> Arrays:
    """What a framework's own dropout does with the values that are not 0 anyway."""
    own = probe.watch(inputs, train=True, dropout="own")
    still = probe.watch(inputs, train=False, dropout="own")
    figures = {}
    for name, rate in rates.items():
        before, after = own[f"{name}:in"], own[f"{name}:out"]
        counts = before != 0
        kept = counts & (after != 0)
        off = np.abs(after[kept] * (1 - rate) - before[kept])
        figures[name] = np.array(
            [
                kept.sum() / counts.sum(),
                counts.sum(),
                off.max(initial=0) / np.abs(before).max(),
                np.abs(still[f"{name}:out"] - still[f"{name}:in"]).max(),
            ]
        )
    return figures


def _state(model: Model, stepper: Stepper) -> Arrays:
    """Parameters, buffers and the optimizer's state."""
    state = dict(model.weights())
    for name, slots in stepper.slots().items():
        state |= {f"{name}@{slot}": array for slot, array in slots.items()}
    return state


def _under(start: str, arrays: Mapping[str, Any]) -> Arrays:
    return {f"{start}/{name}": np.asarray(array) for name, array in arrays.items()}


def cast(batch: Mapping[str, np.ndarray], dtype: str) -> Arrays:
    """A batch in a dtype; whole numbers and masks stay."""
    return {n: a.astype(dtype) if a.dtype.kind == "f" else a for n, a in batch.items()}
