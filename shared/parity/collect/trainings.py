"""Trainings by the probe's own steps: whole ones, one that is gone on with, and single steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shared import differences
from shared.interface import Model, Stepper
from shared.parity import recipes, samples
from shared.parity.collect.arrays import Track, cast, under
from shared.parity.collect.passes import sample_batch
from shared.parity.collect.subject import Subject
from shared.parity.evidence import Arrays
from shared.parity.samples import BATCHES

OUTSTANDING = 8.0
"""How many times the usual rounding a step must have to be looked at for kinks."""


@dataclass
class Trainings:
    """The trainings of one case's networks."""

    subject: Subject
    led: list[dict[str, Any]] = field(default_factory=list)
    """Of each step of a float64 training where it began and what it changed."""

    def train(self, dtype: str) -> Arrays:
        """Every recipe's training."""
        plan = self.subject.plan
        assert plan.task is not None
        model, probe = self.subject.models[dtype], self.subject.probes[dtype]
        start = samples.starting_weights(model.table(), "float32", recipes.SEED)
        model.load_weights(start)
        first = probe.differentiate(cast(plan.batches[0], dtype), plan.task)
        arrays = under("first gradients", first.gradients)
        for recipe in plan.recipes:
            settings = recipes.RECIPES[recipe]
            model.load_weights(start)
            stepper = probe.stepper(plan.task, settings, recipes.RATE)
            steps = plan.steps if settings else 1
            leads = recipe == recipes.TEACHER_FORCED and dtype == "float64"
            track = Track()
            for index, batch in enumerate(plan.batches[:steps]):
                before = self._remember(model, stepper) if leads else {}
                stepper.step(cast(batch, dtype))
                track.add(_state(model, stepper))
                if index == 0:
                    arrays |= under(f"first/{recipe}", model.weights())
                if index == 1 and "exp_avg" in recipes.slots(recipe):
                    arrays |= under(f"second/{recipe}", _second(model, stepper))
                if leads:
                    self.led[-1] |= {
                        f"teacher-forced float64/{name}": differences.sketch(array - before[name])
                        for name, array in model.weights().items()
                    }
            arrays |= under(f"steps/{recipe}", track.arrays())
        if dtype == "float32" and self.led:
            arrays |= self._teacher_forced()
        return arrays

    def resume(self, dtype: str, recipe: str) -> Arrays:
        """Take over a training that was saved in its midst, the same for every backend."""
        task = self.subject.plan.task
        assert task is not None
        model = self.subject.models[dtype]
        saved = recipes.saved(model.table(), recipe, dtype)
        model.load_weights(saved.weights)
        outputs = model(sample_batch(self.subject.plan.case, BATCHES[-1], dtype))
        stepper = self.subject.probes[dtype].stepper(task, recipes.RECIPES[recipe])
        stepper.load_slots(saved.slots, self.subject.plan.steps)
        loaded = {n: differences.sketch(a)[None] for n, a in _slots(stepper).items()}
        track = Track()
        for batch in self.subject.plan.batches[self.subject.plan.steps :]:
            stepper.step(cast(batch, dtype))
            track.add(_state(model, stepper))
        return under("outputs", outputs) | under("loaded", loaded) | under("steps", track.arrays())

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
        task = self.subject.plan.task
        assert task is not None
        model = self.subject.models["float32"]
        stepper = self.subject.probes["float32"].stepper(
            task, recipes.RECIPES[recipes.TEACHER_FORCED]
        )
        single, double = Track(), Track()
        for index, led in enumerate(self.led):
            before = led["weights"]
            model.load_weights(before)
            if index:
                stepper.load_slots(led["slots"], index)
            stepper.step(cast(self.subject.plan.batches[index], "float32"))
            after = model.weights()
            single.add({name: after[name] - before[name] for name in after})
            double.sketches.append({n: led[f"teacher-forced float64/{n}"] for n in after})
        arrays = under("teacher-forced", single.arrays())
        arrays |= under("teacher-forced float64", double.arrays())
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
            network, batch = self.subject.plan.case.network, self.subject.plan.batches[step]
            seen = []
            for dtype in ("float32", "float64"):
                self.subject.models[dtype].load_weights(self.led[step]["weights"])
                inputs = cast({name: batch[name] for name in network.inputs}, dtype)
                seen.append(self.subject.probes[dtype].watch(inputs, train=True))
            for name, single in seen[0].items():
                layer, _, which = name.rpartition(":")
                double = seen[1].get(name)
                if which != "out" or double is None or single.dtype.kind != "f":
                    continue
                kink = differences.kinks(single, double)
                if kink is not None:
                    kinks[f"teacher-forced kinks/{step}/{layer}"] = np.array(kink[1])
        return kinks


def _second(model: Model, stepper: Stepper) -> Arrays:
    """Parameters and their first moments: what the gradients were follows from these."""
    moments = {name: array for name, array in _slots(stepper).items() if name.endswith("@exp_avg")}
    return {**model.weights(), **moments}


def _state(model: Model, stepper: Stepper) -> Arrays:
    """Parameters, buffers and the optimizer's state."""
    return {**model.weights(), **_slots(stepper)}


def _slots(stepper: Stepper) -> Arrays:
    """The optimizer's state, under TENSOR@SLOT."""
    return {
        f"{name}@{slot}": array
        for name, of_name in stepper.slots().items()
        for slot, array in of_name.items()
    }
