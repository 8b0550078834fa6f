"""The ladder again and again: whenever a file of a panel is saved.

The frameworks stay imported in fork servers. A panel is imported anew in a child of its own after
each change, and of the other panels the evidence is kept: the verdict comes in seconds.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import NoReturn

from shared import caches, forking, registry, workers
from shared.errors import TriptychError
from shared.panels import PANELS
from shared.parity import kept, ladder, recipes, shards, sources
from shared.parity.checks import Outcome
from shared.parity.kept import Question
from shared.specs import Case, Spec
from shared.workers import ALONE

PAUSE = 0.2
"""Seconds from one look at the files to the next."""

ALSO = ("concurrent.futures.process", "numpy", "safetensors.numpy")
"""What every worker imports beside its framework."""

INSTALLED = "installed:"
"""What a package's name follows where a file's would stand."""

Say = Callable[[str], None]
Seen = dict[str, sources.State]

IMPORTED = "import shared.cli.run, shared.cli.parser, shared.parity.watch, shared.parity.table"
"""What a command that starts again imports at once."""


class _ChangedError(Exception):
    """A file was saved while the checks were on their way."""


class _AgainError(Exception):
    """What this process itself has imported has changed, or what the servers have."""


@dataclass(frozen=True)
class Stage:
    """A part of what is asked, with a verdict of its own."""

    name: str
    question: Question
    cases: Sequence[tuple[Spec, Case]]


@dataclass
class Watch:
    """What is climbed after every change.

    Args:
        specs: The architectures.
        question: What is asked of them in the end; what can be known sooner is told first.
        backends: Those to compare.
        say: Prints a line.
        show: Prints what an outcome has of failures.
        fresh: Whether to keep evidence no longer than this process runs.
    """

    specs: Sequence[Spec]
    question: Question
    backends: Sequence[str]
    say: Say
    show: Callable[[Outcome], None]
    fresh: bool = False
    _servers: dict[str, forkserver.ForkServer] = field(default_factory=dict)
    _seen: Seen = field(default_factory=dict)
    _pending: set[str] = field(default_factory=set)

    def run(self) -> NoReturn:
        """Climb, wait for a change, and climb again, until somebody interrupts.

        Raises:
            KeyboardInterrupt: somebody did.
        """
        try:
            self._watch()
        except _AgainError:
            sys.stdout.flush()
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])

    def _watch(self) -> NoReturn:
        """Climb, wait and climb again, with servers that end with it."""
        with ExitStack() as stack:
            if self.fresh or caches.evidence_directory() is None:
                folder = stack.enter_context(tempfile.TemporaryDirectory())
                stack.enter_context(forking.environment({caches.EVIDENCE: folder}))
            stack.enter_context(_interruptible())
            stack.enter_context(self._forking())
            self._seen = look()
            changed = ""
            while True:
                self._round(changed)
                changed = self._wait()

    def _round(self, changed: str) -> None:
        """Everything once, unless files are saved meanwhile."""
        while True:
            if changed:
                self.say(f"{changed} changed")
            try:
                self._climb()
            except _ChangedError:
                changed = self._wait()
            except TriptychError as error:  # a file that has gone, say
                self.say(str(error))
                return
            else:
                return

    def _climb(self) -> None:
        """The stages, until one is not proved."""
        for stage in stages(self.specs, self.question):
            began = time.perf_counter()
            outcome = self._outcome(stage)
            self.show(outcome)
            seconds = time.perf_counter() - began
            self.say(f"{stage.name}: {verdict(outcome)}, in {seconds:.1f} s")
            if not outcome.proved:
                return

    def _outcome(self, stage: Stage) -> Outcome:
        question = stage.question
        outcome = Outcome(device=question.device, precision=question.precision)
        for _ in ladder.climbing(
            outcome,
            stage.cases,
            question.dtypes,
            backends=self.backends,
            trainings=question.trainings,
            variants=question.variants,
            keeps=True,
            report=lambda _: self._interrupt(),
        ):
            pass
        return outcome

    def _interrupt(self) -> None:
        """Leave the checks where they are when a file was saved."""
        if look() != self._seen:
            raise _ChangedError

    def _wait(self) -> str:
        """Wait until files are saved that can be read as Python; their names."""
        while True:
            now = look()
            if now == self._seen:
                time.sleep(PAUSE)
                continue
            while (later := look()) != now:  # more are being saved
                now = later
                time.sleep(PAUSE / 4)
            self._pending |= {n for n in {*now, *self._seen} if now.get(n) != self._seen.get(n)}
            self._seen = now
            if text := self._ready():
                return text

    def _ready(self) -> str:
        """What was saved, where all of it can be read; else nothing, and why is told.

        What was saved before counts until then: of `shared`, perhaps, while a panel was wrong.
        """
        names = sorted(self._pending)
        problems = [problem for name in names if (problem := unreadable(name))]
        again = any(name.startswith(("shared/", INSTALLED)) for name in names)
        if again and not problems:
            problems = unimportable()
        for problem in problems:
            self.say(problem)
        if problems:
            return ""
        self._pending.clear()
        if again:
            self.say(f"{_listed(names)} changed: starting again")
            raise _AgainError
        return _listed(names)

    @contextmanager
    def _forking(self) -> Iterator[None]:
        """Workers are forked from servers, which begin to import at once."""
        before = workers.context
        usable, _ = registry.usable(self.backends)
        for backend in usable:
            modules = [f"{PANELS[backend]}.engine.forked", *ALSO]
            self._servers[backend] = forking.serve(modules, ALONE)
        workers.context = self._context
        try:
            yield
        finally:
            workers.context = before
            for server in self._servers.values():
                forking.end(server)

    def _context(self, backend: str, /) -> BaseContext:
        return forking.Context(self._servers[backend])


def stages(specs: Sequence[Spec], question: Question) -> list[Stage]:
    """What is asked one after the other: what passes through the networks first, then all.

    Of several cases the smallest whole networks come first of all. What a stage has made, the next
    one reads.
    """
    exact = "float64" if "float64" in question.dtypes else question.dtypes[0]
    passes = replace(question, dtypes=(exact,), trainings=False, variants=False)
    every = shards.cases(specs)
    few = [(spec, case) for spec, case in every if case == recipes.smallest(spec)]
    smallest = "the smallest network's" if len(few) == 1 else "the smallest networks'"
    named = [
        Stage(f"{smallest} passes in {exact}", passes, few if len(few) < len(every) else ()),
        Stage(f"passes in {exact}", passes, every if passes != question else ()),
        Stage("all that is asked", question, every),
    ]
    return [stage for stage in named if stage.cases]


def verdict(outcome: Outcome) -> str:
    """How the checks of an outcome ended, in a few words."""
    counts = {
        "passed": outcome.count("passed"),
        "bounded by a stated cause": outcome.count("bounded"),
        "failed": outcome.count("failed"),
        "missing": outcome.count("missing"),
    }
    told = [f"{n:,} {how}" for how, n in counts.items() if n or how == "passed"]
    return f"{len(outcome.checks):,} checks, {', '.join(told)}"


def look() -> Seen:
    """What tells that a file of the panels or of `shared` was written.

    And what is installed: the servers have what was there when they started.
    """
    seen = sources.states()
    for distribution in kept.installed():
        folder, _, installed = distribution.rpartition(" ")
        seen[f"{INSTALLED} {Path(folder).name}"] = (0, 0, int(installed), 0)
    return seen


def unreadable(name: str) -> str:
    """Why a file that was saved is no Python, in one line; else nothing."""
    if name.startswith(INSTALLED):
        return ""
    path = sources.files(name.partition("/")[0]).get(name)
    if path is None or path.suffix != ".py":
        return ""
    try:
        compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        return f"{name}:{error.lineno}: {error.msg}"
    except (OSError, ValueError) as error:
        return f"{name}: {error}"
    return ""


def unimportable() -> list[str]:
    """Why this command could not start again, in one line; else nothing."""
    run = subprocess.run(
        [sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=False
    )
    return run.stderr.strip().splitlines()[-1:] if run.returncode else []


@contextmanager
def _interruptible() -> Iterator[None]:
    """A context that any request to end leaves as Ctrl-C does: nothing stays behind."""

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    asked = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = [signal.signal(each, interrupt) for each in asked]
    try:
        yield
    finally:
        for each, handler in zip(asked, before, strict=True):
            signal.signal(each, handler)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more files" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"
