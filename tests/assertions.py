"""What several tests say of arrays and of errors."""

from collections.abc import Sequence

import numpy as np
import pytest

from shared import cli
from shared.errors import TriptychError
from shared.workers import Worker


def close(actual: np.ndarray, expected: np.ndarray, tolerance: float) -> bool:
    """Whether two arrays of one shape hold the same finite numbers, relative to the largest."""
    assert actual.shape == expected.shape
    assert actual.size
    assert np.isfinite(actual).all()
    assert np.isfinite(expected).all()
    largest = float(np.abs(expected).max())
    return float(np.abs(actual - expected).max()) <= tolerance * largest


def sentence(worker: Worker, kind: type[TriptychError], *call: object) -> str:
    """What a call in a worker says when it fails as it should."""
    with pytest.raises(kind) as caught:
        worker.call(*call)  # type: ignore[arg-type]
    return str(caught.value)


def status(arguments: Sequence[str]) -> int:
    """The exit status of the command, called in this process."""
    with pytest.raises(SystemExit) as caught:
        cli.main([*arguments])
    return int(caught.value.code or 0)
