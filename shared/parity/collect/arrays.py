"""Named arrays: under another name, in another dtype, lent, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shared import differences
from shared.parity.evidence import Arrays, digest


def under(start: str, arrays: Mapping[str, Any]) -> Arrays:
    """Arrays with a name before their own."""
    return {f"{start}/{name}": np.asarray(array) for name, array in arrays.items()}


def cast(batch: Mapping[str, np.ndarray], dtype: str) -> Arrays:
    """A batch in a dtype; whole numbers and masks stay."""
    return {n: a.astype(dtype) if a.dtype.kind == "f" else a for n, a in batch.items()}


def figures(values: Mapping[str, Any]) -> Arrays:
    """What a step gives, as float64; a train step's may be on a GPU, which NumPy does not read."""
    return {
        name: np.asarray(value.tolist() if hasattr(value, "tolist") else value, np.float64)
        for name, value in values.items()
    }


class Lent:
    """Arrays that are lent to a backend; they must come back as they were."""

    def __init__(self) -> None:
        self.lent: dict[str, Arrays] = {}
        self.before: Arrays = {}
        self._sealed: dict[bool, bool] = {}

    def lend(self, name: str, arrays: Mapping[str, np.ndarray]) -> Arrays:
        """The same arrays, every other time read-only: what heeds that may change the others."""
        weights = name.endswith("weights")
        sealed = self._sealed[weights] = not self._sealed.get(weights, False)
        lent = {key: np.array(array) for key, array in arrays.items()}
        for array in lent.values():
            array.flags.writeable = not sealed
        self.lent[name], self.before[name] = lent, _digest(lent)
        return dict(lent)

    def digests(self) -> Arrays:
        """Digests of all that was lent, before and as it is now."""
        after = {name: _digest(arrays) for name, arrays in self.lent.items()}
        return under("before", self.before) | under("after", after)


def _digest(arrays: Arrays) -> np.ndarray:
    return digest(np.concatenate([digest(array) for array in arrays.values()]))


@dataclass
class Track:
    """Sketches of named arrays, step by step."""

    sketches: list[Arrays] = field(default_factory=list)

    def add(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Another step's."""
        self.sketches.append({name: differences.sketch(array) for name, array in arrays.items()})

    def arrays(self) -> Arrays:
        """(steps, k) for each name; one that a step lacks has fewer steps."""
        names = dict.fromkeys(name for step in self.sketches for name in step)
        return {n: np.stack([step[n] for step in self.sketches if n in step]) for n in names}
