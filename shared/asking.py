"""How the panels ask a library what it takes for granted, and how an answer becomes text.

Each panel's `conventions/defaults.py` has these in common; how it measures is its own.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Drawn = tuple[np.ndarray, int, int]
"""A layer's new weights with out and in first, and its fan-in and fan-out."""

NOT_MEASURED = "not measured"
"""What a panel says where it cannot ask: Keras has gradients on TensorFlow alone."""


def number(value: Any) -> str:
    """A number, or what stands in its place."""
    if value is None or value is inspect.Parameter.empty:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    return "NaN" if math.isnan(value) else f"{float(value):.6g}"


def default(function: Callable[..., Any], name: str) -> str:
    """An argument's default value, "none" if it must be given."""
    return number(inspect.signature(function).parameters[name].default)


def axes(shape: Sequence[int], names: dict[int, str]) -> str:
    """The axes of a shape, each called by its size."""
    return ", ".join(names[size] for size in shape)


def refused(function: Callable[[], Any]) -> bool:
    """Whether a call fails."""
    try:
        function()
    except Exception:  # whatever the library raises, or a framework below it
        return True
    return False
