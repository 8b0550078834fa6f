"""The rung of values that bite, on arrays made by hand."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from shared.interface import TensorInfo
from shared.parity import edges, expected, judge, recipes
from shared.parity.evidence import Asked, CaseEvidence
from shared.parity.judge import Pair, Result
from shared.specs import SPECS, Case, Spec

Arrays = dict[str, np.ndarray]
PERCEPTRON, MIMO, SEQUENCE = SPECS["basic_net"], SPECS["mimo_net"], SPECS["seq2seq"]
ATTENTION = next(
    i for i, case in enumerate(SEQUENCE.cases) if case.network.cls == "MultiHeadAttention"
)
CASE = PERCEPTRON.cases[1]
TABLE = [TensorInfo("fc3.weight", (7, 32), "float64", "parameter")]


def evidence_of(arrays: Arrays, name: str = "torch", dtype: str = "float64") -> CaseEvidence:
    return CaseEvidence(name, CASE.label, {dtype: TABLE}, {dtype: arrays})


def values(spec: Spec = PERCEPTRON, case: Case = CASE, dtype: str = "float64") -> Arrays:
    """Everything that a case must show at the edges, with values that are right by themselves."""
    shapes = expected.arrays(spec, case, Asked(), evidence_of({}, dtype=dtype), dtype)
    random = np.random.default_rng(0)
    arrays: Arrays = {}
    for name, shape in shapes.items():
        if not name.startswith("edges/"):
            continue
        if "/lent/before" in name or "/lent/after" in name:
            arrays[name] = np.full(32, len(name.rpartition("/")[2]), np.uint8)
        elif "/uncounted/" in name or "classes" in name or "tokens" in name or "warn" in name:
            arrays[name] = np.zeros(
                (7, 4) if shape is None else shape, int if "unc" not in name else dtype
            )
        elif "confidence" in name:
            arrays[name] = np.full(shape or (), 1 / 7, dtype)
        elif "/alike/" in name:
            arrays[name] = np.full(shape or (), 0.5, dtype)
        else:
            arrays[name] = random.normal(size=shape).astype(dtype)
    for name in [name for name in arrays if "/nearby/" in name]:
        arrays[name] = arrays[name.replace("/nearby/", "/outputs/")] * (1 + 1e-13)
    return arrays


VALUES = values()


def alone(arrays: Arrays, spec: Spec = PERCEPTRON, case: Case = CASE) -> dict[str, Result]:
    task = recipes.task_of(spec, case)
    return dict(judge.edges_alone(case.network, task, evidence_of(arrays), "float64"))


def against(other: Arrays, dtype: str = "float64") -> dict[str, Result]:
    one = {n: a.astype(dtype) if a.dtype == np.float64 else a for n, a in VALUES.items()}
    pair = Pair(evidence_of(one, dtype=dtype), evidence_of(other, "flax", dtype), dtype)
    return dict(judge.edges(pair))


def failed(results: dict[str, Result]) -> set[str]:
    return {part for part, result in results.items() if result.status != "passed"}


def test_what_is_right_passes() -> None:
    assert failed(alone(VALUES)) == set()
    by_kind = against(dict(VALUES))
    kinds = {"ties", "black", "large", "alike", "uncounted", "batches"}
    assert set(by_kind) == kinds
    assert failed(by_kind) == set()


@pytest.mark.parametrize("name", [n for n in VALUES if "lent" not in n and "nearby" not in n])
def test_any_changed_array_fails_its_kind_alone(name: str) -> None:
    changed = VALUES[name] + 1e-3 if VALUES[name].dtype.kind == "f" else VALUES[name] + 1
    assert failed(against({**VALUES, name: changed})) == {name.split("/")[1]}


@pytest.mark.parametrize(
    ("name", "change", "part", "message"),
    [
        ("uncounted/loss", lambda a: a * np.nan, "uncounted", "no label counts, and loss is not 0"),
        ("uncounted/loss", lambda a: a + 1e-30, "uncounted", "and loss is not 0"),
        (
            "uncounted/gradients/fc3.weight",
            lambda a: a + 1e-30,
            "uncounted",
            "gradients/fc3.weight is not 0",
        ),
        ("alike/classes", lambda a: a + 6, "alike", "not the first is taken, but 6"),
        ("alike/confidence", lambda a: a + 1e-9, "alike", "probability of each is 1.0e-09 away"),
        (
            "alike/outputs/logits",
            lambda a: a + np.arange(a.shape[-1]) * 1e-16,
            "alike",
            "logits are not all alike",
        ),
        ("large/weights/outputs/logits", lambda a: a * np.inf, "finite", "that are not finite"),
        ("lent/after/alike/batch", lambda a: a + 1, "lent", "alike/batch was changed"),
        ("lent/warnings", lambda a: a + 2, "lent", "a warning of arrays that are read-only"),
    ],
)
def test_what_is_known_by_itself_is_held_alone(
    name: str, change: Callable[[np.ndarray], Any], part: str, message: str
) -> None:
    """All backends may do the same wrong."""
    results = alone({**VALUES, f"edges/{name}": np.asarray(change(VALUES[f"edges/{name}"]))})
    assert part in failed(results)
    assert message in results[part].detail


@pytest.mark.parametrize(("more", "parts"), [(1e-15, set()), (1e-11, {"large"})])
def test_a_loss_near_0_is_rounded_as_what_is_near_1(more: float, parts: set[str]) -> None:
    name, small = "edges/large/loss", np.array(1e-7)
    one, other = evidence_of({**VALUES, name: small}), {**VALUES, name: small + more}
    pair = Pair(one, evidence_of(other, "flax"), "float64")
    assert failed(dict(judge.edges(pair))) == parts


def test_nothing_is_no_pass() -> None:
    assert failed(alone({})) == {"finite", "alike", "uncounted", "lent"}
    lacking = {n: a for n, a in VALUES.items() if not n.startswith("edges/lent/after/alike")}
    assert failed(alone(lacking)) == {"lent"}


def test_another_target_counts_where_no_label_does() -> None:
    """MIMONet's slant: its loss is no 0, and its gradients are none."""
    case = MIMO.cases[1]
    arrays = values(MIMO, case)
    changed = {
        name: array + 1.0 if "/uncounted/" in name else np.full_like(array, 0.25)
        for name, array in arrays.items()
        if "lent" not in name
    }
    assert "uncounted" not in failed(alone({**arrays, **changed}, MIMO, case))


def test_small_gradients_are_held_to_the_largest_where_they_cancel() -> None:
    """Of black images and of large numbers some gradients are rounding alone."""
    for kind, fails in (("black", False), ("large", False), ("ties", True)):
        name = f"edges/{kind}/gradients/fc3.weight"
        tiny = {**VALUES, name: VALUES[name] * 1e-16}
        other = {**tiny, name: tiny[name] * 2}
        pair = Pair(evidence_of(tiny), evidence_of(other, "flax"), "float64")
        assert (failed(dict(judge.edges(pair))) == {kind}) is fails


def test_large_weights_may_make_of_rounding_what_they_make_of_nearby_inputs() -> None:
    name = "edges/large/weights/outputs/logits"
    nearby = name.replace("outputs", "nearby")
    other = {**VALUES, name: VALUES[name] * (1 + 1e-9)}
    assert failed(against(other)) == {"large"}
    moved = {nearby: VALUES[name] * (1 + 1e-8)}
    pair = Pair(
        evidence_of({**VALUES, **moved}), evidence_of({**other, **moved}, "flax"), "float64"
    )
    assert failed(dict(judge.edges(pair))) == set()
    beyond = {nearby: VALUES[name] * 3, name: VALUES[name] * 1.02}
    wide = {**VALUES, nearby: VALUES[name] * 3}
    pair = Pair(evidence_of(wide), evidence_of({**wide, **beyond}, "flax"), "float64")
    assert failed(dict(judge.edges(pair))) == {"large"}  # no rounding makes anything pass


def test_a_large_row_hides_no_small_one() -> None:
    """1e6 in one example, and 1e-7 in another: what is wrong with it was hidden before."""
    name = "edges/ties/outputs/logits"
    logits = VALUES[name] * np.array([[1e6], [1e-7]])
    other = logits * np.array([[1.0], [1.5]])
    one, two = (evidence_of({**VALUES, name: array}) for array in (logits, other))
    result = dict(judge.edges(Pair(one, two, "float64")))["ties"]
    assert result.status == "failed"
    assert "edges/ties/outputs/logits (a row) differs by" in result.detail


# What there must be


def test_what_must_be_there_follows_from_the_spec() -> None:
    def parts(spec: Spec, index: int, dtype: str = "float64") -> set[str]:
        return {name.split("/")[1] for name in values(spec, spec.cases[index], dtype)}

    usual = {"ties", "black", "large", "alike", "lent"}
    assert parts(PERCEPTRON, 1) == usual | {"uncounted", "batches"}
    assert parts(PERCEPTRON, 1, "float32") == usual | {"uncounted"}
    assert parts(SEQUENCE, 1) == usual | {"uncounted", "batches", "masked"}
    assert parts(SEQUENCE, ATTENTION) == usual | {"masked"}  # a part has no labels
    frozen = SPECS["inference_model"]
    assert parts(frozen, 0) == usual
    assert parts(frozen, frozen.cases.index(recipes.smallest(frozen))) == usual | {"batches"}
    assert "edges/alike/tokens" in values(SEQUENCE, SEQUENCE.cases[1])
    assert "edges/batches/64/outputs/logits" in values()
    assert "edges/batches/64/outputs/logits" not in values(PERCEPTRON, PERCEPTRON.cases[0])


@pytest.mark.parametrize("name", [*VALUES])
def test_what_is_not_there_is_missing(name: str) -> None:
    rest = {n: a for n, a in VALUES.items() if n != name}
    absent = expected.absent(PERCEPTRON, CASE, Asked(), evidence_of(rest), "float64")
    assert name in absent["edges"]


# The values


def test_lengths_and_masks_reach_their_limits() -> None:
    network = edges.admitting(SEQUENCE.cases[1].network)
    batch = edges.inputs(network, edges.DIFFERENTIATED["masked"], "float64")
    assert batch["length"].tolist()[1:] == [12, 0]
    assert SEQUENCE.cases[1].network.inputs["length"].low == 1  # the boundary's own limit stays
    attention = SEQUENCE.cases[ATTENTION].network
    masks = edges.inputs(attention, edges.DIFFERENTIATED["masked"], "float64")["attention_mask"]
    assert not masks[0, 0].any()
    assert masks[0, 1:].any()
    assert masks[1].all()
    assert not masks[2].any()


def test_blocks_tie_in_every_window() -> None:
    image = edges.inputs(PERCEPTRON.network, ["blocks"], "float64")["image"][0, :, :, 0]
    windows = image.reshape(14, 2, 14, 2)
    assert (windows == windows[:, :1, :, :1]).all()
    assert len(np.unique(image)) > 3


def test_kinds_have_their_rows() -> None:
    batch = edges.outputs_batch(PERCEPTRON.network, "float32")["image"]
    assert len(batch) == 7
    assert batch.dtype == np.float32
    black, large = batch[edges.rows("black")], batch[edges.rows("large")]
    assert not black[0].any()
    assert len(np.unique(black[1])) == 1
    assert np.abs(large).max() > edges.TIMES
    assert set(np.unique(batch[edges.rows("ties")] * 4 % 1)) == {0}


def test_weights_of_few_digits_are_exact_in_any_order() -> None:
    rows = [*TABLE, TensorInfo("bn.running_var", (4,), "float64", "buffer")]
    weights = edges.weights(rows, "ties")
    assert set(np.unique(weights["fc3.weight"] * 8 % 1)) == {0}
    assert (weights["bn.running_var"] > 0).all()
    bias = replace(TABLE[0], name="fc3.bias", shape=(7,))
    assert not edges.weights([bias], "black")["fc3.bias"].any()
    other = replace(bias, name="early_fc.bias")
    alike = edges.weights([*TABLE, bias, other], "alike")
    assert not alike["fc3.weight"].any()
    assert [len(np.unique(alike[name])) for name in ("fc3.bias", "early_fc.bias")] == [1, 1]
    assert alike["fc3.bias"][0] != alike["early_fc.bias"][0]


def test_behind_a_batch_norm_no_weights_cancel() -> None:
    """Or rounding decides which value in a window is the largest: see `edges.weights`."""
    kernel = TensorInfo("conv.weight", (8, 4, 3, 3), "float64", "parameter")
    statistics = TensorInfo("bn.running_var", (8,), "float64", "buffer")
    for kind in ("ties", "black"):
        assert (edges.weights([kernel], kind)["conv.weight"] < 0).any()
        behind = edges.weights([kernel, statistics], kind)["conv.weight"]
        assert (behind >= 0).all()
        assert (behind > 0).any()
