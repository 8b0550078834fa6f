"""One process a backend.

TensorFlow and torch's optimizers abort a process that holds both, and a framework of its own gives
fair timings and memory. A worker is a spawned process that stays until it is closed, so that a
framework is imported once; functions and arrays travel by pickle.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, Self, TypeVar

from shared import registry
from shared.errors import TriptychError, WorkerError

Result = TypeVar("Result")


@contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for a process that is started meanwhile."""
    before = {key: os.environ.get(key) for key in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value


def _start(backend: str) -> int:
    """Import the backend in the worker, and say which process it is."""
    registry.load(backend)
    return os.getpid()


class Worker:
    """A process that has one backend loaded. Use it in a `with` statement.

    `startup_seconds` is the time from the process's start until its framework was imported.
    """

    def __init__(self, backend: str, environment: Mapping[str, str] | None = None) -> None:
        self.backend = backend
        self._environment = dict(environment or {})
        self._process: Any = None
        self.startup_seconds = 0.0

    def __enter__(self) -> Self:
        """Start the process.

        Raises:
            BackendMissingError: the backend is not installed.
            WorkerError: the process ended or failed while it started.
        """
        self._pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
        before = time.perf_counter()
        try:
            with _environment(self._environment):
                pid = self.call(_start, self.backend)
        except BaseException:
            self._pool.shutdown(cancel_futures=True)
            raise
        self.startup_seconds = time.perf_counter() - before
        children = {child.pid: child for child in multiprocessing.active_children()}
        self._process = children.get(pid)
        return self

    def __exit__(self, *exception: object) -> None:
        """End the process, without waiting for work that nobody waits for."""
        if exception[0] is not None and self._process is not None:
            self._process.terminate()
        self._pool.shutdown(cancel_futures=True)

    def submit(self, function: Callable[..., Result], *arguments: Any) -> Future[Result]:
        """Begin a call in the worker: a function of a module's top level, picklable arguments."""
        try:
            return self._pool.submit(function, *arguments)
        except BrokenProcessPool as error:
            raise self._ended() from error

    def result(self, future: Future[Result]) -> Result:
        """Wait for a call.

        Raises:
            TriptychError: what the call raised, if it is one.
            WorkerError: the call raised anything else, or the process ended.
        """
        try:
            return future.result()
        except BrokenProcessPool as error:
            raise self._ended() from error
        except TriptychError:
            raise
        except Exception as error:
            raise WorkerError(
                f"the {self.backend} backend failed: {type(error).__name__}: {error}"
            ) from error

    def call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Call a function in the worker and wait; raises as `result` does."""
        return self.result(self.submit(function, *arguments))

    def _ended(self) -> WorkerError:
        """Say how the process ended."""
        how = "its process ended"
        if self._process is not None:
            self._process.join(5)
            code = self._process.exitcode
            if code is not None and code < 0:
                how = f"its process was ended by signal {-code} ({signal.Signals(-code).name})"
            elif code is not None:
                how = f"its process ended with status {code}"
        return WorkerError(f"the {self.backend} backend gave no result: {how}")
