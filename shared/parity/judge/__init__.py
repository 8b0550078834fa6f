"""Two backends' evidence of one network, held against each other rung by rung.

In float64 a difference is held to a fixed tolerance: what means the same agrees to rounding. In
float32 it is held to the rounding that was measured: how far each backend's float32 is from its own
float64, on the same numbers.
"""

from shared.parity.judge.pair import Pair
from shared.parity.judge.results import Differences, Result, Status
from shared.parity.judge.rungs import rungs
from shared.parity.judge.shipped import shipped_step
from shared.parity.judge.single import dropout, variants
from shared.parity.judge.trainings import TEACHER_FORCED_HOLDS, is_held, teacher_forced

__all__ = [
    "TEACHER_FORCED_HOLDS",
    "Differences",
    "Pair",
    "Result",
    "Status",
    "dropout",
    "is_held",
    "rungs",
    "shipped_step",
    "teacher_forced",
    "variants",
]
