"""What networks are given to show their differences."""

import numpy as np

from shared import differences, specs
from shared.interface import TensorInfo
from shared.parity import samples


def test_sample_weights_hide_nothing() -> None:
    rows = [
        TensorInfo("bn.weight", (9,), "float64", "parameter"),
        TensorInfo("bn.bias", (9,), "float64", "parameter"),
        TensorInfo("bn.running_mean", (9,), "float64", "buffer"),
        TensorInfo("bn.running_var", (9,), "float64", "buffer"),
        TensorInfo("conv.weight", (4, 3, 3, 3), "float64", "parameter"),
    ]
    values = samples.sample_weights(rows, "float64", 1)
    everything = np.concatenate([array.ravel() for array in values.values()])
    assert len(np.unique(everything)) == len(everything)
    assert not {0.0, 1.0} & set(everything)
    assert (values["bn.running_var"] > 0).all()
    again = samples.sample_weights(reversed(rows), "float64", 1)
    assert differences.unequal(values, again) == []
    assert len(differences.unequal(values, samples.sample_weights(rows, "float64", 2))) == 5


def test_sample_inputs_have_no_two_values_alike() -> None:
    network = specs.find("mimo_net").network
    inputs = samples.sample_inputs(network, 3, "float64")
    assert {n: a.shape for n, a in inputs.items()} == {
        "image": (3, 28, 28, 1),
        "metadata": (3, 10),
    }
    assert all(len(np.unique(a)) == a.size for a in inputs.values())


def test_real_data_fits_any_shape() -> None:
    image = np.random.default_rng(0).normal(size=(5, 28, 28, 1))
    assert (samples.fitted(image, (4, 196, 1)).ravel() == image.ravel()).all()
    several = samples.fitted(image, (7, 10, 3))
    assert several.shape == (5, 7, 10, 3)
    assert not np.array_equal(several[..., 0], several[..., 1])
    assert samples.fitted(image, (30,)).shape == (5, 30)
    assert samples.fitted(np.arange(5, dtype=np.int32), ()).tolist() == [0, 1, 2, 3, 4]
