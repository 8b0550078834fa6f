"""What passes through a network show: outputs, layers, the loss, gradients, statistics, dropout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from shared.interface import Probe
from shared.parity import recipes, samples
from shared.parity.collect.arrays import cast, under
from shared.parity.collect.plan import Plan
from shared.parity.evidence import Arrays
from shared.specs import Case


def sample_batch(case: Case, batch: int, dtype: str) -> Arrays:
    """Random inputs, with digits that float32 has."""
    return cast(samples.sample_inputs(case.network, batch, "float32"), dtype)


def passes(probe: Probe, plan: Plan, dtype: str) -> Arrays:
    """Passes in both modes: what layers do, the loss, gradients, statistics and dropout."""
    network, task = plan.case.network, plan.task
    inputs = sample_batch(plan.case, recipes.BATCH, dtype)
    arrays = under("inputs", inputs)
    arrays |= under("evaluation", probe.watch(inputs, train=False))
    if task is None:  # a frozen network has no training mode
        return arrays
    targets = cast(recipes.sample_targets(network, task, recipes.BATCH), dtype)
    arrays |= under("targets", targets)
    derivatives = probe.differentiate({**inputs, **targets}, task)
    arrays |= under("training", derivatives.activations)
    arrays["loss/value"] = derivatives.loss
    arrays |= under("gradients", derivatives.gradients)
    arrays |= under("input gradients", derivatives.input_gradients)
    arrays |= under("buffers", derivatives.buffers)
    rates = probe.dropouts()
    if rates:
        masked = probe.differentiate({**inputs, **targets}, task, dropout=partial(_mask, rates))
        arrays["dropout loss/value"] = masked.loss
        arrays |= under("dropout gradients", masked.gradients)
        several = sample_batch(plan.case, recipes.DROPPED, dtype)
        arrays |= under("own dropout", own_dropout(probe, several, rates))
    return arrays


def _mask(rates: Mapping[str, float], name: str, shape: tuple[int, ...]) -> np.ndarray:
    return samples.dropout_mask(rates[name], name, shape)


def own_dropout(probe: Probe, inputs: Arrays, rates: Mapping[str, float]) -> Arrays:
    """What a framework's own dropout does with the values that are not 0 anyway.

    By layer: the share that is kept, of how many; how far the kept ones are from being scaled by
    1 / (1 - rate), of the largest; the largest change in evaluation mode; and three shares that are
    kept alike, or dropped alike, each followed by its number of pairs of values: of neighbouring
    examples, of neighbours within an example, and of the layer before that has the same rate and
    shape.
    """
    own = probe.watch(inputs, train=True, dropout="own")
    still = probe.watch(inputs, train=False, dropout="own")
    figures: Arrays = {}
    masks: dict[tuple[float, tuple[int, ...]], np.ndarray] = {}
    for name, rate in rates.items():
        before, after = own[f"{name}:in"], own[f"{name}:out"]
        counts = before != 0
        kept = counts & (after != 0)
        off = np.abs(after[kept] * (1 - rate) - before[kept])
        mask = np.where(counts, kept, np.nan)
        within = [_neighbours(mask, axis) for axis in range(1, mask.ndim)]
        figures[name] = np.array(
            [
                kept.sum() / counts.sum(),
                counts.sum(),
                off.max(initial=0) / np.abs(before).max(),
                _changed(still, name),
                *_alike([_neighbours(mask, 0)]),
                *_alike(within),
                *_alike(_comparable(mask, masks.get((rate, mask.shape)))),
            ]
        )
        masks[rate, mask.shape] = mask
    return figures


def _changed(still: Mapping[str, np.ndarray], name: str) -> float:
    """How far a layer changes values in evaluation mode; it may not be called there."""
    if f"{name}:out" not in still:
        return 0.0
    return float(np.abs(still[f"{name}:out"] - still[f"{name}:in"]).max())


def _comparable(
    mask: np.ndarray, earlier: np.ndarray | None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """A mask and one before it, unless it only sees what that one kept: a layer right behind."""
    if earlier is None or not np.any((earlier == 0) & ~np.isnan(mask)):
        return []
    return [(mask, earlier)]


def _neighbours(mask: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    return mask.take(range(1, mask.shape[axis]), axis), mask.take(range(mask.shape[axis] - 1), axis)


def _alike(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float]:
    """The share of values that are alike in pairs of masks, and how many there are of both."""
    alike = sum(float(np.sum(one == other)) for one, other in pairs)
    count = sum(float(np.sum(~np.isnan(one) & ~np.isnan(other))) for one, other in pairs)
    return (alike / count if count else 0.0), count
