"""The order of the batches."""

import numpy as np
import pytest

from shared.data.batches import batches, epoch_order
from shared.errors import ConfigurationError, DataError


def test_an_epoch_order_is_a_permutation_that_depends_on_its_arguments_alone() -> None:
    first = epoch_order(1000, 3, 5)
    np.random.seed(1)
    before = np.random.get_state()[1].copy()  # type: ignore[index, union-attr]
    epoch_order(1000, 8, 1)
    again = epoch_order(1000, 3, 5)
    assert (np.random.get_state()[1] == before).all()  # type: ignore[index]
    assert first.dtype == np.int64
    assert sorted(first.tolist()) == list(range(1000))
    assert first.tolist() == again.tolist()
    orders = {tuple(epoch_order(1000, s, e)) for s in range(4) for e in range(4)}
    assert len(orders) == 16


@pytest.mark.parametrize("arguments", [(-1, 0, 0), (10, -1, 0), (10, 0, -1)])
def test_an_epoch_order_refuses_negative_arguments(arguments: tuple[int, int, int]) -> None:
    with pytest.raises(ConfigurationError, match="must each be 0 or more"):
        epoch_order(*arguments)


def rows(count: int) -> dict[str, np.ndarray]:
    return {"image": np.arange(count * 2).reshape(count, 2), "label": np.arange(count)}


@pytest.mark.parametrize(
    ("drop_last", "sizes"), [(False, [4, 4, 2]), (True, [4, 4])], ids=["keep", "drop"]
)
@pytest.mark.parametrize("seed", [None, 0])
def test_batches_have_the_right_sizes_and_keep_rows_together(
    drop_last: bool, sizes: list[int], seed: int | None
) -> None:
    got = list(batches(rows(10), 4, seed=seed, drop_last=drop_last))
    assert [len(batch["label"]) for batch in got] == sizes
    for batch in got:
        assert list(batch) == ["image", "label"]
        assert (batch["image"][:, 0] == 2 * batch["label"]).all()


def test_batches_come_in_order_without_a_seed_and_in_the_epochs_order_with_one() -> None:
    def labels(**how: int) -> list[int]:
        return np.concatenate([b["label"] for b in batches(rows(100), 7, **how)]).tolist()  # type: ignore[arg-type]

    assert labels() == list(range(100))
    assert labels(epoch=3) == list(range(100))
    assert labels(seed=2) == epoch_order(100, 2, 0).tolist()
    assert labels(seed=2, epoch=1) == epoch_order(100, 2, 1).tolist()


def test_no_rows_give_no_batches() -> None:
    assert list(batches(rows(0), 4, seed=1)) == []


def test_batches_refuse_at_the_call_what_they_cannot_do() -> None:
    with pytest.raises(ConfigurationError, match="batch size 0 must be 1 or more"):
        batches(rows(3), 0)
    with pytest.raises(DataError, match=r"'image': 3, 'label': 2.*must be of one length"):
        batches({"image": np.zeros((3, 1)), "label": np.zeros(2)}, 1)
    with pytest.raises(DataError, match="must be of one length"):
        batches({}, 1)
