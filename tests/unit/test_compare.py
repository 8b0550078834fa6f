"""The main job where it needs no backend: what it refuses, and how its figures are written."""

import math

import pytest

from shared import compare, specs, strict
from shared.errors import ConfigurationError
from tests.made import quick


def test_an_architecture_that_is_not_trained_says_so() -> None:
    with pytest.raises(ConfigurationError, match="train the network that it wraps"):
        compare.compare(specs.find("inference_model"), quick(), "here")


def test_figures_that_are_not_finite_are_null_in_json() -> None:
    value = {"a": [math.inf, 1.0, math.nan], "b": ({"c": -math.inf},)}
    assert strict.finite(value) == {"a": [None, 1.0, None], "b": [{"c": None}]}
