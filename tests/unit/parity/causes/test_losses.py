"""Losses of equal outputs by their objectives: how these are smoothed, weighed and averaged."""

from collections.abc import Sequence

import numpy as np
import pytest

from shared.parity.causes import Cause, Term, explain_terms
from tests.unit.parity.causes.simulated import Array, values

LOGITS = values(3, 4, 5)
LABELS = np.array([[0, 4, -1, 2], [1, -1, -1, 3], [2, 2, 0, 4]], dtype=np.int32)
POINTS, PLACES = values(3, 2, seed=1), values(3, 2, seed=2)


def entropy(smoothing: float = 0.0) -> float:
    """With loops over labels and classes."""
    total, count = 0.0, 0
    for row, label in zip(LOGITS.reshape(-1, 5), LABELS.ravel(), strict=True):
        if label < 0:
            continue
        shares = np.exp(row) / np.exp(row).sum()
        right = np.full(5, smoothing / 5)
        right[label] += 1 - smoothing
        total -= float((right * np.log(shares)).sum())
        count += 1
    return total / count


def distance() -> float:
    return float(((POINTS - PLACES) ** 2).mean())


def labels() -> Term:
    return Term("logits", LABELS, {"fc": LOGITS})


def points() -> Term:
    return Term("points", PLACES, {"places": POINTS, "earlier": values(3, 2, seed=5)})


def explain(a: float, b: float, terms: Sequence[Term]) -> Cause | None:
    return explain_terms("torch", "keras", np.array(a), np.array(b), terms)


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        (0.0, "keras does not smooth its labels"),
        (0.2, "keras smooths its labels by 0.2"),
        (0.125, "keras smooths its labels by 0.125"),
        (0.1 * 5 / 4, "keras smooths its labels by 0.125"),
    ],
)
def test_smoothing(odd: float, words: str) -> None:
    cause = explain(entropy(0.1), entropy(odd), [labels()])
    assert cause is not None
    assert cause.kind == "smoothing"
    assert words in cause.text or "over the other classes alone" in cause.text


def test_weights_of_objectives() -> None:
    a = entropy() + distance()
    for weight in (0.5, 0.3, 0.0, 1.7):
        cause = explain(a, entropy() + weight * distance(), [labels(), points()])
        assert cause is not None, weight
        assert cause.kind == "objective weight"
        assert f"keras weighs the loss of places by {weight:g}" in cause.text
    cause = explain(a, 0.5 * entropy() + distance(), [labels(), points()])
    assert cause is not None
    assert "keras weighs the loss of fc by 0.5" in cause.text


def test_an_objective_whose_output_is_not_known() -> None:
    unknown, hidden = 0.7234, Term("hidden", PLACES, {})
    whole = entropy() + unknown
    cause = explain(whole, entropy() + unknown / 2, [labels(), hidden])
    assert cause is not None
    assert cause.text == "keras weighs the loss of hidden 0.5 times as much as torch"
    cause = explain(whole, entropy() / 2 + unknown, [labels(), hidden])
    assert cause is not None
    assert cause.text == "keras weighs the loss of fc 0.5 times as much as torch"
    assert explain(whole, entropy() + 0.4567891 * unknown, [labels(), hidden]) is None


def test_what_fits_nothing_is_not_explained() -> None:
    right = entropy(0.1)
    for odd in (right * 1.2345678, right + 1e-3, float("nan"), right):
        assert explain(right, odd, [labels()]) is None
    assert explain(right, 0.5 * right, []) is None
    strange: list[Array] = [values(3, 4, 6), values(2)]
    assert explain(1.0, 2.0, [Term("x", LABELS, {"y": array}) for array in strange]) is None


def test_labels_that_do_not_count() -> None:
    total = entropy() * (LABELS >= 0).sum()
    cause = explain(entropy(), float(total / LABELS.size), [labels()])
    assert cause is not None
    assert cause.kind in ("loss reduction", "objective weight")
