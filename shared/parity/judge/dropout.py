"""What one backend's layers show by themselves: their dropout."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from shared.parity import causes, recipes
from shared.parity.evidence import CaseEvidence
from shared.parity.judge.results import Result
from shared.parity.locate import told

DROPOUT_DEVIATIONS = 6.0
SHARED = 3**0.5
"""How much less neighbours tell than pairs of their own: each value is in two of them."""

TWO_MASKS = ("of several examples", "within an example", "as the layer before")
SCALED = 1e-5
"""How far from its scale a kept value may be, of the largest: a compiler may compute what goes into
a dropout layer twice, and round otherwise."""


def dropout(case: CaseEvidence, dtype: str) -> Iterator[tuple[str, Result]]:
    """One backend's own dropout: the share that it keeps, the scale, nothing in evaluation.

    And masks that are drawn anew for each value, as far as there are enough to tell.
    """
    for name, figures in case.under(dtype, "own dropout").items():
        if figures.shape != (recipes.DROPOUT_FIGURES,):
            continue  # it is missing
        share, count, scale, still = figures[:4]
        expected = 1 - case.dropouts[name]
        deviation = (expected * (1 - expected) / count) ** 0.5
        # Of a layer that drops nothing none may be missing.
        exact = 0.0 if share == expected else np.inf
        away = abs(share - expected) / deviation if deviation else exact
        unlike, unscaled = not away <= DROPOUT_DEVIATIONS, not scale <= SCALED
        problems = []
        if unlike:
            problems.append(f"{name} keeps {share:.1%} in place of {expected:.1%}")
        if unscaled:
            problems.append(
                f"{name} scales what it keeps by another number than {_scale(expected)}"
            )
        if still != 0:
            problems.append(f"{name} changes its input in evaluation mode")
        shared, alike = "", expected**2 + (1 - expected) ** 2
        for of, (same, pairs) in zip(TWO_MASKS, figures[4:].reshape(-1, 2), strict=True):
            spread = (alike * (1 - alike) / pairs) ** 0.5 if pairs else np.inf
            if not abs(same - alike) <= DROPOUT_DEVIATIONS * SHARED * spread:
                shared = shared or of
                problems.append(
                    f"{name} drops the same values {of}: {same:.1%} are alike, in place of "
                    f"{alike:.1%}"
                )
        message = (
            f"{name} keeps {share:.1%} of {count:.0f}, {away:.1f} deviations from {expected:.1%}"
        )
        if not problems:
            yield name, Result("passed", detail=message)
            continue
        cause = causes.explain_own(
            case.backend,
            case.dropouts[name],
            float(share),
            unlike=unlike,
            unscaled=unscaled,
            still=still != 0,
            alike=shared,
        )
        first = told("dropout", "training", name, f"what {name} keeps", float(scale), cause)
        yield name, Result("failed", detail="; ".join(problems), first=first)


def _scale(kept: float) -> str:
    """By what is multiplied that is kept."""
    return f"{1 / kept:.3g}" if kept else "any"
