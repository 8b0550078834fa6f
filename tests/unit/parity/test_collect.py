"""What is collected of trainers' figures, wherever they are."""

from typing import Any

import numpy as np

from shared.parity.collect import own_dropout
from shared.parity.collect.arrays import figures


class OnDevice:
    """An array that NumPy cannot read, as PyTorch's on a GPU."""

    def __init__(self, values: Any) -> None:
        self.values = values

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    def tolist(self) -> Any:
        return self.values


def test_figures_on_a_device_are_read() -> None:
    read = figures({"loss": OnDevice(0.5), "union": OnDevice([1, 2]), "n": np.int32(3)})
    assert read["loss"].shape == read["n"].shape == ()
    assert (read["loss"], read["union"].tolist(), read["n"]) == (0.5, [1.0, 2.0], 3.0)
    assert {array.dtype for array in read.values()} == {np.dtype(np.float64)}


class Dropping:
    """What two dropout layers of a rate took and gave; the second is not called in evaluation."""

    def __init__(self, behind: bool) -> None:
        random, shape = np.random.default_rng(0), (16, 64)
        x = random.normal(size=shape)
        first = 2 * x * (random.random(shape) < 0.5)
        y = first if behind else random.normal(size=shape)
        second = 2 * y * (random.random(shape) < 0.5)
        self.own = {"a:in": x, "a:out": first, "b:in": y, "b:out": second}

    def watch(self, _: Any, *, train: bool, dropout: str) -> dict[str, np.ndarray]:
        assert dropout == "own"
        return self.own if train else {"a:in": self.own["a:in"], "a:out": self.own["a:in"]}


def test_layers_that_are_out_of_sight_in_evaluation_change_nothing_there() -> None:
    probe: Any = Dropping(behind=False)
    shown = own_dropout(probe, {}, {"a": 0.5, "b": 0.5})
    assert shown["b"][3] == 0
    assert shown["a"][8:].tolist() == [0, 0]
    assert abs(shown["b"][8] - 0.5) < 0.1
    assert shown["b"][9] == 16 * 64


def test_masks_are_not_held_against_those_that_decide_what_is_seen() -> None:
    """Right behind another layer, or one of another rate, a mask tells nothing of that one's."""
    probe: Any = Dropping(behind=True)
    assert own_dropout(probe, {}, {"a": 0.5, "b": 0.5})["b"][9] == 0
    probe = Dropping(behind=False)
    assert own_dropout(probe, {}, {"a": 0.5, "b": 0.25})["b"][9] == 0
