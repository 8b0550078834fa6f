"""An optimizer's first step: what is odd on one side is named, with its side."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from shared.parity.causes import (
    Cause,
    explain_update,
)
from tests.unit.parity.causes.simulated import DTYPES, check, settings, step, values

OPTIMIZERS: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any], str, str]] = [
    ("sgd", {"momentum": 0.9}, {}, {"factor": 1.9}, "nesterov", "Nesterov"),
    ("sgd", {"momentum": 0.9, "nesterov": True}, {"factor": 1.9}, {}, "nesterov", "plain"),
    ("sgd", {"momentum": 0.9}, {}, {"factor": 0.1}, "dampening", "damps"),
    ("sgd", {}, {}, {"rate": 0.625}, "learning rate", "0.625"),
    ("sgd", {}, {}, {"rate": -0.0625}, "learning rate", "climbs"),
    ("sgd", {"weight_decay": 0.02}, {"l2": 0.02}, {}, "weight decay", "does not decay"),
    ("sgd", {"weight_decay": 0.02}, {"l2": 0.02}, {"apart": 0.02}, "weight decay", "whatever"),
    ("sgd", {"clip_norm": 1.0}, {"clip": 1.0}, {}, "clipping", "does not clip"),
    ("sgd", {"clip_norm": 1.0}, {"clip": 1.0}, {"clip": 1.0, "own": True}, "clipping", "by itself"),
    ("sgd", {}, {}, {"clip": 1.0}, "clipping", "over all tensors"),
    ("adam", {}, {}, {"epsilon": 1e-7}, "adam epsilon", "epsilon 1e-07 to the root"),
    ("adam", {}, {}, {"epsilon": 1e-7, "early": True}, "adam epsilon", "1e-07 to the root before"),
    (
        "adam",
        {},
        {},
        {"epsilon": 1e-7, "early": True, "betas": np.float32},
        "adam epsilon",
        "1e-07 to the root before",
    ),
    ("adam", {}, {}, {"epsilon": 3.3e-4}, "adam epsilon", "0.00033"),
    ("adam", {}, {}, {"corrected": False}, "bias correction", "does not correct"),
    ("adam", {}, {}, {"rate": 0.03125}, "learning rate", "0.03125"),
    (
        "adam",
        {"weight_decay": 0.02},
        {"l2": 0.02},
        {"apart": 0.02 * 0.0625},
        "weight decay",
        "apart from the gradients",
    ),
    (
        "adamw",
        {"weight_decay": 0.02},
        {"apart": 0.02 * 0.0625},
        {"l2": 0.02},
        "weight decay",
        "adds 0.02 times the weights",
    ),
    (
        "adamw",
        {"weight_decay": 0.01},
        {"apart": 0.01 * 0.0625},
        {"apart": 0.004 * 0.0625},
        "weight decay",
        "0.004",
    ),
    (
        "adamw",
        {"weight_decay": 0.02},
        {"apart": 0.02 * 0.0625},
        {"apart": 0.033 * 0.0625},
        "weight decay",
        "0.033",
    ),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("optimizer", "asked", "usual", "fault", "kind", "words"), OPTIMIZERS)
def test_updates(
    dtype: str,
    optimizer: str,
    asked: dict[str, Any],
    usual: dict[str, Any],
    fault: dict[str, Any],
    kind: str,
    words: str,
) -> None:
    weights = {"weight": values(6, 5, dtype=dtype), "bias": values(6, seed=1, dtype=dtype)}
    grads = {"weight": values(6, 5, seed=2, dtype=dtype), "bias": values(6, seed=3, dtype=dtype)}
    grads["weight"][0] *= 1e-4  # so small that an epsilon is felt
    grads["weight"][1] *= 1e-6

    def explain(a: str, b: str, a_new: Any, b_new: Any) -> Cause | None:
        return explain_update(a, b, settings(optimizer, **asked), weights, grads, a_new, b_new)

    plain, odd = step(weights, grads, optimizer, **usual), step(weights, grads, optimizer, **fault)
    check(explain, plain, odd, kind, words)


def test_a_learning_rate_in_float32() -> None:
    weights, grads = {"w": values(50)}, {"w": values(50, seed=1)}
    asked = SimpleNamespace(optimizer="sgd", learning_rate=0.01)
    sides = [step(weights, grads, "sgd", rate=rate) for rate in (0.01, float(np.float32(0.01)))]
    cause = explain_update("torch", "keras", asked, weights, grads, *sides)
    assert cause is not None
    assert cause.text.startswith("keras holds its learning rate in float32")
