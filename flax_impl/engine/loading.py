"""How the registry gets this panel: JAX is imported here, and no sooner."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from shared.interface import Backend

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
"""The variable that JAX sets while it is imported, for its own libraries, which read it then."""


def load(*, whole: bool = True) -> Backend:  # noqa: ARG001
    """Import JAX and Flax, and what ties them to `shared`.

    They import nothing that a process could do without, be it `whole` or not.
    """
    with _level_kept():
        from flax_impl.engine.backend import BACKEND
    return BACKEND


def framework() -> None:
    """Import JAX, Flax and optax alone."""
    with _level_kept():
        import optax  # noqa: F401


@contextmanager
def _level_kept() -> Iterator[None]:
    """A context in which JAX is imported, and the log level stays what the user has it.

    A process that is started later would take JAX's for the user's choice: Keras's does.
    """
    chosen = LEVEL in os.environ
    try:
        yield
    finally:
        if not chosen:
            os.environ.pop(LEVEL, None)
