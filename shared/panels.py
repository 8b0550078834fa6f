"""The three panels: a backend's name, its package, and the sources of its networks."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from shared.errors import ConfigurationError

PANELS = {"torch": "torch_impl", "flax": "flax_impl", "keras": "keras_impl"}
"""The backends, in the order of every table, and the package of each."""

FORWARD = {"torch": "forward", "flax": "__call__", "keras": "call"}
"""What a panel's classes call the pass from inputs to outputs."""


def source(backend: str, file: str) -> Path:
    """The path of an architecture's file in a panel; the framework is not imported.

    Raises:
        ConfigurationError: the panel has no such file.
    """
    package = importlib.util.find_spec(PANELS[backend])
    if package is None or package.origin is None:  # pragma: no cover - the packages come together
        raise FileNotFoundError(PANELS[backend])
    path = Path(package.origin).parent / f"{file}.py"
    if not path.exists():
        raise ConfigurationError(
            f"there is no {PANELS[backend]}/{file}.py; an architecture has a file of that name in "
            f"{', '.join(PANELS.values())}"
        )
    return path
