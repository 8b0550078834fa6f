"""The trainings that backends are compared by: optimizers, and batches of real digits.

The hyperparameters are powers of two where a library would round others to float32.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from shared.data import mnist, tasks
from shared.interface import TensorInfo
from shared.parity import combinations, samples
from shared.parity.evidence import Asked
from shared.parity.samples import fitted, generator
from shared.specs import Case, Network, Objective, Settings, Spec, Task

SEED = 1
"""Of the weights that all backends have in common."""

BATCH = 3
"""Examples in a pass: not two, for a half has causes enough of its own."""

DROPPED = 16
"""Examples that a framework's own dropout is looked at in."""

DROPOUT_FIGURES = 10
"""How many figures there are of a dropout layer: see `shared.parity.collect.own_dropout`."""

TRAINED_BATCH = 2
"""Examples in a step of a training."""

STEPS = 50
FURTHER = 10
"""Steps that a training goes on for which was saved in its midst."""

TEACHER_FORCED = "adam"
"""The recipe of which every step is also made from the reference's weights."""

SHIPPED = "adam as shipped"
"""Each library's own Adam with nothing but a learning rate, for one step."""

NOISE = 2.0**-4
"""How much noise at most is added to the digits, whose pixels have a mean of 0."""

RATE = 2.0**-10
"""The learning rate of the shipped Adam."""

RECIPES: Mapping[str, Settings | None] = {
    "sgd": Settings(optimizer="sgd", learning_rate=2.0**-7, momentum=0.0),
    "momentum": Settings(optimizer="sgd", learning_rate=2.0**-9, momentum=7 / 8),
    "nesterov": Settings(optimizer="sgd", learning_rate=2.0**-9, momentum=7 / 8, nesterov=True),
    "adam": Settings(optimizer="adam", learning_rate=2.0**-10),
    "adamw": Settings(optimizer="adamw", learning_rate=2.0**-10, weight_decay=0.25),
    "clipped": Settings(optimizer="sgd", learning_rate=2.0**-4, momentum=0.0, clip_norm=0.5),
    "cosine": Settings(optimizer="sgd", learning_rate=2.0**-7, momentum=0.0, decay_steps=STEPS),
    "warm-up": Settings(
        optimizer="sgd", learning_rate=2.0**-7, momentum=0.0, warmup_steps=7, decay_steps=STEPS - 10
    ),
    SHIPPED: None,
}

EVERYWHERE = ("momentum", TEACHER_FORCED, SHIPPED)
"""The recipes that every architecture is trained with; one is trained with all, see `of`."""

RESUMED = ("momentum", "adam")
"""The recipes of which a training that was saved is gone on with: both kinds of state."""

STEPS_OF_TRAINERS = 3
"""In float64, one after the other."""

SINGLE_STEPS = 5
"""In float32, each by itself: a kink may change one or two of them."""

SINGLE = "single steps"

EVALUATED = 7
"""Examples in what a trainer evaluates: a prime, and another number than it trains on."""

SIZES = (1, 13)
"""Batches of other sizes that both variants' outputs are looked at for."""

MASKED = 3
"""Steps on one batch that show whether each has masks of its own."""

OF_TRAINERS: Mapping[str, Settings] = {
    "momentum": Settings(
        optimizer="sgd",
        learning_rate=8.0,
        momentum=0.9,
        nesterov=True,
        clip_norm=0.5,
        warmup_steps=1,
        decay_steps=3,
        dropout=False,
    ),
    SINGLE: Settings(optimizer="sgd", learning_rate=1.0, momentum=0.0, dropout=False),
    "adam": Settings(
        optimizer="adamw",
        learning_rate=1.0,
        epsilon=0.25,
        weight_decay=0.01,
        clip_norm=0.5,
        warmup_steps=1,
        decay_steps=3,
        dropout=False,
    ),
}
"""What trainers train with, see `trainers`.

Adam divides a gradient by its own size and epsilon: one of 1e-8 that is known to 1e-17 is then
known to 1e-9. With this epsilon each step is known as well as its gradients are. The learning rates
are large, so that a step can be told from the weights before and after it: a weight near 1 is
rounded to 1e-16, and a step of 1e-4 is then known to 1e-12.
"""

TRAINED = 1e-10
"""What float64 may differ by after so many steps, relative."""


def shipped_settings() -> Settings:
    """What the shipped Adam is in PyTorch and optax."""
    return Settings(optimizer="adam", learning_rate=RATE)


@dataclass(frozen=True)
class Saved:
    """A training in its midst: weights, and the optimizer's state, by tensor."""

    weights: dict[str, np.ndarray]
    slots: dict[str, dict[str, np.ndarray]]


def saved(table: Iterable[TensorInfo], recipe: str, dtype: str) -> Saved:
    """A training that every backend can go on with, of numbers that float32 has."""
    rows = list(table)
    weights = samples.starting_weights(rows, "float32", SEED + 1)
    return Saved(
        {name: array.astype(dtype) for name, array in weights.items()},
        samples.slots(rows, slots(recipe), dtype, SEED + 2),
    )


def slots(recipe: str) -> tuple[str, ...]:
    """What an optimizer keeps for each parameter."""
    settings = RECIPES[recipe] or shipped_settings()
    if settings.optimizer == "sgd":
        return ("momentum_buffer",) if settings.momentum else ()
    return ("exp_avg", "exp_avg_sq")


def resumed(asked: Asked) -> list[str]:
    """The recipes that are gone on with, of those that are asked for."""
    return [recipe for recipe in RESUMED if asked.further and recipe in asked.recipes]


def trainers(asked: Asked, dtype: str) -> dict[str, Settings]:
    """The settings that the trainers of a case train with, by name.

    In float32 each step starts from the given weights, for the next one would start where rounding
    has led, and changes them by the gradient alone. Only the case that is trained has such steps:
    in a large network some value nearly always falls on the other side of a kink, and changes every
    gradient before it.
    """
    if dtype == "float32":
        return {SINGLE: OF_TRAINERS[SINGLE]} if asked.singles else {}
    name = "adam" if asked.adam else "momentum"
    return {name: OF_TRAINERS[name]}


def steps_of_trainers(asked: Asked, dtype: str) -> int:
    """How many steps the trainers of a case make."""
    return asked.variants if dtype == "float64" else asked.singles


ONE_STEP = Settings(optimizer="sgd", learning_rate=2.0**10, momentum=0.0, dropout=False)
"""With what a step shows gradients.

The rate is so large that the weights before the step round nothing of a gradient away that float64
would tell, and a power of two, by which nothing is rounded.
"""


def plain(*, dropout: bool) -> Settings:
    """A step changes the weights by its gradient, and nothing else that the next one depends on."""
    return Settings(optimizer="sgd", learning_rate=1.0, momentum=0.0, dropout=dropout)


def task_of_trainers(task: Task, dtype: str) -> Task:
    """What trainers train for: in float64 with other weights, and with labels that are smoothed."""
    return weighed(task) if dtype == "float64" else task


def weighed(task: Task) -> Task:
    """A task whose objectives have other weights, and labels that are smoothed."""
    return replace(
        task,
        objectives=tuple(
            replace(
                objective,
                weight=objective.weight * (0.7 + 0.6 * index),
                smoothing=0.1 if objective.loss == "cross_entropy" else 0.0,
            )
            for index, objective in enumerate(task.objectives)
        ),
    )


def of(spec: Spec) -> tuple[str, ...]:
    """The recipes that an architecture is trained with.

    What an optimizer does with a tensor is the same in every network: all recipes are of the
    network on which combinations of settings are tried.
    """
    return tuple(RECIPES) if spec.name == combinations.ARCHITECTURE else EVERYWHERE


def is_whole(spec: Spec, case: Case) -> bool:
    """Whether a case is the whole architecture, and not a part of it."""
    return case.network.cls == spec.network.cls


def has_trainers(spec: Spec, case: Case) -> bool:
    """Whether the trainers of both variants are compared on a case.

    They are on the whole network with least to do, and on those of which the spec says so. Trainers
    and their evaluations take far longest to compile. The other cases show what a network is by
    other arguments: of these both variants' outputs, losses and gradients are compared.
    """
    if spec.task is None or not is_whole(spec, case):
        return False
    return case.trainers or case == trained_case(spec)


def has_files(spec: Spec, case: Case) -> bool:
    """Whether a case's network is saved and loaded by its framework: an architecture's smallest is.

    What a file has of a network is its configuration and its weights; every case is made again of
    its configuration.
    """
    return case == smallest(spec)


def trained_case(spec: Spec) -> Case | None:
    """The case whose trainings are compared: of the whole network's the one with least to do."""
    return smallest(spec) if spec.task is not None else None


def smallest(spec: Spec) -> Case:
    """The case of the whole network that has least parameters, and is not the default if it can."""
    whole = [case for case in spec.more_cases if is_whole(spec, case)] or [*spec.cases]
    return min(whole, key=lambda case: case.parameters)


def task_of(spec: Spec, case: Case) -> Task | None:
    """What a case's loss is: the architecture's own, or for a part distances from random values."""
    if spec.task is None:
        return None
    expected = {objective.output for objective in spec.task.objectives}
    whole = is_whole(spec, case) and expected <= set(case.network.outputs)
    return spec.task if whole else distance(case.network)


def distance(network: Network) -> Task:
    """The mean squared distance of every output from a target: a loss that any network has."""
    objectives = (
        Objective(name, f"target of {name}", "mean_squared_error") for name in network.outputs
    )
    return Task("distance", "outputs near given values", tuple(objectives), metrics=())


def sample_targets(
    network: Network, task: Task, batch: int, seed: int = 0
) -> dict[str, np.ndarray]:
    """Random targets: any class, and for sequences and images of labels some that do not count."""
    targets: dict[str, np.ndarray] = {}
    for objective in task.objectives:
        shape = (batch, *network.outputs[objective.output].shape)
        random = generator(f"target {objective.target}", shape, seed)
        if objective.loss == "mean_squared_error":
            targets[objective.target] = random.normal(size=shape).astype(np.float32)
        else:
            lowest = -1 if len(shape) > 2 else 0
            labels = random.integers(lowest, shape[-1], shape[:-1])
            targets[objective.target] = labels.astype(np.int32)
    return targets


def random_batches(network: Network, task: Task, steps: int) -> list[dict[str, np.ndarray]]:
    """Batches of random inputs and targets, all other than those of the passes."""
    return [
        samples.sample_inputs(network, BATCH, "float32", seed)
        | sample_targets(network, task, BATCH, seed)
        for seed in range(1, steps + 1)
    ]


def real_batches(network: Network, task: Task, steps: int) -> list[dict[str, np.ndarray]]:
    """Batches of the embedded digits, brought into the shapes of a network's inputs.

    A little noise is added: on their black ground all windows of a pool are alike, and which of
    several equal values is the largest is left to rounding.
    """
    sample = mnist.load("sample")
    digits = TRAINED_BATCH * steps * 6  # a strip of digits is made of six
    few = mnist.Split(sample.train.images[:digits], sample.train.labels[:digits])
    arrays = tasks.build(task, mnist.Dataset("sample", few, few, sample.source)).train
    expected = {
        name: (tensor.shape, tensor.low, tensor.high) for name, tensor in network.inputs.items()
    }
    for objective in task.objectives:
        shape = network.outputs[objective.output].shape
        classes = objective.loss == "cross_entropy"
        expected.setdefault(
            objective.target, (shape[:-1], 0, shape[-1] - 1) if classes else (shape, 0, 0)
        )
    whole = {}
    for name, (shape, low, high) in expected.items():
        array = fitted(arrays[name][: TRAINED_BATCH * steps], shape)
        if name in network.inputs and array.dtype.kind == "f":
            noise = generator(name, array.shape, SEED).uniform(0, NOISE, array.shape)
            array = (array + noise).astype(array.dtype)
        if array.dtype.kind == "i":
            array = np.where(array < 0, array, low + (array - low) % (high - low + 1))
            array = array.astype(np.int32)
        whole[name] = array
    return [
        {
            name: array[TRAINED_BATCH * step : TRAINED_BATCH * (step + 1)]
            for name, array in whole.items()
        }
        for step in range(steps)
    ]
