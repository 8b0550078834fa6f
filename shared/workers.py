"""One process a backend.

TensorFlow and torch's optimizers abort a process that holds both, and a framework of its own gives
fair timings and memory. A worker is a spawned process that stays until it is closed, so that a
framework is imported once; functions and arrays travel by pickle.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import BaseContext
from typing import Any, Self, TypeVar

from shared import forking, registry
from shared.errors import BackendMissingError, TriptychError, WorkerError

Result = TypeVar("Result")

SHARED_GPU = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
"""An environment in which JAX and TensorFlow take a GPU's memory as they need it.

By themselves JAX reserves three quarters of it and TensorFlow nearly all, and leave too little for
the worker beside them.
"""

ALONE = {
    "OMP_NUM_THREADS": "1",
    "NPROC": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    **SHARED_GPU,
}
"""An environment for workers that run at the same time: one thread each, and no reserved GPU.

Where workers share a few cores, and networks are small, threads wait for each other longer than
they compute.
"""

TUNED = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 31),
    "MALLOC_TOP_PAD_": str(64 << 20),
}
"""An environment in which the C library keeps memory that was freed, for the next step.

It gives large blocks back to the system at once otherwise, which then clears every page of them
anew: up to a third of a train step. And it asks for pages of 2 MiB instead of 4 KiB. Of the C
libraries only glibc reads these.
"""

COMPILED_ANEW = {"JAX_ENABLE_COMPILATION_CACHE": "false"}
"""An environment in which nothing is read that was compiled before."""


def environment(variant: str) -> dict[str, str]:
    """The environment of a worker that trains in a variant: see `shared.interface.VARIANTS`."""
    if variant != "tuned":
        return {}
    mine, theirs = TUNED["GLIBC_TUNABLES"], os.environ.get("GLIBC_TUNABLES")
    return {**TUNED, "GLIBC_TUNABLES": f"{theirs}:{mine}" if theirs else mine}


def _end_with_parent() -> None:
    """In a worker: end when the process that started it does, however that ends.

    A parent that is killed cannot say so, and a training of hours would go on for nobody.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def context(backend: str, /) -> BaseContext:  # noqa: ARG001
    """What starts a backend's process: anew, with nothing of this one in it."""
    return multiprocessing.get_context("spawn")


began_with: set[str] = set()
"""In a worker: the modules that were there before its backend was loaded."""


def _start(backend: str, whole: bool) -> float:
    """Import the backend in the worker; the seconds that it took."""
    began_with.update(sys.modules)
    began = time.perf_counter()
    registry.load(backend, whole=whole)
    return time.perf_counter() - began


_held: dict[str, Any] = {}
"""In a worker: the objects that it holds, by name, or why one could not be made."""


class _Failure(Exception):  # noqa: N818
    """An exception that cannot travel, as a text: its type and what it says."""


def _run(function: Callable[..., Result], arguments: tuple[Any, ...]) -> Result:
    """In a worker: call a function.

    An exception whose constructor takes other arguments than it keeps breaks the pool, when it is
    read at the other end. One that is no error, as `sys.exit` raises, would end the process that
    waits. What it says is sent in its place.
    """
    try:
        return function(*arguments)
    except BaseException as error:
        if _travels(error):
            raise
        raise _Failure(f"{type(error).__name__}: {error}") from None


def _travels(error: BaseException) -> bool:
    """Whether an exception can be read at the other end, and is an error there."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return False
    return isinstance(error, Exception)


def _hold(name: str, make: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        _held[name] = make(*arguments)
    except Exception as error:
        _held[name] = error
        raise


def _ask(name: str, method: str, arguments: tuple[Any, ...]) -> Any:
    held = _held[name]
    if isinstance(held, Exception):
        raise held
    return getattr(held, method)(*arguments)


def _drop(name: str) -> None:
    _held.pop(name, None)


class Worker:
    """A process that has one backend loaded. Use it in a `with` statement.

    Entering it begins the start and does not wait, so several can start at once.
    `startup_seconds` is the time from there until the framework was imported, `import_seconds` the
    import's part of it; they are known when `wait_until_ready` or the first result is.

    Args:
        backend: "torch", "flax" or "keras".
        environment: Environment variables that the process has beside this one's.
        whole: Whether the framework is imported as everybody imports it; else as quickly as can be,
            see `shared.registry.load`.
    """

    def __init__(
        self,
        backend: str,
        environment: Mapping[str, str] | None = None,
        *,
        whole: bool = True,
    ) -> None:
        self.backend = backend
        self.whole = whole
        self.startup_seconds: float | None = None
        self.import_seconds: float | None = None
        self._environment = dict(environment or {})
        self._last: Future[Any] | None = None

    def __enter__(self) -> Self:
        """Begin to start the process.

        Raises:
            BackendMissingError: the backend is not installed.
        """
        with forking.environment(self._environment):
            if registry.missing(self.backend):
                raise BackendMissingError(registry.explain_missing(self.backend))
            self._pool = ProcessPoolExecutor(1, context(self.backend), initializer=_end_with_parent)
            others = set(multiprocessing.active_children())
            began = time.perf_counter()
            self._started = self._pool.submit(_run, _start, (self.backend, self.whole))
            self._process = (set(multiprocessing.active_children()) - others).pop()
        self._started.add_done_callback(lambda _: self._note_startup(time.perf_counter() - began))
        return self

    def _note_startup(self, seconds: float) -> None:
        self.startup_seconds = seconds

    def wait_until_ready(self) -> None:
        """Wait until the framework is imported.

        Raises:
            WorkerError: the process ended or failed while it started.
        """
        self.import_seconds = self._outcome(self._started)

    def __exit__(self, *exception: object) -> None:
        """End the process; after an exception at once, without finishing its work.

        A framework takes up to a second to end by itself, and has nothing to put away.
        """
        if exception[0] is None and self._last is not None:
            wait([self._last])
        self._process.kill()
        self._pool.shutdown(cancel_futures=True)

    def submit(self, function: Callable[..., Result], *arguments: Any) -> Future[Result]:
        """Begin a call in the worker: a function of a module's top level, picklable arguments."""
        try:
            self._last = self._pool.submit(_run, function, arguments)
        except BrokenProcessPool as error:
            raise self._ended() from error
        return self._last

    def hold(self, name: str, make: Callable[..., Any], *arguments: Any) -> Future[None]:
        """Begin to make an object in the worker, which it then holds under a name."""
        return self.submit(_hold, name, make, arguments)

    def ask(self, name: str, method: str, *arguments: Any) -> Future[Any]:
        """Begin a call of a method of an object that the worker holds.

        Where the object could not be made, the result raises what its making raised.
        """
        return self.submit(_ask, name, method, arguments)

    def drop(self, name: str) -> Future[None]:
        """Let the worker forget an object, if it holds one of that name."""
        return self.submit(_drop, name)

    def result(self, future: Future[Result]) -> Result:
        """Wait for a call.

        Raises:
            TriptychError: what the call raised, if it is one.
            WorkerError: the call raised anything else, or the process ended.
        """
        self.wait_until_ready()
        return self._outcome(future)

    def _outcome(self, future: Future[Result]) -> Result:
        """A future's result, or its error as one of ours."""
        try:
            return future.result()
        except BrokenProcessPool as error:
            raise self._ended() from error
        except TriptychError:
            raise
        except Exception as error:
            kind = "" if isinstance(error, _Failure) else f"{type(error).__name__}: "
            raise WorkerError(f"the {self.backend} backend failed: {kind}{error}") from error

    def call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Call a function in the worker and wait; raises as `result` does."""
        return self.result(self.submit(function, *arguments))

    def _ended(self) -> WorkerError:
        """Say how the process ended."""
        # The pool's own thread asks for the status when the process ends, and one can ask for it
        # once: two that ask at a time may both learn a wrong one.
        self._pool.shutdown()
        code = self._process.exitcode
        if code is None:
            how = "ended, or answers no more"
        elif code < 0:
            how = f"was ended by signal {-code} ({signal.Signals(-code).name})"
        else:
            how = f"ended with status {code}"
        return WorkerError(f"the {self.backend} backend gave no result: its process {how}")
