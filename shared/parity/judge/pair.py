"""Two backends' evidence of one network, and how its arrays are held against each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from shared.differences import (
    FACTOR,
    LOOSE,
    TOLERANCES,
    allowance,
    difference,
    row_difference,
    usual,
)
from shared.parity import recipes
from shared.parity.evidence import CaseEvidence
from shared.parity.judge.results import Differences, Result
from shared.parity.locate import Divergence, locate


class Pair:
    """One network in two backends, in one dtype."""

    def __init__(self, a: CaseEvidence, b: CaseEvidence, dtype: str) -> None:
        self.a, self.b, self.dtype = a, b, dtype

    def has(self, rung: str) -> bool:
        """Whether either has arrays for a rung: if one alone has, that is a failure later."""
        return bool(self.a.under(self.dtype, rung) or self.b.under(self.dtype, rung))

    def compare(self, rungs: Iterable[str]) -> Differences:
        """All arrays of some rungs, which both must have."""
        sides: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        differences = Differences()
        for rung in rungs:
            one, other = (e.under(self.dtype, rung) for e in (self.a, self.b))
            for name in {**one, **other}:
                key = f"{rung}/{name}"
                if name in one and name in other:
                    sides[key] = (one[name], other[name])
                elif np.any(one.get(name, 0)) or np.any(other.get(name, 0)):  # no gradient is 0
                    absent = self.b.backend if name in one else self.a.backend
                    differences.problems.append(f"{absent} has no {name} in {rung}")
        self.measure(sides, differences)
        return differences

    def measure(
        self, sides: Mapping[str, tuple[np.ndarray, np.ndarray]], into: Differences
    ) -> None:
        """Add the differences of named arrays to others, with what they may be.

        What differs by no more than it may as a whole is held by row too, see `is_by_row`.
        """
        for key, (one, other) in sides.items():
            try:
                into.values[key] = difference(one, other)
            except ValueError as error:
                into.problems.append(f"{key.partition('/')[2]}: {error}")
        into.allowed |= self.tolerances(key for key in sides if key in into.values)
        near = [k for k in sides if k in into.values and into.values[k] <= into.allowed[k]]
        by_row = [key for key in near if is_by_row(key) and self.tells_rows(key)]
        for key, tolerance in self.tolerances(by_row, by_row=True).items():
            into.values[f"{key} (a row)"] = row_difference(*sides[key])
            into.allowed[f"{key} (a row)"] = tolerance

    def tells_rows(self, key: str) -> bool:
        """Whether it is known what rows may differ by: in float32 where their rounding is measured.

        The fixed tolerance of float32 is one for whole arrays.
        """
        return self.dtype == "float64" or self.floor(key, by_row=True) is not None

    def tolerances(self, keys: Iterable[str], *, by_row: bool = False) -> dict[str, float]:
        """What arrays may differ by, as a whole or in any row.

        In float32: a multiple of the rounding of the backend that rounds less, measured by its own
        float64; of what is usual among these arrays, where that is more.
        """
        keys = list(keys)
        floors = {key: floor for key in keys if (floor := self.floor(key, by_row)) is not None}
        if self.dtype == "float64" or not floors:
            return dict.fromkeys(keys, TOLERANCES[self.dtype])
        middle = usual(floors)
        return {
            key: float(
                allowance(floors.get(key, 0), middle, LOOSE if by_row or _is_loose(key) else FACTOR)
            )
            for key in keys
        }

    def floor(self, key: str, by_row: bool = False) -> float | None:
        """The lesser of both backends' rounding: float32 against their own float64."""
        measured, measure = [], row_difference if by_row else difference
        for evidence in (self.a, self.b):
            single = evidence.arrays.get("float32", {}).get(key)
            double = evidence.arrays.get("float64", {}).get(key)
            if single is not None and double is not None and single.dtype.kind == "f":
                try:
                    measured.append(measure(double, single.astype(np.float64)))
                except ValueError:
                    continue
        return min(measured, default=None)

    def explained(self, rung: str, differences: Differences) -> Result:
        """A rung's result, with the first divergence and its likely cause if it failed."""
        failed = differences.problems or differences.failing
        return differences.result(self.divergence(rung) if failed else None)

    def divergence(self, rung: str) -> Divergence | None:
        """Where the two first part."""
        return locate(self.a, self.b, self.dtype, rung, self.tolerances)

    @cached_property
    def norms(self) -> dict[str, tuple[float, int]]:
        """Batch norm's momentum, and how many values a channel has, by layer: of `biased`."""
        layers = {}
        biased = self.b if self.a.unbiased else self.a
        for name, new in biased.under(self.dtype, "buffers").items():
            layer, _, kind = name.rpartition(".")
            inputs = biased.under(self.dtype, "training").get(f"{layer}:in")
            if kind != "running_mean" or inputs is None:
                continue
            old = biased.under(self.dtype, "weights")[name].astype(np.float64)
            mean = inputs.reshape(-1, inputs.shape[-1]).astype(np.float64).mean(axis=0)
            step = mean - old
            momentum = float(step @ (new - old) / (step @ step))
            layers[layer] = (momentum, inputs.size // inputs.shape[-1])
        return layers

    def unified(
        self, name: str, old: np.ndarray, new: np.ndarray, steps: Any, *, trained: bool = False
    ) -> np.ndarray:
        """A running variance made of biased variances as if it were made of unbiased ones.

        Both forget the first value alike; what came since is n / (n - 1) times larger. A training
        has other batches than a pass.
        """
        layer = name.rpartition(".")[0]
        if not name.endswith("running_var") or layer not in self.norms:
            return new
        momentum, count = self.norms[layer]
        if trained:
            count = count // recipes.BATCH * recipes.TRAINED_BATCH
        rest = (1 - momentum) ** steps * old
        return (rest + count / (count - 1) * (new - rest)).astype(new.dtype)


def is_by_row(key: str) -> bool:
    """Whether an array is held row by row: outputs, and what layers take and give.

    Gradients are not: a small one is what large ones leave of each other, and what they leave of
    their rounding is as large. Nor is what large weights make of a rounding.
    """
    of_edges = key.startswith("edges/") and "/outputs/" in key
    by_large_weights = key.startswith("edges/large/weights/")
    return key.startswith(("forward/", "evaluation/", "training/")) or (
        of_edges and not by_large_weights
    )


def _is_loose(key: str) -> bool:
    """Whether an array is made of long sums, or of steps that divide by them."""
    return "gradients/" in key or key.startswith("variants/")
