"""One backend's evidence of a network: everything that it is compared by, computed in one process.

The numbers that go in are rounded to float32 first, whatever the dtype: so float64 computes with
the same numbers, and tells how much of float32's result is rounding.
"""

from shared.parity.collect.arrays import cast, under
from shared.parity.collect.case import begin, collect, trace
from shared.parity.collect.passes import own_dropout, passes, sample_batch
from shared.parity.collect.plan import Plan, plan

__all__ = [
    "Plan",
    "begin",
    "cast",
    "collect",
    "own_dropout",
    "passes",
    "plan",
    "sample_batch",
    "trace",
    "under",
]
