"""The benchmark: every candidate in a process of its own, in rounds that go around among them.

A candidate is an architecture in one backend and one variant. All candidates of an architecture are
alive together, and in every round each has its turn in each measurement. So a minute in which the
machine is slow is slow for all of them, and the median of the rounds leaves it out.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from shared import formats, machine, registry, specs, workers
from shared.benchmark import accuracy, costs, measure
from shared.benchmark.measure import REFERENCE, REFERENCE_ARCHITECTURE, Job, Prepared, Window
from shared.benchmark.packages import environment_bytes
from shared.boundary import kept
from shared.data import files, tasks
from shared.differences import largest_gap, most_by_rounding
from shared.errors import ConfigurationError, DeviceMissingError, TriptychError
from shared.figures import Figure, figure
from shared.specs import Spec
from shared.train import loop
from shared.workers import COMPILED_ANEW, SHARED_GPU, Worker

Report = Callable[[str], None]
Start = Callable[[str, Mapping[str, str]], Worker]


@dataclass(frozen=True)
class Request:
    """What is measured, and for how long: each of the rounds gives each measurement `seconds`."""

    architectures: tuple[str, ...] = (REFERENCE_ARCHITECTURE,)
    backends: tuple[str, ...] = registry.BACKENDS
    variants: tuple[str, ...] = measure.ALL_VARIANTS
    batch_sizes: tuple[int, ...] = (64, 256)
    dtype: str = "float32"
    device: str = "cpu"
    rounds: int = 5
    seconds: float = 0.5
    epochs: int = 1
    costs: bool = False
    goal: accuracy.Goal | None = None

    def __post_init__(self) -> None:
        for name, values in (("rounds", [self.rounds]), ("epochs", [self.epochs])):
            if values[0] < 1:
                raise ConfigurationError(f"{name} must be at least 1, not {values[0]}")
        for size in self.batch_sizes:
            if size < 1:
                raise ConfigurationError(f"a batch size must be at least 1, not {size}")
        if not 0 < self.seconds < float("inf"):
            raise ConfigurationError(f"seconds must be above 0, not {self.seconds:g}")
        digits = files.COUNTS["sample"][0]
        for name in self.architectures:
            spec = specs.find(name)
            settings = Job(spec.name, "", "", self.batch_sizes).settings
            loop.check_batch(settings, tasks.examples(spec.require_task(), digits))
        if self.variants == (REFERENCE,) and REFERENCE_ARCHITECTURE not in self.architectures:
            raise ConfigurationError(
                f"there is a reference of {REFERENCE_ARCHITECTURE} alone, not of "
                f"{', '.join(self.architectures)}"
            )
        if self.variants == (REFERENCE,) and self.dtype != "float32":
            raise ConfigurationError(f"a reference computes in float32, not in {self.dtype}")
        if self.goal and self.dtype != "float32":
            raise ConfigurationError(
                f"the time to an accuracy is measured in float32, not in {self.dtype}"
            )

    def jobs(self, architecture: str, backends: Sequence[str]) -> list[Job]:
        """The candidates of one architecture."""
        variants = [
            variant
            for variant in self.variants
            if variant != REFERENCE
            or (architecture == REFERENCE_ARCHITECTURE and self.dtype == "float32")
        ]
        return [
            Job(
                architecture,
                backend,
                variant,
                self.batch_sizes,
                self.epochs,
                self.dtype,
                self.device,
            )
            for backend in backends
            for variant in variants
        ]


@dataclass(frozen=True)
class Latency:
    """Seconds from one example's input to its output, over the calls of all rounds."""

    p50: float
    p99: float
    calls: int


@dataclass
class Row:
    """Everything about one candidate.

    Rates are in units a second, see `unit`. `total_seconds` is a whole training for the request's
    epochs: the process's start with its imports, building, the first step, which compiles, and all
    others, `later_seconds`; there is no evaluation in it.
    `share` is the part of the machine's own rate of matrix products that a measurement reached, in
    percent, `cores` how many CPUs it kept busy. `difference` is how far the first outputs are from
    those of the architecture's first candidate, of which the others got their initial weights; in
    bfloat16 from its own in float32.
    """

    architecture: str
    backend: str
    variant: str
    unit: str
    versions: dict[str, str]
    resolved: dict[str, str]
    startup_seconds: float | None
    import_seconds: float | None
    build_seconds: float
    first_step_seconds: float
    first_inference_seconds: dict[int, float]
    warm_up: dict[str, measure.WarmUp]
    training: Figure
    inference: dict[int, Figure]
    latency: Latency | None
    share: dict[str, float | None]
    cores: dict[str, float]
    later_seconds: float
    peak_memory_mib: float | None
    foreign_load: float | None
    difference: float | None = None
    held_against: str | None = None

    @property
    def total_seconds(self) -> float:
        """From the process's start to the end of its last epoch."""
        start = self.startup_seconds or 0.0
        return start + self.build_seconds + self.first_step_seconds + self.later_seconds

    @property
    def title(self) -> str:
        """The backend and the variant."""
        return f"{self.backend} {self.variant}"


@dataclass
class Outcome:
    """Everything that was measured. Keys of `errors` name candidates."""

    request: Request
    peak: Figure | None = None
    foreign_load: float | None = None
    rows: list[Row] = field(default_factory=list)
    environment_bytes: dict[str, int | None] = field(default_factory=dict)
    costs: costs.Costs | None = None
    accuracy: accuracy.Accuracy | None = None
    errors: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def disturbed(self) -> bool:
        """Whether others took so much of the machine that the figures may be wrong."""
        return machine.is_disturbed(self.foreign_load)

    @property
    def wrong(self) -> list[Row]:
        """The rows whose outputs differ more than rounding explains; on a GPU nothing is judged."""
        allowed = most_by_rounding(self.request.dtype)
        return [
            row
            for row in self.rows
            if self.request.device == "cpu"
            and row.difference is not None
            and not row.difference <= allowed
        ]

    @property
    def passed(self) -> bool:
        """Whether every candidate gave its figures, and of the same network."""
        return bool(self.rows) and not self.errors and not self.wrong

    def of(self, architecture: str) -> list[Row]:
        """The rows of one architecture."""
        return [row for row in self.rows if row.architecture == architecture]

    def to_dict(self) -> dict[str, Any]:
        """The same as plain dictionaries, for JSON."""
        rows = [{**asdict(row), "total_seconds": row.total_seconds} for row in self.rows]
        return {
            **formats.stamp("benchmark"),
            **asdict(self),
            "rows": rows,
            "accuracy": self.accuracy.to_dict() if self.accuracy else None,
            "machine": machine.describe(),
            "disturbed": self.disturbed,
            "passed": self.passed,
        }


def unit(spec: Spec) -> tuple[str, int]:
    """What rates are told in, and how many of them one example is."""
    first_output = next(iter(spec.network.outputs.values()))
    if "H" in first_output.axes:  # classes at every pixel
        height, width = first_output.shape[:2]
        return "pixels", height * width
    sequences = "S" in next(iter(spec.network.inputs.values())).axes
    return ("sequences" if sequences else "images"), 1


class Candidate:
    """A job with its worker, and what it has measured so far."""

    def __init__(self, job: Job, stack: ExitStack) -> None:
        self.job = job
        self.stack = stack
        self.load = machine.ForeignLoad()
        self.windows: dict[str, list[Window]] = {}
        self.worker: Worker
        self.prepared: Prepared
        self.later_seconds: float

    @property
    def title(self) -> str:
        """What errors are told of."""
        return f"{self.job.architecture} {self.job.backend} {self.job.variant}"

    def prepare(self, start: Start, weights: Mapping[str, np.ndarray] | None) -> None:
        """Start the worker, in the environment of the variant, and get it warm."""
        environment = {
            **workers.environment(self.job.variant),
            **COMPILED_ANEW,
            **(SHARED_GPU if self.job.device == "cuda" else {}),
        }
        self.worker = self.stack.enter_context(start(self.job.backend, environment))
        self.worker.wait_until_ready()
        self.worker.hold(self.title, measure.session, self.job)
        self.prepared = self._ask("prepare", weights)

    def measurements(self) -> list[str]:
        """What it is asked for in each round."""
        if self.job.variant == REFERENCE:
            return ["training"]
        sizes = dict.fromkeys([*self.job.batch_sizes, 1])
        return ["training", *(f"inference {size}" for size in sizes)]

    def take_turn(self, what: str, seconds: float) -> None:
        """Measure once."""
        arguments: tuple[Any, ...] = ("train", seconds)
        if what != "training":
            arguments = ("infer", int(what.split()[1]), seconds)
        with self.load.watch():
            window = self._ask(*arguments)
        self.windows.setdefault(what, []).append(window)

    def train_whole(self) -> None:
        """Train from the beginning."""
        with self.load.watch():
            self.later_seconds = self._ask("run_epochs")

    def _ask(self, method: str, *arguments: Any) -> Any:
        """What its session in the worker answers."""
        return self.worker.result(self.worker.ask(self.title, method, *arguments))


def run(
    request: Request,
    report: Report = lambda _: None,
    start: Start = Worker,
) -> Outcome:
    """Measure all candidates of all architectures.

    Args:
        request: What is measured; a backend that is not installed is left out and named.
        report: Told what is at work.
        start: Makes a worker of a backend's name and an environment.

    Raises:
        ConfigurationError: no backend is installed.
        TriptychError: no candidate gave a result; what each of them met.
    """
    outcome = Outcome(request)
    present, outcome.skipped = registry.usable(request.backends)
    if not present:
        raise ConfigurationError("; ".join(outcome.skipped.values()))
    outcome.environment_bytes = {name: environment_bytes(name) for name in present}
    load = machine.ForeignLoad()
    peaks: list[float] = []
    failures: list[TriptychError] = []
    finished: dict[str, list[Candidate]] = {}
    for architecture in request.architectures:
        group = Group(outcome, report, start)
        with ExitStack() as stack:
            group.prepare(request.jobs(architecture, present), stack)
            peaks += group.go_around()
            group.finish()
        finished[architecture] = group.candidates
        failures += group.failures
        for candidate in group.candidates:
            load.add(candidate.load)
    if not any(finished.values()):
        raise type(failures[0])("; ".join(dict.fromkeys(map(str, failures))))
    outcome.peak = figure(peaks)
    outcome.foreign_load = load.share
    for candidates in finished.values():
        outcome.rows += _rows(candidates, max(peaks))
    if request.costs:
        outcome.costs = costs.collect(
            specs.find(request.architectures[0]), present, request.device, report, start
        )
        outcome.errors |= outcome.costs.errors
    if request.goal:
        outcome.accuracy = accuracy.collect(request.goal, present, request.device, report, start)
        outcome.errors |= outcome.accuracy.errors
    return outcome


class Group:
    """The candidates of one architecture; one that fails is named, and the others go on."""

    def __init__(self, outcome: Outcome, report: Report, start: Start) -> None:
        self.outcome = outcome
        self.request = outcome.request
        self.report = report
        self.start = start
        self.candidates: list[Candidate] = []
        self.failures: list[TriptychError] = []

    @contextmanager
    def _alone(self, candidate: Candidate) -> Iterator[None]:
        """What a candidate meets here ends it, and nobody else."""
        try:
            yield
        except TriptychError as error:
            self.failures.append(error)
            self.outcome.errors[candidate.title] = str(error)
            if not isinstance(error, DeviceMissingError):  # soon told, by the table or at the end
                self.report(f"{candidate.title}: {error}")
            self.candidates.remove(candidate)
            # With the error, so that its work is not waited for.
            candidate.stack.__exit__(type(error), error, error.__traceback__)

    def prepare(self, jobs: Sequence[Job], stack: ExitStack) -> None:
        """Start the workers one after the other, each warm before the next."""
        weights: Mapping[str, np.ndarray] | None = None
        for job in jobs:
            candidate = Candidate(job, stack.enter_context(ExitStack()))
            self.candidates.append(candidate)
            self.report(f"{candidate.title}: starting, building, warming up")
            with self._alone(candidate):
                candidate.prepare(self.start, weights)
                weights = weights or candidate.prepared.weights or None

    def go_around(self) -> list[float]:
        """All rounds; how fast the machine multiplied matrices at the beginning of each."""
        peaks = []
        for number in range(self.request.rounds if self.candidates else 0):
            self.report(f"round {number + 1} of {self.request.rounds}")
            peaks.append(machine.product_rate(kept(self.request.dtype)))
            for what, candidate in turns(self.candidates, number):
                if candidate in self.candidates:
                    with self._alone(candidate):
                        candidate.take_turn(what, self.request.seconds)
        return peaks

    def finish(self) -> None:
        """A whole training by each of them, one after the other."""
        for candidate in list(self.candidates):
            self.report(f"{candidate.title}: a training of epochs {self.request.epochs}")
            with self._alone(candidate):
                candidate.train_whole()


def turns(candidates: Sequence[Candidate], number: int) -> list[tuple[str, Candidate]]:
    """Who measures what in a round: each measurement by all in turn, begun by the next one."""
    names = dict.fromkeys(what for each in candidates for what in each.measurements())
    shift = number % len(candidates) if candidates else 0
    order = [*candidates[shift:], *candidates[:shift]]
    return [(what, each) for what in names for each in order if what in each.measurements()]


def _rows(candidates: Sequence[Candidate], peak: float) -> list[Row]:
    """What the candidates of one architecture measured, as figures."""
    rows: list[Row] = []
    first: Candidate | None = None
    for candidate in candidates:
        row = _row(candidate, peak)
        outputs, exact = candidate.prepared.outputs, candidate.prepared.exact
        if exact:
            row.difference = largest_gap(exact, outputs)
            row.held_against = "float32"
        elif outputs and first is None:
            first = candidate
        elif outputs and first:
            row.difference = largest_gap(first.prepared.outputs, outputs)
            row.held_against = f"{first.job.backend} {first.job.variant}"
        rows.append(row)
    return rows


def _row(candidate: Candidate, peak: float) -> Row:
    job, prepared, worker = candidate.job, candidate.prepared, candidate.worker
    spec = specs.find(job.architecture)
    work = spec.operations
    name, per_example = unit(spec)

    def rates(what: str) -> list[float]:
        return [w.examples / w.seconds for w in candidate.windows[what]]

    shares: dict[str, float | None] = {}
    cores: dict[str, float] = {}
    for what, windows in candidate.windows.items():
        operations = work.training if what == "training" else work.forward
        reached = operations * statistics.median(rates(what))
        # The peak is the CPUs'.
        shares[what] = 100 * reached / peak if job.device == "cpu" else None
        cores[what] = sum(w.cpu_seconds for w in windows) / sum(w.seconds for w in windows)
    inference = {
        int(what.split()[1]): figure([per_example * rate for rate in rates(what)])
        for what in candidate.windows
        if what != "training"
    }
    calls = [s for w in candidate.windows.get("inference 1", ()) for s in w.steps]
    latency = None
    if calls:
        low, high = np.percentile(calls, [50, 99])
        latency = Latency(float(low), float(high), len(calls))
    return Row(
        job.architecture,
        job.backend,
        job.variant,
        name,
        prepared.versions,
        prepared.resolved,
        worker.startup_seconds,
        worker.import_seconds,
        prepared.build_seconds,
        prepared.first_step_seconds,
        prepared.first_inference_seconds,
        prepared.warm_up,
        figure([per_example * rate for rate in rates("training")]),
        inference,
        latency,
        shares,
        cores,
        candidate.later_seconds,
        prepared.peak_memory_mib,
        candidate.load.share,
    )
