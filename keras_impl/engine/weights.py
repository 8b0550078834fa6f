"""Keras variables to canonical weights and back.

A variable's place in the model is the chain of attributes that leads to its layer, as in Keras's
own saving: `layer1` holds a list, so its first block is `layer1.0`; a `Sequential` counts its
layers, and in a model made of inputs and outputs each has its own name. What a layer's variables
are called in PyTorch is known by the layer's type.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers, ops

from shared import weights
from shared.errors import WeightsError
from shared.interface import TensorInfo


class Slot(NamedTuple):
    """A variable under a canonical name, and its axes in canonical order."""

    variable: Any
    axes: tuple[int, ...]


Rules = dict[str, tuple[str, tuple[int, ...]]]

# Keras's attribute -> (canonical name, the Keras variable's axes in canonical order)
_DENSE: Rules = {"kernel": ("weight", (1, 0)), "bias": ("bias", (0,))}
_CONV_1D: Rules = {"kernel": ("weight", (2, 1, 0)), "bias": ("bias", (0,))}
_CONV: Rules = {"kernel": ("weight", (3, 2, 0, 1)), "bias": ("bias", (0,))}
_CONV_3D: Rules = {"kernel": ("weight", (4, 3, 0, 1, 2)), "bias": ("bias", (0,))}
_NORM: Rules = {
    "gamma": ("weight", (0,)),
    "beta": ("bias", (0,)),
    "moving_mean": ("running_mean", (0,)),
    "moving_variance": ("running_var", (0,)),
}
_TENSORS: dict[type, Rules] = {
    layers.Dense: _DENSE,
    layers.Conv1D: _CONV_1D,
    layers.Conv2D: _CONV,
    layers.Conv3D: _CONV_3D,
    layers.Conv1DTranspose: _CONV_1D,
    layers.Conv2DTranspose: _CONV,  # (height, width, out, in)
    layers.Conv3DTranspose: _CONV_3D,
    layers.BatchNormalization: _NORM,
    layers.LayerNormalization: _NORM,
    layers.GroupNormalization: _NORM,
    layers.RMSNormalization: {"scale": ("weight", (0,))},
    layers.Embedding: {"embeddings": ("weight", (0, 1))},
}


def walk(layer: layers.Layer, prefix: str = "") -> Iterator[tuple[str, layers.Layer]]:
    """Every layer below one, with its canonical prefix ("layer1.0.conv1."), in order."""
    if isinstance(layer, keras.Sequential):
        children = [(str(index), child) for index, child in enumerate(layer.layers)]
    elif isinstance(layer, keras.Model) and isinstance(layer, keras.Function):
        inner = [child for child in layer.layers if not isinstance(child, layers.InputLayer)]
        children = [(child.name, child) for child in inner]
    else:
        # On PyTorch a Keras layer is a torch module too, which keeps its children apart.
        attributes = {**vars(layer), **vars(layer).get("_modules", {})}
        children = []
        for name, value in attributes.items():
            if name.startswith("_"):
                continue  # Keras's own lists of the same layers
            if isinstance(value, layers.Layer):
                children.append((name, value))
            elif isinstance(value, (list, tuple)):
                members = enumerate(value)
                children += [(f"{name}.{i}", v) for i, v in members if isinstance(v, layers.Layer)]
    for name, child in children:
        if isinstance(child, layers.RNN):  # the loop around a cell: PyTorch's is Python's `for`
            child = child.cell
        yield f"{prefix}{name}.", child
        yield from walk(child, f"{prefix}{name}.")


def layout(model: keras.Model) -> dict[str, Slot]:
    """Every canonical name of a built model with its variable.

    Raises:
        WeightsError: the model has variables that no rule here reaches.
    """
    slots = {}
    for prefix, layer in walk(model):
        rules = _TENSORS.get(type(layer), {})
        for attribute, (name, axes) in rules.items():
            variable = getattr(layer, attribute, None)
            if variable is not None:
                several = rules is _NORM  # over the features, or over several axes
                places = (*range(len(variable.shape)),) if several else axes
                slots[prefix + name] = Slot(variable, places)
    reached = {id(slot.variable) for slot in slots.values()}
    # A dropout layer's variable is the state of its random generator, not a weight.
    left = [v.path for v in model.weights if id(v) not in reached]
    if left:
        raise WeightsError(
            f"no rule turns {', '.join(left)} into canonical tensors; known layers are "
            f"{', '.join(kind.__name__ for kind in _TENSORS)}"
        )
    return slots


def table(slots: Mapping[str, Slot]) -> list[TensorInfo]:
    """Every tensor of the model."""
    return [
        TensorInfo(
            name,
            tuple(slot.variable.shape[axis] for axis in slot.axes),
            slot.variable.dtype,
            "parameter" if slot.variable.trainable else "buffer",
        )
        for name, slot in slots.items()
    ]


def to_canonical(slots: Mapping[str, Slot]) -> dict[str, np.ndarray]:
    """Copies of every tensor as NumPy arrays."""
    return {
        name: ops.convert_to_numpy(slot.variable.value).transpose(slot.axes).copy("C")
        for name, slot in slots.items()
    }


def from_canonical(slots: Mapping[str, Slot], arrays: Mapping[str, np.ndarray]) -> None:
    """Assign NumPy arrays to the variables; raises WeightsError if they do not fit."""
    weights.fit(arrays, {row.name: row.shape for row in table(slots)})
    for name, slot in slots.items():
        native = arrays[name].transpose(np.argsort(slot.axes))
        # A copy: JAX may otherwise go on sharing memory with the caller's array.
        slot.variable.assign(np.array(native, dtype=slot.variable.dtype, order="C"))
