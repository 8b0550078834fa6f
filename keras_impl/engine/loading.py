"""How the registry gets this panel: Keras and its framework are imported here, and no sooner."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache

from keras_impl.engine.quiet import LEVEL, quietly
from shared.interface import Backend

SPARED = ("matplotlib", "IPython", "jax")
"""What Keras and TensorFlow import where it is installed: for pictures, and for TensorFlow Lite.

Two of seven seconds. What is not there they do without.
"""


def load(*, whole: bool = True) -> Backend:
    """Import Keras and its framework, and what ties them to `shared`, without their notices.

    `whole` is False for a process in which nobody asks Keras for pictures.
    """
    with nullcontext() if whole else _sparing():
        return _loaded()


def framework() -> None:
    """Import Keras and its framework alone, sparing what pictures need."""
    with _sparing(), quietly():
        import keras  # noqa: F401


@cache
def _loaded() -> Backend:
    if LEVEL in os.environ:
        from keras_impl.engine.backend import BACKEND

        return BACKEND
    with quietly():
        from keras_impl.engine.backend import BACKEND

        BACKEND.devices()
    logging.getLogger("tensorflow").addFilter(_is_no_false_alarm)
    return BACKEND


@contextmanager
def _sparing() -> Iterator[None]:
    """A context in which packages that are not imported yet are as if they were not installed."""
    needed = os.environ.get("KERAS_BACKEND")  # JAX, perhaps
    hidden = [name for name in SPARED if name not in sys.modules and name != needed]
    sys.modules |= dict.fromkeys(hidden)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


_RECORDED_ONCE = ("KerasModel.", "TunedTrainer.", "TensorFlowTrainer._make_function.")


def _is_no_false_alarm(record: logging.LogRecord) -> bool:
    """Whether TensorFlow's notice is not one of a function that is traced again and again.

    It counts how often a piece of code is traced. Here the same code makes one function for each
    network, and each of them is traced once.
    """
    message = record.getMessage()
    ours = any(f"calls to <function {name}" in message for name in _RECORDED_ONCE)
    return not (ours and "triggered tf.function retracing" in message)
