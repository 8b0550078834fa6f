"""What one candidate does in its own process: build, warm up, and work for a while when told to.

A framework may return from a step before it has computed anything. So every step is waited for on
its own output, its loss as a number; nothing is left over for the next candidate's time.
"""

# The methods of a protocol have no bodies.
# pyright: reportReturnType=false

from __future__ import annotations

import importlib
import itertools
import math
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from shared import machine, registry, specs
from shared.data import mnist, tasks
from shared.data.batches import batches
from shared.errors import DivergedError
from shared.interface import VARIANTS
from shared.panels import PANELS
from shared.train import loop
from shared.workers import TUNED

REFERENCE = "reference"
"""Beside the backends' variants: the framework's own example, in `engine/reference.py`."""

ALL_VARIANTS = (*VARIANTS, REFERENCE)
REFERENCE_ARCHITECTURE = "mnist_classifier"
"""The one network that has a reference."""

REFERENCE_BATCHES = 16
"""An epoch of the reference in a round has so many batches: its loops have no smaller unit."""

OUTPUT_IMAGES = 64
LEAD_IN = 2
"""Steps before each round that do not count: while others were at work, the caches went cold."""

_SETTINGS = (
    "CUDA_VISIBLE_DEVICES",
    "GLIBC_TUNABLES",
    "JAX_",
    "KERAS_BACKEND",
    "MALLOC_",
    "MKL_",
    "NPROC",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_",
    "ONEDNN_",
    "TF_CUDNN_",
    "TF_DETERMINISTIC",
    "TF_DISABLE_",
    "TF_ENABLE_",
    "TF_FORCE_",
    "TF_GPU_",
    "TF_NUM_",
    "TF_XLA_",
    "TORCH_",
    "XLA_",
)
"""How the names of the variables begin that change how fast a framework is."""

Clock = Callable[[], float]
Weights = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Job:
    """What one candidate is to do; training takes the first of the batch sizes."""

    architecture: str
    backend: str
    variant: str
    batch_sizes: tuple[int, ...] = (64, 256)
    epochs: int = 1
    dtype: str = "float32"
    device: str = "cpu"
    seed: int = 0

    @property
    def settings(self) -> specs.Settings:
        """The architecture's own, with this job's batch size and epochs."""
        settings = specs.find(self.architecture).settings
        return replace(settings, batch_size=self.batch_sizes[0], epochs=self.epochs)


@dataclass(frozen=True)
class WarmUp:
    """How long it took until the steps took equally long, if they ever did."""

    steps: int
    seconds: float
    stable: bool


@dataclass(frozen=True)
class Window:
    """What was done in one round: so many examples, in seconds; and the CPU time that it took."""

    examples: int
    seconds: float
    cpu_seconds: float
    steps: tuple[float, ...]


@dataclass(frozen=True)
class Prepared:
    """What was measured until a candidate was warm, and what it is.

    `first_step_seconds` is from the built model to the end of its first training step, with the
    optimizer's making and the compilation; `first_inference_seconds` the first call with each batch
    size. `peak_memory_mib` is that of training alone. `weights` are those it began with, `outputs`
    those of the first test images with them; a reference gives neither. `exact` are the outputs of
    the same weights in float32, for a job in bfloat16.
    """

    versions: dict[str, str]
    resolved: dict[str, str]
    build_seconds: float
    first_step_seconds: float
    warm_up: dict[str, WarmUp]
    peak_memory_mib: float | None
    first_inference_seconds: dict[int, float] = field(default_factory=dict)
    weights: dict[str, np.ndarray] = field(default_factory=dict)
    outputs: dict[str, np.ndarray] = field(default_factory=dict)
    exact: dict[str, np.ndarray] = field(default_factory=dict)


class Session(Protocol):
    """A candidate at work."""

    def prepare(self, weights: Weights | None) -> Prepared:
        """Build, take these weights if there are any, and work until warm."""

    def train(self, seconds: float) -> Window:
        """Train at least so long."""

    def infer(self, batch_size: int, seconds: float) -> Window:
        """Give outputs for batches of this size at least so long."""

    def run_epochs(self) -> float:
        """Train for the job's epochs; the seconds of all steps but the first, no evaluation."""


def warm_up(
    step: Callable[[], Any],
    clock: Clock = time.perf_counter,
    *,
    group: int = 5,
    least: float = 0.5,
    most: float = 10.0,
    near: float = 0.05,
) -> WarmUp:
    """Work until the last steps take as long as those before them.

    Stable: the median of the last `group` steps is within `near` of that of the `group` before.
    That is asked after two groups, and not before `least` seconds; after `most` seconds it is given
    up.
    """
    began = clock()
    seconds: list[float] = []
    while True:
        start = clock()
        step()
        now = clock()
        seconds.append(now - start)
        stable = False
        if len(seconds) >= 2 * group:
            before = statistics.median(seconds[-2 * group : -group])
            last = statistics.median(seconds[-group:])
            stable = abs(last - before) <= near * before
        if (stable and now - began >= least) or now - began >= most:
            return WarmUp(len(seconds), now - began, stable)


def work(
    step: Callable[[], Any],
    seconds: float,
    examples: int,
    clock: Clock = time.perf_counter,
    lead_in: int = LEAD_IN,
) -> Window:
    """Take steps, each of so many examples, for at least so many seconds and at least one."""
    for _ in range(lead_in):
        step()
    cpu = time.process_time()
    times: list[float] = []
    began = start = clock()
    while not times or start - began < seconds:
        step()
        now = clock()
        times.append(now - start)
        start = now
    cpu = time.process_time() - cpu
    return Window(examples * len(times), start - began, cpu, tuple(times))


class VariantSession:
    """A candidate that trains and infers through the shared interface."""

    def __init__(self, job: Job, clock: Clock = time.perf_counter) -> None:
        self.job = job
        self.clock = clock
        self.spec = specs.find(job.architecture)
        self.task = self.spec.require_task()
        self.data = tasks.build(self.task, mnist.load("sample"))
        self.backend: Any = registry.load(job.backend)
        self.weights: Weights = {}

    def _build(self, dtype: str | None = None) -> Any:
        """A new model with the framework's own initial weights, in the job's dtype or another."""
        return self.backend.build(
            self.spec.network,
            seed=self.job.seed,
            dtype=dtype or self.job.dtype,
            device=self.job.device,
            variant=self.job.variant,
        )

    def prepare(self, weights: Weights | None) -> Prepared:
        """Build, train until warm, then infer until warm with another model of the same weights."""
        machine.forget_peak_memory()
        began = self.clock()
        model = self._build()
        build_seconds = self.clock() - began
        if weights:
            model.load_weights(weights)
        self.weights = model.weights()
        began = self.clock()
        self._trainer = model.trainer(self.task, self.job.settings, self.job.seed)
        self._batches = self._endless()
        self._train_step()
        first_step_seconds = self.clock() - began
        warm = {"training": warm_up(self._train_step, self.clock)}
        peak = machine.peak_memory_mib()
        # Another one, whose weights training does not change: how long an early exit takes depends
        # on them.
        self._model = self._build()
        self._model.load_weights(self.weights)
        first = {}
        for size in self._sizes():
            step = self._inference_step(size)
            began = self.clock()
            step()
            first[size] = self.clock() - began
            warm[f"inference {size}"] = warm_up(step, self.clock)
        images = self._inputs(OUTPUT_IMAGES, 0)
        return Prepared(
            self.backend.versions(),
            resolved(self.backend),
            build_seconds,
            first_step_seconds,
            warm,
            peak,
            first,
            dict(self.weights),
            self._model(images),
            self._exact(images) if self.job.dtype == "bfloat16" else {},
        )

    def _exact(self, inputs: Weights) -> dict[str, np.ndarray]:
        """What the same weights give in float32."""
        model = self._build("float32")
        model.load_weights(self.weights)
        outputs: dict[str, np.ndarray] = model(inputs)
        return outputs

    def _sizes(self) -> list[int]:
        """The batch sizes of inference: a single example too."""
        return list(dict.fromkeys([1, *self.job.batch_sizes]))

    def _endless(self) -> Iterator[Weights]:
        """Training batches, epoch after epoch, in the order of `shared.train.loop.fit`."""
        size, seed = self.job.settings.batch_size, self.job.seed
        for epoch in itertools.count(1):
            yield from batches(self.data.train, size, seed=seed, epoch=epoch, drop_last=True)

    def _train_step(self) -> None:
        """One step, waited for."""
        loss = float(self._trainer.train_step(next(self._batches))["loss"])
        if not math.isfinite(loss):
            raise DivergedError(f"the loss is {loss}; what computes such numbers has no speed")

    def _inputs(self, size: int, number: int) -> dict[str, np.ndarray]:
        """A batch of test inputs; after the last example comes the first."""
        names = self.spec.network.inputs
        count = len(self.data.test[next(iter(names))])
        rows = (np.arange(size) + number * size) % count
        return {name: self.data.test[name][rows] for name in names}

    def _inference_step(self, size: int) -> Callable[[], Any]:
        """What calls the model with one batch after the other."""
        batches = itertools.cycle([self._inputs(size, number) for number in range(4)])
        return lambda: self._model(next(batches))  # NumPy comes out: it is computed then

    def train(self, seconds: float) -> Window:
        """Training steps."""
        return work(self._train_step, seconds, self.job.settings.batch_size, self.clock)

    def infer(self, batch_size: int, seconds: float) -> Window:
        """Calls of the model."""
        return work(self._inference_step(batch_size), seconds, batch_size, self.clock)

    def run_epochs(self) -> float:
        """A training of a new model through `shared.train.loop.fit`."""
        model = self._build()
        model.load_weights(self.weights)
        history = loop.fit(model, self.task, self.data, self.job.settings, seed=self.job.seed)
        return sum(epoch.train_seconds for epoch in history.epochs) - history.first_step_seconds


class ReferenceSession:
    """A candidate that trains as its framework's own documentation does; it does nothing else."""

    def __init__(self, job: Job, clock: Clock = time.perf_counter) -> None:
        self.job = job
        self.clock = clock
        self.digits = mnist.load("sample").train
        self.backend: Any = registry.load(job.backend)
        size = job.settings.batch_size
        self.all = len(self.digits.labels) // size * size
        self.few = min(REFERENCE_BATCHES * size, self.all)

    def _build(self) -> Any:
        """A new one; the first has the imports to pay for too."""
        panel: Any = importlib.import_module(f"{PANELS[self.job.backend]}.engine.reference")
        return panel.Reference(
            self.digits.images,
            self.digits.labels,
            self.job.settings.batch_size,
            learning_rate=self.job.settings.learning_rate,
            seed=self.job.seed,
            device=self.job.device,
        )

    def prepare(self, weights: Weights | None) -> Prepared:
        """Build and train until warm; it draws its own weights."""
        del weights
        machine.forget_peak_memory()
        began = self.clock()
        self._reference = self._build()
        build_seconds = self.clock() - began
        began = self.clock()
        self._reference.train_epoch(self.job.settings.batch_size)
        first_step_seconds = self.clock() - began
        warm = {"training": warm_up(self._epoch, self.clock, group=1)}
        return Prepared(
            self.backend.versions(),
            {**resolved(self.backend), **self._reference.resolved()},
            build_seconds,
            first_step_seconds,
            warm,
            machine.peak_memory_mib(),
        )

    def _epoch(self) -> None:
        """A short epoch, whose mean loss is waited for."""
        loss = self._reference.train_epoch(self.few)
        if not math.isfinite(loss):
            raise DivergedError(f"the loss is {loss}; what computes such numbers has no speed")

    def train(self, seconds: float) -> Window:
        """Short epochs."""
        return work(self._epoch, seconds, self.few, self.clock, lead_in=0)

    def infer(self, batch_size: int, seconds: float) -> Window:
        """A reference has no inference of its own."""
        raise NotImplementedError

    def run_epochs(self) -> float:
        """Whole epochs of what is already warm."""
        began = self.clock()
        for _ in range(self.job.epochs):
            self._reference.train_epoch(self.all)
        steps = self.job.epochs * self.all // self.job.settings.batch_size
        return (self.clock() - began) * (steps - 1) / steps


def resolved(backend: Any) -> dict[str, str]:
    """Which settings are in force in this process: what the framework says, and the environment."""
    names = sorted(name for name in os.environ if name.startswith(_SETTINGS))
    keeps = all(value in os.environ.get(name, "") for name, value in TUNED.items())
    return {
        "CPUs": str(_cpus()),
        "allocator": "keeps what is freed" if keeps else "the system's",
        **backend.resolved(),
        **{name: os.environ[name] for name in names},
    }


def _cpus() -> int:
    """The CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def session(job: Job) -> Session:
    """In a worker: what measures a candidate there."""
    return ReferenceSession(job) if job.variant == REFERENCE else VariantSession(job)
