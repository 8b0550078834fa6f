"""What every backend offers, and the errors that a user may see.

NumPy goes in and NumPy comes out, in dictionaries by name: images NHWC, tokens and labels int32.
A backend module (`torch_impl/backend.py` and its two siblings) has one object, `BACKEND`, that
follows `Backend`; a model that it builds follows `Model`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np

    from shared.specs import Network, Task

    Arrays = Mapping[str, np.ndarray]

DType = Literal["float32", "float64"]
Device = Literal["cpu", "cuda"]


class TriptychError(Exception):
    """The base of every error that is the user's to mend: one sentence, shown without a traceback."""


class BackendMissingError(TriptychError):
    """A backend's framework is not installed."""


class DeviceMissingError(TriptychError):
    """The device asked for is not on this machine, or the framework cannot use it."""


class ConfigurationError(TriptychError):
    """A name, a constructor argument or a setting is not one that exists or makes sense."""


class InputError(TriptychError):
    """Inputs do not have the names, shapes or values that the network takes."""


class WeightsError(TriptychError):
    """Weights do not fit the network, or their file cannot be read or written."""


class DataError(TriptychError):
    """A data set is missing, damaged, or cannot be downloaded or stored."""


class WorkerError(TriptychError):
    """A backend's process ended, or failed, before it gave its result."""
