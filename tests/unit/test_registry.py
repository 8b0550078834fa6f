"""Backends by name: what is missing, and what to install for it."""

import importlib.util
from typing import Any

import pytest

from shared import registry
from shared.errors import BackendMissingError, ConfigurationError


@pytest.mark.parametrize(
    ("backend", "absent", "lacks"),
    [
        ("torch", ["torch"], "torch"),
        ("flax", ["jax", "optax"], "jax and optax"),
        ("keras", ["keras", "tensorflow"], "keras and tensorflow"),
    ],
)
def test_missing_packages_are_named_with_their_remedy(
    monkeypatch: pytest.MonkeyPatch, backend: str, absent: list[str], lacks: str
) -> None:
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    real = importlib.util.find_spec

    def find(name: str, package: str | None = None) -> Any:
        if name in absent:
            return None
        return real("sys") if name in ("torch", "jax", "flax", "optax") else real(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find)
    sentence = (
        f"the {backend} backend needs {lacks}; install it with: pip install 'triptych[{backend}]'"
    )
    assert registry.missing(backend) == absent
    assert registry.explain_missing(backend) == sentence
    assert backend not in registry.installed()
    with pytest.raises(BackendMissingError) as caught:
        registry.load(backend)
    assert str(caught.value) == sentence


def test_registry_knows_its_backends() -> None:
    with pytest.raises(ConfigurationError) as caught:
        registry.load("tensorflow")
    assert str(caught.value).startswith(
        "there is no backend 'tensorflow'; there are torch, flax, keras."
    )


@pytest.mark.parametrize(
    ("runs_on", "said"),
    [
        ("tensorflow", "pip install 'triptych[keras]'"),
        ("jax", "pip install 'triptych[keras,flax]'"),
        ("torch", "pip install 'triptych[keras,torch]'"),
        ("nope", "KERAS_BACKEND must be tensorflow, jax, torch or unset, not 'nope'"),
    ],
)
def test_keras_says_what_it_needs_for_the_framework_that_it_is_to_run_on(
    monkeypatch: pytest.MonkeyPatch, runs_on: str, said: str
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", runs_on)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert registry.missing("keras") == ["keras", runs_on]
    assert said in registry.explain_missing("keras")
