"""Readings of attention between its dense layers, and of a gated recurrent cell between its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

import numpy as np

from shared.parity.causes.formulas import attend, gated
from shared.parity.causes.match import Fact, Reading

HEADS = (1, 2, 3, 4, 6, 8, 12, 16)
ORDERS = ("rzn", "zrn", "rnz", "nrz", "znr", "nzr")
SCALES = (
    "divides its scores by the root of a head's width",
    "does not scale its scores",
    "divides its scores by a head's width",
    "divides its scores by the root of all heads' width",
)
Arrays = Mapping[str, np.ndarray]


def attention(before: Arrays, shape: tuple[int, ...]) -> Iterator[Reading]:
    """What attention gives: its values (B, T, D), its weights (B, N, T, S), or their mean.

    Queries, keys and values are the newest arrays called so, or else the three newest ones. Masks
    are boolean inputs, lengths that they can be made of, and what hides later steps.
    """
    if len(shape) not in (3, 4):
        return
    triple = _triple(before, shape)
    if triple is None:
        return
    q, k, v = triple
    heads_that_fit = [
        n for n in HEADS if q.shape[-1] % n == 0 and (len(shape) == 3 or shape[1] == n)
    ]
    masks = list(_masks(before, shape[0], q.shape[1], k.shape[1]))
    for (mask, mask_facts), heads, message in product(masks, heads_that_fit, SCALES):
        width = q.shape[-1] // heads
        divisors = (width**0.5, 1.0, width, q.shape[-1] ** 0.5)
        scale = 1 / divisors[SCALES.index(message)]
        values, weights = attend(q, k, v, heads, scale, mask)
        facts = (
            *mask_facts,
            Fact("attention scale", message, "scale"),
            Fact("heads", f"has {heads} heads"),
        )
        if values.shape == shape:
            yield Reading(values, (*facts, Fact("output", "gives values")))
        if weights.shape == shape:
            yield Reading(weights, (*facts, Fact("output", "gives weights")))
        if weights.mean(axis=1).shape == shape:
            yield Reading(weights.mean(axis=1), (*facts, Fact("output", "gives weights")))


def _triple(
    before: Arrays, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """The newest queries, keys and values that belong together."""
    sequences = {
        name: array.astype(float)
        for name, array in before.items()
        if array.ndim == 3 and array.dtype.kind == "f" and len(array) == shape[0]
    }
    arrays = []
    for word, place in (("query", -3), ("key", -2), ("value", -1)):
        called = [array for name, array in sequences.items() if word in name]
        newest = [*sequences.values()][place:][:1] if len(sequences) >= 3 else []
        arrays += called[-1:] or newest
    if len(arrays) != 3:
        return None
    q, k, v = arrays
    fits = q.shape[2] == k.shape[2] == v.shape[2] and k.shape[1] == v.shape[1]
    return (q, k, v) if fits else None


def _masks(
    before: Arrays, batch: int, steps: int, places: int
) -> Iterator[tuple[np.ndarray | None, tuple[Fact, ...]]]:
    """Masks (B, T, S), in both senses, and none."""
    named: list[tuple[str, np.ndarray]] = []
    for name, array in before.items():
        if array.dtype.kind == "b":
            named += [(name, mask) for mask in _shaped(array, batch, steps, places)]
        elif array.dtype.kind in "iu" and array.shape == (batch,):
            for stride in (1, 2, 4, 8):
                mask = np.arange(0, places * stride, stride) < array[:, None]
                named.append((f"{name}, in steps of {stride}", mask[:, None]))
    if steps == places:
        past = np.tri(steps, dtype=bool)[None]
        named.append(("the past", past))
        named += [(f"{name} and the past", mask & past) for name, mask in list(named[:-1])]
    for name, mask in named:
        for sense, value in (("True", mask), ("False", ~mask)):
            message = Fact("mask sense", f"attends where the mask is {sense}")
            yield value, (Fact("mask", f"masks by {name}"), message)
    yield None, (Fact("mask", "ignores the mask"),)


def _shaped(mask: np.ndarray, batch: int, steps: int, places: int) -> Iterator[np.ndarray]:
    """A boolean array as a mask that broadcasts to (B, T, S), if it can be one."""
    if mask.ndim == 4 and mask.shape[1] == 1:
        mask = mask[:, 0]
    if mask.ndim == 3:
        rows, columns = mask.shape[1] in (1, steps), mask.shape[2] == places
        if mask.shape[0] in (1, batch) and rows and columns:
            yield mask
    elif mask.shape == (batch, places):
        yield mask[:, None]
    elif mask.shape == (steps, places):
        yield mask[None]


def gru(before: Arrays, shape: tuple[int, ...]) -> Iterator[Reading]:
    """The next state (B, H) from the two newest arrays of gates (B, 3H), in every order of gates.

    The state before is zeros, what older pairs of gates give when read as PyTorch reads them, or
    an array of that shape.
    """
    if len(shape) != 2:
        return
    batch, width = shape
    gates = [
        array
        for array in before.values()
        if array.shape[-1:] == (3 * width,) and array.ndim == 2 and len(array) in (1, batch)
    ]
    if len(gates) < 2:
        return
    if len(gates) % 2:
        gates = gates[1:]
    pairs = list(zip(gates[::2], gates[1::2], strict=True))
    folded = np.zeros(shape)
    for from_input, from_state in pairs[:-1]:
        folded = gated(from_input, from_state, folded, "rzn", new_by_z=False, whole=False)
    newest = [array for array in reversed(list(before.values())) if array.shape == shape]
    states = [folded, *newest]
    if len(pairs) > 1:
        states.insert(1, np.zeros(shape))
    from_input, from_state = pairs[-1]
    for (i, h), order, new_by_z, whole in product(
        enumerate(states[:4]),
        ORDERS,
        (False, True),
        (False, True),
    ):
        weighed = "new" if new_by_z else "old"
        reset = "both shares" if whole else "the state's share"
        value = gated(from_input, from_state, h, order, new_by_z=new_by_z, whole=whole)
        yield Reading(
            np.broadcast_to(value, shape),
            (
                Fact("gate order", f"reads the gates in the order {', '.join(order)}"),
                Fact("gate sense", f"weighs the {weighed} state by z", "gate order"),
                Fact("reset", f"resets {reset} of n", "gate order"),
                Fact("state", f"goes on from state {i}"),
            ),
        )
