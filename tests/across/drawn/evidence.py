"""What a panel says of a drawn network; run in a worker that has one framework."""

import importlib
import sys
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

from shared.errors import TriptychError
from shared.parity import samples
from shared.parity.evidence import CaseEvidence
from shared.parity.names import Named
from shared.parity.user_models import _Comparison, _named_inputs, _side, _Watched
from tests.across.drawn.description import Drawn

PROGRAMS_OF = 200
"""How many networks' programs JAX keeps; each program takes some of the memory maps that a Linux
process may have, 65,530 as a rule."""
_networks = count(1)


@dataclass(frozen=True)
class Refused:
    """Why there is nothing to compare: what this project says, or the framework itself."""

    message: str
    by_framework: bool = False


@dataclass(frozen=True)
class Shown:
    """A network's names and evidence, as `compare_models` has them."""

    named: Named
    evidence: CaseEvidence


def show(backend: str, drawn: Drawn, seed: int = 0) -> Refused | Shown:
    """Build a network of a framework's layers, give it random weights, and compute everything."""
    if next(_networks) % PROGRAMS_OF == 0 and "jax" in sys.modules:
        sys.modules["jax"].clear_caches()
    builder = importlib.import_module(f"tests.across.drawn.of_{backend}")
    try:
        native = builder.build(drawn)
    except Exception as error:
        return Refused(f"{type(error).__name__}: {error}", by_framework=True)
    try:
        # How much of a difference is rounding, one framework shows: PyTorch, the quickest.
        dtypes = ["float64", "float32"] if backend == "torch" else ["float64"]
        return _shown(native, {"input": drawn.inputs()}, dtypes, seed)
    except TriptychError as error:
        return Refused(str(error))


def _shown(native: Any, inputs: dict[str, np.ndarray], dtypes: list[str], seed: int) -> Shown:
    side, arrays = _side(native, "a"), _named_inputs(inputs)
    comparison = _Comparison((side, side), arrays, "float64", copied=True, train=True)
    for dtype in dtypes:
        side.wrap(arrays, dtype)
    named = comparison._named(side)
    drawn = samples.sample_weights(side.models["float64"].table(), "float32", seed)
    for model in side.models.values():
        model.load_weights(drawn)
    task = comparison._task()
    return Shown(named, _Watched(side, arrays, {}).evidence(task, "float64"))
