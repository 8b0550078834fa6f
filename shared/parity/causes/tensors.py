"""Why two networks' tensors are not the same: one is absent, has another name, shape or values."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from shared.parity.causes.match import Cause, usable

Tensors = Mapping[str, np.ndarray]
Shapes = Mapping[str, tuple[int, ...]]


def explain_tensors(
    a_name: str, b_name: str, a: Shapes, b: Shapes, a_values: Tensors, b_values: Tensors
) -> tuple[str, Cause] | None:
    """The first tensor, by name, that is not the same, and what is wrong with it.

    Args:
        a_name: What the first side is called.
        b_name: What the second is called.
        a: The first side's shapes by canonical name.
        b: The second's.
        a_values: The first side's tensors.
        b_values: The second's.
    """
    for name in sorted({*a, *b}):
        if name not in a or name not in b:
            owner, other, shapes, others = (
                (a_name, b_name, a, b) if name in a else (b_name, a_name, b, a)
            )
            layer = name.rpartition(".")[0]
            twins = [
                twin
                for twin in others
                if twin not in shapes
                and others[twin] == shapes[name]
                and twin.rpartition(".")[0] == layer
            ]
            if twins:
                text = f"{owner} has {name}, {other} calls it {twins[0]}"
                return name, Cause("renamed tensor", text)
            return name, Cause("absent tensor", f"{owner} has {name}, {other} lacks it")
        if a[name] != b[name]:
            text = f"{a_name} has {name} in the shape {a[name]}, {b_name} in {b[name]}"
            return name, Cause("shape", text)
    for name in [name for name in a_values if name in b_values]:
        ours, theirs = a_values[name], b_values[name]
        if ours.shape == theirs.shape and ours.tobytes() != theirs.tobytes():
            return name, _values(a_name, b_name, name, ours, theirs)
    return None


def _values(a_name: str, b_name: str, name: str, a: np.ndarray, b: np.ndarray) -> Cause:
    """How a tensor's values differ."""
    turns: tuple[tuple[str, str, Callable[[np.ndarray], np.ndarray]], ...] = (
        ("transposed kernel", "transposed", lambda x: x.swapaxes(0, 1)),
        ("transposed kernel", "with height and width swapped", lambda x: x.swapaxes(-1, -2)),
        ("flipped kernel", "flipped in its last axis", lambda x: x[..., ::-1]),
        ("flipped kernel", "flipped in its last two axes", lambda x: x[..., ::-1, ::-1]),
    )
    for kind, words, turn in turns if a.ndim > 1 else ():
        if np.array_equal(turn(a), b):
            return Cause(kind, f"{b_name} has {a_name}'s {name} {words}")
    if not usable(a, b):
        return Cause("not finite", f"{name} has values that are not finite")
    for odd, plain, values, others in ((b_name, a_name, b, a), (a_name, b_name, a, b)):
        if not values.any():
            return Cause("zeros", f"{odd}'s {name} is 0, {plain}'s is not")
        if np.array_equal(values, others.astype(np.float32).astype(values.dtype)):
            return Cause("precision", f"{odd} has {plain}'s {name} rounded to float32")
    count = int((a != b).sum())
    text = f"{count} of {a.size} values of {name} are not the same in {a_name} and in {b_name}"
    return Cause("values", text)
