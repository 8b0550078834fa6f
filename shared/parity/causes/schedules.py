"""Schedules of the learning rate: up in a line, down along half a cosine, and what is near it."""

from __future__ import annotations

from collections.abc import Iterator
from math import cos, pi
from typing import Any


def factor(step: float, warmup: int, decay: int | None) -> float:
    """What the learning rate is multiplied by in a step, counted from 0."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return (1 + cos(pi * min((step - warmup) / decay, 1))) / 2 if decay else 1.0


def factors(settings: Any, step: int) -> Iterator[tuple[str, float]]:
    """What each known schedule makes of a step, and its words; the one that is set first.

    The words of the others begin with "as"; where several give the same, all are named.
    """
    warmup = int(getattr(settings, "warmup_steps", None) or 0)
    decay = getattr(settings, "decay_steps", None) or None
    usual = factor(step, warmup, decay)
    yield "", usual
    seen: dict[float, list[str]] = {}
    for words, value in _others(step, warmup, decay) if warmup or decay else ():
        if abs(value - usual) > 1e-12:
            alike = next((v for v in seen if abs(v - value) <= 1e-12), value)
            seen.setdefault(alike, []).append(words)
    for value, words_of in seen.items():
        yield f"as {' or '.join(dict.fromkeys(words_of))} has it", value


def _others(step: int, warmup: int, decay: int | None) -> Iterator[tuple[str, float]]:
    if decay:
        yield "no fall", factor(step, warmup, None)
    yield "a schedule that is a step late", factor(max(step - 1, 0), warmup, decay)
    yield "a schedule that is a step early", factor(step + 1, warmup, decay)
    if warmup:
        yield "no warm-up", factor(step, 0, decay) if step >= warmup else 1.0
        yield "a warm-up that begins with 0", min(step / warmup, 1.0)
        yield "a warm-up that begins with 0 and is a step longer", step / (warmup + 1)
        for steps in (warmup - 1, warmup + 1, 2 * warmup):
            yield f"a warm-up of {steps} steps", factor(step, steps, decay)
    if decay:
        lengths = [2 * decay, decay / 2, decay - 1, decay + 1, decay + warmup, decay - warmup]
        for length in [n for n in lengths if n > 0 and n == int(n) and n != decay]:
            yield f"a schedule of {length:g} steps", factor(step, warmup, int(length))
        if step >= warmup:
            yield "a straight fall", 1 - min((step - warmup) / decay, 1)
            yield "half of that fall", (1 + factor(step, warmup, decay)) / 2
            yield "a fall that begins before the warm-up ends", factor(step, 0, decay)
            yield "a fall to a tenth", 0.1 + 0.9 * factor(step, warmup, decay)
