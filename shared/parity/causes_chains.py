"""Readings of what stands between two layers: an activation, then a pool, then a flatten."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import permutations

import numpy as np

from shared.parity.causes_formulas import (
    ACTIVATIONS,
    Activation,
    Function,
    Windows,
    average,
    largest,
)
from shared.parity.causes_match import Fact, Reading

STEPS = 64  # of a sequence


@dataclass(frozen=True)
class Step:
    """One way to go on from an array, and what it says."""

    function: Function
    facts: tuple[Fact, ...]


_AS_IT_IS = Fact("flatten order", "keeps the order of the axes")
_NO_POOL = Fact("pool", "does not pool")
_NO_SCALE = Fact("scale", "does not scale")
_NO_DROPOUT = Fact("dropout", "drops nothing")


def chains(name: str, source: np.ndarray, shape: tuple[int, ...]) -> Iterator[Reading]:
    """All chains from one array to one shape."""
    steps = list(ways(source.shape, shape))
    if not steps or len(source) != shape[0]:
        return
    for activation in ACTIVATIONS:
        active = activation.function(source)
        for step in steps:
            yield Reading(step.function(active), chain_facts(name, activation, *step.facts))


def chain_facts(name: str, activation: Activation, *others: Fact) -> tuple[Fact, ...]:
    """One fact for each topic of a chain; those not given say that nothing is done."""
    first = [
        Fact("source", f"reads {name}"),
        Fact("activation", activation.says, activation.kind),
    ]
    topics = {fact.topic: fact for fact in (*first, _NO_POOL, _AS_IT_IS, _NO_SCALE, _NO_DROPOUT)}
    return tuple((topics | {fact.topic: fact for fact in others}).values())


def ways(given: tuple[int, ...], wanted: tuple[int, ...]) -> Iterator[Step]:
    """Ways from a shape to another: none or one pool, then the axes in some order."""
    for function, fact in _arranged(given, wanted):
        yield Step(function, (fact,))
    if len(given) == 4:
        for way, shape, said in _pools(given, wanted):
            for function, order in _arranged(shape, wanted)[:2]:
                yield Step(_after(way, function), (Fact("pool", said), order))
    if len(given) > 2 and np.prod(given[2:]) == np.prod(wanted[1:]):
        yield from _one_of(given, wanted)


def _after(first: Function, second: Function) -> Function:
    return lambda x: second(first(x))


def _arranged(
    given: tuple[int, ...], wanted: tuple[int, ...], letters: str = ""
) -> list[tuple[Function, Fact]]:
    """Orders of the axes that give an array the wanted shape, the usual one first."""
    letters = letters or {3: "TD", 4: "HWC"}.get(len(given), "")
    if np.prod(given[1:]) != np.prod(wanted[1:]):
        return []
    if len(given) < 3 or len(given) != len(letters) + 1:
        return [(lambda x: x, _AS_IT_IS)] if given[1:] == wanted[1:] else []
    first = {"HWC": (3, 1, 2), "WC": (2, 1)}.get(letters, (1, 2))  # channels first
    flat = len(wanted) < len(given)
    found: list[tuple[Function, Fact]] = []
    for order in sorted(
        permutations(range(1, len(given))), key=lambda order: (flat and order != first, order)
    ):
        if not flat and tuple(given[axis] for axis in order) != wanted[1:]:
            continue

        def turn(x: np.ndarray, order: tuple[int, ...] = order) -> np.ndarray:
            return x.transpose(0, *order).reshape(len(x), *wanted[1:])

        said = ", ".join(letters[axis - 1] for axis in order)
        if flat:
            fact = Fact("flatten order", f"flattens in the order {said}")
        elif list(order) == sorted(order):
            fact = _AS_IT_IS
        else:
            fact = Fact("flatten order", f"turns the axes into the order {said}", "axes")
        found.append((turn, fact))
    return found


def _one_of(given: tuple[int, ...], wanted: tuple[int, ...]) -> Iterator[Step]:
    """One step of a sequence or one row of an image, or the mean or maximum of all."""
    found: list[tuple[Function, str]] = [
        (lambda x, step=step: x[:, step], f"reads step {step}")  # type: ignore[misc]
        for step in range(given[1] if given[1] <= STEPS else 0)
    ]
    found.append((lambda x: x.mean(axis=1), "reads the mean of the steps"))
    found.append((lambda x: x.max(axis=1), "reads the maximum of the steps"))
    for function, said in found:
        for turn, order in _arranged((given[0], *given[2:]), wanted, "WC"[: len(given) - 2]):
            yield Step(_after(function, turn), (Fact("step", said), order))


def _pools(
    given: tuple[int, ...], wanted: tuple[int, ...]
) -> Iterator[tuple[Function, tuple[int, ...], str]]:
    """Pools of images, with the shapes that they give and what they say."""
    batch, height, width, channels = given
    if np.prod(wanted[1:]) == channels:
        one = (batch, 1, 1, channels)
        yield (lambda x: x.mean(axis=(1, 2), keepdims=True)), one, "averages over all places"
        yield (lambda x: x.max(axis=(1, 2), keepdims=True)), one, "takes the largest of all places"
    for size, stride in ((2, 2), (3, 2), (3, 1), (3, 3), (2, 1), (4, 4), (4, 2), (2, 3), (2, 4)):
        for rows, columns in dict.fromkeys(_grids(height, width, size, stride)):
            shape = (batch, rows.size, columns.size, channels)
            if not _arranged(shape, wanted):
                continue
            where = f"{size}x{size} windows at stride {stride}"
            where += f" and {_padding(rows, columns, given)}"
            most = partial(largest, rows=rows, columns=columns)
            mean = partial(average, rows=rows, columns=columns)
            yield most, shape, f"takes the largest of {where}"
            if max(rows.before, columns.before, rows.after(height), columns.after(width)) <= 0:
                yield partial(mean, counted=True), shape, f"averages {where}"
                continue
            zeros = partial(most, fill=0.0)
            yield zeros, shape, f"takes the largest of {where}, with zeros"
            yield partial(mean, counted=True), shape, f"averages {where}, which counts"
            yield partial(mean, counted=False), shape, f"averages {where}, which does not count"


def _padding(rows: Windows, columns: Windows, shape: tuple[int, ...]) -> str:
    height, width = rows.padding(shape[1]), columns.padding(shape[2])
    return height if height == width else f"{height} in height and {width} in width"


def _grids(height: int, width: int, size: int, stride: int) -> Iterator[tuple[Windows, Windows]]:
    """The usual ways to lay windows on an image: padding 0 and more, rounded up, SAME."""

    def along(length: int, padding: int | None, up: bool) -> Windows:
        if padding is None:
            count = -(-length // stride)
            return Windows(count, size, stride, max(0, (count - 1) * stride + size - length) // 2)
        room = length + 2 * padding - size
        count = (-(-room // stride) if up else room // stride) + 1
        return Windows(count, size, stride, padding)

    even = range(size // 2 + 1)
    for padding, up in (
        *((padding, False) for padding in even),
        (None, False),
        *((padding, True) for padding in even),
    ):
        pair = (along(height, padding, up), along(width, padding, up))
        if min(way.size for way in pair) > 0:
            yield pair
