"""Later steps and the optimizer's state: betas, AMSGrad, momentum, schedules, some tensors."""

from collections.abc import Mapping
from math import cos, pi
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from shared.differences import sketch
from shared.parity.causes import (
    Cause,
    explain_second,
    explain_state,
    explain_steps,
    explain_update,
)
from shared.parity.causes.schedules import factor, factors
from tests.unit.parity.causes.simulated import DTYPES, Array, check, settings, step, values

RATE = 0.0625
SHAPES = {"fc.weight": (6, 5), "fc.bias": (6,), "out.weight": (3, 6)}
START = {name: values(*shape, seed=1) for name, shape in SHAPES.items()}
FIRST = {name: 0.1 * values(*shape, seed=2) for name, shape in SHAPES.items()}
SECOND = {name: 0.05 * values(*shape, seed=3) for name, shape in SHAPES.items()}
THIRD = {name: 0.02 * values(*shape, seed=4) for name, shape in SHAPES.items()}
ADAM = settings("adam")


def sketched(arrays: Mapping[str, Array], slot: str) -> dict[str, Array]:
    return {f"{name}@{slot}": sketch(array) for name, array in arrays.items()}


@pytest.mark.parametrize(
    ("slot", "power", "usual", "odd", "words"),
    [
        ("exp_avg", 1, 0.9, 0.8, "beta of the first moment is 0.8"),
        ("exp_avg_sq", 2, 0.999, 0.99, "beta of the second moment is 0.99"),
    ],
)
def test_betas(slot: str, power: int, usual: float, odd: float, words: str) -> None:
    def state(beta: float) -> dict[str, Array]:
        return sketched({n: (1 - beta) * g**power for n, g in FIRST.items()}, slot)

    def explain(a: str, b: str, ours: Any, theirs: Any) -> Cause | None:
        return explain_state(a, b, ADAM, FIRST, ours, theirs)

    check(explain, state(usual), state(odd), "beta", words)


def test_a_gradient_that_is_doubled_is_not_called_a_beta() -> None:
    def state(scale: float) -> dict[str, Array]:
        first = sketched({n: 0.1 * scale * g for n, g in FIRST.items()}, "exp_avg")
        square = {n: 0.001 * (scale * g) ** 2 for n, g in FIRST.items()}
        return first | sketched(square, "exp_avg_sq")

    cause = explain_state("torch", "keras", ADAM, FIRST, state(1), state(2))
    assert cause == Cause("scale", "keras's gradients are 2 times torch's")
    sgd = settings("sgd", momentum=0.9)
    sums = [sketched({n: s * g for n, g in FIRST.items()}, "momentum_buffer") for s in (1, 3)]
    cause = explain_state("torch", "keras", sgd, FIRST, *sums)
    assert cause == Cause("scale", "keras's gradients are 3 times torch's")


def test_what_momentum_sums() -> None:
    sgd = settings("sgd", momentum=0.9)

    def explain(a: str, b: str, ours: Any, theirs: Any) -> Cause | None:
        return explain_state(a, b, sgd, FIRST, ours, theirs)

    def state(share: float) -> dict[str, Array]:
        return sketched({n: share * g for n, g in FIRST.items()}, "momentum_buffer")

    check(explain, state(1), state(-RATE), "momentum", "sums steps")
    check(explain, state(1), state(0.1), "dampening", "takes 0.1 of a gradient")
    other = sketched({n: values(*g.shape, seed=9) for n, g in FIRST.items()}, "momentum_buffer")
    assert explain("torch", "keras", state(1), other) is None


def tracks(momentum: float, taken: float = 1.0, rates: tuple[float, ...] = (1, 1, 1)) -> Any:
    """Sketches of three steps of SGD; the first gradient is taken whole."""
    weights, total = dict(START), {name: np.zeros(w.shape) for name, w in START.items()}
    rows: dict[str, list[Array]] = {}
    for index, gradients in enumerate((FIRST, SECOND, THIRD)):
        for name, g in gradients.items():
            total[name] = momentum * total[name] + (taken if index else 1.0) * g
            weights[name] = weights[name] - RATE * rates[index] * total[name]
            rows.setdefault(name, []).append(sketch(weights[name]))
            if momentum:
                rows.setdefault(f"{name}@momentum_buffer", []).append(sketch(total[name]))
    return {name: np.stack(row) for name, row in rows.items()}


def test_momentum_of_the_second_step() -> None:
    sgd = settings("sgd", momentum=0.9)
    plain = tracks(0.9)
    cause = explain_steps("torch", "keras", sgd, 1, plain, tracks(0.8))
    assert cause is not None
    assert cause.kind == "momentum"
    assert "keras's momentum is 0.1 less than torch's, where 0.9 is set" in cause.text
    for sides in ((plain, tracks(0.9, 0.1)), (tracks(0.9, 0.1), plain)):
        cause = explain_steps("torch", "keras", sgd, 1, *sides)
        assert cause is not None
        assert cause.kind == "dampening"
        assert "takes 0.1 of a gradient" in cause.text
    assert explain_steps("torch", "keras", sgd, 1, plain, plain) is None
    other = {name: row + values(*row.shape, seed=7) for name, row in plain.items()}
    assert explain_steps("torch", "keras", sgd, 1, plain, other) is None


def cosine(step: int, length: int) -> float:
    return (1 + cos(pi * step / length)) / 2


@pytest.mark.parametrize(
    ("rates", "words"),
    [
        ((1, cosine(1, 100), 1), "a schedule of 100 steps"),
        ((1, cosine(1, 25), 1), "a schedule of 25 steps"),
        ((1, cosine(1, 51), 1), "a schedule of 51 steps"),
        ((1, 1, 1), "as no fall or a schedule that is a step late has it"),
        ((1, 0.98, 1), "a straight fall"),
        ((1, cosine(2, 50), 1), "a step early"),
    ],
)
def test_schedules_of_another_length(rates: tuple[float, ...], words: str) -> None:
    planned = settings("sgd", decay_steps=50)
    plain = tracks(0, rates=(1, cosine(1, 50), cosine(2, 50)))

    def explain(a: str, b: str, ours: Any, theirs: Any) -> Cause | None:
        return explain_steps(a, b, planned, 1, ours, theirs)

    check(explain, plain, tracks(0, rates=rates), "schedule", words)


def test_a_rate_of_no_known_schedule_is_told_as_it_is() -> None:
    plain = tracks(0, rates=(1, cosine(1, 50), 1))
    odd = tracks(0, rates=(1, 0.7 * cosine(1, 50), 1))
    cause = explain_steps("torch", "keras", settings("sgd", decay_steps=50), 1, plain, odd)
    assert cause is not None
    assert cause.kind == "schedule"
    assert cause.text.startswith("torch's learning rate in step 2 is 1.42857")


def test_schedules_are_those_of_the_settings() -> None:
    planned = SimpleNamespace(warmup_steps=7, decay_steps=40)
    assert next(factors(planned, 0)) == ("", 1 / 8)
    assert factor(7, 7, 40) == 1
    assert factor(47, 7, 40) == pytest.approx(0)
    words = {value: says for says, value in factors(planned, 0)}
    assert "a warm-up of 8 steps" in words[1 / 9]
    assert words[1.0].startswith("as no fall or") is False
    assert "no warm-up" in words[1.0]
    assert list(factors(SimpleNamespace(), 3)) == [("", 1.0)]


@pytest.mark.parametrize(("rate", "words"), [(1 / 9, "warm-up of 8 steps"), (1, "no warm-up")])
def test_the_first_step_of_a_warm_up(rate: float, words: str) -> None:
    planned = settings("sgd", warmup_steps=7)

    def explain(a: str, b: str, ours: Any, theirs: Any) -> Cause | None:
        return explain_update(a, b, planned, START, FIRST, ours, theirs)

    plain, odd = (step(START, FIRST, "sgd", rate=RATE * r) for r in (1 / 8, rate))
    check(explain, plain, odd, "schedule", words)


def second(**changes: Any) -> tuple[dict[str, Array], dict[str, Array], dict[str, Array]]:
    """Weights after two steps of Adam, the first moments then, and the weights after one."""
    largest, corrected = changes.get("largest", False), changes.get("corrected", False)
    after, moments, before = {}, {}, {}
    for name, w in START.items():
        one, two = FIRST[name], SECOND[name]
        w = w - RATE * one / (np.abs(one) + 1e-8)
        m = 0.9 * 0.1 * one + 0.1 * two
        v = [0.001 * one**2]
        v.append(0.999 * v[0] + 0.001 * two**2)
        shown = [v[0] / 0.001, v[1] / (1 - 0.999**2)]
        root = shown[1]
        if largest:
            root = np.maximum(*shown) if corrected else np.maximum(*v) / (1 - 0.999**2)
        before[name], moments[name] = w, m
        after[name] = w - RATE * m / (1 - 0.9**2) / (np.sqrt(root) + 1e-8)
    return after, moments, before


@pytest.mark.parametrize("corrected", [False, True])
def test_amsgrad(corrected: bool) -> None:
    plain, moments, before = second()
    odd, _, _ = second(largest=True, corrected=corrected)

    def explain(a: str, b: str, ours: Any, theirs: Any) -> Cause | None:
        return explain_second(a, b, ADAM, FIRST, before, moments, ours, theirs)

    check(explain, plain, odd, "amsgrad", "largest", *(["corrected"] if corrected else []))
    other = {name: w + 1e-4 * values(*w.shape, seed=8) for name, w in plain.items()}
    assert explain("torch", "keras", plain, other) is None


# The first step again


def decayed(names: tuple[str, ...], share: float = 0.25) -> dict[str, Array]:
    new = step(START, FIRST, "adamw")
    return {n: w - RATE * share * START[n] * (n in names) for n, w in new.items()}


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("fc.bias",), "decays fc.bias alone by 0.25"),
        (("fc.weight", "fc.bias"), "decays all weights but out.weight by 0.25"),
        (("fc.weight", "out.weight"), "but for 1-D tensors"),
    ],
)
def test_decay_of_some_tensors_alone(names: tuple[str, ...], words: str) -> None:
    adamw = settings("adamw", weight_decay=0.25)

    def explain(a: str, b: str, ours: Any, theirs: Any) -> Cause | None:
        return explain_update(a, b, adamw, START, FIRST, ours, theirs)

    check(explain, decayed(tuple(START)), decayed(names), "weight decay", words)


def test_clipping_is_not_called_a_learning_rate() -> None:
    def explain(limit: float | None, ours: Any, theirs: Any, **more: Any) -> Cause | None:
        clip = {} if limit is None else {"clip_norm": limit}
        return explain_update(
            "torch", "keras", settings("sgd", **clip), START, FIRST, ours, theirs, **more
        )

    free, quarter = step(START, FIRST, "sgd"), step(START, FIRST, "sgd", clip=0.25)
    cause = explain(None, free, quarter)
    assert cause is not None
    assert cause.kind == "clipping"
    assert cause.text == "keras clips to a norm of 0.25 over all tensors, torch does not clip"
    half, third = (step(START, FIRST, "sgd", clip=limit) for limit in (0.5, 0.3))
    unsure = explain(0.5, half, third)
    assert unsure is not None
    assert "as if it clipped to a norm of 0.3" in unsure.text
    sure = explain(0.5, half, third, rate_agrees=True)
    assert sure is not None
    assert sure.kind == "clipping"
    halved = explain(None, free, step(START, FIRST, "sgd", rate=RATE / 2))
    assert halved is not None
    assert halved.kind == "learning rate"


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_learning_rate_is_not_called_clipping(dtype: str) -> None:
    start, gradients = ({n: x.astype(dtype) for n, x in of.items()} for of in (START, FIRST))
    plain, odd = (step(start, gradients, "sgd", rate=rate) for rate in (RATE, RATE / 2))
    cause = explain_update("torch", "keras", settings("sgd"), start, gradients, plain, odd)
    assert cause is not None
    assert cause.kind == "learning rate"


def test_values_that_are_cut() -> None:
    free = step(START, FIRST, "sgd")
    cut = {n: START[n] - RATE * np.clip(g, -0.05, 0.05) for n, g in FIRST.items()}
    cause = explain_update("torch", "keras", settings("sgd"), START, FIRST, free, cut)
    assert cause is not None
    assert cause.kind == "clipping"
    assert cause.text.startswith("keras clips every value to 0.05")


def test_figures_have_enough_digits_to_differ() -> None:
    plain, odd = (step(START, FIRST, "adam", epsilon=e) for e in (1e-3, 1.0001e-3))
    cause = explain_update(
        "torch", "keras", settings("adam", epsilon=1e-3), START, FIRST, plain, odd
    )
    assert cause is not None
    assert "0.0010001" in cause.text
    assert "epsilon 0.001 " in cause.text
