"""What was compiled, and evidence, is kept for the next run, in the user's cache folder.

XLA, which JAX compiles with, takes seconds for a train step, and a tenth of that to read what it
compiled before. PyTorch and TensorFlow compile nothing here that could be kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from shared import machine

VARIABLE = "TRIPTYCH_COMPILATION_CACHE"
"""The environment variable that names another folder; "off" keeps nothing."""


EVIDENCE = "TRIPTYCH_EVIDENCE_CACHE"
"""The environment variable that names another folder for evidence; "off" keeps none."""

LIMIT = 2 << 30
"""Bytes of evidence that are kept; what was used longest ago goes first."""

KINDS = ("evidence", "compiled")
"""What is kept, as a command calls it."""

_OURS = {
    "evidence": re.compile(r"[0-9a-f]{64}\.(safetensors|json)(\.partial)?"),
    "compiled": re.compile(r"[0-9a-f]{16}"),
}
"""The names that are given here: whatever else is in a folder is somebody else's."""


@dataclass(frozen=True)
class Stored:
    """What is kept of a kind: where, how many files, of how many bytes, and of how many at most."""

    kind: str
    folder: Path | None
    files: int
    size: int
    limit: int | None


def evidence_directory() -> Path | None:
    """Where evidence is kept; None if it is not to be. `shared.parity.kept` uses it."""
    return _root(EVIDENCE, "evidence")


def _root(variable: str, name: str) -> Path | None:
    """The folder that a variable names, or one in the user's cache folder; None for "off"."""
    chosen = os.environ.get(variable, "")
    if chosen == "off":
        return None
    return (
        Path(chosen).absolute() if chosen else Path(platformdirs.user_cache_dir("triptych")) / name
    )


def stored() -> list[Stored]:
    """What is kept now, of each kind."""
    rows = []
    for kind in KINDS:
        sizes = [size for _, size, _ in _files(kind)]
        limit = LIMIT if kind == "evidence" else None
        rows.append(Stored(kind, _folder(kind), len(sizes), sum(sizes), limit))
    return rows


def clear(kind: str) -> int:
    """Remove all that is kept of a kind, and nothing else; the bytes that it had.

    Raises:
        OSError: a file cannot be removed.
    """
    removed = 0
    for _, size, path in _files(kind):
        path.unlink(missing_ok=True)
        removed += size
    return removed


def prune(limit: int = LIMIT) -> None:
    """Remove the evidence that was used longest ago until the rest is within a limit of bytes.

    Checks go last: they are small, and what spares a whole case where nothing changed.
    """
    rows = sorted(_files("evidence"), key=lambda row: (row[2].suffix == ".json", row[0]))
    total = sum(size for _, size, _ in rows)
    for _, size, path in rows:
        if total <= limit:
            return
        with contextlib.suppress(OSError):
            path.unlink()
            total -= size


def _folder(kind: str) -> Path | None:
    return evidence_directory() if kind == "evidence" else _root(VARIABLE, "compiled")


def _files(kind: str) -> Iterator[tuple[int, int, Path]]:
    """When each file was used last, in nanoseconds, its size and its path."""
    folder = _folder(kind)
    if folder is None or not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if not _OURS[kind].fullmatch(path.name):
            continue
        for file in [path] if path.is_file() else path.rglob("*"):
            with contextlib.suppress(OSError):
                if file.is_file():
                    seen = file.stat()
                    yield seen.st_mtime_ns, seen.st_size, file


def directory() -> Path | None:
    """Where this machine's compiled steps are; None if they are not to be kept.

    Machine code of one processor may stop on another, and a home may be shared by several: each
    kind of processor has a folder of its own.
    """
    root = _root(VARIABLE, "compiled")
    if root is None:
        return None
    kind = "\n".join([platform.machine(), *machine.processor_lines("model name", "flags")])
    return root / hashlib.sha256(kind.encode()).hexdigest()[:16]


def keep() -> None:
    """Have this process, and those that it starts, keep what they compile.

    To be called before a framework is imported. Where nothing can be written nothing is kept, and
    what somebody has set for JAX stays as it is.
    """
    folder = directory()
    if folder is None or "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if os.access(folder, os.W_OK):
        for name, value in environment(folder).items():
            os.environ.setdefault(name, value)


def environment(folder: Path) -> dict[str, str]:
    """The variables with which JAX keeps what it compiles in a folder."""
    return {
        "JAX_COMPILATION_CACHE_DIR": str(folder),
        # JAX's own threshold of a second leaves out evaluation steps, most of inference, and what
        # the ladder has many of.
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1",
    }
