"""Workers, a machine and costs that are made up, and what `bench` makes of them."""

import io
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from shared import machine, registry
from shared.benchmark import costs, measure, run, table
from shared.benchmark.measure import Job, Prepared, WarmUp, Window
from shared.benchmark.run import Outcome, Request
from shared.errors import WorkerError


class FakeWorker:
    """In place of a process: it notes what it is asked for, and answers with round numbers.

    `faults` are titles and the call by which it fails: "start", "prepare", "train", "infer".
    """

    log: list[str]
    faults: Mapping[str, str]

    def __init__(self, backend: str, environment: Mapping[str, str]) -> None:
        self.backend = backend
        self.environment = environment
        self.title = backend
        self.startup_seconds, self.import_seconds = 2.0, 1.5

    def __enter__(self) -> "FakeWorker":
        if self.faults.get(self.backend) == "start":
            raise WorkerError(f"the {self.backend} backend failed")
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        self.log.append(f"{self.title}: {'ended at once' if kind else 'ended'}")

    def wait_until_ready(self) -> None:
        pass

    def hold(self, name: str, make: Callable[..., Any], job: Job) -> None:
        assert make is measure.session
        self.name, self.job, self.title = name, job, f"{job.backend} {job.variant}"

    def ask(self, name: str, method: str, *arguments: Any) -> Any:
        assert name == self.name
        return self.answer(method, getattr(self, method), *arguments)

    def result(self, answer: Any) -> Any:
        return answer

    def answer(self, what: str, function: Callable[..., Any], *arguments: Any) -> Any:
        if self.faults.get(self.title) == what:
            raise WorkerError(f"{self.title} broke in {what}")
        return function(*arguments)

    def prepare(self, weights: Any) -> Prepared:
        job = self.job
        kind = "others'" if weights else "own"
        self.log.append(f"{self.title}: {kind} weights, {len(self.environment)} variables")
        reference = job.variant == measure.REFERENCE
        values = {} if reference else {"logits": np.array([[1.0, -2.0]])}
        exact = values if job.dtype == "bfloat16" else {}
        if exact:
            values = {name: array * (1 + 2.0**-7) for name, array in exact.items()}
        if self.faults.get(self.title) == "nan":
            values = {name: array * math.nan for name, array in exact.items()}
        if job.backend == "flax" and not exact:
            values = {name: array * (1 + 1e-6) for name, array in values.items()}
        return Prepared(
            {job.backend: "9"},
            {"threads": "2"},
            0.25,
            {"idiomatic": 1.0, "tuned": 3.0, "reference": 2.0}[job.variant],
            {"training": WarmUp(20, 1.0, job.backend != "keras")},
            {"idiomatic": 400.0, "tuned": 500.0, "reference": None}[job.variant],
            {} if reference else dict.fromkeys((1, *job.batch_sizes), 0.5),
            {} if reference else {"weight": np.ones(1)},
            values,
            exact,
        )

    def train(self, seconds: float) -> Window:
        self.log.append(f"{self.title}: train")
        rate = {"idiomatic": 1000, "tuned": 2000, "reference": 500}[self.job.variant]
        return Window(int(rate * seconds), seconds, 2 * seconds, (seconds,))

    def infer(self, size: int, seconds: float) -> Window:
        self.log.append(f"{self.title}: infer {size}")
        return Window(size * 10, 10 * seconds, 5 * seconds, tuple(seconds for _ in range(10)))

    def run_epochs(self) -> float:
        self.log.append(f"{self.title}: epochs")
        return 10.0


def load(monkeypatch: pytest.MonkeyPatch, percent: float | None) -> None:
    """Let others take so much of the machine."""

    class Load(machine.ForeignLoad):
        @contextmanager
        def watch(self) -> Iterator[None]:
            self.known &= percent is not None
            self.seconds += 1
            self.foreign_seconds += (percent or 0) / 100 * self.cpus
            yield

    monkeypatch.setattr(machine, "ForeignLoad", Load)


def benched(faults: Mapping[str, str] | None = None, **request: Any) -> tuple[Outcome, list[str]]:
    """An outcome of workers that are made up, and what they were asked for."""
    log: list[str] = []
    kind: Any = type("Watched", (FakeWorker,), {"log": log, "faults": faults or {}})
    fields: dict[str, Any] = {"backends": ("torch", "flax"), "rounds": 3, "seconds": 0.5}
    return run.run(Request(**{**fields, **request}), start=kind), log


def with_costs() -> costs.Costs:
    def grown(examples: int, epochs: int, seconds: float) -> costs.Growth:
        return costs.Growth(examples, epochs, seconds, 600.0)

    return costs.Costs(
        "mnist_classifier",
        {"torch": costs.Pair(1.1, 1.0, 5)},
        {"torch": [grown(1000, 1, 1.0), grown(2000, 1, 2.0), grown(1000, 4, 5.0)]},
        costs.Pair(0.001, 0.5, 3),
        costs.Pair(0.2, 0.02, 5),
    )


def printed(outcome: Outcome) -> str:
    stream = io.StringIO()
    table.show(outcome, Console(file=stream, width=140, markup=False))
    return stream.getvalue()


def silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be on a machine that multiplies at 1e12 operations a second, and that nobody else uses."""
    monkeypatch.setattr(machine, "product_rate", lambda _: 1e12)
    monkeypatch.setattr(registry, "missing", lambda _: [])
    monkeypatch.setattr(run, "environment_bytes", lambda _: 3_000_000_000)
    load(monkeypatch, 0.0)
