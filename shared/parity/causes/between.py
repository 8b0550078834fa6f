"""Why the input of a layer differs although all layers before it agree.

The fault is in the code between layers: an activation, a pool, a flatten, a sum, a concatenation,
attention, a gated cell. Every known chain of steps from earlier arrays to such an input is computed
and held against both sides. Chains are an activation, then a pool, then a flatten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import combinations, product

import numpy as np

from shared.differences import gap
from shared.parity.causes.cells import added_positions, attention, gru
from shared.parity.causes.chains import Step, chain_facts, chains, steps_between
from shared.parity.causes.formulas import ACTIVATIONS, NONE, RELU, Activation, leaky
from shared.parity.causes.match import (
    Cause,
    Fact,
    Problem,
    Reading,
    examples,
    multiple,
    rounding,
    tell_apart,
    tolerance,
    usable,
)
from shared.parity.causes.outputs import not_finite, rounded

LIMIT = 8_000  # values of an array that are looked at; one example at least
MOST = 1_000_000  # values of all arrays together
RECENT = 8  # arrays, the newest
Arrays = dict[str, np.ndarray]


def explain_between(
    a_name: str,
    b_name: str,
    before: Mapping[str, np.ndarray],
    a_in: np.ndarray,
    b_in: np.ndarray,
    tensors: Mapping[str, np.ndarray] | None = None,
) -> Cause | None:
    """Why a layer's inputs differ although everything computed before agrees.

    Args:
        a_name: What the first side is called.
        b_name: What the second is called.
        before: The network's inputs, the outputs of layers so far, and perhaps their inputs, the
            newest last.
        a_in: The first side's input of the layer.
        b_in: The second side's.
        tensors: The network's weights by canonical name, where they are known.
    """
    if (cause := not_finite(a_name, b_name, a_in, b_in)) is not None:
        return cause
    if not usable(a_in, b_in) or min(a_in.ndim, b_in.ndim) < 2 or len(a_in) != len(b_in):
        return None
    rows = examples(a_in, b_in, LIMIT)
    near: Arrays = {}
    for name, array in before.items():
        if array.ndim and usable(array) and len(array) in (1, len(a_in)):
            near[name] = array[rows] if len(array) == len(a_in) else array
    whole = {name: array.astype(float) for name, array in near.items() if array.dtype.kind == "f"}
    newest = _once(whole)
    a, b = a_in[rows], b_in[rows]
    recent = max(2, min(RECENT, MOST // a.size))
    sources = dict(list(newest.items())[:recent])
    unit = 100 * rounding(a, b)

    def shared() -> Iterator[Reading]:
        for shape in dict.fromkeys((a.shape, b.shape)):
            yield from gru(whole, shape, tensors)
            for name, source in sources.items():
                yield from chains(name, source, shape)
            yield from _sums(_alike(newest, shape, recent))
            yield from added_positions(_alike(newest, shape, recent), shape)
            yield from attention(near, shape)

    def own(expected: np.ndarray) -> Iterator[Reading]:
        for name, source in sources.items():
            yield from _estimates(name, source, expected, unit)
        yield from _weighted_sums(_alike(newest, expected.shape, recent), expected)
        yield from _concatenations(newest, expected, tolerance(a, b))

    with np.errstate(all="ignore"):
        cause = tell_apart((a_name, b_name), Problem(a, b, shared(), own))
    return cause or rounded(a_name, b_name, a_in, b_in)


# What has an unknown number: a slope, a scale, a rate of dropout, an order


def _estimates(
    name: str, source: np.ndarray, expected: np.ndarray, unit: float
) -> Iterator[Reading]:
    """Chains with an unknown that is estimated from one side's numbers."""
    if len(source) != len(expected):
        return
    steps = list(steps_between(source.shape, expected.shape))
    for activation in ACTIVATIONS[:4] if steps else ():
        active = activation.function(source)
        for step in steps:
            x = step.function(active)
            yield from _scaled(name, activation, step, x, expected, unit)
            if activation is NONE:
                yield from _sloped(name, step, x, expected)
            if activation in (NONE, RELU):
                yield from _reordered(name, activation, step, x, expected)


def _scaled(
    name: str, activation: Activation, step: Step, x: np.ndarray, expected: np.ndarray, unit: float
) -> Iterator[Reading]:
    """What x is times a number; or x times it where it was not dropped."""
    seen = np.abs(x) > 1e-9 * np.abs(x).max()
    kept = seen & (expected != 0)
    if kept.sum() < 3:
        return
    factor = float(np.median(expected[kept] / x[kept]))
    if (
        np.abs(expected - factor * np.where(kept, x, 0)).max()
        > max(unit, 1e-6) * np.abs(expected).max()
    ):
        return
    dropped = seen & ~kept
    if not dropped.any():
        fact = Fact("scale", f"multiplies by {multiple(factor, 1e-6)}")
        yield Reading(factor * x, chain_facts(name, activation, *step.facts, fact))
    elif factor > 1 + 1e-6 and ((x[dropped] > 0).any() or not (x[seen] < 0).any()):
        rate = 1 - 1 / factor
        message = f"drops {rate:.3g} of the values and multiplies the rest by {factor:.6g}"
        fact = Fact("dropout", message, chance=True)
        yield Reading(
            factor * np.where(kept, x, 0), chain_facts(name, activation, *step.facts, fact)
        )


def _sloped(name: str, step: Step, x: np.ndarray, expected: np.ndarray) -> Iterator[Reading]:
    below = x < 0
    if below.sum() < 2:
        return
    slope = float(np.median(expected[below] / x[below]))
    if slope != 1:
        message = f"applies leaky relu of slope {slope:.6g}"
        known = Activation(message, leaky(slope), "leaky slope")
        yield Reading(known.function(x), chain_facts(name, known, *step.facts))


def _reordered(
    name: str, activation: Activation, step: Step, x: np.ndarray, expected: np.ndarray
) -> Iterator[Reading]:
    """The features of x in the order that makes them the expected ones, if they are the same."""
    ours, theirs = (array.reshape(-1, array.shape[-1]) for array in (x, expected))
    if ours.shape[1] < 2:
        return
    places = np.empty(ours.shape[1], dtype=int)
    places[np.lexsort(theirs[:8][::-1])] = np.lexsort(ours[:8][::-1])
    fact = Fact("flatten order", "takes the features in another order")
    yield Reading(x[..., places], chain_facts(name, activation, *step.facts, fact))


# Several arrays: sums, products, concatenations

_PLACED: tuple[tuple[str, Callable[[np.ndarray, np.ndarray], np.ndarray]], ...] = (
    ("adds {} and {}", np.add),
    ("multiplies {} and {}", np.multiply),
    ("averages {} and {}", lambda x, y: (x + y) / 2),
    ("takes the larger of {} and {}", np.maximum),
    ("subtracts {1} from {0}", np.subtract),
    ("subtracts {0} from {1}", lambda x, y: y - x),
)


def _once(arrays: Arrays) -> Arrays:
    """The arrays, the newest first; of those that are the same, the oldest alone."""
    oldest: dict[tuple[tuple[int, ...], bytes], str] = {}
    for name, array in arrays.items():
        oldest.setdefault((array.shape, array.tobytes()), name)
    return {name: arrays[name] for name in reversed(oldest.values())}


def _alike(arrays: Arrays, shape: tuple[int, ...], count: int) -> Arrays:
    """The first arrays of a shape."""
    alike = [(name, array) for name, array in arrays.items() if array.shape == shape]
    return dict(alike[:count])


def _sums(alike: Arrays) -> Iterator[Reading]:
    """Two arrays, each perhaps after a relu, or three, put together and perhaps activated."""
    for two, one in combinations(alike, 2):
        for first, second in product((NONE, RELU), repeat=2):
            x, y = first.function(alike[one]), second.function(alike[two])
            for message, function in _PLACED:
                words = message.format(_of(one, first), _of(two, second))
                yield from _combined(function(x, y), words)
    for three in combinations(alike, 3):
        total = np.sum([alike[name] for name in three], axis=0)
        yield from _combined(total, f"adds {three[2]}, {three[1]} and {three[0]}")


def _of(name: str, activation: Activation) -> str:
    return f"relu of {name}" if activation is RELU else name


def _combined(value: np.ndarray, message: str) -> Iterator[Reading]:
    for activation in ACTIVATIONS[:4]:
        _, *facts = chain_facts("", activation)
        fact = Fact("source", message, "residual")
        yield Reading(activation.function(value), (fact, *facts))


def _weighted_sums(alike: Arrays, expected: np.ndarray) -> Iterator[Reading]:
    """Two arrays, each times a number of its own, and perhaps a relu of the sum."""
    flat = expected.ravel()
    for activation, felt in ((NONE, np.full(flat.shape, True)), (RELU, flat > 0)):
        if felt.sum() < 8:
            continue
        for two, one in combinations(alike, 2):
            pair = np.stack([alike[one].ravel(), alike[two].ravel()], axis=1)
            (p, q), _, rank, _ = np.linalg.lstsq(pair[felt], flat[felt], rcond=None)
            if rank < 2:
                continue
            message = f"adds {p:.6g} times {one} and {q:.6g} times {two}"
            _, *facts = chain_facts("", activation)
            value = activation.function(pair @ (p, q)).reshape(expected.shape)
            yield Reading(value, (Fact("source", message, "residual"), *facts))


def _concatenations(sources: Arrays, expected: np.ndarray, near: float) -> Iterator[Reading]:
    """Arrays that lie one after the other, found from the first one on."""
    for axis in {expected.ndim - 1, 1}:
        parts: list[np.ndarray] = []
        names: list[str] = []
        acts: dict[str, Activation] = {}
        place = 0
        while place < expected.shape[axis]:
            match = _part(sources, np.moveaxis(expected, axis, 0)[place:], axis, near)
            if match is None:
                break
            name, activation, part = match
            parts.append(part)
            names.append(name)
            acts[name] = activation
            place += part.shape[axis]
        if place == expected.shape[axis] and len(parts) > 1:
            message = "; ".join(f"{acts[name].says} to {name}" for name in sorted(acts))
            facts = (
                Fact("source", f"concatenates {', '.join(names)}", "concatenation order"),
                Fact("activation", message),
            )
            yield Reading(np.concatenate(parts, axis=axis), facts)


def _part(
    sources: Arrays, rest: np.ndarray, axis: int, near: float
) -> tuple[str, Activation, np.ndarray] | None:
    """The array that begins where a concatenation goes on, with its activation."""
    for name, source in sources.items():
        if source.ndim != rest.ndim or not 0 < source.shape[axis] <= len(rest):
            continue
        expected = np.moveaxis(rest[: source.shape[axis]], 0, axis)
        for activation in ACTIVATIONS:
            value = activation.function(source)
            if gap(expected, value) <= near:
                return name, activation, value
    return None
