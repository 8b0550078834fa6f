"""Why an optimizer's first step differs, although weights and gradients agree.

At the first step there is no history yet: what an optimizer does follows from its settings alone.
Every known convention is computed, two of them at once at most, and held against both sides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from shared.parity.causes.match import (
    Cause,
    Fact,
    Problem,
    Reading,
    digits,
    figure,
    rounding,
    tell_apart,
    telling,
    tolerance,
    usable,
)
from shared.parity.causes.schedules import factors

LIMIT = 10_000  # values of all tensors that are looked at
EPSILONS = (1e-8, 1e-7, 1e-6, 1e-5, 1e-3, 0.0)
DECAYS = (0.01, 0.004, 1e-4, 5e-4)
BETAS = (0.9, 0.999)
Tensors = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class _Choice:
    """One convention for one part of a step: its name, its number, and what it says.

    `each` has a number for each tensor, where they do not have the same.
    """

    name: str
    value: float
    facts: tuple[Fact, ...]
    each: tuple[float, ...] = ()


@dataclass(frozen=True)
class _Step:
    """Weights and gradients at the places that are looked at, and how gradients would be clipped.

    `whole` is the norm of all gradients together, `own` that of each value's own tensor; `matrix`
    is whether a value is of a tensor with more than one axis, `tensor` which of `names` it is of.
    `unit` is what each number is rounded to, relative.
    """

    weight: np.ndarray
    gradient: np.ndarray
    whole: float
    own: np.ndarray
    matrix: np.ndarray
    tensor: np.ndarray
    names: tuple[str, ...]
    unit: float


def explain_update(
    a_name: str,
    b_name: str,
    settings: Any,
    weights: Tensors,
    gradients: Tensors,
    a_new: Tensors,
    b_new: Tensors,
    *,
    rate_agrees: bool = False,
) -> Cause | None:
    """Why the weights after the first step of an optimizer differ.

    Args:
        a_name: What the first side is called.
        b_name: What the second is called.
        settings: `optimizer` ("sgd", "adam" or "adamw") and `learning_rate`; perhaps `momentum`,
            `nesterov`, `epsilon`, `weight_decay`, `clip_norm`, `warmup_steps` and `decay_steps`.
        weights: The parameters before the step.
        gradients: Theirs, before any clipping.
        a_new: The first side's parameters after the step.
        b_new: The second's.
        rate_agrees: Whether both make steps of one length where nothing is clipped.
    """
    names = [n for n in weights if n in gradients and n in a_new and n in b_new]
    sides = (weights, gradients, a_new, b_new)
    if not names or any(len({side[n].shape for side in sides}) > 1 for n in names):
        return None
    if not usable(*(side[n] for side in sides for n in names)):
        return None
    before, gradient, a, b = (
        np.concatenate([side[n].ravel() for n in names]).astype(float) for side in sides
    )
    kinds = [side[n] for side in (weights, a_new, b_new) for n in names]
    noise = rounding(*kinds) * float(np.abs(before).max())
    if np.abs(a - b).max() <= 16 * noise:
        return None
    at = telling(a, b, LIMIT)
    at = np.unique(np.concatenate([at, np.argsort(np.abs(gradient))[: LIMIT // 2]]))
    norms = [float(np.linalg.norm(gradients[n].astype(float))) for n in names]
    counts = [weights[n].size for n in names]
    step = _Step(
        before[at],
        gradient[at],
        float(np.linalg.norm(norms)),
        np.repeat(norms, counts)[at],
        np.repeat([weights[n].ndim > 1 for n in names], counts)[at],
        np.repeat(np.arange(len(names)), counts)[at],
        tuple(names),
        rounding(*kinds),
    )
    a, b = (a - before)[at], (b - before)[at]
    unit = max(noise / max(float(np.abs(a).max()), 1e-300), rounding(*kinds))
    near = max(tolerance(*kinds), 4 * unit)

    rate = float(settings.learning_rate)
    planned = list(factors(settings, 0))
    usual = rate * planned[0][1]

    def readings() -> Iterator[Reading]:
        for choices in _choices(settings, oddities=2):
            yield _reading(step, usual, choices)
        for message, factor in planned[1:]:
            for choices in _choices(settings, oddities=0):
                yield _reading(step, rate * factor, choices, message, "schedule")
        message = "holds its learning rate in float32"
        for choices in _choices(settings, oddities=0):
            yield _reading(step, float(np.float32(usual)), choices, message)

    def own(expected: np.ndarray) -> Iterator[Reading]:
        for choices in _choices(settings, oddities=1):
            yield from _scaled(settings, step, usual, choices, expected, rate_agrees)
        for choices in _choices(settings, oddities=1, expected=(step, expected)):
            yield _reading(step, usual, choices)

    with np.errstate(all="ignore"):
        return tell_apart((a_name, b_name), Problem(a, b, readings(), own, unit), near)


def _rate(settings: Any) -> float:
    """The learning rate of the first step."""
    return float(settings.learning_rate) * next(factors(settings, 0))[1]


def _reading(
    step: _Step, rate: float, choices: tuple[_Choice, ...], message: str = "", kind: str = ""
) -> Reading:
    facts = [fact for choice in choices for fact in choice.facts]
    says = f"steps with a learning rate of {_figure(step, rate)}"
    if message.startswith("as "):
        message = f"{says}, {message}"
    return Reading(
        _move(step, rate, choices), (*facts, Fact("learning rate", message or says, kind))
    )


def _figure(step: _Step, value: float) -> str:
    """A number with as many digits as are known of it."""
    return figure(value, 1e-9 if step.unit < 1e-10 else 1e-4)


def _scaled(
    settings: Any,
    step: _Step,
    rate: float,
    choices: tuple[_Choice, ...],
    expected: np.ndarray,
    rate_agrees: bool,
) -> Iterator[Reading]:
    """A step that is as long as one side's: another learning rate, or gradients that are clipped.

    A norm that gradients have after it says that they were clipped, where it is a rounder number
    than the share of the learning rate is.
    """
    value = _move(step, rate, choices)
    factor = float(np.vdot(value, expected) / (np.vdot(value, value) or 1))
    clip, *others = choices
    if factor < 0:
        yield _reading(step, rate * factor, choices, "climbs its gradients")
        return
    norm = factor * {"none": step.whole, "whole": clip.value}.get(clip.name, 0.0)
    message = ""
    if 0 < norm < step.whole * (1 - 1e-6) and factor and settings.optimizer == "sgd":
        norm, *others_shown = (float(_figure(step, n)) for n in (norm, factor, rate * factor))
        if rate_agrees or digits(norm) < min(map(digits, others_shown)):
            decay, rule = others
            yield _reading(step, rate, (_clip("whole", norm), decay, rule))
            return
        if digits(norm) < 4:
            message = f"as if it clipped to a norm of {norm:g}"
    yield _reading(step, rate * factor, choices, message)


def _choices(
    settings: Any, oddities: int, expected: tuple[_Step, np.ndarray] | None = None
) -> Iterator[tuple[_Choice, ...]]:
    """Clipping, decay and rule, the usual ones first, with so many unusual ones at most.

    With one side's numbers, `expected`, the decay and the rule's epsilon are those that they ask
    for.
    """
    clips, decays, rules = _clips(settings), _decays(settings), _rules(settings)
    if expected is not None:
        usual = (clips[0], decays[0], rules[0])
        decays = [decays[0], *_estimated_decays(settings, usual, *expected)]
        rules = [rules[0], *_estimated_rules(settings, usual, *expected)]
        clips = [clips[0], *_estimated_clips(settings, usual, *expected)]
    for choices in product(enumerate(clips), enumerate(decays), enumerate(rules)):
        if sum(place > 0 for place, _ in choices) <= oddities:
            yield tuple(choice for _, choice in choices)


def _move(step: _Step, rate: float, choices: tuple[_Choice, ...]) -> np.ndarray:
    """How far the weights go."""
    clip, decay, rule = choices
    g = _clipped(step, clip)
    w = np.where(step.matrix, step.weight, 0) if "matrices" in decay.name else step.weight
    if decay.name.startswith("L2"):
        g = g + decay.value * w
    move = -rate * _direction(g, rule)
    if decay.name.startswith("decoupled") and not decay.each:
        move = move - rate * decay.value * w
    if decay.each:
        move = move - rate * np.array(decay.each)[step.tensor] * w
    if decay.name == "whole":
        move = move - decay.value * w
    return move


def _clipped(step: _Step, clip: _Choice) -> np.ndarray:
    if clip.name == "value":
        return np.clip(step.gradient, -clip.value, clip.value)
    if clip.name == "none":
        return step.gradient
    norm = step.own if "own" in clip.name else np.full_like(step.own, step.whole)
    if "plus" in clip.name:
        norm = norm + 1e-6
    return step.gradient * np.where(norm > clip.value, clip.value / norm, 1)


def _direction(g: np.ndarray, rule: _Choice) -> np.ndarray:
    """What the learning rate multiplies, with the opposite sign."""
    if rule.name == "sgd":
        return rule.value * g
    first, second = (1 - beta for beta in BETAS)
    if rule.name == "inside":
        return g / np.sqrt(g**2 + rule.value)
    if rule.name == "uncorrected":
        return first * g / (np.sqrt(second) * np.abs(g) + rule.value)
    if rule.name == "before, float32":
        one, two = (1 - float(np.float32(beta)) for beta in BETAS)
        size = np.sqrt(second) * np.abs(g) + rule.value
        return np.sqrt(two) / one * first * g / size
    epsilon = rule.value / np.sqrt(second) if rule.name == "before" else rule.value
    return g / (np.abs(g) + epsilon)


def _clips(settings: Any) -> list[_Choice]:
    limit = getattr(settings, "clip_norm", None)

    none = _Choice("none", 0, (Fact("clipping", "does not clip"),))
    choices = [
        _clip(name, value)
        for value in dict.fromkeys((limit or 1.0, 1.0))
        for name in ("whole", "whole plus", "own", "own plus", "value")
    ]
    return [choices[0], none, *choices[1:]] if limit else [none, *choices]


def _clip(name: str, value: float) -> _Choice:
    message = {
        "whole": "clips to a norm of {} over all tensors",
        "whole plus": "clips to {}, with 1e-6 added to the norm",
        "own": "clips every tensor by itself to a norm of {}",
        "own plus": "clips every tensor by itself to {}, plus 1e-6",
        "value": "clips every value to {}",
    }[name]
    return _Choice(name, value, (Fact("clipping", message.format(figure(value))),))


def _decays(settings: Any) -> list[_Choice]:
    decay = float(getattr(settings, "weight_decay", 0) or 0)
    none = _Choice("none", 0, (Fact("weight decay", "does not decay its weights"),))
    first, second = ("decoupled", "L2") if settings.optimizer == "adamw" else ("L2", "decoupled")
    choices = []
    for value in dict.fromkeys(value for value in (decay, *DECAYS) if value):
        choices += [_decay(name, value) for name in (first, second, "whole")]
        if value == decay:
            choices += [_decay(f"{name} of matrices", value) for name in (first, second)]
    return [choices[0], none, *choices[1:]] if decay else [none, *choices]


def _decay(name: str, value: float) -> _Choice:
    message = {
        "L2": "adds {} times the weights to their gradients",
        "decoupled": "decays its weights by {} times the learning rate, apart from the gradients",
        "whole": "decays its weights by {}, whatever the learning rate",
        "L2 of matrices": "adds {} times the weights to their gradients, but for 1-D tensors",
        "decoupled of matrices": "decays its weights, but for 1-D tensors, by {}",
    }[name]
    return _Choice(name, value, (Fact("weight decay", message.format(figure(value, 1e-6))),))


def _rules(settings: Any) -> list[_Choice]:
    if settings.optimizer == "sgd":
        momentum = float(getattr(settings, "momentum", 0) or 0)
        plain = _Choice("sgd", 1, (Fact("nesterov", "takes plain momentum"),))
        if not momentum:
            return [plain]
        ahead = _Choice("sgd", 1 + momentum, (Fact("nesterov", "takes Nesterov's momentum"),))
        message = f"damps its first step by 1 - {momentum:g}"
        damped = _Choice("sgd", 1 - momentum, (Fact("nesterov", message, "dampening"),))
        nesterov = getattr(settings, "nesterov", False)
        return [ahead, plain, damped] if nesterov else [plain, ahead, damped]
    epsilon = float(getattr(settings, "epsilon", 1e-8) or 0)
    names = ("usual", "before", "before, float32", "uncorrected", "inside")
    epsilons = dict.fromkeys((epsilon, *EPSILONS))
    return [_adam(name, value) for name in names for value in epsilons]


def _adam(name: str, epsilon: float) -> _Choice:
    place = "to the root"
    if name.startswith("before"):
        place = "to the root before its bias is corrected"
    elif name == "inside":
        place = "inside the root"
    corrected = "does not correct" if name == "uncorrected" else "corrects"
    how = " in float32" if "float32" in name else ""
    facts = (
        Fact("adam epsilon", f"adds epsilon {figure(epsilon, 1e-6)} {place}"),
        Fact("bias correction", f"{corrected} the bias of its moments{how}"),
    )
    return _Choice(name, epsilon, facts)


def _estimated_decays(
    settings: Any, usual: tuple[_Choice, ...], step: _Step, expected: np.ndarray
) -> Iterator[_Choice]:
    """The decay that is in what the usual step leaves over, if nothing else is."""
    clip, _, rule = usual
    none = _Choice("none", 0, ())
    rate = _rate(settings)
    rest = expected - _move(step, rate, (clip, none, rule))
    share = -float(np.vdot(step.weight, rest) / (np.vdot(step.weight, step.weight) or 1))
    if share > 0:
        yield _decay("decoupled", share / rate)
    yield from _decays_of_some(step, rate, rest)


def _decays_of_some(step: _Step, rate: float, rest: np.ndarray) -> Iterator[_Choice]:
    """A decay that is the same in several tensors, and none in the others."""
    shares = []
    for index in range(len(step.names)):
        w, left = (array[step.tensor == index] for array in (step.weight, rest))
        if not np.vdot(w, w):
            return  # none of its values is among those that are looked at
        shares.append(-float(np.vdot(w, left) / (np.vdot(w, w) or 1)) / rate)
    largest = max(shares)
    alike = [share > 0 and abs(share / largest - 1) < 1e-5 for share in shares]
    zero = [abs(share) < 1e-5 * largest for share in shares]
    if not any(zero) or not all(a or b for a, b in zip(alike, zero, strict=True)):
        return
    value = float(figure(float(np.mean([s for s in shares if s > largest / 2])), 1e-5))
    each = tuple(value if decays else 0.0 for decays in alike)
    some = [name for name, decays in zip(step.names, alike, strict=True) if decays]
    others = [name for name in step.names if name not in some]
    names, end = (some, "alone") if len(some) <= len(others) else (others, "")
    listed = ", ".join(names[:4]) + (" and others" if len(names) > 4 else "")
    which = f"{listed} alone" if end else f"all weights but {listed}"
    message = f"decays {which} by {figure(value)} times the learning rate"
    yield _Choice("each", value, (Fact("weight decay", message),), each)


def _estimated_clips(
    settings: Any, usual: tuple[_Choice, ...], step: _Step, expected: np.ndarray
) -> Iterator[_Choice]:
    """The value that several gradients are cut at, if the step shows one."""
    if settings.optimizer != "sgd" or usual[2].value != 1:
        return
    size = np.abs(expected) / _rate(settings)
    most = float(size.max())
    cut = size >= most * (1 - 1e-9)
    if cut.sum() > 1 and (np.abs(step.gradient[cut]) > most * (1 + 1e-9)).all():
        yield _clip("value", float(_figure(step, most)))


def _estimated_rules(
    settings: Any, usual: tuple[_Choice, ...], step: _Step, expected: np.ndarray
) -> Iterator[_Choice]:
    """The epsilon that Adam's steps ask for, after the usual decay."""
    if settings.optimizer == "sgd":
        return
    clip, decay, _ = usual
    rate = _rate(settings)
    g = _clipped(step, clip)
    if decay.name == "L2":
        g = g + decay.value * step.weight
    elif decay.name == "decoupled":
        expected = expected + rate * decay.value * step.weight
    size, move = np.abs(g), np.abs(expected)
    felt = (size > 0) & (move > 0)
    size, move = size[felt], move[felt]
    sure = move**4 / size**2  # how well each value tells it, when all moves are as badly rounded
    epsilon = float(np.vdot(sure, size * (rate / move - 1)) / (sure.sum() or 1))
    if epsilon > 0:
        yield _adam("usual", epsilon)
