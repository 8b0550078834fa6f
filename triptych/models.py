"""Networks of the catalogue, built in a backend."""

from __future__ import annotations

from typing import Any, cast

from shared import registry
from shared.choosing import check_seed
from shared.errors import ConfigurationError
from shared.interface import Backend, Model
from shared.specs import SPECS, Spec, find


def list_architectures() -> list[str]:
    """The names of all architectures, in the order of every table."""
    return list(SPECS)


def build(
    architecture: str | Spec,
    backend: str | Backend,
    *,
    seed: int = 0,
    dtype: str = "float32",
    device: str = "cpu",
    variant: str = "tuned",
    **config: Any,
) -> Model:
    """Build a network of the catalogue, with the framework's own initial weights.

    Args:
        architecture: A name of `list_architectures`, or what `find` gives.
        backend: "torch", "flax" or "keras", or what `load` gives. Load one a process: TensorFlow
            and PyTorch's optimizers cannot share one.
        seed: Of the initial weights.
        dtype: "float32", "float64", or "bfloat16" for mixed precision.
        device: "cpu" or "cuda".
        variant: "tuned", or "idiomatic" for the code that the framework's documentation would
            write; they give the same numbers but for rounding.
        **config: Arguments of the network's constructor that are not to have their defaults.

    Returns:
        The model. Calling it gives NumPy arrays by name for NumPy arrays by name; an image is
        (B, H, W, C). `model.native` is the framework's own.

    Raises:
        TriptychError: There is no such architecture, backend, dtype, device, variant or argument;
            the backend's framework is not installed; the device is not there.
    """
    spec = architecture if isinstance(architecture, Spec) else find(architecture)
    check_seed(seed)
    network = spec.configured(config)
    if not isinstance(backend, str) and hasattr(backend, "build"):
        loaded = backend
    else:
        loaded = registry.load(cast(str, backend))
    return loaded.build(network, seed=seed, dtype=dtype, device=device, variant=variant)


def check_model(model: Model) -> Model:
    """The model, if it is one of this interface.

    Raises:
        ConfigurationError: It is the framework's own, or nothing of the kind.
    """
    if not hasattr(model, "network"):
        raise ConfigurationError(
            f"a model must be what triptych.build gives, not {type(model).__name__}"
        )
    return model


def spec_of(model: Model) -> Spec:
    """The architecture that a model was built from.

    Raises:
        ConfigurationError: The model's class is that of no architecture, but of a part of one, or
            the user's own.
    """
    network = check_model(model).network
    for spec in SPECS.values():
        if (spec.network.file, spec.network.cls) == (network.file, network.cls):
            return spec
    raise ConfigurationError(
        f"{network.cls} is no architecture of the catalogue; triptych.build makes those that are: "
        f"{', '.join(SPECS)}"
    )
