"""What the project itself adds to its frameworks, and how its costs grow with the work.

Each is held against the bare thing: the shared training loop against a loop over the native step,
the loader against torchvision's, the command against an interpreter that does nothing.
"""

from __future__ import annotations

import importlib
import itertools
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from shared import caches, machine, registry, specs
from shared.benchmark.measure import Clock
from shared.data import mnist, tasks
from shared.data.batches import batches
from shared.errors import TriptychError
from shared.panels import PANELS
from shared.specs import Settings, Spec
from shared.train.loop import Progress, fit
from shared.workers import Worker, environment

STEPS, EPOCHS = 20, 8
"""Of the training whose loop is held against a bare one."""

BATCH = 64
SIZES = (1, 2, 4)
"""How many times the smallest training's data, and its epochs, the others have."""


@dataclass(frozen=True)
class Pair:
    """Medians of the same work done by us and by the bare thing, in seconds; rounds of both."""

    ours: float
    bare: float
    rounds: int

    @property
    def ratio(self) -> float:
        """How fast we are beside the bare thing: 1 is as fast, more is faster."""
        return self.bare / self.ours


def pair(ours: Sequence[float], bare: Sequence[float]) -> Pair:
    """The medians of two kinds of rounds."""
    return Pair(statistics.median(ours), statistics.median(bare), len(ours))


@dataclass(frozen=True)
class Growth:
    """One training: its size, its steps' seconds without the first one's, its peak of memory."""

    examples: int
    epochs: int
    seconds: float
    peak_memory_mib: float | None

    @property
    def seconds_per_example(self) -> float:
        """For each time that an example was trained on."""
        return self.seconds / (self.examples * self.epochs)


@dataclass
class Costs:
    """What was measured, by backend where it depends on one; `cache` is Flax's."""

    architecture: str
    loop: dict[str, Pair] = field(default_factory=dict)
    growth: dict[str, list[Growth]] = field(default_factory=dict)
    loader: Pair | None = None
    command: Pair | None = None
    cache: Pair | None = None
    errors: dict[str, str] = field(default_factory=dict)


def collect(
    spec: Spec,
    backends: Sequence[str],
    device: str,
    report: Callable[[str], None],
    start: Callable[[str, Mapping[str, str]], Worker],
) -> Costs:
    """Measure everything, in the tuned variant, each backend in a process of its own."""
    costs = Costs(spec.name)
    report("costs: the command")
    costs.command = command()
    for backend in backends:
        report(f"costs: {spec.name} {backend} tuned")
        try:
            with start(backend, environment("tuned")) as worker:
                # The growth of memory first: what came before is not given back.
                costs.growth[backend] = worker.call(growth, spec.name, backend, device)
                costs.loop[backend] = worker.call(loop, spec.name, backend, device)
                if backend == "torch":
                    costs.loader = worker.call(loader)
            if backend == "flax":
                costs.cache = cache(spec.name, device, start)
        except TriptychError as error:
            costs.errors[f"costs {spec.name} {backend}"] = str(error)
    return costs


def cache(
    name: str, device: str, start: Callable[[str, Mapping[str, str]], Worker], rounds: int = 3
) -> Pair:
    """The first step of a process that finds it compiled against one that does not, in turn."""
    ours: list[float] = []
    bare: list[float] = []
    for _ in range(rounds):
        with TemporaryDirectory() as folder:
            variables = {**environment("tuned"), **caches.environment(Path(folder))}
            for seconds in (bare, ours):
                with start("flax", variables) as worker:
                    seconds.append(worker.call(first_step, name, "flax", device))
    return pair(ours, bare)


def first_step(name: str, backend: str, device: str, clock: Clock = time.perf_counter) -> float:
    """In a worker: the seconds of the first training step of a new model."""
    model, task, data = _model(name, backend, device)
    began = clock()
    trainer = model.trainer(task, _settings(name, 1), 0)
    float(trainer.train_step(_some(data.train, BATCH))["loss"])
    return clock() - began


def command(times: int = 5, clock: Clock = time.perf_counter) -> Pair:
    """`triptych list` against an interpreter that does nothing, in turn."""
    calls = {
        "ours": [sys.executable, "-m", "triptych", "list"],
        "bare": [sys.executable, "-c", "pass"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(times):
        for name, call in calls.items():
            began = clock()
            subprocess.run(call, check=True, capture_output=True)
            seconds[name].append(clock() - began)
    return pair(**seconds)


def _model(name: str, backend: str, device: str) -> tuple[Any, specs.Task, tasks.TaskData]:
    """A new tuned model with its task and the sample's arrays."""
    spec = specs.find(name)
    task = spec.require_task()
    model = registry.load(backend).build(spec.network, device=device, variant="tuned")
    return model, task, tasks.build(task, mnist.load("sample"))


def _some(arrays: Mapping[str, Any], count: int) -> dict[str, Any]:
    return {name: array[:count] for name, array in arrays.items()}


def _part(data: tasks.TaskData, examples: int) -> tasks.TaskData:
    """The first examples to train on, and a few to test with."""
    return replace(data, train=_some(data.train, examples), test=_some(data.test, BATCH))


def _settings(name: str, epochs: int) -> Settings:
    return replace(specs.find(name).settings, batch_size=BATCH, epochs=epochs)


def loop(name: str, backend: str, device: str, clock: Clock = time.perf_counter) -> Pair:
    """In a worker: an epoch of `fit` against as many native steps, in turn.

    `fit` cuts its batches, turns them into tensors, keeps its history and tells of its progress;
    the bare loop has its tensors ready, and waits for the last step alone.
    """
    model, task, data = _model(name, backend, device)
    few = _some(data.train, STEPS * BATCH)
    settings = _settings(name, EPOCHS)
    other, _, _ = _model(name, backend, device)
    panel = importlib.import_module(f"{PANELS[backend]}.engine.reference")
    bare_loop = panel.bare_loop(
        other.trainer(task, settings, 0),
        list(batches(few, BATCH, seed=0, epoch=1, drop_last=True)),
    )
    bare_loop()  # compiles
    bare_loop()
    ours, bare = [], []

    def take_turns(report: Progress) -> None:
        if report.finished is None or report.epoch == 1:  # which compiles
            return
        ours.append(report.finished.train_seconds)
        began = clock()
        bare_loop()
        bare.append(clock() - began)

    fit(model, task, _part(data, STEPS * BATCH), settings, report=take_turns)
    return pair(ours, bare)


def loader(times: int = 3, size: int = 15, clock: Clock = time.perf_counter) -> Pair:
    """In a worker: an epoch of our batches against as many images from torchvision's loader."""
    digits = mnist.load("sample").train
    count = size * BATCH
    ready = {"image": mnist.normalise(digits.images[:count]), "label": digits.labels[:count]}
    panel: Any = importlib.import_module("torch_impl.engine.reference")
    theirs = panel.loader(panel.Digits(digits.images, digits.labels), BATCH, count)

    def seconds(iterable: Iterable[Any]) -> float:
        began = clock()
        for _ in iterable:
            pass
        return clock() - began

    ours, bare = [], []
    for epoch in range(times):
        several = [batches(ready, BATCH, seed=0, epoch=20 * epoch + n) for n in range(20)]
        ours.append(seconds(itertools.chain.from_iterable(several)) / len(several))
        bare.append(seconds(theirs))
    return pair(ours, bare)


def growth(name: str, backend: str, device: str) -> list[Growth]:
    """In a worker: trainings on three sizes of data, then on three numbers of epochs.

    Before each the peak of memory is forgotten, where the system allows that.
    """
    model, task, data = _model(name, backend, device)
    smallest = len(next(iter(data.train.values()))) // max(SIZES) // BATCH * BATCH
    sizes = [(size * smallest, 1) for size in SIZES]
    # One that does not count: afterwards all libraries are loaded, and caches are warm.
    fit(model, task, _part(data, smallest), _settings(name, 1))
    growths = []
    for examples, epochs in [*sizes, *((smallest, times) for times in SIZES[1:])]:
        machine.forget_peak_memory()
        history = fit(model, task, _part(data, examples), _settings(name, epochs))
        steps = sum(epoch.train_seconds for epoch in history.epochs) - history.first_step_seconds
        trained = examples * epochs
        # As if the first step, which compiles, had taken as long as the others.
        whole = steps * trained / (trained - BATCH)
        growths.append(Growth(examples, epochs, whole, machine.peak_memory_mib()))
    return growths
