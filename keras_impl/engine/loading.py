"""How the registry gets this panel: Keras and its framework are imported here, and no sooner."""

import logging
import os
from functools import cache

from keras_impl.engine.quiet import LEVEL, quietly
from shared.interface import Backend


@cache
def load() -> Backend:
    """Import Keras and its framework, and what ties them to `shared`, without their notices."""
    if LEVEL in os.environ:
        from keras_impl.engine.backend import BACKEND

        return BACKEND
    with quietly():
        from keras_impl.engine.backend import BACKEND

        BACKEND.devices()
    logging.getLogger("tensorflow").addFilter(_is_no_false_alarm)
    return BACKEND


_RECORDED_ONCE = ("KerasModel.", "TunedTrainer.", "TensorFlowTrainer._make_function.")


def _is_no_false_alarm(record: logging.LogRecord) -> bool:
    """Whether TensorFlow's notice is not one of a function that is traced again and again.

    It counts how often a piece of code is traced. Here the same code makes one function for each
    network, and each of them is traced once.
    """
    message = record.getMessage()
    ours = any(f"calls to <function {name}" in message for name in _RECORDED_ONCE)
    return not (ours and "triggered tf.function retracing" in message)
