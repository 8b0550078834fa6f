"""What keeps TensorFlow's notices from the terminal, which it writes while it is imported."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
"""The variable that TensorFlow reads while it is imported. Whoever sets it sees everything."""


@contextmanager
def quietly() -> Iterator[None]:
    """A context in which TensorFlow is imported without notices, unless the user has set its level.

    The level is set for the import alone: a process that is started later would take it for the
    user's choice.
    """
    if LEVEL in os.environ:
        yield
        return
    os.environ[LEVEL] = "3"
    try:
        with silent_stderr():
            yield
    finally:
        os.environ.pop(LEVEL, None)


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Keep TensorFlow's notices from the terminal.

    It writes about its build and about GPUs that are not there straight to the file descriptor, in
    part before it reads its log level. Python's exceptions still come through.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
