"""Backends by name, imported as late as can be."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from shared.errors import BackendMissingError
from shared.specs import PANELS, choose

if TYPE_CHECKING:
    from shared.interface import Backend

BACKENDS = tuple(PANELS)

# The frameworks that Keras can run on, and the extras that bring Keras and them.
KERAS_RUNS_ON = {"tensorflow": "keras", "jax": "keras,flax", "torch": "keras,torch"}
_NEEDS = {"torch": ("torch",), "flax": ("jax", "flax", "optax"), "keras": ("keras",)}


def missing(name: str) -> list[str]:
    """The packages that a backend needs and this environment lacks. Imports nothing.

    Raises:
        ConfigurationError: there is no backend of that name.
    """
    needs = _NEEDS[choose("backend", name, BACKENDS)]
    if name == "keras":
        needs += (_keras_runs_on(),)
    return [package for package in needs if importlib.util.find_spec(package) is None]


def _keras_runs_on() -> str:
    """The framework that Keras is told to run on."""
    return os.environ.get("KERAS_BACKEND", "tensorflow")


def installed() -> list[str]:
    """The backends that can be used here, in the order of `BACKENDS`."""
    return [name for name in BACKENDS if not missing(name)]


def explain_missing(name: str) -> str:
    """One sentence: what a backend lacks and what to install for it."""
    extra, runs_on = name, _keras_runs_on()
    if name == "keras":
        if runs_on not in KERAS_RUNS_ON:
            return f"KERAS_BACKEND must be {', '.join(KERAS_RUNS_ON)} or unset, not {runs_on!r}"
        extra = KERAS_RUNS_ON[runs_on]
    lacks = " and ".join(missing(name))
    return f"the {name} backend needs {lacks}; install it with: pip install 'triptych[{extra}]'"


def load(name: str) -> Backend:
    """Import a backend, and with it its framework.

    Load one backend a process: TensorFlow and torch's optimizers cannot share one
    (`shared.workers` gives each its own).

    Raises:
        ConfigurationError: there is no backend of that name.
        BackendMissingError: its packages are not installed.
    """
    if missing(name):
        raise BackendMissingError(explain_missing(name))
    if name != "keras" or "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        return importlib.import_module(f"{PANELS[name]}.backend").BACKEND
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    with _silent_stderr():
        backend = importlib.import_module(f"{PANELS[name]}.backend").BACKEND
        backend.devices()
    logging.getLogger("tensorflow").addFilter(_is_no_false_alarm)
    return backend


_RECORDED_ONCE = ("KerasModel.", "TunedTrainer.", "TensorFlowTrainer._make_function.")


def _is_no_false_alarm(record: logging.LogRecord) -> bool:
    """Whether TensorFlow's notice is not one of a function that is traced again and again.

    It counts how often a piece of code is traced. Here the same code makes one function for each
    network, and each of them is traced once.
    """
    said = record.getMessage()
    ours = any(f"calls to <function {name}" in said for name in _RECORDED_ONCE)
    return not (ours and "triggered tf.function retracing" in said)


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Keep TensorFlow's notices from the terminal.

    It writes about its build and about GPUs that are not there straight to the file descriptor, in
    part before it reads its log level. Python's exceptions still come through. Whoever sets
    TF_CPP_MIN_LOG_LEVEL sees everything.
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
