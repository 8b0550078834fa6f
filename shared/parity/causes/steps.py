"""Why trainings part after some steps: the state of the optimizer, its schedule, its second step.

Of every step there are sketches: sums of values with random signs, which are linear. So what an
array is times a number, or a sum of two, can be told from them. What is not linear, as the larger
of two moments is, is told from the second step alone, of which everything is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from shared.differences import sketch
from shared.parity.causes.match import (
    CLOSER,
    Cause,
    Fact,
    Problem,
    Reading,
    apart,
    figure,
    multiple,
    rounding,
    tell_apart,
    usable,
)
from shared.parity.causes.schedules import factors

BETAS = {"exp_avg": 0.9, "exp_avg_sq": 0.999}
MOMENTUM = "momentum_buffer"
Tensors = Mapping[str, np.ndarray]


def explain_state(
    a_name: str,
    b_name: str,
    settings: Any,
    gradients: Tensors,
    a_state: Tensors,
    b_state: Tensors,
) -> Cause | None:
    """Why what an optimizer keeps differs after the first step.

    Args:
        a_name: What the first side is called.
        b_name: What the second is called.
        settings: As `explain_update` has them.
        gradients: Those of the first step.
        a_state: Sketches of the first side's state after it, under TENSOR@SLOT.
        b_state: The second side's.
    """
    if getattr(settings, "clip_norm", None):
        return None
    told: dict[str, list[float]] = {}
    for slot in (*BETAS, MOMENTUM):
        names = [n for n in gradients if f"{n}@{slot}" in a_state and f"{n}@{slot}" in b_state]
        if not names:
            continue
        power = 2 if slot == "exp_avg_sq" else 1
        g = np.concatenate([sketch(gradients[n].astype(float) ** power)[:-1] for n in names])
        sides = [np.concatenate([s[f"{n}@{slot}"][:-1] for n in names]) for s in (a_state, b_state)]
        if not usable(g, *sides):
            return None
        shares = [float(g @ side / (g @ g or 1)) for side in sides]
        if any(
            np.abs(side - share * g).max() > 1e-6 * max(np.abs(side).max(), 1e-300)
            for side, share in zip(sides, shares, strict=True)
        ):
            return None
        if abs(shares[0] - shares[1]) > 1e-6 * max(map(abs, shares)):
            told[slot] = shares
    return _scale(a_name, b_name, told) or next(
        (_shares(a_name, b_name, settings, slot, shares) for slot, shares in told.items()), None
    )


def _scale(a_name: str, b_name: str, told: Mapping[str, list[float]]) -> Cause | None:
    """Gradients that are a multiple of the other side's: both moments say so."""
    if MOMENTUM in told:
        less, more = sorted(map(abs, told[MOMENTUM]))
        if more <= 1 + 1e-6 or not less:
            return None
        ratio = told[MOMENTUM][1] / told[MOMENTUM][0]
    else:
        if len(told) < len(BETAS) or not all(map(all, told.values())):
            return None
        ratio, square = (told[slot][1] / told[slot][0] for slot in BETAS)
        if abs(square / ratio**2 - 1) > 1e-6:
            return None
    large, small, factor = (b_name, a_name, ratio) if ratio > 1 else (a_name, b_name, 1 / ratio)
    return Cause("scale", f"{large}'s gradients are {multiple(factor, 1e-6)} times {small}'s")


def _shares(
    a_name: str, b_name: str, settings: Any, slot: str, shares: list[float]
) -> Cause | None:
    """How much of the first gradient is kept, on both sides."""
    usual = 1.0 if slot == MOMENTUM else 1 - BETAS[slot]
    if abs(shares[0] - usual) > abs(shares[1] - usual):
        odd, plain, share, other = a_name, b_name, shares[0], shares[1]
    else:
        odd, plain, share, other = b_name, a_name, shares[1], shares[0]
    if slot != MOMENTUM:
        number = "first" if slot == "exp_avg" else "second"
        ours, theirs = apart(1 - share, 1 - other, 1e-6)
        text = f"{odd}'s beta of the {number} moment is {ours}, {plain}'s {theirs}"
        return Cause("beta", text)
    rate = float(settings.learning_rate) * next(factors(settings, 0))[1]
    if abs(share / rate + 1) < 1e-6:
        return Cause("momentum", f"{odd}'s momentum sums steps, {plain}'s gradients")
    ours, theirs = apart(share, other, 1e-6)
    text = f"{odd} takes {ours} of a gradient into its momentum, {plain} {theirs}"
    return Cause("dampening", text)


def explain_steps(
    a_name: str, b_name: str, settings: Any, step: int, a: Tensors, b: Tensors
) -> Cause | None:
    """Why a step later than the first differs, where all steps before it agree.

    Args:
        a_name: What the first side is called.
        b_name: What the second is called.
        settings: As `explain_update` has them.
        step: Which step, counted from 0.
        a: Sketches (steps, k) of the first side's tensors, and of its state under TENSOR@SLOT.
        b: The second side's.
    """
    names = [n for n in a if n in b and a[n].shape == b[n].shape and len(a[n]) > step > 0]
    if not names or not usable(*(side[n][: step + 1] for side in (a, b) for n in names)):
        return None
    slots = [n for n in names if n.endswith(f"@{MOMENTUM}")]
    if slots:
        cause = _momentum(a_name, b_name, settings, step, *(_sums(s, slots) for s in (a, b)))
        if cause:
            return cause
    weights = [n for n in names if "@" not in n and ".running_" not in n]
    if slots or getattr(settings, "optimizer", "") == "sgd":
        return _schedule(a_name, b_name, settings, step, *(_sums(s, weights) for s in (a, b)))
    return None


def _sums(side: Tensors, names: list[str]) -> np.ndarray:
    """The linear part of sketches, (steps, k)."""
    return np.concatenate([side[name][:, :-1] for name in names], axis=1).astype(float)


def _momentum(
    a_name: str, b_name: str, settings: Any, step: int, a: np.ndarray, b: np.ndarray
) -> Cause | None:
    """How the old momentum and the new gradient come together, relative to the other side."""
    usual = float(getattr(settings, "momentum", 0) or 0)
    old = a[step - 1]
    change = b[step] - a[step]
    unit = 1e4 * rounding(a) * float(np.abs(a[step]).max())
    if np.abs(change).max() <= unit:
        return None
    for odd, plain, ours, theirs in ((b_name, a_name, b, a), (a_name, b_name, a, b)):
        gradient = theirs[step] - usual * old
        columns = np.stack([old, gradient], axis=1)
        (kept, entered), *_ = np.linalg.lstsq(columns, ours[step], rcond=None)
        if np.abs(columns @ (kept, entered) - ours[step]).max() > np.abs(change).max() * 1e-6:
            return None
        if abs(entered - 1) < 1e-6:
            by = figure(abs(kept - usual), 1e-6)
            more = "more" if kept > usual else "less"
            text = f"{odd}'s momentum is {by} {more} than {plain}'s, where {figure(usual)} is set"
            return Cause("momentum", text)
        if abs(kept - usual) < 1e-6 and entered < 1:
            text = (
                f"{odd} takes {figure(entered, 1e-6)} of a gradient into its momentum, {plain} all"
            )
            return Cause("dampening", text)
    return None


def _schedule(
    a_name: str, b_name: str, settings: Any, step: int, a: np.ndarray, b: np.ndarray
) -> Cause | None:
    """Steps in the same direction, by the learning rates that two schedules have for it."""
    ours, theirs = (side[step] - side[step - 1] for side in (a, b))
    size = float(np.abs(ours).max())
    if not size:
        return None
    ratio = float(ours @ theirs / (ours @ ours))
    unit = 64 * rounding(a, b) * float(np.abs(a[step]).max()) / size
    if np.abs(theirs - ratio * ours).max() > size * max(unit, abs(ratio - 1) / CLOSER / 10):
        return None
    near = max(unit, min(1e-6, abs(ratio - 1) / 1e4))
    if abs(ratio - 1) <= CLOSER * near:
        return None
    (_, usual), *others = factors(settings, step)
    for words, factor in others:
        for odd, plain, share in ((b_name, a_name, ratio), (a_name, b_name, 1 / ratio)):
            if usual and abs(factor / usual - share) <= near * max(share, 1):
                rates = [figure(f * float(settings.learning_rate), 1e-6) for f in (factor, usual)]
                text = f"{odd} makes step {step + 1} with a learning rate of {rates[0]}, {words}"
                return Cause("schedule", f"{text}, {plain} with {rates[1]}")
    more, less, factor = (b_name, a_name, ratio) if ratio > 1 else (a_name, b_name, 1 / ratio)
    text = f"{more}'s learning rate in step {step + 1} is {figure(factor, near)} times {less}'s"
    scheduled = getattr(settings, "decay_steps", None) or getattr(settings, "warmup_steps", None)
    if getattr(settings, "clip_norm", None) and not scheduled:
        return None
    return Cause("schedule" if scheduled else "learning rate", text)


def explain_second(
    a_name: str,
    b_name: str,
    settings: Any,
    gradients: Tensors,
    first: Tensors,
    moments: Tensors,
    a_new: Tensors,
    b_new: Tensors,
) -> Cause | None:
    """Why the second step of Adam differs, although moments and the first step agree.

    Args:
        a_name: What the first side is called.
        b_name: What the second is called.
        settings: As `explain_update` has them.
        gradients: Those of the first step.
        first: The parameters after the first step.
        moments: The first moment after the second step: what its gradients were follows from it.
        a_new: The first side's parameters after the second step.
        b_new: The second's.
    """
    sides = (gradients, first, moments, a_new, b_new)
    names = [n for n in gradients if all(n in side for side in sides)]
    if not names or getattr(settings, "optimizer", "") == "sgd":
        return None
    if getattr(settings, "clip_norm", None) or not usable(*(s[n] for s in sides for n in names)):
        return None
    g, before, m, a, b = (
        np.concatenate([side[n].ravel() for n in names]).astype(float) for side in sides
    )
    one, two = BETAS.values()
    later = (m - one * (1 - one) * g) / (1 - one)
    v = [(1 - two) * g**2]
    v.append(two * v[0] + (1 - two) * later**2)
    corrections = [[1 - beta ** (t + 1) for t in (0, 1)] for beta in (one, two)]
    rate = float(settings.learning_rate) * next(factors(settings, 1))[1]
    epsilon = float(getattr(settings, "epsilon", 1e-8) or 0)
    apart = float(getattr(settings, "weight_decay", 0) or 0)
    kept = rate * apart * before if getattr(settings, "optimizer", "") == "adamw" else 0.0

    def readings() -> Iterator[Reading]:
        own = [(f"corrects them by step {t + 1}", t) for t in (1, 0)]
        roots = {
            "divides by the second moment": v[1] / corrections[1][1],
            "divides by the largest second moment (AMSGrad)": np.maximum(*v) / corrections[1][1],
            "divides by the largest corrected second moment (AMSGrad)": np.maximum(
                v[0] / corrections[1][0], v[1] / corrections[1][1]
            ),
        }
        for says, square in roots.items():
            for words, t in own if says == next(iter(roots)) else own[:1]:
                second = square * corrections[1][1] / corrections[1][t]
                for ahead in (False, True) if says == next(iter(roots)) else (False,):
                    mean = one * m + (1 - one) * later if ahead else m
                    move = mean / corrections[0][t] / (np.sqrt(second) + epsilon)
                    facts = (
                        Fact("amsgrad", says),
                        Fact("bias correction", words),
                        Fact("nadam", "looks ahead" if ahead else "takes the first moment"),
                    )
                    yield Reading(-rate * move - kept, facts)

    kinds = [side[n] for side in (a_new, b_new) for n in names]
    unit = rounding(*kinds) * float(np.abs(before).max()) / float(np.abs(a - before).max() or 1)
    near = max(1e-6, 64 * unit)
    with np.errstate(all="ignore"):
        problem = Problem(a - before, b - before, readings(), unit=unit)
        return tell_apart((a_name, b_name), problem, near)
