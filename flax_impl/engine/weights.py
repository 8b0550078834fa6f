"""Flax variables to canonical weights and back.

A module's variables are a tree by collection and layer. What each layer's tensors are called in
PyTorch, and how their axes are ordered there, is known by the layer's type; a layer in a list
attribute, `features_3` in the tree, is `features.3`.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import linen as nn
from flax import traverse_util

from shared import weights
from shared.errors import WeightsError
from shared.interface import TensorInfo
from shared.specs import Network

Variables = Mapping[str, Any]
Path = tuple[str, ...]


class Slot(NamedTuple):
    """Where a canonical tensor lies in the variables: its path, and its axes in canonical order."""

    path: Path
    axes: tuple[int, ...]


Rules = dict[tuple[str, str], tuple[str, tuple[int, ...]]]

# (collection, Flax's name) -> (canonical name, the Flax tensor's axes in canonical order)
_DENSE: Rules = {("params", "kernel"): ("weight", (1, 0)), ("params", "bias"): ("bias", (0,))}
_CONV: Rules = {("params", "kernel"): ("weight", (3, 2, 0, 1)), ("params", "bias"): ("bias", (0,))}
_NORM: Rules = {
    ("params", "scale"): ("weight", (0,)),
    ("params", "bias"): ("bias", (0,)),
    ("batch_stats", "mean"): ("running_mean", (0,)),
    ("batch_stats", "var"): ("running_var", (0,)),
}
_TENSORS: dict[type, Rules] = {
    nn.Dense: _DENSE,
    nn.Conv: _CONV,
    nn.ConvTranspose: _CONV,  # (height, width, out, in) with `transpose_kernel`
    nn.BatchNorm: _NORM,
    nn.LayerNorm: _NORM,
    nn.GroupNorm: _NORM,
    nn.RMSNorm: _NORM,
    nn.Embed: {("params", "embedding"): ("weight", (0, 1))},
}


def _canonical_name(module: nn.Module) -> str:
    """A bound module's name within its parent: `features.3` for the list member features_3."""
    name = module.name or ""
    stem, _, index = name.rpartition("_")
    siblings = getattr(module.parent, stem, None) if stem and index.isdigit() else None
    if isinstance(siblings, (list, tuple)) and siblings[int(index)].name == name:
        return index if isinstance(module.parent, nn.Sequential) else f"{stem}.{index}"
    return name


def _canonical_prefix(module: nn.Module, known: Mapping[Path, tuple[str, type]]) -> str:
    """What a bound module's tensors have before their own names: "layer1.0.conv1."."""
    if isinstance(module.parent, nn.Module):
        return f"{_canonical_prefix(module.parent, known)}{_canonical_name(module)}."
    if not module.path:
        return ""
    # The body of a lifted loop: its own parent is out of sight, but was called before it.
    return f"{known[module.path[:-1]][0]}{module.path[-1]}."


class Layout(NamedTuple):
    """Every canonical name of a tensor with its place, every layer's path with its own name.

    `dropouts` has the dropout layers' rates.
    """

    slots: dict[str, Slot]
    names: dict[Path, str]
    dropouts: dict[str, float]


def layout(module: nn.Module, *inputs: jax.Array, **mode: Any) -> Layout:
    """What the tensors and the layers of a module are called in PyTorch.

    The module is run on the shapes of `inputs` alone, to see which layers it really has. `mode`
    are arguments that its call needs besides.

    Raises:
        WeightsError: a layer with variables is of a type that has no rule here.
    """
    layers: dict[Path, tuple[str, type]] = {}
    dropouts: dict[str, float] = {}

    def note(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
        bound = context.module
        if isinstance(bound, nn.ConvTranspose) and not bound.transpose_kernel:
            raise WeightsError(
                f"{'/'.join(bound.path)} must have transpose_kernel=True: without it Flax flips "
                "the kernel, and no order of the axes makes it PyTorch's"
            )
        layers[bound.path] = (_canonical_prefix(bound, layers), type(bound))
        if isinstance(bound, nn.Dropout):
            dropouts[layers[bound.path][0].removesuffix(".")] = bound.rate
        return call(*args, **kwargs)

    with nn.intercept_methods(note):
        shapes = jax.eval_shape(partial(module.init, **mode), jax.random.key(0), *inputs)
    flat = traverse_util.flatten_dict(dict(shapes))
    slots = {}
    for collection, path, leaf in _leaves(shapes):
        prefix, layer = layers.get(path, ("", nn.Module))
        if (collection, leaf) not in _TENSORS.get(layer, {}):
            known = ", ".join(kind.__name__ for kind in _TENSORS)
            raise WeightsError(
                f"no rule turns {collection}/{'/'.join(path)}/{leaf} of a {layer.__name__} into a "
                f"canonical tensor; known layers are {known}"
            )
        name, axes = _TENSORS[layer][collection, leaf]
        ndim = flat[collection, *path, leaf].ndim
        if _TENSORS[layer] is _CONV and leaf == "kernel":  # of a length, an image or a volume
            axes = (ndim - 1, ndim - 2, *range(ndim - 2))
        elif _TENSORS[layer] is _NORM:  # over the features, or over several axes
            axes = (*range(ndim),)
        slots[prefix + name] = Slot((collection, *path, leaf), axes)
    names = {path: prefix.removesuffix(".") for path, (prefix, _) in layers.items()}
    return Layout(slots, names, dropouts)


def _leaves(variables: Variables) -> list[tuple[str, Path, str]]:
    """Collection, layer's path and name of every variable."""
    return [(p[0], p[1:-1], p[-1]) for p in traverse_util.flatten_dict(dict(variables))]


def taken(variables: Variables, slots: Mapping[str, Slot], dtype: str) -> Variables:
    """A copy of somebody's variables in a dtype.

    Raises:
        WeightsError: they are not those that their module has.
    """
    flat = traverse_util.flatten_dict(jax.tree.map(np.asarray, dict(variables)))
    places = {slot.path for slot in slots.values()}
    wrong = [f"lack {'/'.join(path)}" for path in sorted(places - set(flat))]
    wrong += [f"have {'/'.join(path)}, which it does not" for path in sorted(set(flat) - places)]
    if wrong:
        raise WeightsError(f"the variables are not the module's: they {'; '.join(wrong)}")
    return traverse_util.unflatten_dict(
        {path: copied(array, dtype) for path, array in flat.items()}
    )


def table(variables: Variables, slots: Mapping[str, Slot]) -> list[TensorInfo]:
    """Every tensor of the variables."""
    flat = traverse_util.flatten_dict(dict(variables))
    return [
        TensorInfo(
            name,
            tuple(flat[slot.path].shape[axis] for axis in slot.axes),
            str(flat[slot.path].dtype),
            "buffer" if slot.path[0] == "batch_stats" else "parameter",
        )
        for name, slot in slots.items()
    ]


def to_canonical(variables: Variables, slots: Mapping[str, Slot]) -> dict[str, np.ndarray]:
    """Copies of every tensor as NumPy arrays."""
    flat = traverse_util.flatten_dict(dict(variables))
    return {
        name: np.asarray(flat[slot.path]).transpose(slot.axes).copy("C")
        for name, slot in slots.items()
    }


def from_canonical(
    variables: Variables, slots: Mapping[str, Slot], arrays: Mapping[str, np.ndarray]
) -> Variables:
    """New variables with the arrays' values; raises WeightsError if they do not fit."""
    weights.fit(arrays, {row.name: row.shape for row in table(variables, slots)})
    flat = traverse_util.flatten_dict(dict(variables))
    for name, slot in slots.items():
        native = arrays[name].transpose(np.argsort(slot.axes))
        flat[slot.path] = copied(native, flat[slot.path].dtype)
    return traverse_util.unflatten_dict(flat)


def example(network: Network) -> list[jax.Array]:
    """One example of every input of a network, of zeros."""
    dtypes = ["float32" if x.dtype == "float" else x.dtype for x in network.inputs.values()]
    return [
        copied(np.zeros((1, *tensor.shape)), dtype)
        for tensor, dtype in zip(network.inputs.values(), dtypes, strict=True)
    ]


def zeros(module: nn.Module, example: Sequence[jax.Array], dtype: str) -> Variables:
    """Variables of zeros for a module that takes such inputs."""
    shapes = jax.eval_shape(module.init, jax.random.key(0), *example)
    variables: Variables = jax.tree.map(lambda x: copied(np.zeros(x.shape), dtype), shapes)
    return variables


def copied(array: np.ndarray, dtype: Any = None) -> jax.Array:
    """A copy in a dtype on JAX's device, which on a CPU reads the caller's memory later, or always.

    `jax.numpy` compiles a program for every shape that it converts.
    """
    return jax.device_put(np.array(array, dtype))
