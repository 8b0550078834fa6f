"""Which tensor and which layer of one model is which of another's.

Two people name the same layers differently, and what nobody names a framework counts. A mapping
says what the second model's names are in the first one; what does not pair off is told with its
shape, and with a mapping to try.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shared.errors import ConfigurationError

_LISTED = 12
"""How many tensors a sentence lists."""


@dataclass(frozen=True)
class Named:
    """What a model calls its parts.

    Attributes:
        who: How sentences call the model.
        shapes: Every tensor's shape by its canonical name.
        layers: The layers' names in the order of execution.
    """

    who: str
    shapes: Mapping[str, tuple[int, ...]]
    layers: tuple[str, ...]

    @property
    def known(self) -> list[str]:
        """Tensors, layers, and everything that these are in."""
        whole = [*self.layers, *self.shapes]
        parts = [name.split(".") for name in whole]
        return [*dict.fromkeys(".".join(part[:end]) for part in parts for end in _ends(part))]


def _ends(part: list[str]) -> range:
    return range(1, len(part) + 1)


def renamed(name: str, mapping: Mapping[str, str]) -> str:
    """A name as the mapping has it: its own entry, or that of the longest beginning of it."""
    starts = [key for key in mapping if name == key or name.startswith(f"{key}.")]
    if not starts:
        return name
    longest = max(starts, key=len)
    return mapping[longest] + name.removeprefix(longest)


def pair(a: Named, b: Named, mapping: Mapping[str, str] | None = None) -> dict[str, str]:
    """What each tensor and layer of b is called in a.

    A layer whose tensors go to another layer's goes with them.

    Raises:
        ConfigurationError: the mapping has a name that is in neither model, or two for one tensor;
            tensors are left over, or have another shape.
    """
    mapping = dict(mapping or {})
    _check(mapping, a, b)
    twins = {name: renamed(name, mapping) for name in b.shapes}
    back: dict[str, str] = {}
    for name, other in twins.items():
        if other in back:
            raise ConfigurationError(
                f"the mapping makes both {back[other]} and {name} of {b.who} to {other} of {a.who};"
                " each tensor has one twin"
            )
        back[other] = name
    _check_shapes(a, b, back)
    layers = {name.rpartition(".")[0]: other.rpartition(".")[0] for name, other in twins.items()}
    taken = set(layers.values())
    for name in b.layers:
        other = renamed(name, mapping)
        if name not in layers and other not in taken:
            layers[name] = other
    return {**layers, **twins}


def _check(mapping: Mapping[str, str], a: Named, b: Named) -> None:
    """Raise ConfigurationError for names that a mapping has and the models do not."""
    for names, model, side in ((mapping, b, "key"), (mapping.values(), a, "value")):
        known = model.known
        for name in names:
            if name not in known:
                near = difflib.get_close_matches(name, known, 3) or known[:_LISTED]
                raise ConfigurationError(
                    f"the mapping's {side} {name!r} is no layer or tensor of {model.who}; "
                    f"it has {', '.join(near)}. A mapping has b's names as keys and a's as values"
                )


def _check_shapes(a: Named, b: Named, back: Mapping[str, str]) -> None:
    """Raise ConfigurationError unless a's tensors are b's, by a's names, in the same shapes."""
    only_a = [name for name in a.shapes if name not in back]
    only_b = [name for other, name in back.items() if other not in a.shapes]
    misshapen = [
        f"{other} is {a.shapes[other]} in {a.who} and {b.shapes[name]} in {b.who}"
        for other, name in back.items()
        if other in a.shapes and a.shapes[other] != b.shapes[name]
    ]
    problems = [
        f"only {model.who} has {_listed(left, model.shapes)}"
        for model, left in ((a, only_a), (b, only_b))
        if left
    ]
    problems += misshapen[:_LISTED]
    if not problems:
        return
    proposal = suggest(a, b, only_a, only_b)
    hint = f". By shape and order of execution this fits: mapping={proposal}" if proposal else ""
    raise ConfigurationError(f"the models' tensors do not pair off: {'; '.join(problems)}{hint}")


def _listed(names: list[str], shapes: Mapping[str, tuple[int, ...]]) -> str:
    message = [f"{name} {shapes[name]}" for name in names[:_LISTED]]
    more = len(names) - len(message)
    return ", ".join(message) + (f" and {more} more" if more else "")


def suggest(a: Named, b: Named, only_a: Iterable[str], only_b: Iterable[str]) -> dict[str, str]:
    """A mapping for tensors that are left over: layers with the same tensors, in their order.

    Layers are paired where both models have equally many with tensors of these names and shapes.
    """
    groups = [_groups(a, only_a), _groups(b, only_b)]
    mapping: dict[str, str] = {}
    for tensors, layers in groups[1].items():
        twins = groups[0].get(tensors, [])
        if len(twins) == len(layers):
            mapping |= dict(zip(layers, twins, strict=True))
    order = {name: place for place, name in enumerate(b.layers)}
    return dict(sorted(mapping.items(), key=lambda item: order.get(item[0], len(order))))


def _groups(model: Named, names: Iterable[str]) -> dict[tuple[object, ...], list[str]]:
    """Layers, in the order of execution, by what their tensors are called and shaped."""
    tensors: dict[str, list[tuple[str, tuple[int, ...]]]] = {}
    for name in names:
        layer, _, leaf = name.rpartition(".")
        tensors.setdefault(layer, []).append((leaf, model.shapes[name]))
    groups: dict[tuple[object, ...], list[str]] = {}
    for layer in [name for name in model.layers if name in tensors]:
        groups.setdefault(tuple(sorted(tensors[layer])), []).append(layer)
    return groups
