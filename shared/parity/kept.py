"""Evidence that is kept for the next run, and the checks that were made of it.

Everything that evidence depends on is in its key: the sources of the panel and of `shared`, what is
installed, the environment, the machine, and what was asked for. What depends on anything else is
made anew, so nothing is read that would come out otherwise today. What a backend makes with files
from elsewhere, which a panel has imported, is not kept. What is changed within an installed
library, without installing it, is not seen: that is what `--fresh` is for.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import shared
from shared import caches, formats, machine, strict
from shared.errors import EvidenceError, TriptychError
from shared.panels import PANELS
from shared.parity import evidence, saved, sources
from shared.parity.checks import Check
from shared.parity.evidence import CaseEvidence, Evidence
from shared.specs import Case, Spec
from shared.writing import put

SHARE = 4
"""Evidence larger than the limit divided by this is not kept: it would drive out all other."""

OF_NO_CONCERN = (
    "_",
    "COLORTERM",
    "COLUMNS",
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
    "HISTFILE",
    "LESS",
    "LINES",
    "LS_COLORS",
    "NO_COLOR",
    "OLDPWD",
    "PAGER",
    "PS1",
    "PWD",
    "SHLVL",
    "TERM",
    "TERM_PROGRAM",
    "TERM_PROGRAM_VERSION",
    "TERM_SESSION_ID",
    "TMUX",
    "TMUX_PANE",
    "WINDOWID",
    "XAUTHORITY",
    caches.EVIDENCE,
)
"""Environment variables that a terminal changes and no framework reads."""

SOURCES = ("triptych", *sources.PACKAGES)
"""The packages whose files evidence depends on."""

COARSE = 0.01
"""Seconds by which the time of a file may be before the clock's."""

GPUS = Path("/proc/driver/nvidia")


@dataclass(frozen=True)
class Question:
    """What is asked of every backend in a run: the same for all of its cases."""

    dtypes: tuple[str, ...]
    device: str
    precision: str
    trainings: bool
    variants: bool


@dataclass
class Kept:
    """Evidence of earlier runs in a folder.

    Made before the workers start: what is written was made by the sources that were there then.
    """

    folder: Path
    """Of `shared.caches.evidence_directory`."""
    question: Question
    limit: int = caches.LIMIT
    used: int = 0
    """How much evidence was read, of a backend and a case."""
    _bases: dict[str, str] = field(default_factory=dict)
    _states: dict[str, sources.State] = field(default_factory=dict)
    _around: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._states = sources.states(SOURCES)
        self._around = _surroundings(self.question.device)
        self._bases = {name: _base(name, self.question, self._around) for name in PANELS}

    def key(self, backend: str, spec: Spec, case: Case) -> str:
        """Of a backend's evidence of a case."""
        about = [self._bases[backend], spec.name, repr(spec.task), repr(spec.cases), repr(case)]
        return hashlib.sha256(json.dumps(about).encode()).hexdigest()

    def lacking(self, backends: Sequence[str], cases: Sequence[tuple[Spec, Case]]) -> list[str]:
        """The backends of which some evidence is to be made."""
        lacks = set()
        for spec, case in cases:
            keys = {name: self.key(name, spec, case) for name in backends}
            if not self._checks(keys).exists():
                lacks |= {name for name, key in keys.items() if not self._evidence(key).exists()}
        return [name for name in backends if name in lacks]

    def notice(self, asked: int) -> str:
        """How much of the evidence that a run asked for was not made by it."""
        return (
            f"{self.used} of {asked} pieces of evidence, one for each backend and case, are of "
            "earlier runs of the same sources, libraries and machine; --fresh makes all anew"
        )

    def read(self, key: str) -> tuple[CaseEvidence, dict[str, str]] | None:
        """Evidence, and the versions it was made with; None if there is none that is whole."""
        path = self._evidence(key)
        try:
            whole = evidence.read(path)
            if whole.run != key:
                raise EvidenceError(f"{path} is evidence of another question")
            _touch(path)
        except (TriptychError, OSError, *formats.UNREADABLE):
            self._drop(path)
            return None
        self.used += 1
        return next(iter(whole.cases.values())), whole.versions

    def write(self, key: str, spec: Spec, case: CaseEvidence, versions: Mapping[str, str]) -> None:
        """Keep evidence, unless there is too much of it."""
        size = sum(array.nbytes for arrays in case.arrays.values() for array in arrays.values())
        if size > 2 * self.limit / SHARE:  # before equal arrays are stored once
            return
        asked = self.question
        whole = Evidence(
            spec.name,
            case.backend,
            dict(versions),
            asked.device,
            asked.precision,
            {},
            {case.label: case},
            key,
        )
        with contextlib.suppress(TriptychError, OSError):
            path = self._evidence(key)
            path.parent.mkdir(parents=True, exist_ok=True)
            evidence.write(path, whole)
            if path.stat().st_size > self.limit / SHARE:
                self._drop(path)
            caches.prune(self.limit)

    def keep(
        self,
        keys: Mapping[str, str],
        spec: Spec,
        new: Mapping[str, CaseEvidence],
        checks: Sequence[Check],
        versions: Mapping[str, Any],
    ) -> None:
        """Keep what a run made of a case, if everything is still as it was when the run began.

        `checks` are none where some backend gave no evidence.
        """
        if sources.states(SOURCES) != self._states or self._is_older_than_its_sources():
            return
        if _surroundings(self.question.device) != self._around:
            return
        for name, case in new.items():
            self.write(keys[name], spec, case, versions[name])
        if checks:
            self.write_checks(keys, checks, versions)

    def checks(self, keys: Mapping[str, str]) -> tuple[list[Check], dict[str, Any]] | None:
        """The checks of this evidence of a case, by backend, and the versions of the backends."""
        path = self._checks(keys)
        try:
            value = json.loads(path.read_text("utf-8"))
            if value["sum"] != strict.digest([value["checks"], value["versions"]]):
                raise ValueError(path)
            rows = [saved.check(row, self.question.dtypes) for row in value["checks"]]
            _touch(path)
        except FileNotFoundError:
            return None
        except formats.UNREADABLE:
            self._drop(path)
            return None
        self.used += len(keys)
        return rows, value["versions"]

    def write_checks(
        self, keys: Mapping[str, str], checks: Sequence[Check], versions: Mapping[str, Any]
    ) -> None:
        """Keep the checks of evidence of which nothing is missing."""
        rows, of = [asdict(check) for check in checks], {name: versions[name] for name in keys}
        # As JSON has them: a tuple comes back as a list.
        rows, of = json.loads(json.dumps([rows, of]))
        with contextlib.suppress(TriptychError, OSError):
            path = self._checks(keys)
            path.parent.mkdir(parents=True, exist_ok=True)
            whole = {"checks": rows, "versions": of, "sum": strict.digest([rows, of])}
            put(path, json.dumps(whole))

    def _is_older_than_its_sources(self) -> bool:
        """Whether this process may have imported what was there before something was saved."""
        own = (state for name, state in self._states.items() if name.startswith("shared/"))
        return any(changed / 1e9 > shared.STARTED - COARSE for *_, changed in own)

    def _evidence(self, key: str) -> Path:
        return self.folder / f"{key}.safetensors"

    def _checks(self, keys: Mapping[str, str]) -> Path:
        name = hashlib.sha256(json.dumps([*keys.items()]).encode()).hexdigest()
        return self.folder / f"{name}.json"

    def _drop(self, path: Path) -> None:
        with contextlib.suppress(OSError):
            path.unlink()


def _touch(path: Path) -> None:
    """Note that a file was used; where nothing can be written, it was not."""
    with contextlib.suppress(OSError):
        os.utime(path)


def opened(question: Question) -> Kept | None:
    """The user's kept evidence; None if it is off, or a GPU cannot be told from another."""
    folder = caches.evidence_directory()
    if folder is None or (question.device != "cpu" and not _gpus()):
        return None
    return Kept(folder, question)


def _base(backend: str, question: Question, around: Mapping[str, Any]) -> str:
    """A digest of all that a backend's evidence depends on, beside the case."""
    about = {
        "backend": backend,
        "formats": formats.FORMATS,
        "question": asdict(question),
        "sources": sources.digest(("shared", "triptych", PANELS[backend])),
        **around,
    }
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def _surroundings(device: str) -> dict[str, Any]:
    """This process's environment and this machine."""
    variables = {n: value for n, value in os.environ.items() if n not in OF_NO_CONCERN}
    return {
        "environment": variables,
        "path": sys.path,
        "installed": installed(),
        "python": [sys.version, sys.executable, [*sys.flags], sys.warnoptions, sys._xoptions],
        "machine": [platform.platform(), *machine.processor_lines("model name", "flags")],
        "cpus": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "gpus": [] if device == "cpu" else _gpus(),
        "keras": _keras_settings(),
    }


def _keras_settings() -> str:
    """What Keras reads from the user's home: its own defaults, such as the dtype."""
    home = os.environ.get("KERAS_HOME")
    folder = Path(home) if home else Path.home() / ".keras"
    try:
        return (folder / "keras.json").read_text("utf-8", errors="replace")
    except OSError:
        return ""


def installed() -> list[str]:
    """Every distribution on the path, with its version and when it was installed."""
    return sorted(set(_distributions()))


def _distributions() -> Iterator[str]:
    for folder in sys.path:
        with contextlib.suppress(OSError):
            for entry in os.scandir(folder or "."):
                if entry.name.endswith((".dist-info", ".egg-info", ".egg-link")):
                    yield f"{entry.path} {entry.stat().st_mtime_ns}"


def _gpus() -> list[str]:
    """What the driver of NVIDIA's GPUs says of itself and of them."""
    texts = []
    for path in [GPUS / "version", *sorted(GPUS.glob("gpus/*/information"))]:
        with contextlib.suppress(OSError):
            texts.append(path.read_text("utf-8"))
    return texts
