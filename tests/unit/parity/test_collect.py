"""What is collected of trainers' figures, wherever they are."""

from typing import Any

import numpy as np

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
