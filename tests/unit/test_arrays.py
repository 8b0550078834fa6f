"""How differences are measured, and what networks are given to show them."""

import numpy as np
import pytest

from shared import specs
from shared.interface import TensorInfo
from shared.parity import arrays


def test_difference_is_relative_to_the_largest_value() -> None:
    a = np.array([0.0, -4.0, 2.0])
    assert arrays.difference(a, a + np.array([0.0, 0.0, 0.5])) == 0.125
    assert arrays.difference(a, a.copy()) == 0.0


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        (np.ones((2, 1)), np.ones((2, 2)), "shapes"),
        (np.ones(2), np.ones((1, 2)), "shapes"),
        (np.ones(2), np.ones(2, np.float32), "dtypes"),
        (np.ones(0), np.ones(0), "no values"),
        (np.array([np.nan]), np.array([np.nan]), "not finite"),
        (np.array([1.0]), np.array([np.inf]), "not finite"),
        (np.array([np.inf]), np.array([np.inf]), "not finite"),
    ],
)
def test_difference_refuses_what_cannot_be_compared(
    a: np.ndarray, b: np.ndarray, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        arrays.difference(a, b)


def test_only_pictures_have_windows_in_which_a_maximum_may_be_another_one() -> None:
    rows = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert arrays.kinks(rows, rows[:, ::-1].copy()) is None
    pictures = rows.reshape(1, 2, 2, 1)
    assert arrays.kinks(pictures, pictures[:, ::-1].copy()) is not None


def test_difference_from_zero_is_not_small() -> None:
    assert arrays.difference(np.zeros(2), np.zeros(2)) == 0
    assert arrays.difference(np.zeros(2), np.array([0, 1e-300])) == float("inf")


def test_unequal_sees_one_bit_names_and_dtypes() -> None:
    a = {"x": np.array([1.0, 2.0]), "y": np.array([-0.0])}
    assert arrays.unequal(a, {name: array.copy() for name, array in a.items()}) == []
    assert arrays.unequal(a, {**a, "x": np.nextafter(a["x"], 3)}) == ["x"]
    assert arrays.unequal(a, {**a, "y": np.array([0.0])}) == ["y"]
    assert arrays.unequal(a, {"x": a["x"]}) == ["y"]
    assert arrays.unequal(a, {**a, "z": a["x"]}) == ["z"]
    assert arrays.unequal(a, {**a, "x": a["x"].astype(np.float32)}) == ["x"]


def test_sample_weights_hide_nothing() -> None:
    rows = [
        TensorInfo("bn.weight", (9,), "float64", "parameter"),
        TensorInfo("bn.bias", (9,), "float64", "parameter"),
        TensorInfo("bn.running_mean", (9,), "float64", "buffer"),
        TensorInfo("bn.running_var", (9,), "float64", "buffer"),
        TensorInfo("conv.weight", (4, 3, 3, 3), "float64", "parameter"),
    ]
    values = arrays.sample_weights(rows, "float64", 1)
    everything = np.concatenate([array.ravel() for array in values.values()])
    assert len(np.unique(everything)) == len(everything)
    assert not {0.0, 1.0} & set(everything)
    assert (values["bn.running_var"] > 0).all()
    again = arrays.sample_weights(reversed(rows), "float64", 1)
    assert arrays.unequal(values, again) == []
    assert len(arrays.unequal(values, arrays.sample_weights(rows, "float64", 2))) == 5


def test_sample_inputs_have_no_two_values_alike() -> None:
    network = specs.find("mimo_net").network
    inputs = arrays.sample_inputs(network, 3, "float64")
    assert {n: a.shape for n, a in inputs.items()} == {
        "image": (3, 28, 28, 1),
        "metadata": (3, 10),
    }
    assert all(len(np.unique(a)) == a.size for a in inputs.values())
