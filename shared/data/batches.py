"""The order of examples, and batches of them: a function of seed and epoch alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from shared.errors import ConfigurationError, DataError


def epoch_order(count: int, seed: int, epoch: int) -> np.ndarray:
    """Return a permutation of `range(count)`, int64, that depends on the three arguments alone.

    Raises:
        ConfigurationError: An argument is negative.
    """
    if min(count, seed, epoch) < 0:
        raise ConfigurationError(
            f"count {count}, seed {seed} and epoch {epoch} must each be 0 or more"
        )
    return np.random.default_rng((seed, epoch)).permutation(count)


def batches(
    arrays: Mapping[str, np.ndarray],
    batch_size: int,
    *,
    seed: int | None = None,
    epoch: int = 0,
    drop_last: bool = False,
) -> Iterator[dict[str, np.ndarray]]:
    """Cut arrays of one length into batches, rows together.

    Args:
        arrays: Arrays by name, each (N, ...).
        batch_size: Rows in a batch; the last batch may have fewer.
        seed: With a seed the rows come in `epoch_order`; without, in order (as views).
        epoch: Which epoch's order.
        drop_last: Whether a last batch of fewer rows is left out.

    Returns:
        An iterator over dictionaries with the same names, each array (batch_size, ...).

    Raises:
        ConfigurationError: `batch_size` is below 1, or the seed or the epoch is negative.
        DataError: There are no arrays, or their lengths differ.
    """
    if batch_size < 1:
        raise ConfigurationError(f"batch size {batch_size} must be 1 or more")
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) != 1:
        raise DataError(f"arrays to batch have lengths {lengths}; they must be of one length")
    count = next(iter(lengths.values()))
    order = None if seed is None else epoch_order(count, seed, epoch)
    stop = count - count % batch_size if drop_last else count

    # An inner generator, so that the checks above speak at the call and not at the first batch.
    def cut() -> Iterator[dict[str, np.ndarray]]:
        for start in range(0, stop, batch_size):
            rows = slice(start, start + batch_size)
            chosen = rows if order is None else order[rows]
            yield {name: array[chosen] for name, array in arrays.items()}

    return cut()
