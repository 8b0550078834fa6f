"""Readings of what stands between two layers: an activation, then a pool, then a flatten."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import permutations

import numpy as np

from shared.parity.causes.formulas import (
    ACTIVATIONS,
    Activation,
    Function,
    Windows,
    average,
    largest,
    padding_of,
)
from shared.parity.causes.match import Fact, Reading

STEPS = 64  # of a sequence


@dataclass(frozen=True)
class Step:
    """What may be done to an array next, and what it says."""

    function: Function
    facts: tuple[Fact, ...]


_AS_IT_IS = Fact("flatten order", "keeps the order of the axes")
_NO_POOL = Fact("pool", "does not pool")
_NO_SCALE = Fact("scale", "does not scale")
_NO_DROPOUT = Fact("dropout", "drops nothing")


def chains(name: str, source: np.ndarray, shape: tuple[int, ...]) -> Iterator[Reading]:
    """All chains from one array to one shape."""
    steps = list(steps_between(source.shape, shape))
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


def steps_between(source: tuple[int, ...], expected: tuple[int, ...]) -> Iterator[Step]:
    """Steps from a shape to another: none or one pool, then the axes in some order."""
    for function, fact in _arranged(source, expected):
        yield Step(function, (fact,))
    if len(source) == 4:
        for pool, shape, message in _pools(source, expected):
            for function, order in _arranged(shape, expected)[:2]:
                yield Step(_after(pool, function), (Fact("pool", message), order))
    if len(source) > 2 and np.prod(source[2:]) == np.prod(expected[1:]):
        yield from _one_of(source, expected)


def _after(first: Function, second: Function) -> Function:
    return lambda x: second(first(x))


def _arranged(
    source: tuple[int, ...], expected: tuple[int, ...], letters: str = ""
) -> list[tuple[Function, Fact]]:
    """Orders of the axes that give an array the expected shape, the usual one first."""
    letters = letters or {3: "TD", 4: "HWC"}.get(len(source), "")
    if np.prod(source[1:]) != np.prod(expected[1:]):
        return []
    if len(source) < 3 or len(source) != len(letters) + 1:
        return [(lambda x: x, _AS_IT_IS)] if source[1:] == expected[1:] else []
    first = {"HWC": (3, 1, 2), "WC": (2, 1)}.get(letters, (1, 2))  # channels first
    flat = len(expected) < len(source)
    orders: list[tuple[Function, Fact]] = []
    for order in sorted(
        permutations(range(1, len(source))), key=lambda order: (flat and order != first, order)
    ):
        if not flat and tuple(source[axis] for axis in order) != expected[1:]:
            continue

        def turn(x: np.ndarray, order: tuple[int, ...] = order) -> np.ndarray:
            return x.transpose(0, *order).reshape(len(x), *expected[1:])

        message = ", ".join(letters[axis - 1] for axis in order)
        if flat:
            fact = Fact("flatten order", f"flattens in the order {message}")
        elif list(order) == sorted(order):
            fact = _AS_IT_IS
        else:
            fact = Fact("flatten order", f"turns the axes into the order {message}", "axes")
        orders.append((turn, fact))
    return orders


def _one_of(source: tuple[int, ...], expected: tuple[int, ...]) -> Iterator[Step]:
    """One step of a sequence or one row of an image, or the mean or maximum of all."""
    reductions: list[tuple[Function, str]] = [
        (lambda x, step=step: x[:, step], f"reads step {step}")  # type: ignore[misc]
        for step in range(source[1] if source[1] <= STEPS else 0)
    ]
    reductions.append((lambda x: x.mean(axis=1), "reads the mean of the steps"))
    reductions.append((lambda x: x.max(axis=1), "reads the maximum of the steps"))
    for function, message in reductions:
        for turn, order in _arranged((source[0], *source[2:]), expected, "WC"[: len(source) - 2]):
            yield Step(_after(function, turn), (Fact("step", message), order))


def _pools(
    source: tuple[int, ...], expected: tuple[int, ...]
) -> Iterator[tuple[Function, tuple[int, ...], str]]:
    """Pools of images, with the shapes that they give and what they say."""
    batch, height, width, channels = source
    if np.prod(expected[1:]) == channels:
        one = (batch, 1, 1, channels)
        yield (lambda x: x.mean(axis=(1, 2), keepdims=True)), one, "averages over all places"
        yield (lambda x: x.max(axis=(1, 2), keepdims=True)), one, "takes the largest of all places"
    for size, stride in ((2, 2), (3, 2), (3, 1), (3, 3), (2, 1), (4, 4), (4, 2), (2, 3), (2, 4)):
        for rows, columns in dict.fromkeys(_grids(height, width, size, stride)):
            shape = (batch, rows.size, columns.size, channels)
            if not _arranged(shape, expected):
                continue
            where = f"{size}x{size} windows at stride {stride}"
            where += f" and {padding_of(rows, columns, source)}"
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


def _grids(height: int, width: int, size: int, stride: int) -> Iterator[tuple[Windows, Windows]]:
    """The usual grids of windows on an image: padding 0 and more, rounded up, SAME."""

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
        if min(windows.size for windows in pair) > 0:
            yield pair
