"""A whole training in a backend's own process: what it is to do, and what it sends back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rich.console import Console

from shared import machine, registry
from shared.data import mnist, tasks
from shared.specs import Settings, find
from shared.train import examples, loop
from shared.train.progress import progress

FIRST_IMAGES = 64
"""The test images whose outputs are sent back from before the training."""


@dataclass(frozen=True)
class Request:
    """What every backend is to do."""

    architecture: str
    data: str
    directory: str | None
    settings: Settings
    seed: int
    device: str
    variant: str = "tuned"
    dtype: str = "float32"
    examples: int | None = None
    """Of the training data and of the test data the first ones alone, at most so many of each."""
    quiet: bool = False
    """Whether a worker says nothing of its progress."""


@dataclass(frozen=True)
class Run:
    """What one backend's process sends back: weights before and after, the outputs before."""

    versions: dict[str, str]
    parameters: int
    outputs: dict[str, np.ndarray]
    initial: dict[str, np.ndarray]
    trained: dict[str, np.ndarray]
    history: loop.History
    peak_memory_mib: float | None
    examples: examples.Examples | None


def train(
    backend: str, request: Request, weights: dict[str, np.ndarray] | None, *, look: bool = True
) -> Run:
    """In a worker: build, take the common weights, compute once, train, and tell everything.

    What the trained network says of test examples takes another pass over them, if `look`.
    """
    spec = find(request.architecture)
    task = spec.require_task()
    data = tasks.build(task, mnist.load(request.data, request.directory, download=False))
    if request.examples is not None:
        data = data.first(request.examples)
    loaded = registry.load(backend)
    model = loaded.build(
        spec.network,
        seed=request.seed,
        dtype=request.dtype,
        device=request.device,
        variant=request.variant,
    )
    if weights is not None:
        model.load_weights(weights)
    initial = model.weights()
    # Of few examples all at once, as they are looked at after the training: compiled once for both.
    count = task.evaluation_batch if request.examples else FIRST_IMAGES
    first = {name: data.test[name][:count] for name in spec.network.inputs}
    outputs = model(first)
    console = Console(stderr=True, markup=False, quiet=request.quiet)
    with progress(backend, console) as report:
        history = loop.fit(model, task, data, request.settings, seed=request.seed, report=report)
    parameters = sum(row.size for row in model.table() if row.kind == "parameter")
    return Run(
        loaded.versions(),
        parameters,
        outputs,
        initial,
        model.weights(),
        history,
        machine.peak_memory_mib(),
        examples.look(model, task, data.test) if look else None,
    )
