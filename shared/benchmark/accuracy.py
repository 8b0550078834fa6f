"""The time to a test accuracy: the loop that tutorials teach, against the preset `fast`.

Every training has a process of its own, so that nothing is compiled or warm before it begins. The
seconds are all that passes from digits in memory, as uint8, to the accuracy: preparing the data,
building, compiling, training, evaluation. The process's start and its imports are told apart.
"""

from __future__ import annotations

import importlib
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from shared import machine, registry, specs, workers
from shared.benchmark.measure import REFERENCE_ARCHITECTURE, Clock
from shared.data import mnist, tasks
from shared.errors import ConfigurationError, TriptychError
from shared.panels import PANELS
from shared.train import loop
from shared.workers import COMPILED_ANEW, Worker

PERCENT = 99.0
"""The accuracy that is asked for where none is named."""

TUTORIAL, FAST = "tutorial", "fast"
"""How a candidate trains.

"tutorial": torchvision's pictures through `ToTensor` and `Normalize` and a `DataLoader` in batches
of 64, Adam at 1e-3, evaluation after every epoch; it ends when the accuracy is reached. "fast": the
preset in the tuned variant through `loop.fit`. Its learning rate falls to 0 in the last epoch, so
that it always trains to its end, and the accuracy after the last epoch counts.
"""

TUTORIAL_BATCH, TUTORIAL_RATE, TUTORIAL_EPOCHS = 64, 1e-3, 15
"""The tutorial's batch size and learning rate; after so many epochs it is given up."""


@dataclass(frozen=True)
class Goal:
    """Which accuracy, in percent, on which data, and how often: with the seeds 0, 1 and so on."""

    percent: float = PERCENT
    seeds: int = 5
    data: str = "mnist"
    directory: str | None = None

    def __post_init__(self) -> None:
        if not 0 < self.percent <= 100:
            raise ConfigurationError(f"accuracy must be in (0, 100], not {self.percent:g}")
        if self.seeds < 1:
            raise ConfigurationError(f"seeds must be at least 1, not {self.seeds}")


@dataclass(frozen=True)
class Try:
    """One training: its seconds, whatever it reached, and the test accuracy after each epoch."""

    seed: int
    seconds: float
    accuracies: tuple[float, ...]
    startup_seconds: float | None = None


@dataclass
class Row:
    """One candidate's trainings. A training that did not reach the accuracy took for ever."""

    backend: str
    kind: str
    percent: float
    tries: list[Try] = field(default_factory=list)

    @property
    def title(self) -> str:
        """The backend, and how it trains."""
        return f"{self.backend} {self.kind}"

    @property
    def reached(self) -> int:
        """How many trainings reached the accuracy."""
        return sum(each.accuracies[-1] >= self.percent for each in self.tries)

    @property
    def seconds(self) -> list[float]:
        """Until the accuracy was reached, the shortest first; infinite where it was not."""
        return sorted(
            each.seconds if each.accuracies[-1] >= self.percent else float("inf")
            for each in self.tries
        )

    @property
    def accuracies(self) -> list[float]:
        """The last ones, the lowest first."""
        return sorted(each.accuracies[-1] for each in self.tries)

    @property
    def epochs(self) -> list[int]:
        """Of each training, the fewest first."""
        return sorted(len(each.accuracies) for each in self.tries)

    @property
    def startup_seconds(self) -> float:
        """The median of a process's start with its imports."""
        return statistics.median(each.startup_seconds or 0.0 for each in self.tries)


@dataclass
class Accuracy:
    """Everything that was measured; `source` says where the data are from."""

    goal: Goal
    source: str
    rows: list[Row] = field(default_factory=list)
    foreign_load: float | None = None
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """How many times sooner torch's preset is there; None if one of the two seldom is."""
        medians = {row.title: statistics.median(row.seconds) for row in self.rows}
        tutorial, fast = (medians.get(f"torch {kind}") for kind in (TUTORIAL, FAST))
        if tutorial is None or fast is None or float("inf") in (tutorial, fast):
            return None
        return tutorial / fast

    def to_dict(self) -> dict[str, Any]:
        """The same as plain dictionaries, for JSON."""
        derived = ("title", "reached", "seconds", "accuracies", "epochs", "startup_seconds")
        rows = [asdict(row) | {name: getattr(row, name) for name in derived} for row in self.rows]
        medians = [statistics.median(row.seconds) for row in self.rows]
        rows = [row | {"median": value} for row, value in zip(rows, medians, strict=True)]
        return {**asdict(self), "rows": rows, "ratio": self.ratio}


def collect(
    goal: Goal,
    backends: Sequence[str],
    device: str,
    report: Callable[[str], None],
    start: Callable[[str, Mapping[str, str]], Worker],
) -> Accuracy:
    """Train with every seed in every candidate; each seed is begun by the next candidate.

    Args:
        goal: What is to be reached.
        backends: Those that are installed; the tutorial's loop is torch's.
        device: Where to train.
        report: Told what is at work.
        start: Makes a worker of a backend's name and an environment.
    """
    kinds = [("torch", TUTORIAL)] if "torch" in backends else []
    kinds += [(backend, FAST) for backend in backends]
    rows = [Row(backend, kind, goal.percent) for backend, kind in kinds]
    accuracy = Accuracy(goal, mnist.load(goal.data, goal.directory, download=False).source)
    load = machine.ForeignLoad()
    for seed in range(goal.seeds):
        shift = seed % len(rows)
        for row in [*rows[shift:], *rows[:shift]]:
            if f"accuracy {row.title}" in accuracy.errors:
                continue
            report(f"{goal.percent:g} %, seed {seed}: {row.title}")
            tuned = workers.environment("tuned") if row.kind == FAST else {}
            try:
                with start(row.backend, {**tuned, **COMPILED_ANEW}) as worker, load.watch():
                    done, imports = worker.call(KINDS[row.kind], goal, row.backend, seed, device)
                    startup = (worker.startup_seconds or 0.0) + imports
            except TriptychError as error:
                accuracy.errors[f"accuracy {row.title}"] = str(error)
                continue
            row.tries.append(replace(done, startup_seconds=startup))
    accuracy.rows = [row for row in rows if f"accuracy {row.title}" not in accuracy.errors]
    accuracy.foreign_load = load.share
    return accuracy


def tutorial(
    goal: Goal, backend: str, seed: int, device: str, clock: Clock = time.perf_counter
) -> tuple[Try, float]:
    """In a worker: the loop that tutorials teach; and the seconds of its further imports."""
    began = clock()
    panel: Any = importlib.import_module(f"{PANELS[backend]}.engine.reference")
    imports = clock() - began
    digits = mnist.load(goal.data, goal.directory, download=False)
    began = clock()
    reference = panel.Reference(
        digits.train.images,
        digits.train.labels,
        TUTORIAL_BATCH,
        learning_rate=TUTORIAL_RATE,
        seed=seed,
        device=device,
    )
    accuracies: list[float] = []
    while len(accuracies) < TUTORIAL_EPOCHS and max(accuracies, default=0.0) < goal.percent:
        reference.train_epoch(len(digits.train.labels))
        accuracies.append(reference.accuracy(digits.test.images, digits.test.labels))
    return Try(seed, clock() - began, tuple(accuracies)), imports


def fast(
    goal: Goal, backend: str, seed: int, device: str, clock: Clock = time.perf_counter
) -> tuple[Try, float]:
    """In a worker: the preset in the tuned variant; it has nothing more to import."""
    spec = specs.find(REFERENCE_ARCHITECTURE)
    task, preset = spec.require_task(), spec.preset("fast")
    loaded = registry.load(backend)
    digits = mnist.load(goal.data, goal.directory, download=False)
    began = clock()
    data = tasks.build(task, digits)
    settings = preset.scheduled(preset.settings, tasks.examples(task, len(digits.train.labels)))
    model = loaded.build(spec.network, seed=seed, device=device, variant="tuned")
    history = loop.fit(model, task, data, settings, seed=seed)
    seconds = clock() - began
    return Try(seed, seconds, tuple(epoch.test_accuracy for epoch in history.epochs)), 0.0


KINDS: Mapping[str, Callable[..., tuple[Try, float]]] = {TUTORIAL: tutorial, FAST: fast}
"""What a worker is called with."""
