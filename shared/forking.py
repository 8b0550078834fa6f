"""Processes that have their framework from their first moment on.

A fork server of `multiprocessing` imports a framework once, and forks a child for each process that
is asked for. What a framework reads while it is imported is what the server was started with;
everything else in a child's environment is what there is when it is asked for.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver, popen_forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any, ClassVar

from shared.panels import PANELS

PROJECT = {"shared", "triptych", *PANELS.values()}
"""The packages of this project."""


def serve(modules: Sequence[str], variables: Mapping[str, str]) -> forkserver.ForkServer:
    """Start a server that imports modules, with these environment variables beside what there is.

    It does not wait for the imports. The server ends with this process.
    """
    server = forkserver.ForkServer()
    server.set_forkserver_preload([*modules])
    with environment(variables):
        server.ensure_running()
    return server


@contextmanager
def environment(changes: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for a while, and for a process that is started meanwhile."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def end(server: forkserver.ForkServer) -> None:
    """End a server and all of its children at once, whatever they are doing."""
    process = server._forkserver_pid  # type: ignore[attr-defined]
    if process is not None:
        for kill in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError):
                kill(process, signal.SIGKILL)


def forget_project() -> None:
    """In a server: let every child import this project anew, and so as it is on the disk then.

    The server and its children are a group of their own: a terminal interrupts this process alone,
    which ends them.
    """
    os.setpgid(0, 0)
    os.register_at_fork(after_in_child=_forget)


def _forget() -> None:
    # Python takes bytecode for a file's if both are of one second and one size: saved twice, say.
    sys.dont_write_bytecode = True
    for name in [*sys.modules]:
        if name.partition(".")[0] in PROJECT:
            del sys.modules[name]


class Process(ForkServerProcess):
    """A child of a server, in the environment that there was when it was made."""

    def __init__(self, server: forkserver.ForkServer, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.server: forkserver.ForkServer | None = server
        self._variables = dict(os.environ)

    @staticmethod
    def _Popen(process: Process) -> _Popen:  # type: ignore[override]  # noqa: N802
        return _Popen(process)

    def run(self) -> None:
        """In the child: take over the environment, and do what it was made for."""
        os.environ.clear()
        os.environ.update(self._variables)
        super().run()


class Context(ForkServerContext):
    """What starts processes from a server."""

    process: ClassVar[type[Process]] = Process

    def __init__(self, server: forkserver.ForkServer) -> None:
        super().__init__()
        self._server = server

    def Process(self, *arguments: Any, **options: Any) -> Process:  # type: ignore[override]  # noqa: N802
        """A process that is not started yet."""
        return self.process(self._server, *arguments, **options)


class _Popen(popen_forkserver.Popen):
    def _launch(self, process: Process) -> None:
        server, process.server = process.server, None  # the child has no use for it
        assert server is not None
        with _connecting_to(server):
            super()._launch(process)  # type: ignore[misc]


@contextmanager
def _connecting_to(server: forkserver.ForkServer) -> Iterator[None]:
    """A context in which `multiprocessing` asks this server, and not its own one."""
    before = forkserver.connect_to_new_process
    forkserver.connect_to_new_process = server.connect_to_new_process
    try:
        yield
    finally:
        forkserver.connect_to_new_process = before
