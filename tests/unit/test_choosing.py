"""A name that is chosen from those that there are."""

import pytest

from shared.choosing import choose
from shared.errors import ConfigurationError
from shared.panels import PANELS


@pytest.mark.parametrize(
    ("kind", "name", "sentence"),
    [
        ("backend", "zzz", "; there are torch, flax, keras"),
        ("backend", "kears", "; there are torch, flax, keras: did you mean 'keras'?"),
        ("backend", "Flax", "; there are torch, flax, keras: did you mean 'flax'?"),
        ("backend", "jax", "; the backend flax runs on JAX"),
        ("backend", "JAX", "; the backend flax runs on JAX"),
        ("backend", "tensorflow", "; the backend keras runs on TensorFlow"),
        ("backend", "tf", "; the backend keras runs on TensorFlow"),
        ("backend", "pytorch", "; the backend of PyTorch is torch"),
        ("letter", "jax", "; there are torch, flax, keras"),
    ],
)
def test_choose_says_what_there_is_or_what_was_meant(kind: str, name: str, sentence: str) -> None:
    assert choose(kind, "torch", PANELS) == "torch"
    with pytest.raises(ConfigurationError) as caught:
        choose(kind, name, PANELS)
    assert str(caught.value) == f"there is no {kind} {name!r}{sentence}"
