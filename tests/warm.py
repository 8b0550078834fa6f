"""Workers that have their framework from their first moment on.

A fork server (`shared.forking`) imports a backend once, and forks a child for each worker that a
test asks for. So a worker is a process of its own, as it is for a user, without an import of
seconds. What a framework reads while it is imported, such as where JAX keeps what it compiled, is
what the server was started with; everything else in a worker's environment is what its test gave.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from multiprocessing import context, forkserver, resource_tracker
from typing import Any

from keras_impl.engine.quiet import silent_stderr
from shared import forking
from shared.panels import PANELS

PREPARE = "TRIPTYCH_TEST_PREPARE"
"""The variable that names what a worker does before all else: MODULE:FUNCTION."""

MODULES = ("pytest", "shared.cli", "shared.parity.ladder", "tests.conftest", "tests.e2e.hurry")
"""What most workers of tests import besides their backend."""

LATER = {"torch": ["torch._dynamo"], "keras jax": ["tensorflow"], "keras torch": ["tensorflow"]}
"""What a framework imports itself, and takes seconds for, when it is first used."""


class Servers:
    """A fork server for each backend, and for each framework that Keras runs on, when needed."""

    def __init__(self) -> None:
        self._running: dict[str, forkserver.ForkServer] = {}

    def context(self, backend: str, /) -> context.BaseContext:
        """What starts processes with a backend, in the environment that there is now."""
        return _Context(self.start(backend, os.environ.get("KERAS_BACKEND", "tensorflow")))

    def start(self, backend: str, keras_on: str) -> forkserver.ForkServer:
        """The server of a backend, which is perhaps still importing it."""
        key = f"{backend} {keras_on}" if backend == "keras" else backend
        if key not in self._running:
            modules = [f"{PANELS[backend]}.engine.backend", *LATER.get(key, ()), *MODULES]
            with silent_stderr():
                self._running[key] = forking.serve(
                    modules, {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": keras_on}
                )
        return self._running[key]

    def addresses(self) -> dict[str, dict[str, Any]]:
        """Where the servers listen, for another process of the same tests."""
        return {
            key: {name: getattr(server, name, None) for name in _ADDRESS}
            for key, server in self._running.items()
        }

    def share(self, addresses: Mapping[str, Mapping[str, Any]]) -> None:
        """Use the servers that another process has started, as long as that one lives."""
        self._running |= {key: _Shared(address) for key, address in addresses.items()}


_ADDRESS = ("_forkserver_address", "_forkserver_authkey")


class _Shared(forkserver.ForkServer):
    """A server that another process has started, and ends."""

    def __init__(self, address: Mapping[str, Any]) -> None:
        super().__init__()
        vars(self).update(address)
        # What keeps a server alive is its own process's; a child is handed this in place of it.
        self._forkserver_alive_fd = os.open(os.devnull, os.O_RDONLY)

    def ensure_running(self) -> None:
        resource_tracker.ensure_running()


class _Process(forking.Process):
    """A child that does before all else what its test wants."""

    def run(self) -> None:
        if prepare := self._variables.get(PREPARE):
            os.environ.clear()
            os.environ.update(self._variables)
            module, _, function = prepare.partition(":")
            getattr(importlib.import_module(module), function)()
        super().run()


class _Context(forking.Context):
    process = _Process
