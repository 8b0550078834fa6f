"""Why the input of a layer differs although all layers before it agree.

The fault is in the code between layers: an activation, a pool, a flatten, a sum, a concatenation,
attention, a gated cell. Every known way to come from earlier arrays to such an input is computed
and held against both sides. Chains are an activation, then a pool, then a flatten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import combinations, product

import numpy as np

from shared.parity.causes_cells import attention, gru
from shared.parity.causes_chains import Step, chain_facts, chains, ways
from shared.parity.causes_formulas import ACTIVATIONS, NONE, RELU, Activation, leaky
from shared.parity.causes_match import (
    Cause,
    Fact,
    Problem,
    Reading,
    distance,
    examples,
    rounding,
    tell_apart,
    tolerance,
    usable,
)

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
) -> Cause | None:
    """Why a layer's inputs differ although everything computed before agrees.

    Args:
        a_name: What the first side is called.
        b_name: What the second is called.
        before: The network's inputs, the outputs of layers so far, and perhaps their inputs, the
            newest last.
        a_in: The first side's input of the layer.
        b_in: The second side's.
    """
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
            for name, source in sources.items():
                yield from chains(name, source, shape)
            yield from _sums(_alike(newest, shape, recent))
            yield from attention(near, shape)
            yield from gru(whole, shape)

    def own(wanted: np.ndarray) -> Iterator[Reading]:
        for name, source in sources.items():
            yield from _estimates(name, source, wanted, unit)
        yield from _weighted_sums(_alike(newest, wanted.shape, recent), wanted)
        yield from _concatenations(newest, wanted, tolerance(a, b))

    with np.errstate(all="ignore"):
        return tell_apart((a_name, b_name), Problem(a, b, shared(), own))


# What has an unknown number: a slope, a scale, a rate of dropout, an order


def _estimates(name: str, source: np.ndarray, wanted: np.ndarray, unit: float) -> Iterator[Reading]:
    """Chains with an unknown that is estimated from one side's numbers."""
    if len(source) != len(wanted):
        return
    steps = list(ways(source.shape, wanted.shape))
    for activation in ACTIVATIONS[:4] if steps else ():
        active = activation.function(source)
        for step in steps:
            x = step.function(active)
            yield from _scaled(name, activation, step, x, wanted, unit)
            if activation is NONE:
                yield from _sloped(name, step, x, wanted)
            if activation in (NONE, RELU):
                yield from _reordered(name, activation, step, x, wanted)


def _scaled(
    name: str, activation: Activation, step: Step, x: np.ndarray, wanted: np.ndarray, unit: float
) -> Iterator[Reading]:
    """What x is times a number; or x times it where it was not dropped."""
    seen = np.abs(x) > 1e-9 * np.abs(x).max()
    kept = seen & (wanted != 0)
    if kept.sum() < 3:
        return
    factor = float(np.median(wanted[kept] / x[kept]))
    if (
        np.abs(wanted - factor * np.where(kept, x, 0)).max()
        > max(unit, 1e-6) * np.abs(wanted).max()
    ):
        return
    dropped = seen & ~kept
    if not dropped.any():
        fact = Fact("scale", f"multiplies by {factor:.6g}")
        yield Reading(factor * x, chain_facts(name, activation, *step.facts, fact))
    elif factor > 1 + 1e-6 and ((x[dropped] > 0).any() or not (x[seen] < 0).any()):
        rate = 1 - 1 / factor
        said = f"drops {rate:.3g} of the values and multiplies the rest by {factor:.6g}"
        fact = Fact("dropout", said, chance=True)
        yield Reading(
            factor * np.where(kept, x, 0), chain_facts(name, activation, *step.facts, fact)
        )


def _sloped(name: str, step: Step, x: np.ndarray, wanted: np.ndarray) -> Iterator[Reading]:
    below = x < 0
    if below.sum() < 2:
        return
    slope = float(np.median(wanted[below] / x[below]))
    if slope != 1:
        said = f"applies leaky relu of slope {slope:.6g}"
        known = Activation(said, leaky(slope), "leaky slope")
        yield Reading(known.function(x), chain_facts(name, known, *step.facts))


def _reordered(
    name: str, activation: Activation, step: Step, x: np.ndarray, wanted: np.ndarray
) -> Iterator[Reading]:
    """The features of x in the order that makes them the wanted ones, if they are the same."""
    ours, theirs = (array.reshape(-1, array.shape[-1]) for array in (x, wanted))
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
    found: dict[tuple[tuple[int, ...], bytes], str] = {}
    for name, array in arrays.items():
        found.setdefault((array.shape, array.tobytes()), name)
    return {name: arrays[name] for name in reversed(found.values())}


def _alike(arrays: Arrays, shape: tuple[int, ...], count: int) -> Arrays:
    """The first arrays of a shape."""
    alike = [(name, array) for name, array in arrays.items() if array.shape == shape]
    return dict(alike[:count])


def _sums(alike: Arrays) -> Iterator[Reading]:
    """Two arrays, each perhaps after a relu, or three, put together and perhaps activated."""
    for two, one in combinations(alike, 2):
        for first, second in product((NONE, RELU), repeat=2):
            x, y = first.function(alike[one]), second.function(alike[two])
            for said, function in _PLACED:
                words = said.format(_of(one, first), _of(two, second))
                yield from _combined(function(x, y), words)
    for three in combinations(alike, 3):
        total = np.sum([alike[name] for name in three], axis=0)
        yield from _combined(total, f"adds {three[2]}, {three[1]} and {three[0]}")


def _of(name: str, activation: Activation) -> str:
    return f"relu of {name}" if activation is RELU else name


def _combined(value: np.ndarray, said: str) -> Iterator[Reading]:
    for activation in ACTIVATIONS[:4]:
        _, *facts = chain_facts("", activation)
        fact = Fact("source", said, "residual")
        yield Reading(activation.function(value), (fact, *facts))


def _weighted_sums(alike: Arrays, wanted: np.ndarray) -> Iterator[Reading]:
    """Two arrays, each times a number of its own, and perhaps a relu of the sum."""
    flat = wanted.ravel()
    for activation, felt in ((NONE, np.full(flat.shape, True)), (RELU, flat > 0)):
        if felt.sum() < 8:
            continue
        for two, one in combinations(alike, 2):
            pair = np.stack([alike[one].ravel(), alike[two].ravel()], axis=1)
            (p, q), _, rank, _ = np.linalg.lstsq(pair[felt], flat[felt], rcond=None)
            if rank < 2:
                continue
            said = f"adds {p:.6g} times {one} and {q:.6g} times {two}"
            _, *facts = chain_facts("", activation)
            value = activation.function(pair @ (p, q)).reshape(wanted.shape)
            yield Reading(value, (Fact("source", said, "residual"), *facts))


def _concatenations(sources: Arrays, wanted: np.ndarray, near: float) -> Iterator[Reading]:
    """Arrays that lie one after the other, found from the first one on."""
    for axis in {wanted.ndim - 1, 1}:
        parts: list[np.ndarray] = []
        names: list[str] = []
        acts: dict[str, Activation] = {}
        place = 0
        while place < wanted.shape[axis]:
            found = _part(sources, np.moveaxis(wanted, axis, 0)[place:], axis, near)
            if found is None:
                break
            name, activation, part = found
            parts.append(part)
            names.append(name)
            acts[name] = activation
            place += part.shape[axis]
        if place == wanted.shape[axis] and len(parts) > 1:
            said = "; ".join(f"{acts[name].says} to {name}" for name in sorted(acts))
            facts = (
                Fact("source", f"concatenates {', '.join(names)}", "concatenation order"),
                Fact("activation", said),
            )
            yield Reading(np.concatenate(parts, axis=axis), facts)


def _part(
    sources: Arrays, rest: np.ndarray, axis: int, near: float
) -> tuple[str, Activation, np.ndarray] | None:
    """The array that begins where a concatenation goes on, with its activation."""
    for name, source in sources.items():
        if source.ndim != rest.ndim or not 0 < source.shape[axis] <= len(rest):
            continue
        wanted = np.moveaxis(rest[: source.shape[axis]], 0, axis)
        for activation in ACTIVATIONS:
            value = activation.function(source)
            if distance(value, wanted) <= near:
                return name, activation, value
    return None
