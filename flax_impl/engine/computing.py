"""What a network is computed in: a dtype, a device and a mode."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import jax
from flax import linen as nn

# What says that a network is in training mode, or that it is not.
_MODES = {
    "train": True,
    "training": True,
    "is_training": True,
    "deterministic": False,
    "use_running_average": False,
}


@contextmanager
def computing(dtype: str, device: str) -> Iterator[None]:
    """A context in which JAX computes in a dtype on a device.

    JAX turns float64 into float32 unless told otherwise, and puts arrays on its own choice.
    """
    with jax.enable_x64(dtype == "float64"), jax.default_device(jax.devices(device)[0]):
        yield


def in_mode(native: nn.Module, train: bool) -> tuple[nn.Module, dict[str, Any]]:
    """A network in a mode, and the arguments of its call that say so.

    Those of this panel take `train`; others take `deterministic`, have a field of such a name, or
    know no modes.
    """
    arguments = inspect.signature(native.__call__).parameters  # type: ignore[operator]
    modes: dict[str, Any] = {name: train == meaning for name, meaning in _MODES.items()}
    known = {field.name for field in fields(native)} - set(arguments)
    fixed = {name: mode for name, mode in modes.items() if name in known}
    asked = {name: mode for name, mode in modes.items() if name in arguments}
    return native.clone(**fixed) if fixed else native, asked
