"""The judge of a network's methods: what passes and what fails, on arrays made by hand."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import softmax

from shared.interface import TensorInfo
from shared.panels import source
from shared.parity import expected, judge, methods, mirror
from shared.parity.checks import case_checks
from shared.parity.evidence import Asked, CaseEvidence, digest
from shared.parity.judge import Pair, Result
from shared.specs import SPECS, Case

Arrays = dict[str, np.ndarray]
BATCH = methods.BATCH
ASKED = Asked(methods=("float64",))
CASES = {
    name: (SPECS[name], SPECS[name].cases[index])
    for name, index in (("mnist_classifier", 0), ("inference_model", 2), ("seq2seq", 1))
}
NONE: Mapping[str, Any] = {}
TENSOR = TensorInfo("classifier.0.weight", (4, 3), "float64", "parameter")


def evidence(case: Case, backend: str = "torch", changes: Mapping[str, Any] = NONE) -> CaseEvidence:
    """What a backend must show of its methods, by NumPy; a change of None takes an array away."""
    network, random = case.network, np.random.default_rng(0)
    weights = random.normal(size=TENSOR.shape)
    arrays: Arrays = {"weights/classifier.0.weight": weights}
    for name, tensor in network.outputs.items():
        arrays[f"forward/{BATCH}/{name}"] = random.normal(size=(BATCH, *tensor.shape))
    arrays["evaluation/classifier.0:in"] = random.normal(size=(3, 3))
    arrays["evaluation/classifier.0:out"] = random.normal(size=(3, 4))
    own: Arrays = {}
    first = arrays[f"forward/{BATCH}/{methods.logits(network)}"]
    own["predict/classes"] = first.argmax(axis=-1).astype(np.int32)
    own["predict/confidence"] = softmax(first, axis=-1).max(axis=-1)
    if methods.writes(network):
        own |= decoded(first.shape, network.outputs["attention"].shape)
    own |= {f"config/{name}": array for name, array in methods.arguments(network).items()}
    starts = ["kept", "again/weights"] + ["again/file/weights"] * (backend == "keras")
    own |= {f"{start}/classifier.0.weight": digest(weights) for start in starts}
    for name in network.outputs:
        for start in starts[1:]:
            outputs = start.replace("weights", "outputs")
            own[f"{outputs}/{name}"] = arrays[f"forward/{BATCH}/{name}"]
    own |= {f"gradients/{name}": np.array(0.0) for name in methods.stopped(network)}
    if network.cls in methods.FEATURES:
        own["features/value"] = arrays["evaluation/classifier.0:in"]
    if network.cls in methods.LOGS:
        for index, name in enumerate(methods.LOG):
            own[f"log/told/{name}"] = np.array([epoch[index] for epoch in methods.EPOCHS])
            own[f"log/another/{name}"] = np.zeros(0)
    if network.cls == methods.FROZEN:
        labels = methods.labels(first)
        correct = int((labels == own["predict/classes"]).sum())
        for layer in ("classifier.0:in", "classifier.0:out"):
            own[f"frozen/training/{layer}"] = arrays[f"evaluation/{layer}"]
        own["frozen/batches/classes"] = own["predict/classes"]
        own["frozen/batches/labels"] = labels
        own["frozen/batches/evaluated"] = np.array([100 * correct / BATCH, correct, BATCH])
    arrays |= {f"methods/{name}": array for name, array in own.items()}
    for name, change in changes.items():
        arrays[name] = change(arrays[name]) if callable(change) else change
    kept = {name: array for name, array in arrays.items() if array is not None}
    return CaseEvidence(backend, case.label, {"float64": [TENSOR]}, {"float64": kept}, ASKED)


def decoded(logits: tuple[int, ...], attention: tuple[int, ...]) -> Arrays:
    """What a network writes whose logits do not depend on what it was told, and where some END."""
    random = np.random.default_rng(1)
    told = random.normal(size=logits)
    tokens = told.argmax(axis=-1).astype(np.int32)
    end = logits[-1] - 1
    ended = np.cumsum(tokens == end, axis=1) > 0
    seen = random.normal(size=(logits[0], *attention))
    assert ended[:, :-1].any()
    assert (tokens[ended] != end).any()
    return {
        "decode/tokens": np.where(ended, end, tokens).astype(np.int32),
        "decode/attention": seen,
        "decode/told/logits": told,
        "decode/told/attention": seen,
    }


def results(
    name: str, changes: Mapping[str, Any] = NONE, backend: str = "torch"
) -> dict[str, Result]:
    _, case = CASES[name]
    one = evidence(case, backend, changes)
    return dict(judge.methods(case.network, ASKED, one, "float64"))


def failed(by_part: dict[str, Result]) -> set[str]:
    return {part for part, result in by_part.items() if result.status != "passed"}


@pytest.mark.parametrize("backend", ["torch", "keras"])
@pytest.mark.parametrize("name", CASES)
def test_what_is_right_passes(name: str, backend: str) -> None:
    by_part = results(name, backend=backend)
    assert not failed(by_part), by_part
    parts = {"predict", "get_config", "again", "gradients", "weights"}
    of_class = {
        "mnist_classifier": {"extract_features", "record_epoch"},
        "inference_model": {"frozen"},
        "seq2seq": {"decode"},
    }
    assert set(by_part) == parts | of_class[name]


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray | None]] = {
    "nan": lambda a: a * np.nan if a.dtype.kind == "f" else a - 100,
    "absent": lambda _: None,
    "one more axis": lambda a: a[None],
    "empty": lambda a: a[..., :0] if a.ndim else np.zeros(0),
    "another dtype": lambda a: a.astype(np.complex64 if a.dtype.kind == "f" else np.int64),
    "other values": lambda a: 1 - 2 * a if a.dtype.kind == "f" else (a + 1) % 3,
}
PARTS = {
    "predict/classes": "predict",
    "predict/confidence": "predict",
    "features/value": "extract_features",
    "decode/tokens": "decode",
    "decode/attention": "decode",
    "decode/told/logits": "decode",
    "log/told/losses": "record_epoch",
    "log/told/val_accuracy": "record_epoch",
    "gradients/extract_features": "gradients",
    "gradients/decode": "gradients",
    "gradients/predict": "gradients",
    "frozen/training/classifier.0:out": "frozen",
    "frozen/batches/classes": "frozen",
    "frozen/batches/labels": "frozen",
    "frozen/batches/evaluated": "frozen",
    "again/outputs/logits": "again",
    "again/weights/classifier.0.weight": "again",
    "kept/classifier.0.weight": "weights",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=[*CHANGES])
@pytest.mark.parametrize("array", PARTS)
def test_nothing_else_passes(array: str, change: Any) -> None:
    names = [
        name
        for name, (_, case) in CASES.items()
        if f"methods/{array}" in evidence(case).arrays["float64"]
    ]
    assert names
    for name in names:
        by_part = results(name, {f"methods/{array}": change})
        assert failed(by_part) == {PARTS[array]}, (name, by_part)


@pytest.mark.parametrize("name", CASES)
def test_without_a_pass_forward_there_is_nothing_that_could_pass(name: str) -> None:
    spec, case = CASES[name]
    whole = evidence(case)
    empty = replace(whole, arrays={"float64": {}})
    assert {r.status for _, r in judge.methods(case.network, ASKED, empty, "float64")} == {"failed"}
    missing = expected.absent(spec, case, ASKED, empty, "float64")
    assert "methods" in missing


def test_a_class_is_judged_by_its_logit_and_not_by_its_place() -> None:
    """Of two logits that are alike but for rounding either may be the largest."""
    _, case = CASES["mnist_classifier"]
    logits = evidence(case).arrays["float64"][f"forward/{BATCH}/logits"].copy()
    logits[:, 0] = logits[:, 1] = 9.0
    classes = np.array([0, 1] * 3 + [0], np.int32)
    right = softmax(logits, axis=-1)[:, 0]
    changes: dict[str, Any] = {
        f"forward/{BATCH}/logits": logits,
        "methods/again/outputs/logits": logits,
        "methods/predict/classes": classes,
        "methods/predict/confidence": right,
    }
    assert not failed(results("mnist_classifier", changes))
    other = {**changes, "methods/predict/classes": classes + np.int32(1)}
    assert failed(results("mnist_classifier", other)) == {"predict"}
    infinite = {f"forward/{BATCH}/logits": logits * np.inf}
    assert "predict" in failed(results("mnist_classifier", changes | infinite))


def test_the_log_of_another_network_stays_empty() -> None:
    shared = {"methods/log/another/losses": np.array([0.75])}
    by_part = results("mnist_classifier", shared)
    assert failed(by_part) == {"record_epoch"}
    assert "another's losses: it is [0.75], and should be []" in by_part["record_epoch"].detail


def test_every_argument_is_in_the_configuration_and_no_other() -> None:
    absent = results("seq2seq", {"methods/config/embed_dim": None})
    assert "there is no methods/config/embed_dim" in absent["get_config"].detail
    other = results("seq2seq", {"methods/config/embed_dim": np.array(9)})
    assert other["get_config"].detail == "get_config has embed_dim 9, where it is 8"
    real = results("seq2seq", {"methods/config/embed_dim": np.array(8.0)})
    assert failed(real) == {"get_config"}
    more = results("seq2seq", {"methods/config/depth": np.array(8)})
    assert "has depth, which the constructor does not take" in more["get_config"].detail
    nested = results("inference_model", {"methods/config/base_model": methods.text("MIMO")})
    assert nested["get_config"].detail == "get_config has base_model 'MIMO', where it is 'MIMONet'"
    within = {"methods/config/base_model.num_classes": np.array(9)}
    assert failed(results("inference_model", within)) == {"get_config"}


def test_a_method_that_raises_is_told() -> None:
    errors = {"methods/errors/again": methods.text("TypeError: no such argument")}
    by_part = results("seq2seq", errors)
    assert by_part["again"] == Result("failed", detail="TypeError: no such argument")


def test_a_file_of_the_smallest_network_must_be_where_the_framework_has_such() -> None:
    spec, case = CASES["mnist_classifier"]
    assert "again/file" not in str(expected.absent(spec, case, ASKED, evidence(case), "float64"))
    spec = replace(spec, more_cases=())
    torch, keras = (evidence(case, backend) for backend in ("torch", "keras"))
    without = {
        name: array
        for name, array in keras.arrays["float64"].items()
        if not name.startswith("methods/again/file")
    }
    rest = replace(keras, arrays={"float64": without})
    files = [
        [
            n
            for n in expected.absent(spec, case, ASKED, e, "float64").get("methods", [])
            if "file" in n
        ]
        for e in (torch, keras, rest)
    ]
    assert files == [
        [],
        [],
        ["methods/again/file/weights/classifier.0.weight", "methods/again/file/outputs/logits"],
    ]
    wrong = {"methods/again/file/outputs/logits": np.zeros((BATCH, 10))}
    assert failed(results("mnist_classifier", wrong, "keras")) == {"again"}


def test_what_was_not_asked_for_is_not_missing() -> None:
    spec, case = CASES["mnist_classifier"]
    empty = CaseEvidence("torch", case.label, {"float64": [TENSOR]}, {"float64": {}})
    assert "methods" not in expected.absent(spec, case, Asked(), empty, "float64")
    in_float32 = expected.absent(spec, case, replace(ASKED, methods=("float32",)), empty, "float64")
    assert not [name for name in in_float32["methods"] if "config" in name or "again" in name]
    assert Asked(methods=("float64", "float32")).common(ASKED) == ASKED


# Between two backends


def between(name: str, changes: Mapping[str, Any] = NONE, dtype: str = "float64") -> list[Result]:
    """The rung of two backends, of which the second one's evidence is changed."""
    sides = []
    for backend, change in (("torch", NONE), ("flax", changes)):
        one = evidence(CASES[name][1], backend, change)
        arrays = {
            n: a.astype(dtype) if a.dtype == np.float64 else a
            for n, a in one.arrays["float64"].items()
        }
        tables = {dtype: [replace(TENSOR, dtype=dtype)]}
        sides.append(replace(one, arrays={dtype: arrays}, tables=tables))
    rungs = judge.rungs(Pair(sides[0], sides[1], dtype), ASKED, trained=False)
    return [result for rung, _, result in rungs if rung == "methods"]


@pytest.mark.parametrize("change", CHANGES.values(), ids=[*CHANGES])
@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("mnist_classifier", "predict/classes"),
        ("mnist_classifier", "predict/confidence"),
        ("mnist_classifier", "features/value"),
        ("seq2seq", "decode/tokens"),
        ("seq2seq", "decode/attention"),
        ("inference_model", "frozen/batches/evaluated"),
    ],
)
def test_two_backends_must_give_the_same(name: str, array: str, change: Any) -> None:
    assert [result.status for result in between(name)] == ["passed"]
    if array in ("predict/classes", "decode/tokens") and change is CHANGES["another dtype"]:
        return  # each by itself is held to its dtype
    (result,) = between(name, {f"methods/{array}": change})
    assert result.status == "failed"


def test_attention_is_compared_where_the_tokens_are_the_same() -> None:
    def other(array: np.ndarray) -> np.ndarray:
        changed = array.copy()
        changed[0] = changed[0] + 1
        return changed

    both = {"methods/decode/tokens": other, "methods/decode/attention": other}
    assert between("seq2seq", both, "float64")[0].status == "failed"
    assert between("seq2seq", both, "float32")[0].status == "passed"
    alone = {"methods/decode/attention": other}
    assert between("seq2seq", alone, "float32")[0].status == "failed"
    none = {"methods/decode/tokens": lambda a: a + 1}
    (result,) = between("seq2seq", none, "float32")
    assert result.detail == "no example has the same tokens in both"


def test_a_part_that_has_no_classes_is_not_compared_by_them() -> None:
    spec = SPECS["seq2seq"]
    case = next(case for case in spec.cases if case.network.cls == "EncoderLayer")
    assert methods.logits(case.network) is None
    assert not methods.stopped(case.network)
    empty = CaseEvidence("torch", case.label, {"float64": []}, {"float64": {}}, ASKED)
    both = Pair(empty, replace(empty, backend="flax"), "float64")
    assert "methods" not in {rung for rung, _, _ in judge.rungs(both, ASKED, trained=False)}
    rows = case_checks(spec, case, "float64", ["torch"], {"torch": empty}, {}, ASKED)
    assert {row.status for row in rows if row.rung == "methods"} == {"failed", "missing"}


# What the networks have


WITHIN = {"flat_features", "is_confident", "second_stage", "encode", "read", "split_heads"}
"""Methods that the pass forward is made of."""

CALLED = {
    "decode",
    "evaluate",
    "extract_features",
    "forward",
    "get_config",
    "predict",
    "predict_batch",
    "record_epoch",
}


def test_every_method_of_every_network_is_on_a_rung() -> None:
    files = {case.network.file for spec in SPECS.values() for case in spec.cases}
    called: dict[str, set[str]] = {}
    for file in files:
        for name, _ in mirror.outline(source("torch", file).read_text("utf-8"), "torch"):
            owner, _, method = name.partition(".")
            if method and not method.startswith("_"):
                called.setdefault(method, set()).add(owner)
    assert set(called) == WITHIN | CALLED
    assert called["extract_features"] == {*methods.FEATURES}
    assert called["record_epoch"] == {*methods.LOGS}
    assert called["predict"] == called["predict_batch"] == called["evaluate"] == {methods.FROZEN}
    writing = {
        case.network.cls
        for spec in SPECS.values()
        for case in spec.cases
        if methods.writes(case.network)
    }
    assert called["decode"] == {methods.FROZEN, *writing}


def test_a_configuration_is_the_same_only_if_every_value_is() -> None:
    inner = {"cls": "Inner", "config": {"size": 3}}
    arrays = methods.encoded({"a": 1, "b": 0.5, "c": True, "inner": inner, "name": "x", "no": None})
    assert [*arrays] == ["a", "b", "c", "inner", "inner.size", "name", "no"]
    assert [a.dtype.kind for a in arrays.values()] == ["i", "f", "b", "u", "i", "u", "u"]
    assert methods.words(arrays["inner"]) == "Inner"
    assert methods.words(arrays["no"]) == "None"
