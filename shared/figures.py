"""A rate that was measured several times: its middle and its spread."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Figure:
    """A rate, once each round: the median, and half the interquartile range in percent of it."""

    median: float
    spread: float | None
    rounds: tuple[float, ...]


def figure(values: Sequence[float]) -> Figure:
    """The figure of one value a round; one round alone has no spread."""
    middle = statistics.median(values)
    if len(values) < 2:
        return Figure(middle, None, tuple(values))
    low, high = np.percentile(values, [25, 75])
    return Figure(middle, float(100 * (high - low) / 2 / middle), tuple(values))
