"""The ladder and the benchmark on a GPU.

Each backend's evidence is recorded in a process of its own, many at a time, on the GPU and on the
CPU; then all of it is held against each other without any framework. The benchmark comes last,
when nothing else runs. What does not end in time is named as missing, and the rest is written.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

from shared import machine
from shared.differences import difference
from shared.parity import evidence, files
from shared.parity.checks import Outcome
from shared.workers import ALONE
from shared.writing import put

MEASURED = "mnist_classifier"
"""What the benchmark measures."""

QUICK = {**ALONE, "XLA_FLAGS": "--xla_gpu_autotune_level=0"}
"""An environment for evidence: XLA times no versions of what is computed a few times."""

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Panel:
    """A backend, and what Keras runs on."""

    backend: str
    runs_on: str = ""

    @property
    def name(self) -> str:
        """What the tables call it."""
        return f"{self.backend} on {self.runs_on}" if self.runs_on else self.backend

    @property
    def whole(self) -> bool:
        """Whether it computes in float64 too; without, trainings have nothing to be held to."""
        return self.runs_on in ("", "tensorflow")


@dataclass(frozen=True)
class Job:
    """One backend's evidence of one architecture."""

    architecture: str
    panel: Panel
    device: str
    precision: str = "highest"

    @property
    def name(self) -> str:
        """What it is called in the results, and its file."""
        words = (self.architecture, self.panel.name, self.device, self.precision)
        return "-".join(words).replace(" ", "-")

    @property
    def command(self) -> list[str]:
        """The arguments of `triptych` that record it."""
        arguments = ["record", self.architecture, "--backend", self.panel.backend]
        arguments += ["--device", self.device, "--precision", self.precision]
        if not self.panel.whole or self.precision != "highest":
            arguments += ["--dtype", "float32", "--no-trainings"]
        return arguments


@dataclass
class Report:
    """Everything that came out.

    `climbs` are the ladders on the device, by pair of panels; `against_cpu` one panel's evidence on
    the device against its own on the CPU; `tf32` how much the library's own precision changes, by
    architecture, panel and rung; `missing` what gave no result, and why.
    """

    device: str
    machine: dict[str, Any] = field(default_factory=machine.describe)
    gpu: str = ""
    seconds: float = 0.0
    took: dict[str, float] = field(default_factory=dict)
    climbs: dict[str, dict[str, Outcome]] = field(default_factory=dict)
    against_cpu: dict[str, dict[str, Outcome]] = field(default_factory=dict)
    tf32: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    bench: dict[str, Any] = field(default_factory=dict)
    bench_table: str = ""
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def outcomes(self) -> list[Outcome]:
        """All that was held against each other."""
        groups = (*self.climbs.values(), *self.against_cpu.values())
        return [outcome for group in groups for outcome in group.values()]

    @property
    def passed(self) -> bool:
        """Whether everything was there, and agreed."""
        outcomes = self.outcomes
        return not self.missing and bool(outcomes) and all(o.proved for o in outcomes)

    def to_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        whole = {n: v for n, v in vars(self).items() if n not in ("climbs", "against_cpu")}
        for name in ("climbs", "against_cpu"):
            groups = getattr(self, name)
            whole[name] = {
                architecture: {key: outcome.to_dict() for key, outcome in group.items()}
                for architecture, group in groups.items()
            }
        return {**whole, "passed": self.passed}


def panels() -> list[Panel]:
    """The backends that are installed, Keras on TensorFlow or on each of the others."""
    usable = [Panel(name) for name in ("torch", "flax") if has(name)]
    if not has("keras"):
        return usable
    runs_on = ["tensorflow"] if has("tensorflow") else [n for n in ("jax", "torch") if has(n)]
    return [*usable, *(Panel("keras", name) for name in runs_on)]


def has(module: str) -> bool:
    """Whether a module can be imported."""
    return importlib.util.find_spec(module) is not None


def jobs(architectures: Sequence[str], of: Sequence[Panel], device: str) -> list[Job]:
    """Everything to record, what takes longest first."""
    slowest = sorted(of, key=lambda panel: (not panel.whole, panel.backend != "flax"))
    places = (device, "cpu")
    everything = [
        Job(name, panel, on) for panel in slowest for on in places for name in architectures
    ]
    everything += [
        Job(name, panel, device, "default")
        for panel in slowest
        if panel.whole
        for name in architectures
    ]
    return list(dict.fromkeys(everything))


def triptych(
    arguments: Sequence[str], environment: dict[str, str], seconds: float, folder: Path
) -> None:
    """Run the command.

    Raises:
        TimeoutError: it did not end in time.
        ChildProcessError: it failed; the last line that it said.
    """
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "triptych", *arguments],
            env={**os.environ, "PYTHONPATH": path(), **environment},
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=max(seconds, 0.1),
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"did not end within {seconds:.0f} s") from error
    if ended.returncode:
        lines = (ended.stderr or ended.stdout).strip().splitlines()
        raise ChildProcessError(f"status {ended.returncode}: {lines[-1] if lines else 'no word'}")


def path() -> str:
    """Where modules are looked for: this checkout first, and what was brought along."""
    return os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))


def record(todo: Sequence[Job], folder: Path, many: int, ends: float, report: Report) -> set[Job]:
    """Record, many at a time, until a moment; those that ended well."""
    done = set()

    def one(job: Job) -> None:
        began = time.monotonic()
        target = folder / f"{job.name}.safetensors"
        changes = dict(QUICK)
        if job.panel.runs_on:
            changes["KERAS_BACKEND"] = job.panel.runs_on
        if job.device == "cpu" and report.device != "cpu":
            changes["CUDA_VISIBLE_DEVICES"] = ""
            changes["JAX_PLATFORMS"] = "cpu"
        try:
            triptych([*job.command, "--output", str(target)], changes, ends - began, folder)
        except (TimeoutError, ChildProcessError) as error:
            report.missing[job.name] = str(error)
        else:
            done.add(job)
        report.took[job.name] = round(time.monotonic() - began, 1)
        print(
            f"{job.name}: {report.missing.get(job.name) or f'{report.took[job.name]} s'}",
            flush=True,
        )

    with ThreadPoolExecutor(many) as pool:
        list(pool.map(one, todo))
    return done


def hold(done: set[Job], architectures: Sequence[str], folder: Path, report: Report) -> None:
    """Hold against each other what was recorded."""

    def file(job: Job) -> Path:
        return folder / f"{job.name}.safetensors"

    def compared(a: Job, b: Job) -> Outcome | None:
        if not {a, b} <= done:
            return None
        dtypes = ("float64", "float32") if a.panel.whole and b.panel.whole else ("float32",)
        return files.compare_files([file(a), file(b)], dtypes)

    for name in architectures:
        for one, other in combinations(panels(), 2):
            outcome = compared(Job(name, one, report.device), Job(name, other, report.device))
            if outcome:
                report.climbs.setdefault(name, {})[f"{one.name} - {other.name}"] = outcome
        for panel in panels():
            if report.device != "cpu":
                outcome = compared(Job(name, panel, report.device), Job(name, panel, "cpu"))
                if outcome:
                    report.against_cpu.setdefault(name, {})[panel.name] = outcome
            ours, default = (
                Job(name, panel, report.device, precision) for precision in ("highest", "default")
            )
            if {ours, default} <= done:
                changed = _changes(file(ours), file(default))
                report.tf32.setdefault(name, {})[panel.name] = changed


def _changes(highest: Path, default: Path) -> dict[str, float]:
    """How much a library's own precision changes of float32, by rung."""
    one, other = (evidence.read(path) for path in (highest, default))
    changes: dict[str, float] = {}
    for label, case in one.cases.items():
        for rung in ("forward", "gradients"):
            ours, theirs = (e.under("float32", rung) for e in (case, other.cases[label]))
            values = [difference(ours[name], theirs[name]) for name in ours]
            changes[rung] = max([*values, changes.get(rung, 0.0)])
    return changes


def bench(folder: Path, seconds: float, report: Report) -> None:
    """Measure both variants, and the framework's own example, with nothing else at work."""
    table, values = folder / "bench.md", folder / "bench.json"
    put(table, "<!-- bench:begin -->\n<!-- bench:end -->\n")
    backends = ",".join(p.backend for p in panels() if not p.runs_on)
    arguments = ["bench", MEASURED, "--backends", backends, "--device", report.device]
    arguments += ["--rounds", "3", "--seconds", "0.2", "--epochs", "1"]
    try:
        triptych([*arguments, "--json", str(values), "--markdown", str(table)], {}, seconds, folder)
    except (TimeoutError, ChildProcessError) as error:
        report.missing[f"bench {MEASURED}"] = str(error)
    if values.exists():
        report.bench = json.loads(values.read_text("utf-8"))
        lines = table.read_text("utf-8").splitlines()
        report.bench_table = "\n".join(line for line in lines if "<!--" not in line).strip()


def gpu() -> str:
    """The card and its driver, as it says itself."""
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def check(
    folder: Path,
    device: str,
    architectures: Sequence[str],
    *,
    minutes: float,
    many: int,
    benched: bool = True,
) -> Report:
    """Record, hold and measure, all within so many minutes."""
    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    ends = began + 60 * minutes
    report = Report(device, gpu=gpu())
    todo = jobs(architectures, panels(), device)
    done = record(todo, folder, many, ends - (BENCH_SECONDS if benched else 0), report)
    hold(done, architectures, folder, report)
    if benched:
        bench(folder, ends - time.monotonic(), report)
    report.seconds = round(time.monotonic() - began, 1)
    return report


BENCH_SECONDS = 120.0
"""What is left of the time for the benchmark."""
