"""One frozen description of every architecture: what to build, on what, for which task.

Every architecture has a module here with a `SPEC`, and the catalogue takes it by itself. A new one
needs no line elsewhere. These modules import nothing but the standard library,
`shared.errors` and `shared.choosing`, so that listing the catalogue costs nothing.
"""

from shared.specs.catalogue import SPECS, find, find_file, is_name
from shared.specs.inference import inference_model
from shared.specs.model import (
    END,
    METRICS,
    OPTIMIZERS,
    START,
    Case,
    Config,
    Network,
    Objective,
    Operations,
    Preset,
    Settings,
    Spec,
    Task,
    Tensor,
)
from shared.specs.tasks import (
    DIGITS,
    DIGITS_AND_SLANT,
    EARLY_EXIT,
    SEGMENTATION,
    SMOOTHED_DIGITS,
    TRANSCRIPTION,
)

__all__ = [
    "DIGITS",
    "DIGITS_AND_SLANT",
    "EARLY_EXIT",
    "END",
    "METRICS",
    "OPTIMIZERS",
    "SEGMENTATION",
    "SMOOTHED_DIGITS",
    "SPECS",
    "START",
    "TRANSCRIPTION",
    "Case",
    "Config",
    "Network",
    "Objective",
    "Operations",
    "Preset",
    "Settings",
    "Spec",
    "Task",
    "Tensor",
    "find",
    "find_file",
    "inference_model",
    "is_name",
]
