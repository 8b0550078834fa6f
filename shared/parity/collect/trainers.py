"""What the trainers do that people train with, in one of the backend's variants."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from shared.interface import Model, Trainer
from shared.parity import combinations, edges, methods, recipes, samples
from shared.parity.collect.arrays import Lent, Track, cast, figures, under
from shared.parity.collect.passes import sample_batch
from shared.parity.collect.plan import Plan
from shared.parity.collect.subject import Subject
from shared.parity.combinations import COMBINATIONS
from shared.parity.evidence import Arrays
from shared.specs import Settings, Task


def trainers(subject: Subject, variant: str, dtype: str) -> Arrays:
    """Outputs and figures before a training, of every step of it, and after it; and its dropout.

    What is evaluated has labels that do not count where the task has such. It is evaluated once
    more with none that counts, and once with outputs that are all alike.
    """
    plan = subject.plan
    assert plan.task is not None
    task = recipes.task_of_trainers(plan.task, dtype)
    model = subject.model(dtype, variant)
    start = samples.starting_weights(model.table(), "float32", recipes.SEED)
    model.load_weights(start)
    steps = recipes.steps_of_trainers(plan.asked, dtype)
    lent = Lent()
    batches = [
        lent.lend(f"batch {index}", cast(batch, dtype))
        for index, batch in enumerate(plan.both_variants[:steps])
    ]
    settings = recipes.trainers(plan.asked, dtype)
    evaluated = lent.lend("evaluated", _evaluated(plan, dtype))
    arrays = _training(model, task, settings, batches, evaluated)
    arrays |= under("lent", lent.digests())
    if dtype == "float64" and plan.singles:
        model.load_weights(start)
        arrays |= _further(model, plan)
    if dtype == "float64" and variant == "idiomatic" and plan.singles:
        arrays |= under(recipes.SINGLE, _by_gradients(subject))
    if dtype == "float64" and plan.singles and subject.probes[dtype].dropouts():
        arrays |= under("dropout", _dropout(model, task, start, cast(plan.both_variants[0], dtype)))
    return arrays


def tried(subject: Subject, variant: str, dtype: str) -> Arrays:
    """Trainings of every combination of settings: losses, and sketches after each step."""
    plan = subject.plan
    assert plan.task is not None
    model = subject.model(dtype, variant)
    start = samples.starting_weights(model.table(), "float32", recipes.SEED)
    batches = [cast(batch, dtype) for batch in plan.batches[: combinations.STEPS]]
    arrays: Arrays = {}
    for name in plan.combinations:
        combination = COMBINATIONS[name]
        model.load_weights(start)
        trainer = model.trainer(combination.task(plan.task), combination.settings, recipes.SEED)
        track, losses = Track(), []
        for batch in batches:
            losses.append(float(trainer.train_step(batch)["loss"]))
            track.add(model.weights())
        arrays |= under(f"{name}/steps", track.arrays())
        arrays[f"{name}/losses"] = np.array(losses, dtype)
    return arrays


def _by_gradients(subject: Subject) -> Arrays:
    """What single steps change in float64, by the gradients that the probe sees.

    These tell how much of the trainers' float32 steps is rounding.
    """
    plan, model, probe = subject.plan, subject.models["float64"], subject.probes["float64"]
    assert plan.task is not None
    start = samples.starting_weights(model.table(), "float32", recipes.SEED)
    model.load_weights(start)
    arrays: Arrays = {}
    for index, batch in enumerate(plan.both_variants[: plan.singles]):
        seen = probe.differentiate(cast(batch, "float64"), plan.task)
        arrays[f"{index}/figures/loss"] = seen.loss
        arrays |= under(f"{index}", {name: -array for name, array in seen.gradients.items()})
        changes = {name: array - start[name] for name, array in seen.buffers.items()}
        arrays |= under(f"{index}", changes)
    return arrays


def _evaluated(plan: Plan, dtype: str) -> Arrays:
    """A batch to evaluate: inputs and targets."""
    network, size = plan.case.network, recipes.EVALUATED
    assert plan.task is not None
    targets = recipes.sample_targets(network, plan.task, size)
    return sample_batch(plan.case, size, dtype) | cast(targets, dtype)


def _training(
    model: Model,
    task: Task,
    settings: Mapping[str, Settings],
    batches: list[Arrays],
    evaluated: Arrays,
) -> Arrays:
    """Every training of some settings, from the same weights."""
    start, inputs = model.weights(), {name: evaluated[name] for name in model.network.inputs}
    parameters = {row.name for row in model.table() if row.kind == "parameter"}
    arrays = under("forward", model(inputs))
    for recipe, each in settings.items():
        model.load_weights(start)
        trainer = model.trainer(task, each, recipes.SEED)
        arrays |= under(f"{recipe}/before", figures(trainer.evaluation_step(evaluated)))
        for index, batch in enumerate(batches):
            if recipe == recipes.SINGLE:
                model.load_weights(start)
            before = model.weights()
            arrays |= under(f"{recipe}/{index}/figures", figures(trainer.train_step(batch)))
            after = model.weights()
            arrays |= under(f"{recipe}/{index}", {n: after[n] - before[n] for n in after})
            if recipe != recipes.SINGLE:  # the next step comes after an evaluation
                seen = figures(trainer.evaluation_step(evaluated))
                arrays |= under(f"{recipe}/{index}/evaluated", seen)
        arrays |= under(f"{recipe}/after", figures(trainer.evaluation_step(evaluated)))
        arrays |= under(f"{recipe}/after/outputs", model(inputs))
        if "decoded_accuracy" in task.metrics:
            names = list(model.network.inputs)[:-1]  # not told the last input, the tokens
            tokens, _ = model.decode({name: inputs[name] for name in names})
            arrays[f"{recipe}/after/tokens"] = tokens
        model.load_weights(start)
        uncounted = evaluated | edges.uncounted(task, evaluated)
        arrays |= under(f"{recipe}/uncounted", figures(trainer.evaluation_step(uncounted)))
        model.load_weights(edges.weights(model.table(), "alike"))
        first = evaluated | edges.first_labels(task, evaluated)
        arrays |= under(f"{recipe}/alike", figures(trainer.evaluation_step(first)))
        arrays |= under(f"{recipe}/alike/outputs", model(inputs))
        if recipe != recipes.SINGLE:
            model.load_weights(start)
            trainer.train_step(batches[0] | edges.uncounted(task, batches[0]))
            changes = {n: a - start[n] for n, a in model.weights().items() if n in parameters}
            arrays |= under(f"{recipe}/uncounted step", changes)
    return arrays


def _further(model: Model, plan: Plan) -> Arrays:
    """What a variant itself gives: outputs of batches of other sizes, and predictions."""
    arrays: Arrays = {}
    for size in recipes.SIZES:
        arrays |= under(f"sizes/{size}", model(sample_batch(plan.case, size, "float64")))
    if methods.logits(plan.case.network):
        picked, confidence = model.predict(sample_batch(plan.case, methods.BATCH, "float64"))
        arrays |= {"predict/classes": picked, "predict/confidence": confidence}
    return arrays


def _dropout(model: Model, task: Task, start: Arrays, batch: Arrays) -> Arrays:
    """Losses of the same batch at the same weights: only other masks make them differ.

    One seed twice, another one, and without dropout; the losses of evaluations between the steps,
    with dropout in the training and without; and how far a step with dropout moves the weights.
    """
    moved = 0.0

    def losses(seed: int, *, dropout: bool, evaluated: bool = False) -> tuple[np.ndarray, ...]:
        nonlocal moved
        trainer: Trainer = model.trainer(task, recipes.plain(dropout=dropout), seed)
        steps, between = [], []
        for _ in range(recipes.MASKED):
            model.load_weights(start)
            steps.append(float(trainer.train_step(batch)["loss"]))
            if evaluated:
                if dropout:
                    now = model.weights()
                    moved = max(float(np.abs(now[name] - start[name]).max()) for name in start)
                model.load_weights(start)
                between.append(float(trainer.evaluation_step(batch)["loss"]))
        return np.array(steps), np.array(between)

    one, evaluated = losses(1, dropout=True, evaluated=True)
    none, without = losses(1, dropout=False, evaluated=True)
    return {
        "one": one,
        "again": losses(1, dropout=True)[0],
        "another": losses(2, dropout=True)[0],
        "none": none,
        "evaluated": evaluated,
        "evaluated without": without,
        "moved": np.array(moved),
    }
