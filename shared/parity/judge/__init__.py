"""Two backends' evidence of one network, held against each other rung by rung.

In float64 a difference is held to a fixed tolerance: what means the same agrees to rounding. In
float32 it is held to the rounding that was measured: how far each backend's float32 is from its own
float64, on the same numbers.
"""

from shared.parity.judge.dropout import dropout
from shared.parity.judge.edges import alone as edges_alone
from shared.parity.judge.edges import edges
from shared.parity.judge.methods import methods
from shared.parity.judge.pair import Pair
from shared.parity.judge.passes import rates
from shared.parity.judge.results import Differences, Result, Status
from shared.parity.judge.rungs import rungs
from shared.parity.judge.shipped import shipped_step
from shared.parity.judge.trainers import alone, trainers, variants, variants_tried
from shared.parity.judge.trainings import (
    TEACHER_FORCED_HOLDS,
    is_held,
    resumed,
    teacher_forced,
)

__all__ = [
    "TEACHER_FORCED_HOLDS",
    "Differences",
    "Pair",
    "Result",
    "Status",
    "alone",
    "dropout",
    "edges",
    "edges_alone",
    "is_held",
    "methods",
    "rates",
    "resumed",
    "rungs",
    "shipped_step",
    "teacher_forced",
    "trainers",
    "variants",
    "variants_tried",
]
