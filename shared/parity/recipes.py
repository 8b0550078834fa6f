"""The trainings that backends are compared by: optimizers, and batches of real digits.

The hyperparameters are powers of two where a library would round others to float32.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from shared.data import mnist, tasks
from shared.parity.samples import fitted
from shared.specs import Case, Network, Objective, Settings, Spec, Task

SEED = 1
"""Of the weights that all backends have in common."""

BATCH = 3
"""Examples in a pass: not two, for a half has causes enough of its own."""

TRAINED_BATCH = 2
"""Examples in a step of a training."""

STEPS = 50
FURTHER = 10
"""Steps that another backend goes on for, after the weights were handed over."""

TEACHER_FORCED = "adam"
"""The recipe of which every step is also made from the reference's weights."""

SHIPPED = "adam as shipped"
"""Each library's own Adam with nothing but a learning rate, for one step."""

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


STEPS_BOTH_VARIANTS = 2

BOTH_VARIANTS: Mapping[str, Settings] = {
    "momentum": Settings(optimizer="sgd", learning_rate=1.0, momentum=7 / 8),
    "adam": Settings(optimizer="adam", learning_rate=2.0**-3, epsilon=2.0**-2),
}
"""What both variants are trained with: Adam where trainings are compared, else momentum.

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


def is_whole(spec: Spec, case: Case) -> bool:
    """Whether a case is the whole architecture, and not a part of it."""
    return case.network.cls == spec.network.cls


def trained_case(spec: Spec) -> Case | None:
    """The case whose trainings are compared: of the whole network's the one with least to do."""
    if spec.task is None:
        return None
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
    random = np.random.default_rng((seed, batch, 1))
    targets: dict[str, np.ndarray] = {}
    for objective in task.objectives:
        shape = (batch, *network.outputs[objective.output].shape)
        if objective.loss == "mean_squared_error":
            targets[objective.target] = random.normal(size=shape).astype(np.float32)
        else:
            lowest = -1 if len(shape) > 2 else 0
            labels = random.integers(lowest, shape[-1], shape[:-1])
            targets[objective.target] = labels.astype(np.int32)
    return targets


def real_batches(network: Network, task: Task, steps: int) -> list[dict[str, np.ndarray]]:
    """Batches of the embedded digits, brought into the shapes of a network's inputs."""
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
