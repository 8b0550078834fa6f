"""This machine: what it is, what memory a process took, who else is at work, how fast it is."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PROCESSES = Path("/proc")
"""Where Linux tells of its processes; other systems have no such thing."""

MOST_FOREIGN = 10.0
"""Percent of the machine's CPU time that others may take before figures are doubted."""

_IDLE, _WAITING, _GUEST = 3, 4, 8  # columns of /proc/stat's first line
_PARENT, _TIMES = 1, slice(11, 15)  # fields of /proc/PID/stat after the name in brackets


def describe() -> dict[str, str | int | None]:
    """System, processor, CPUs and Python, for people and for JSON."""
    return {
        "system": platform.platform(),
        "processor": _processor() or platform.processor() or platform.machine(),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
    }


def libraries(versions: Mapping[str, str]) -> str:
    """Libraries with their versions, as a sentence has them: "jax 0.10.2, flax 0.12.8"."""
    return ", ".join(f"{library} {version}" for library, version in versions.items())


def _processor() -> str | None:
    """The processor's name as Linux has it."""
    lines = processor_lines("model name")
    return lines[0].partition(":")[2].strip() if lines else None


def processor_lines(*keys: str) -> list[str]:
    """What Linux says of the first processor under these keys, a line each; else nothing."""
    try:
        text = (PROCESSES / "cpuinfo").read_text("utf-8")
    except OSError:
        return []
    first = text.split("\n\n")[0].splitlines()
    return [line for line in first if line.partition(":")[0].strip() in keys]


def peak_memory_mib() -> float | None:
    """The most memory that this process ever held, in MiB; None where the system does not say.

    On Linux it is the most since `forget_peak_memory`.
    """
    status = PROCESSES / "self" / "status"
    if status.exists():  # Linux: getrusage there counts what the parent held at the start
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**2 if sys.platform == "darwin" else 1024)


def forget_peak_memory() -> bool:
    """Let `peak_memory_mib` begin anew from what the process holds; whether that can be done."""
    try:
        (PROCESSES / "self" / "clear_refs").write_text("5")
    except OSError:
        return False
    return True


@dataclass(frozen=True)
class Used:
    """CPU seconds so far: of the whole machine, and of this process with all its descendants."""

    everybody: float
    own: float


def cpu_seconds(root: Path = PROCESSES, own: int | None = None) -> Used | None:
    """CPU time so far, of all CPUs together; None where the system does not say."""
    try:
        total = [int(word) for word in (root / "stat").read_text().splitlines()[0].split()[1:]]
        tick = 1 / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, AttributeError, IndexError):
        return None
    # Idle, and waiting for a disk, is nobody's; a guest's time is counted in its host's too.
    busy = sum(total[:_GUEST]) - total[_IDLE] - total[_WAITING]
    parents: dict[int, int] = {}
    used: dict[int, int] = {}
    for folder in root.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        number = int(folder.name)
        parents[number] = int(fields[_PARENT])
        # With that of its children that ended: what they used must not become foreign.
        used[number] = sum(map(int, fields[_TIMES]))
    mine = {own or os.getpid()}
    while more := {number for number, parent in parents.items() if parent in mine} - mine:
        mine |= more
    return Used(busy * tick, sum(used.get(number, 0) for number in mine) * tick)


@dataclass
class ForeignLoad:
    """How much of the machine others used while we measured.

    `watch` is put around what is measured. `share` is the CPU time that was spent by no process of
    ours, in percent of all CPUs' time; None where the system does not say.
    """

    read: Callable[[], Used | None] = cpu_seconds
    clock: Callable[[], float] = time.perf_counter
    cpus: int = os.cpu_count() or 1
    foreign_seconds: float = 0.0
    seconds: float = 0.0
    known: bool = True

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Add what happens meanwhile."""
        before, began = self.read(), self.clock()
        yield
        after, ended = self.read(), self.clock()
        if before is None or after is None:
            self.known = False
            return
        busy, own = after.everybody - before.everybody, after.own - before.own
        # The kernel counts in hundredths of a second, and not both at the same moment.
        self.foreign_seconds += max(busy - own, 0.0)
        self.seconds += ended - began

    def add(self, other: ForeignLoad) -> None:
        """Add what was seen elsewhere."""
        self.foreign_seconds += other.foreign_seconds
        self.seconds += other.seconds
        self.known &= other.known

    @property
    def share(self) -> float | None:
        """In percent."""
        if not self.known or not self.seconds:
            return None
        return 100.0 * self.foreign_seconds / (self.cpus * self.seconds)


def is_disturbed(share: float | None) -> bool:
    """Whether others took so much of the machine, in percent, that figures may be wrong."""
    return share is not None and share > MOST_FOREIGN


def disturbance(share: float | None) -> list[str]:
    """What is said where others took so much: one sentence, or none."""
    if share is None or not is_disturbed(share):
        return []
    return [
        f"WARNING: other processes took {share:.0f} % of the machine's CPU time while this ran, "
        f"where {MOST_FOREIGN:.0f} % is much: measure again on a quiet machine"
    ]


def product_rate(
    dtype: str = "float32",
    *,
    size: int = 2048,
    times: int = 3,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Floating-point operations a second in a product of two matrices by NumPy, the best of some.

    The first product also starts the library's threads.
    """
    left, right = np.ones((2, size, size), dtype)
    out = np.empty_like(left)
    best = float("inf")
    for _ in range(times):
        began = clock()
        np.matmul(left, right, out=out)
        best = min(best, clock() - began)
    return 2 * size**3 / best
