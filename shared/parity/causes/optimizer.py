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
    rounding,
    tell_apart,
    telling,
    tolerance,
    usable,
)

LIMIT = 10_000  # values of all tensors that are looked at
EPSILONS = (1e-8, 1e-7, 1e-6, 1e-5, 1e-3, 0.0)
DECAYS = (0.01, 0.004, 1e-4, 5e-4)
BETAS = (0.9, 0.999)
Tensors = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class _Choice:
    """One convention for one part of a step: its name, its number, and what it says."""

    name: str
    value: float
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class _Step:
    """Weights and gradients at the places that are looked at, and how gradients would be clipped.

    `whole` is the norm of all gradients together, `own` that of each value's own tensor; `matrix`
    is whether a value is of a tensor with more than one axis.
    """

    weight: np.ndarray
    gradient: np.ndarray
    whole: float
    own: np.ndarray
    matrix: np.ndarray


def explain_update(
    a_name: str,
    b_name: str,
    settings: Any,
    weights: Tensors,
    gradients: Tensors,
    a_new: Tensors,
    b_new: Tensors,
) -> Cause | None:
    """Why the weights after the first step of an optimizer differ.

    Args:
        a_name: What the first side is called.
        b_name: What the second is called.
        settings: `optimizer` ("sgd", "adam" or "adamw") and `learning_rate`; perhaps `momentum`,
            `nesterov`, `epsilon`, `weight_decay` and `clip_norm`.
        weights: The parameters before the step.
        gradients: Theirs, before any clipping.
        a_new: The first side's parameters after the step.
        b_new: The second's.
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
    )
    a, b = (a - before)[at], (b - before)[at]
    unit = max(noise / max(float(np.abs(a).max()), 1e-300), rounding(*kinds))
    near = max(tolerance(*kinds), 4 * unit)

    def readings() -> Iterator[Reading]:
        rate = float(settings.learning_rate)
        for choices in _choices(settings, oddities=2):
            yield _reading(step, rate, choices)
        message = "holds its learning rate in float32"
        for choices in _choices(settings, oddities=0):
            yield _reading(step, float(np.float32(rate)), choices, message)

    def own(expected: np.ndarray) -> Iterator[Reading]:
        rate = float(settings.learning_rate)
        for choices in _choices(settings, oddities=1):
            value = _move(step, rate, choices)
            factor = float(np.vdot(value, expected) / (np.vdot(value, value) or 1))
            message = "climbs its gradients" if factor < 0 else ""
            yield _reading(step, rate * factor, choices, message)
        for choices in _choices(settings, oddities=1, expected=(step, expected)):
            yield _reading(step, rate, choices)

    with np.errstate(all="ignore"):
        return tell_apart((a_name, b_name), Problem(a, b, readings(), own, unit), near)


def _reading(step: _Step, rate: float, choices: tuple[_Choice, ...], message: str = "") -> Reading:
    facts = [fact for choice in choices for fact in choice.facts]
    message = message or f"steps with a learning rate of {rate:.6g}"
    return Reading(_move(step, rate, choices), (*facts, Fact("learning rate", message)))


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
    if decay.name.startswith("decoupled"):
        move = move - rate * decay.value * w
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

    def choice(name: str, value: float, message: str) -> _Choice:
        return _Choice(name, value, (Fact("clipping", message),))

    none = choice("none", 0, "does not clip")
    choices = []
    for value in dict.fromkeys((limit or 1.0, 1.0)):
        choices += [
            choice("whole", value, f"clips to a norm of {value:g} over all tensors"),
            choice("whole plus", value, f"clips to {value:g}, with 1e-6 added to the norm"),
            choice("own", value, f"clips every tensor by itself to a norm of {value:g}"),
            choice("own plus", value, f"clips every tensor by itself to {value:g}, plus 1e-6"),
            choice("value", value, f"clips every value to {value:g}"),
        ]
    return [choices[0], none, *choices[1:]] if limit else [none, *choices]


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
    return _Choice(name, value, (Fact("weight decay", message.format(f"{value:.4g}")),))


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
        Fact("adam epsilon", f"adds epsilon {epsilon:.3g} {place}"),
        Fact("bias correction", f"{corrected} the bias of its moments{how}"),
    )
    return _Choice(name, epsilon, facts)


def _estimated_decays(
    settings: Any, usual: tuple[_Choice, ...], step: _Step, expected: np.ndarray
) -> Iterator[_Choice]:
    """The decay that is in what the usual step leaves over, if nothing else is."""
    clip, _, rule = usual
    none = _Choice("none", 0, ())
    rate = float(settings.learning_rate)
    rest = expected - _move(step, rate, (clip, none, rule))
    share = -float(np.vdot(step.weight, rest) / (np.vdot(step.weight, step.weight) or 1))
    if share > 0:
        yield _decay("decoupled", share / rate)


def _estimated_rules(
    settings: Any, usual: tuple[_Choice, ...], step: _Step, expected: np.ndarray
) -> Iterator[_Choice]:
    """The epsilon that Adam's steps ask for, after the usual decay."""
    if settings.optimizer == "sgd":
        return
    clip, decay, _ = usual
    rate = float(settings.learning_rate)
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
