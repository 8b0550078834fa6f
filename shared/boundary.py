"""What every panel does at its boundary: it checks what it is asked for and what comes in.

The rest is what panels share between NumPy and their framework: outputs get names, and classes are
constructed.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from shared.choosing import meant
from shared.errors import ConfigurationError, InputError
from shared.interface import DEVICES, DTYPES, PROVED, VARIANTS, Arrays, Inputs
from shared.specs import Network, Tensor

# What is asked for


def check_build(dtype: str, device: str, variant: str = "tuned") -> None:
    """Raise ConfigurationError unless dtype, device and variant have names that exist."""
    if dtype not in DTYPES:
        raise ConfigurationError(f"dtype must be float32, float64 or bfloat16, not {dtype!r}")
    if device not in DEVICES:
        hint = meant("device", device)
        raise ConfigurationError(f"device must be cpu or cuda, not {device!r}{hint}")
    if variant not in VARIANTS:
        raise ConfigurationError(f"variant must be idiomatic or tuned, not {variant!r}")


def check_proved(dtype: str) -> None:
    """Raise ConfigurationError unless networks are watched in this dtype."""
    if dtype not in PROVED:
        raise ConfigurationError(
            f"networks are watched, and held against each other, in float32 or float64, not in "
            f"{dtype}; `triptych bench --dtype {dtype}` says how far outputs are from float32's"
        )


def check_decodes(network: Network, native: Any) -> Network:
    """The network as decoding sees it: without the tokens, its last input.

    Raises:
        ConfigurationError: its class has no method `decode`.
    """
    if not hasattr(native, "decode"):
        raise ConfigurationError(f"{network.cls} writes no sequences: it has no method decode")
    return replace(network, inputs=dict(list(network.inputs.items())[:-1]))


def construct(panel: str, network: Network) -> Any:
    """Call the constructor of a network's class in a panel, nested networks first.

    Raises:
        ConfigurationError: the constructor refuses an argument.
    """
    module = importlib.import_module(f"{panel}.{network.file}")
    config = {
        key: construct(panel, value) if isinstance(value, Network) else value
        for key, value in network.config.items()
    }
    try:
        return getattr(module, network.cls)(**config)
    except ValueError as error:
        raise ConfigurationError(str(error)) from error


# What goes in


def kept(dtype: str) -> str:
    """The dtype of a model's tensors, and of the arrays that it takes and gives."""
    return "float32" if dtype == "bfloat16" else dtype


def check_inputs(network: Network, inputs: Inputs, dtype: str) -> list[np.ndarray]:
    """The inputs in the network's order, and in the dtype that arrays have where that is computed.

    Args:
        network: What takes them.
        inputs: Arrays by name, or the array of a network that has one input.
        dtype: What is computed in.

    Raises:
        InputError: a name is missing or unknown; a shape, dtype or value does not fit; the batch is
            empty; one array comes alone, and the network has several inputs.
    """
    inputs = _inputs_by_name(network, inputs)
    if set(inputs) != set(network.inputs):
        raise InputError(
            f"{network.cls} takes the inputs {', '.join(network.inputs)}, "
            f"not {', '.join(inputs) or 'none'}"
        )
    arrays = [
        _checked(name, np.asarray(inputs[name]), tensor, kept(dtype))
        for name, tensor in network.inputs.items()
    ]
    lengths = {name: len(array) for name, array in zip(network.inputs, arrays, strict=True)}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        raise InputError(f"{network.cls} takes batches of one length above 0, not {lengths}")
    return arrays


def _inputs_by_name(network: Network, inputs: Inputs) -> Arrays:
    """Inputs by name; an array that comes alone is that of the only input."""
    if isinstance(inputs, Mapping):
        return inputs
    if len(network.inputs) > 1:
        names = ", ".join(f"{name!r}: {name}" for name in network.inputs)
        raise InputError(
            f"{network.cls} takes the inputs {', '.join(network.inputs)}, each under its name, as "
            f"in model({{{names}}}), not one array alone"
        )
    return dict.fromkeys(network.inputs, inputs)


def _checked(name: str, array: np.ndarray, tensor: Tensor, dtype: str) -> np.ndarray:
    """One input in a dtype; raises InputError if it is not what the tensor says."""
    _check_shape(name, array, tensor)
    if tensor.dtype == "bool":
        if array.dtype.kind != "b":
            raise InputError(f"input {name!r} must be boolean, not {array.dtype}")
        return array
    if tensor.dtype == "float":
        if array.dtype.kind != "f":
            raise InputError(
                f"input {name!r} must be floating point, not {array.dtype}; "
                "triptych.normalise turns uint8 images into float32"
            )
        return array.astype(dtype, copy=False)
    if array.dtype.kind not in "iu":
        raise InputError(f"input {name!r} must be integers, not {array.dtype}")
    outside = array[(array < tensor.low) | (array > tensor.high)]
    if outside.size:
        raise InputError(
            f"input {name!r} must be in [{tensor.low}, {tensor.high}], not {outside.flat[0]}"
        )
    return array.astype(tensor.dtype, copy=False)


def _check_shape(name: str, array: np.ndarray, tensor: Tensor) -> None:
    """Raise InputError unless an input has the tensor's axes and sizes."""
    sizes = tuple(
        None if tensor.any_size and axis in "HW" else size
        for axis, size in zip(tensor.axes, tensor.shape, strict=True)
    )
    fits = array.ndim == len(sizes) + 1 and all(
        size in (None, own) for size, own in zip(sizes, array.shape[1:], strict=True)
    )
    if not fits:
        texts = [
            axis if size is None else str(size)
            for axis, size in zip(tensor.axes, sizes, strict=True)
        ]
        shape = ", ".join(["batch", *texts])
        raise InputError(f"input {name!r} must have shape ({shape}), not {array.shape}")
    height_and_width = array.shape[1:3]
    if any(side % tensor.divisor for side in height_and_width if "H" in tensor.axes):
        raise InputError(
            f"input {name!r} must have a height and width divisible by {tensor.divisor}, "
            f"not {height_and_width[0]} x {height_and_width[1]}"
        )


# What comes out


def by_name(names: Iterable[str], outputs: Any) -> dict[str, Any]:
    """A network's outputs as a dictionary: one array, several in the spec's order, or named."""
    if isinstance(outputs, Mapping):
        return {name: outputs[name] for name in names}
    if isinstance(outputs, list):
        outputs = tuple(outputs)
    return dict(zip(names, outputs if isinstance(outputs, tuple) else (outputs,), strict=True))


def seen_outputs(outputs: Any, image: bool = True) -> dict[str, Tensor]:
    """What outputs a network has, from those that it gave: arrays of NumPy in canonical layouts.

    One array or several get the names output, output1 and so on; a dictionary has names. Four axes
    are those of an image where there are any.

    Raises:
        ConfigurationError: it gives something else than arrays.
    """
    if not isinstance(outputs, Mapping):
        several = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
        outputs = {f"output{index or ''}": array for index, array in enumerate(several)}
    for name, array in outputs.items():
        if not isinstance(array, np.ndarray) or not array.ndim:
            raise ConfigurationError(
                f"a model must give arrays, one, a tuple or a dictionary of them, each with a batch"
                f" axis; its {name} is of type {type(array).__name__}"
            )
    return {
        name: Tensor(
            axes_of(array, image),
            array.shape[1:],
            "float" if array.dtype.kind == "f" else "bool" if array.dtype.kind == "b" else "int32",
        )
        for name, array in outputs.items()
    }


def axes_of(array: np.ndarray, image: bool) -> str:
    """Letters for the axes of somebody's array; four are an image's where there are any."""
    if image and array.ndim == 4 and array.dtype.kind == "f":
        return "HWC"
    return "NTSD"[5 - array.ndim :] if array.ndim < 6 else "D" * (array.ndim - 1)
