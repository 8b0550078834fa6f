"""Readings of batch norm, layer norm, group norm and RMS norm.

Every norm subtracts a mean, or not, and divides by the root of a variance, to which an epsilon is
added. They differ in what these are taken over, in which variance it is, and in the epsilon.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from shared.parity.causes.match import Fact, Problem, Reading, figure, rounding, telling

EPSILONS = (1e-5, 1e-3, 1e-6, 1e-12, 1e-8, 1e-7, 1e-4, 1e-2, 0.1, 0.0)
SAMPLE = 4096  # values of an output that are looked at
Tensors = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class _Moments:
    """What a norm subtracted and divides by, at some places of its output."""

    centred: np.ndarray
    variance: np.ndarray
    facts: tuple[Fact, ...]


def batch_norm(
    weights: Tensors, x: np.ndarray, a: np.ndarray, b: np.ndarray, train: bool
) -> Problem | None:
    """Which statistics, which variance, which epsilon; train mode says what is usual."""
    channels = len(weights["running_mean"])
    if x.shape[-1] != channels or a.shape != x.shape:
        return None
    at = telling(a, b, SAMPLE)
    flat = x.reshape(-1, channels)
    count, channel = len(flat), at % channels
    mean, variance = flat.mean(axis=0), flat.var(axis=0)

    def moments(
        center: np.ndarray, width: np.ndarray, mode: str, estimate: str = ""
    ) -> _Moments:  # estimate: of the batch's variance
        facts = [Fact("train mode", f"normalises with the {mode} statistics")]
        if estimate:
            facts.append(Fact("unbiased variance", f"divides by the {estimate} variance"))
        return _Moments(x.ravel()[at] - center[channel], width[channel], tuple(facts))

    running = [moments(weights["running_mean"], weights["running_var"], "running")]
    batch = [moments(mean, variance, "batch's", "biased")]
    if count > 1:
        batch.append(moments(mean, variance * count / (count - 1), "batch's", "unbiased"))
    candidates = [*batch, *running] if train else [*running, *batch]
    return _normalised(candidates, weights, channel, a, b, at)


def norm(
    weights: Tensors, x: np.ndarray, a: np.ndarray, b: np.ndarray, rows: np.ndarray
) -> Problem:
    """Layer norm, group norm and RMS norm: which axes, which variance, with the mean or without."""
    whole = _over_axes(x, tuple(range(x.ndim - 1)), "the batch, as batch norm does")
    x, a, b = x[rows], a[rows], b[rows]
    at = telling(a, b, SAMPLE)
    channel = at % x.shape[-1]
    candidates = []
    for moments in _axes(x):
        candidates += [_at(each, at) for each in moments]
    candidates += [_at(replace(each, centred=each.centred[rows]), at) for each in whole]
    return _normalised(candidates, weights, channel, a, b, at)


def _at(moments: _Moments, at: np.ndarray) -> _Moments:
    wide = np.broadcast_to(moments.variance, moments.centred.shape)
    return replace(moments, centred=moments.centred.ravel()[at], variance=wide.ravel()[at])


def _axes(x: np.ndarray) -> Iterator[list[_Moments]]:
    channels = x.shape[-1]
    yield _over_axes(x, (-1,), "the last axis")
    if x.ndim > 2:
        for groups in dict.fromkeys((1, 2, 4, 8, 16, 32, channels)):
            if channels % groups == 0:
                split = x.reshape(len(x), -1, groups, channels // groups)
                message = f"all places and {channels // groups} channels"
                if groups == channels:
                    message = "all places, each channel by itself"
                for each in _over_axes(split, (1, 3), message):
                    wide = np.broadcast_to(each.variance, split.shape).reshape(x.shape)
                    yield [_Moments(each.centred.reshape(x.shape), wide, each.facts)]


def _over_axes(x: np.ndarray, axes: tuple[int, ...], message: str) -> list[_Moments]:
    mean = x.mean(axis=axes, keepdims=True)
    variance = x.var(axis=axes, keepdims=True)
    count = int(np.prod([x.shape[axis] for axis in axes]))
    axis = Fact("axes", f"normalises over {message}")
    center = Fact("mean", "subtracts the mean")
    biased = Fact("unbiased variance", "divides by the biased variance")
    unbiased = Fact("unbiased variance", "divides by the unbiased variance")
    moments = [_Moments(x - mean, variance, (axis, center, biased))]
    if count > 1:
        wider = variance * count / (count - 1)
        moments.append(_Moments(x - mean, wider, (axis, center, unbiased)))
    left = Fact("mean", "does not subtract the mean")
    square = (x**2).mean(axis=axes, keepdims=True)
    return [*moments, _Moments(x, square, (axis, left))]


ROOTS: tuple[tuple[str, Callable[[np.ndarray, float], np.ndarray]], ...] = (
    ("adds epsilon to the variance", lambda variance, epsilon: np.sqrt(variance + epsilon)),
    ("adds epsilon to the deviation", lambda variance, epsilon: np.sqrt(variance) + epsilon),
    ("divides by the variance, not by its root", lambda variance, epsilon: variance + epsilon),
)


def _normalised(
    candidates: Sequence[_Moments],
    weights: Tensors,
    channel: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    at: np.ndarray,
) -> Problem:
    """All moments with all epsilons, and one other oddity at most beside these."""
    one, zero = np.ones(len(at)), np.zeros(len(at))
    near = 1e-3 if rounding(a, b) > 1e-10 else 1e-6
    weight, bias = weights.get("weight"), weights.get("bias")
    scales = [("applies no scale", one)]
    if weight is not None:
        kept = weight[channel]
        scales = [
            ("multiplies by its scale", kept),
            ("leaves its scale out", one),
            ("adds 1 to its scale", 1 + kept),
        ]
    offsets = [("adds no offset", zero)]
    if bias is not None:
        offsets = [("adds its offset", bias[channel]), ("leaves its offset out", zero)]

    def readings(expected: np.ndarray | None = None) -> Iterator[Reading]:
        choices = [
            choice
            for choice in product(enumerate(ROOTS), enumerate(scales), enumerate(offsets))
            if sum(i > 0 for i, _ in choice) <= 1
        ]
        for moments, choice in product(candidates, choices):
            (_, (root_says, root)), (_, (scale_says, scale)), (_, (offset_says, offset)) = choice
            epsilons: Sequence[float] = EPSILONS
            if expected is not None:
                if root is not ROOTS[0][1]:
                    continue
                epsilons = _estimated_epsilon(moments, scale, offset, expected)
            for epsilon in epsilons:
                value = moments.centred / root(moments.variance, epsilon) * scale + offset
                facts = (
                    *moments.facts,
                    Fact("epsilon", f"normalises with epsilon {_short(epsilon, near)}"),
                    Fact("deviation", root_says),
                    Fact("scale", scale_says),
                    Fact("offset", offset_says),
                )
                yield Reading(value, facts)

    return Problem(a.ravel()[at], b.ravel()[at], readings(), readings)


def _estimated_epsilon(
    moments: _Moments, scale: np.ndarray, offset: np.ndarray, expected: np.ndarray
) -> list[float]:
    """The epsilon that most values ask for, if that is a number above 0."""
    z = (expected - offset) / scale
    ratio = (moments.centred / z) ** 2 - moments.variance
    sure = np.isfinite(ratio) & (np.abs(z) > 0.1)
    if sure.sum() < 2:
        return []
    epsilon = float(np.median(ratio[sure]))
    return [epsilon] if epsilon > 0 else []


def _short(value: float, near: float) -> str:
    """1e-05 for powers of ten, 1.0001e-05 or 0.0123 for others: as many digits as tell it."""
    return f"{value:.0e}" if value and float(f"{value:.0e}") == value else figure(value, near)
