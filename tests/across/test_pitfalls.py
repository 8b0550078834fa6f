"""Examples of conventions that differ: what they cost, and that nothing else makes them differ.

Every installed library runs them twice, in one process of its own; what is not installed is left
out.
"""

import json
import re
from collections.abc import Mapping

import numpy as np
import pytest

from shared import registry, together
from shared.conventions import pitfalls, table
from shared.conventions.pitfalls import INPUTS, Outcome, Pitfalls
from shared.panels import PANELS
from shared.together import Answers
from shared.workers import ALONE
from tests.flavours import QUICKLY

pytestmark = pytest.mark.xdist_group("pitfalls")  # they share what was measured once
ALIKE = 1e-5
# What rounding never makes: every error of float32 values, and of float64 ones.
REAL = {False: 1e-6, True: 1e-9}
# Whatever else refuses is an example that is broken.
REFUSED = {
    ("batch_norm.one_value", "torch"),
    ("group_norm.groups", "torch"),
    ("conv.padding_1_stride_2", "keras"),
    ("cross_entropy.label_-100", "keras"),
    ("adam.learning_rate", "flax"),
    ("adam.weight_decay", "flax"),
    ("sgd.learning_rate", "flax"),
    ("sgd.weight_decay", "flax"),
    ("rmsprop.learning_rate", "flax"),
    ("precision.float64_into_layer", "torch"),
}
NOT_FINITE = {
    ("norm.gradient_at_0", "flax"),
    ("norm.gradient_at_0", "keras"),
    ("attention.layer_masked_row", "torch"),
    ("cross_entropy.label_-100", "flax"),
}
# Two libraries that agree in the table, and not in the example.
UNLIKE_FOR_ANOTHER_REASON = {
    ("layer_norm.large_mean", "torch", "keras"): "around 1000 float32 keeps 0.1 to three digits",
    ("norm.gradient_at_0", "flax", "keras"): "both are NaN, which equals nothing",
    ("adam.learning_rate", "torch", "keras"): "epsilon is another one",
    ("rmsprop.epsilon", "torch", "flax"): "the same epsilon stands in another place",
}
# Errors that follow from what the conventions say.
KNOWN = {
    "batch_norm.momentum": 1 - (1 - 0.99**10) / (1 - 0.9**10),
    "batch_norm.running_variance": 1 / 32,
    "std.divisor": 1 - (31 / 32) ** 0.5,
    "maximum.gradient_at_0": 0.5,
    "clip.gradient_at_bound": 1.0,
    "avg_pool.counts_padding": 5 / 9,
    "lstm.parameters": 1 - 128 / 144,
    "gru.parameters": 1 - 100 / 108,
    "attention.dropout": 7 / 8,
    "squared_error.of_2": 0.5,
    "sgd.learning_rate": 0.9,
    "count.batch_norm": 0.5,
    "precision.integers": 1 - (4_999_950_000 - 2**32) / 4_999_950_000,
    "precision.float64_array": 1.0,
    "initial.dense_bias": 1.0,
}


def run_twice(backend: str) -> list[tuple[dict[str, str], dict[str, Outcome]]]:
    return [pitfalls.run(backend) for _ in range(2)]


@pytest.fixture(scope="module")
def twice() -> list[Pitfalls]:
    """What comes out of the installed libraries, two times, Keras on TensorFlow."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**ALONE, **QUICKLY, "KERAS_BACKEND": "tensorflow"}.items():
            patch.setenv(name, value)
        if not registry.installed():
            pytest.skip("no backend is installed")
        both = together.ask(list(PANELS), run_twice, environment=table.ON_CPU)
        runs = []
        for i in range(2):
            answers = Answers({b: r[i] for b, r in both.results.items()}, both.skipped, both.errors)
            patch.setattr(together, "ask", lambda *_, now=answers, **__: now)
            runs.append(pitfalls.measure(list(PANELS)))
    assert not both.errors
    assert list(both.results) == registry.installed()
    return runs


@pytest.fixture
def measured(twice: list[Pitfalls]) -> Pitfalls:
    if len(twice[0].versions) < 2:
        pytest.skip("there is one backend here, and nothing to hold it against")
    return twice[0]


def is_double(arrays: Mapping[str, np.ndarray]) -> bool:
    return any(array.dtype == np.float64 for array in arrays.values())


@pytest.mark.parametrize("key", INPUTS)
def test_the_convention_makes_an_error(key: str, measured: Pitfalls) -> None:
    if len(measured.versions) < len(PANELS):
        pytest.skip("which two differ is known of all three together")
    largest = measured.largest(key)
    assert isinstance(largest, str) or (largest or 0) > REAL[is_double(INPUTS[key])]


def test_libraries_that_agree_make_no_error(measured: Pitfalls) -> None:
    checked = 0
    for key in INPUTS:
        for pair, value in measured.differences(key).items():
            if not pitfalls.differ(key, *pair):
                fine = isinstance(value, float) and value <= ALIKE
                assert fine is ((key, *pair) not in UNLIKE_FOR_ANOTHER_REASON), (key, pair, value)
                checked += 1
    assert checked > 10


def test_libraries_refuse_and_give_nan_where_they_are_known_to(twice: list[Pitfalls]) -> None:
    outcomes = [(key, o) for key, row in twice[0].outcomes.items() for o in row.values()]
    refused = {(key, o.backend): o.refusal for key, o in outcomes if o.array is None}
    here = twice[0].versions
    assert set(refused) == {(key, backend) for key, backend in REFUSED if backend in here}
    assert all(re.match(r"\w+: .", text) and len(text) <= 160 for text in refused.values())
    lost = {
        (key, o.backend)
        for key, o in outcomes
        if o.array is not None and not np.isfinite(o.array).all()
    }
    assert lost == {(key, backend) for key, backend in NOT_FINITE if backend in here}


@pytest.mark.parametrize("key", KNOWN)
def test_the_error_is_what_the_conventions_let_expect(key: str, measured: Pitfalls) -> None:
    if len(measured.versions) < len(PANELS):
        pytest.skip("the largest error is between two of all three")
    assert measured.largest(key) == pytest.approx(KNOWN[key], rel=0.01)


def test_what_cannot_be_a_number_is_said(measured: Pitfalls) -> None:
    if len(measured.versions) < len(PANELS):
        pytest.skip("it is said of two of all three")
    assert measured.largest("pool.stride") == "shapes differ: (1, 4, 4, 3) and (1, 7, 7, 3)"
    assert measured.largest("cross_entropy.reduction") == "shapes differ: () and (8,)"
    assert measured.largest("norm.gradient_at_0") == "not finite: 3 of 3 of flax"
    assert str(measured.largest("adam.learning_rate")).startswith("refused by flax: TypeError: ")
    assert str(measured.largest("batch_norm.one_value")).startswith("refused by torch: ValueError")
    # 9e-3 apart, and Flax has no such argument: the number counts.
    assert isinstance(measured.largest("adam.weight_decay"), float)


def test_the_same_comes_out_twice(twice: list[Pitfalls]) -> None:
    first, second = twice
    assert list(first.outcomes) == list(second.outcomes) == list(INPUTS)
    for key, row in first.outcomes.items():
        for backend, outcome in row.items():
            other = second.outcomes[key][backend]
            assert outcome.refusal == other.refusal
            np.testing.assert_array_equal(outcome.array, other.array)  # NaN where there was NaN


def test_the_examples_become_json(twice: list[Pitfalls]) -> None:
    value = json.loads(json.dumps(twice[0].to_dict(), allow_nan=False))
    assert list(value["rows"]) == list(INPUTS)
    assert value["versions"] == twice[0].versions
    row = value["rows"]["std.divisor"]
    assert row["function"] == "std_divisor"
    for backend in twice[0].versions:
        assert row["outcomes"][backend]["shape"] == [16]
        assert len(row["outcomes"][backend]["values"]) == 16
        assert row["code"][backend]["text"] == pitfalls.source(backend, "std.divisor").text


def test_json_says_which_libraries_differ(measured: Pitfalls) -> None:
    rows = measured.to_dict()["rows"]
    for error_between in rows["std.divisor"]["errors"]:
        assert error_between["differ"] is ("torch" in error_between["between"])
        assert (error_between["error"] > 0.01) is error_between["differ"]
    assert rows["cross_entropy.label_-100"]["function"] == "cross_entropy_label_minus_100"
