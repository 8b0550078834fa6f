"""Backends by name, imported as late as can be."""

from __future__ import annotations

import importlib
import importlib.util
import os
from typing import TYPE_CHECKING

from shared.errors import BackendMissingError
from shared.specs import PANELS, choose

if TYPE_CHECKING:
    from shared.interface import Backend

BACKENDS = tuple(PANELS)

_NEEDS = {"torch": ("torch",), "flax": ("jax", "flax", "optax"), "keras": ("keras",)}


def missing(name: str) -> list[str]:
    """The packages that a backend needs and this environment lacks. Imports nothing.

    Raises:
        ConfigurationError: there is no backend of that name.
    """
    needs = _NEEDS[choose("backend", name, BACKENDS)]
    if name == "keras":
        needs += (os.environ.get("KERAS_BACKEND", "tensorflow"),)
    return [package for package in needs if importlib.util.find_spec(package) is None]


def installed() -> list[str]:
    """The backends that can be used here, in the order of `BACKENDS`."""
    return [name for name in BACKENDS if not missing(name)]


def explain_missing(name: str) -> str:
    """One sentence: what a backend lacks and what to install for it."""
    lacks = " and ".join(missing(name))
    return f"the {name} backend needs {lacks}; install it with: pip install 'triptych[{name}]'"


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
    # Before TensorFlow is imported: its start-up notices are for its developers.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    return importlib.import_module(f"{PANELS[name]}.backend").BACKEND
