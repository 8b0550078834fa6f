"""Why losses of equal outputs differ: how objectives are averaged, smoothed and weighed.

Of every objective both its terms are computed, the cross-entropy and that of even labels, or the
mean squared distance. A loss is then a sum of these with the weights and the smoothing of one known
reading; the cause is in what the readings of the two sides differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
from scipy import special

from shared.parity.causes.match import (
    Cause,
    Fact,
    Problem,
    Reading,
    digits,
    figure,
    rounding,
    tell_apart,
    usable,
)

SMOOTHINGS = (0.0, 0.1, 0.05, 0.2, 0.01, 0.15, 0.25, 0.3, 0.02, 0.5)
WEIGHTS = (1.0, 0.5, 0.3, 0.25, 0.2, 0.1, 0.4, 0.7, 0.75, 2.0, 0.0)
NEWEST = 2  # arrays that may be an objective's output


@dataclass(frozen=True)
class Term:
    """An objective: its output's name, its target, and what may be the output, the newest first.

    What may be it are outputs of layers, by the layers' names.
    """

    name: str
    target: np.ndarray
    outputs: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class _Sums:
    """The sums that an objective's value is made of, and what they may be divided by.

    `even` is the sum for labels that are spread evenly over all classes; None for distances.
    """

    name: str
    total: float
    even: float | None
    classes: int
    counts: dict[str, float]


def explain_terms(
    a_name: str, b_name: str, a_loss: np.ndarray, b_loss: np.ndarray, terms: Sequence[Term]
) -> Cause | None:
    """Why two losses differ, where their objectives are known.

    Args:
        a_name: What the first side is called.
        b_name: What the second is called.
        a_loss: The first side's loss, ().
        b_loss: The second's.
        terms: The objectives.
    """
    if not terms or len(terms) > 3 or not usable(a_loss, b_loss):
        return None
    unit = rounding(a_loss, b_loss)
    near = max(1e-11, 16 * unit)
    known = [
        [s for name, output in [*t.outputs.items()][:NEWEST] if (s := _sums(name, t, output))]
        for t in terms
    ]
    if sum(not each for each in known) == 1:
        return _unknown(a_name, b_name, float(a_loss), float(b_loss), terms, known)
    if not all(known):
        return None
    for chosen in product(*known):
        if len({term.name for term in chosen}) < len(chosen):
            continue
        own = partial(_estimated, chosen)
        problem = Problem(a_loss, b_loss, _readings(chosen), own, unit)
        with np.errstate(all="ignore"):
            if (cause := tell_apart((a_name, b_name), problem, near)) is not None:
                return cause
    return None


def _sums(name: str, term: Term, output: np.ndarray) -> _Sums | None:
    target, x = term.target, output.astype(float)
    if not usable(target, x):
        return None
    if target.dtype.kind == "f":
        if target.shape != x.shape:
            return None
        total = float(np.square(x - target).sum())
        return _Sums(name, total, None, 0, {"values": x.size, "examples": len(x)})
    if x.shape[:-1] != target.shape:
        return None
    counted = target >= 0
    labels = np.where(counted, target, 0)[..., None]
    whole = special.logsumexp(x, axis=-1)
    own = whole - np.take_along_axis(x, labels, axis=-1)[..., 0]
    even = whole - x.mean(axis=-1)
    counts = {
        "labels that count": float(counted.sum()),
        "labels": float(target.size),
        "examples": float(len(x)),
    }
    return _Sums(name, float(own[counted].sum()), float(even[counted].sum()), x.shape[-1], counts)


def _readings(terms: Sequence[_Sums]) -> Iterator[Reading]:
    """Every smoothing with every weight, where all is averaged as it should be; and then not."""
    smoothed = any(term.even is not None for term in terms)
    classes = max(term.classes for term in terms)
    for smoothing in SMOOTHINGS if smoothed else (0.0,):
        for weights in product(WEIGHTS, repeat=len(terms)):
            yield _loss(terms, smoothing, weights)
        if smoothing:
            others = smoothing * classes / (classes - 1)
            yield _loss(terms, others, (1.0,) * len(terms), smoothing)
    ones = (1.0,) * len(terms)
    for smoothing in SMOOTHINGS[:2] if smoothed else (0.0,):
        for by in dict.fromkeys(name for term in terms for name in term.counts):
            yield _loss(terms, smoothing, ones, by=by)


def _loss(
    terms: Sequence[_Sums],
    smoothing: float,
    weights: Sequence[float],
    shown: float | None = None,
    by: str = "",
) -> Reading:
    total = 0.0
    for term, weight in zip(terms, weights, strict=True):
        share = smoothing if term.even is not None else 0.0
        value = (1 - share) * term.total + share * (term.even or 0.0)
        total += weight * value / term.counts.get(by, next(iter(term.counts.values())))
    facts = [Fact("smoothing", _says(smoothing, shown))]
    facts.append(Fact("loss reduction", f"averages over the {by or next(iter(terms[0].counts))}"))
    for term, weight in zip(terms, weights, strict=True):
        message = f"weighs the loss of {term.name} by {figure(weight, 1e-9)}"
        facts.append(Fact(f"weight of {term.name}", message, "objective weight"))
    return Reading(np.array(total), tuple(facts))


def _says(smoothing: float, shown: float | None) -> str:
    if shown is not None:
        return f"smooths its labels by {figure(shown)} over the other classes alone"
    return (
        f"smooths its labels by {figure(smoothing, 1e-9)}"
        if smoothing
        else "does not smooth its labels"
    )


def _estimated(terms: Sequence[_Sums], expected: np.ndarray) -> Iterator[Reading]:
    """The smoothing that a loss asks for, if it is a round number; or the weight of one term."""
    ones = [1.0] * len(terms)
    plain, even = (float(_loss(terms, share, ones).value) for share in (0.0, 1.0))
    if even != plain:
        smoothing = (float(expected) - plain) / (even - plain)
        if 0 < smoothing < 1 and digits(smoothing) <= 3:
            yield _loss(terms, float(figure(smoothing, 1e-9)), ones)
    for smoothing in SMOOTHINGS[:2] if even != plain else (0.0,):
        whole = float(_loss(terms, smoothing, ones).value)
        for index in range(len(terms)):
            without = [*ones[:index], 0.0, *ones[index + 1 :]]
            rest = float(_loss(terms, smoothing, without).value)
            weight = (float(expected) - rest) / (whole - rest) if whole != rest else 0.0
            if weight > 0 and digits(weight) <= 3:
                yield _loss(
                    terms,
                    smoothing,
                    [*without[:index], float(figure(weight, 1e-9)), *ones[index + 1 :]],
                )


def _unknown(
    a_name: str,
    b_name: str,
    a: float,
    b: float,
    terms: Sequence[Term],
    known: Sequence[Sequence[_Sums]],
) -> Cause | None:
    """One objective's output is not known: that one, or all others, weigh a round number more."""
    hidden = next(t.name for t, each in zip(terms, known, strict=True) if not each)
    chosen = [each[0] for each in known if each]
    if not chosen:
        return None
    rest = float(_loss(chosen, 0.0, (1.0,) * len(chosen)).value)
    causes = []
    names = ", ".join(term.name for term in chosen)
    for odd, plain, ours, theirs in ((b_name, a_name, b, a), (a_name, b_name, a, b)):
        if theirs > rest:
            causes.append((odd, plain, hidden, (ours - rest) / (theirs - rest)))
        if rest:
            causes.append((odd, plain, names, 1 + (ours - theirs) / rest))
    told = [cause for cause in causes if 0 <= cause[3] < 1 and digits(cause[3] or 1.0) <= 2]
    if len({name for _, _, name, _ in told}) != 1:
        return None
    odd, plain, name, share = told[0]
    text = f"{odd} weighs the loss of {name} {figure(share, 1e-9)} times as much as {plain}"
    return Cause("objective weight", text)
