"""Readings of attention between its dense layers, and of a gated recurrent cell between its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

import numpy as np

from shared.parity.causes.formulas import AXES, JOINS, SPLITS, attend, gated, positions, sigmoid
from shared.parity.causes.match import Fact, Reading

STARTS = (0, 1, -1, 2)
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
    usual: tuple[str, int, int, int] = (SCALES[0], -1, 0, 0)
    others = [(message, -1, 0, 0) for message in SCALES[1:]]
    others += [(SCALES[0], axis, 0, 0) for axis in (-2, -3)]
    others += [(SCALES[0], -1, i, j) for i, j in product(range(3), repeat=2) if i or j]
    for (message, axis, split, join), (mask, mask_facts), heads in product(
        [usual, *others], masks, heads_that_fit
    ):
        if heads == 1 and (axis == -3 or split or join):
            continue
        width = q.shape[-1] // heads
        divisors = (width**0.5, 1.0, width, q.shape[-1] ** 0.5)
        scale = 1 / divisors[SCALES.index(message)]
        values, weights = attend(q, k, v, heads, scale, mask, axis=axis, split=split, join=join)
        facts = (
            *mask_facts,
            Fact("attention scale", message, "scale"),
            Fact("softmax axis", AXES[axis]),
            Fact("heads", f"has {heads} heads"),
            Fact("split", SPLITS[split][0], "heads"),
            Fact("join", JOINS[join][0], "heads"),
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


def added_positions(alike: Arrays, shape: tuple[int, ...]) -> Iterator[Reading]:
    """Vectors of a sequence (B, T, D) with positions added to them, as they are or scaled."""
    if len(shape) != 3:
        return
    _, steps, width = shape
    tables = [
        (positions(steps, width, first), f"counts positions from {first}") for first in STARTS
    ]
    tables.append((positions(steps, width, 0, halves=True), "adds all sines before the cosines"))
    tables.append((positions(steps, width, 0)[::-1], "counts positions from the end"))
    tables.append((np.zeros((steps, width)), "adds no positions"))
    for (name, array), (table, message) in product(alike.items(), tables):
        for scale, says in ((1.0, "does not scale"), (width**0.5, f"multiplies by root {width}")):
            facts = (
                Fact("source", f"reads {name}"),
                Fact("positions", message),
                Fact("scale", says),
            )
            yield Reading(scale * array + table, facts)


def gru(before: Arrays, shape: tuple[int, ...], tensors: Arrays | None = None) -> Iterator[Reading]:
    """The next state (B, H) from the two newest arrays of gates (B, 3H), in every order of gates.

    The state before is zeros, what older pairs of gates give when read as PyTorch reads them, or
    an array of that shape. `tensors` are the network's: of the layer that gave the state's gates
    it is computed what they are when the state is reset before it is multiplied.
    """
    if len(shape) != 2:
        return
    batch, width = shape
    gates = {
        name: array
        for name, array in before.items()
        if array.shape[-1:] == (3 * width,) and array.ndim == 2 and len(array) in (1, batch)
    }
    names = [*gates][len(gates) % 2 :]
    pairs = [(gates[one], gates[two]) for one, two in zip(names[::2], names[1::2], strict=True)]
    if not pairs:
        return
    folded = np.zeros(shape)
    for from_input, from_state in pairs[:-1]:
        folded = gated(from_input, from_state, folded, "rzn", new_by_z=False, whole=False)
    newest = [array for array in reversed(list(before.values())) if array.shape == shape]
    states = [("the state before", folded), *(("an earlier state", array) for array in newest)]
    if len(pairs) > 1:
        states.insert(1, ("zeros", np.zeros(shape)))
    from_input, from_state = pairs[-1]
    layers = _layers(tensors or {}, names[-1].rpartition(":")[0], width)
    for (whence, h), order, new_by_z in product(states[:4], ORDERS, (False, True)):
        facts = _gates(order, whence, new_by_z)
        for whole in (False, True):
            reset = "both shares" if whole else "the state's share"
            value = gated(from_input, from_state, h, order, new_by_z=new_by_z, whole=whole)
            reading = Fact("reset gate", f"resets {reset} of n")
            yield Reading(np.broadcast_to(value, shape), (*facts, reading))
        for weight, bias in layers if order == ORDERS[0] else ():
            r = sigmoid(from_input[:, :width] + from_state[:, :width])
            early = from_state.copy()
            early[:, 2 * width :] = (r * h) @ weight[2 * width :].T + bias[2 * width :]
            value = gated(from_input, early, h, order, new_by_z=new_by_z, whole=False, reset=False)
            reading = Fact("reset gate", "resets the state before it is multiplied")
            yield Reading(np.broadcast_to(value, shape), (*facts, reading))
    usual = Fact("reset gate", "resets the state's share of n")
    yield Reading(np.zeros(shape), (*_gates(ORDERS[0], "zeros in every step", False), usual))


def _gates(order: str, whence: str, new_by_z: bool) -> tuple[Fact, ...]:
    return (
        Fact("gate order", f"reads the gates in the order {', '.join(order)}"),
        Fact("gate sense", f"weighs the {'new' if new_by_z else 'old'} state by z", "gate order"),
        Fact("state", f"goes on from {whence}"),
    )


def _layers(tensors: Arrays, name: str, width: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weight and bias of the layer that made the gates of a state; of any, if it is not known."""
    fitting = {
        key.rpartition(".")[0]: array.astype(float)
        for key, array in tensors.items()
        if key.endswith(".weight") and array.shape == (3 * width, width)
    }
    chosen = [name] if name in fitting else [*fitting]
    zeros = np.zeros(3 * width)
    return [(fitting[n], np.asarray(tensors.get(f"{n}.bias", zeros), float)) for n in chosen]
