"""The judge: what passes, what is bounded by a cause, what fails, on arrays made by hand."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from shared import differences
from shared.differences import CEILING
from shared.interface import TensorInfo
from shared.parity import judge, recipes, samples
from shared.parity.evidence import Asked, CaseEvidence
from shared.parity.judge import Pair, trainings
from shared.parity.judge.results import Differences
from shared.parity.judge.trainers import _dropout as of_dropout

RANDOM = np.random.default_rng(0)
TABLE = [
    TensorInfo("conv.weight", (4, 3, 3, 3), "float64", "parameter"),
    TensorInfo("bn.running_mean", (4,), "float64", "buffer"),
    TensorInfo("bn.running_var", (4,), "float64", "buffer"),
    TensorInfo("bn.weight", (4,), "float64", "parameter"),
]
Arrays = dict[str, np.ndarray]


def values() -> Arrays:
    """A network's evidence in float64: one convolution, batch norm, a loss and gradients."""
    maps = RANDOM.normal(size=(2, 4, 6, 4))
    arrays: dict[str, Any] = {
        "inputs/image": RANDOM.normal(size=(2, 4, 6, 3)),
        "targets/label": np.array([1, 2], np.int32),
        "forward/7/logits": RANDOM.normal(size=(7, 5)),
        "loss/value": np.array(1.25),
        "gradients/conv.weight": RANDOM.normal(size=(4, 3, 3, 3)),
        "gradients/bn.weight": RANDOM.normal(size=4),
        "input gradients/image": RANDOM.normal(size=(2, 4, 6, 3)),
    }
    arrays |= {
        f"weights/{row.name}": samples.sample_weights(TABLE, "float64", 1)[row.name]
        for row in TABLE
    }
    for mode in ("evaluation", "training"):
        arrays[f"{mode}/conv:in"] = arrays["inputs/image"]
        arrays[f"{mode}/conv:out"] = maps
        arrays[f"{mode}/bn:in"] = maps
        arrays[f"{mode}/bn:out"] = maps * 0.5 + 0.1
    flat = maps.reshape(-1, 4)
    arrays["buffers/bn.running_mean"] = 0.9 * arrays["weights/bn.running_mean"] + 0.1 * flat.mean(
        axis=0
    )
    arrays["buffers/bn.running_var"] = 0.9 * arrays["weights/bn.running_var"] + 0.1 * flat.var(
        axis=0
    )
    return arrays


EVEN = [0.5, 900, 0.5, 900, 0, 0]  # masks of a rate of 0.5
UNLIKE = [0.58, 900, 0.58, 900, 0.58, 900]  # masks of a rate of 0.3
VALUES = values()


def case(name: str, dtypes: dict[str, Arrays], **options: Any) -> CaseEvidence:
    tables = {
        dtype: [replace(row, dtype=dtype) for row in TABLE if f"weights/{row.name}" in arrays]
        for dtype, arrays in dtypes.items()
    }
    return CaseEvidence(name, "case", tables, dtypes, **options)


def rounded(arrays: Arrays, size: float, seed: int) -> Arrays:
    """float32 with rounding of about this size, other for every seed."""
    random = np.random.default_rng(seed)
    same = ("inputs", "targets", "weights")
    return {
        name: array
        if array.dtype.kind != "f"
        else array.astype(np.float32)
        if name.startswith(same)
        else (array * (1 + size * random.normal(size=array.shape))).astype(np.float32)
        for name, array in arrays.items()
    }


def results(a: CaseEvidence, b: CaseEvidence, dtype: str = "float64") -> dict[str, judge.Result]:
    pair = Pair(a, b, dtype)
    parts = {name.split("/")[1] for name in pair.a.arrays[dtype] if name.startswith("steps/")}
    asked = Asked(tuple(recipe for recipe in recipes.RECIPES if recipe in parts))
    return {
        f"{rung} {part}".strip(): result
        for rung, part, result in judge.rungs(pair, asked, trained=True)
    }


def against(changes: Mapping[str, np.ndarray | None]) -> dict[str, judge.Result]:
    """The evidence against itself with some arrays changed; None takes one away."""
    other = {n: a for n, a in {**VALUES, **changes}.items() if a is not None}
    return results(case("torch", {"float64": VALUES}), case("flax", {"float64": other}))


def test_equal_evidence_passes_every_rung() -> None:
    by_rung = against({})
    assert [*by_rung] == ["tensors", "forward", "activations", "loss", "gradients", "buffers"]
    assert {result.status for result in by_rung.values()} == {"passed"}


@pytest.mark.parametrize(
    ("name", "rung"),
    [
        ("forward/7/logits", "forward"),
        ("training/conv:out", "activations"),
        ("training/bn:out", "activations"),
        ("loss/value", "loss"),
        ("gradients/bn.weight", "gradients"),
        ("input gradients/image", "gradients"),
        ("buffers/bn.running_mean", "buffers"),
    ],
)
@pytest.mark.parametrize(
    "change",
    [
        lambda array: array * (1 + 3e-12),
        lambda array: array * np.nan,
        lambda array: array[None],
        lambda array: array.astype(np.float32),
        lambda array: array[..., :0] if array.ndim else np.zeros(0),
        lambda _: None,
    ],
    ids=["3e-12", "nan", "one more axis", "float32", "empty", "missing"],
)
def test_one_changed_array_fails_its_rung_alone(name: str, rung: str, change: Any) -> None:
    by_rung = against({name: change(VALUES[name])})
    # Batch norm's statistics are held against what the layer was given.
    assert {r for r, result in by_rung.items() if result.status == "failed"} == {rung}


def test_rounding_passes() -> None:
    by_rung = against({"gradients/conv.weight": VALUES["gradients/conv.weight"] * (1 + 3e-13)})
    assert by_rung["gradients"].status == "passed"
    assert by_rung["gradients"].difference == pytest.approx(3e-13, rel=0.1)


def test_weights_must_be_the_same_and_named_alike() -> None:
    by_rung = against({"weights/conv.weight": VALUES["weights/conv.weight"] * (1 + 1e-15)})
    assert by_rung["tensors"].status == "failed"
    assert "conv.weight does not hold the same values in both" in by_rung["tensors"].detail


def test_no_gradient_is_a_gradient_of_zero() -> None:
    zeros = np.zeros(4)
    one = case("torch", {"float64": {**VALUES, "gradients/bn.weight": zeros}})
    other = {n: a for n, a in VALUES.items() if n != "gradients/bn.weight"}
    assert results(one, case("flax", {"float64": other}))["gradients"].status == "passed"
    assert against({"gradients/bn.weight": None})["gradients"].status == "failed"


def test_padding_before_a_convolution_is_no_difference() -> None:
    padded = np.pad(VALUES["training/conv:in"], ((0, 0), (1, 1), (1, 1), (0, 0)))
    by_rung = against({"training/conv:in": padded, "evaluation/conv:in": padded})
    assert by_rung["activations"].status == "passed"
    wrong = padded + 1e-6
    assert against({"training/conv:in": wrong})["activations"].status == "failed"


def test_every_layer_with_parameters_must_be_seen() -> None:
    by_rung = against({"training/conv:out": None})
    assert by_rung["activations"].status == "failed"
    assert "conv was not seen in both in training mode" in by_rung["activations"].detail


# Batch norm's variance


def test_the_unbiased_variance_is_known_exactly() -> None:
    flat = VALUES["training/bn:in"].reshape(-1, 4)
    old = VALUES["weights/bn.running_var"]
    unbiased = 0.9 * old + 0.1 * flat.var(axis=0, ddof=1)
    torch = case(
        "torch", {"float64": {**VALUES, "buffers/bn.running_var": unbiased}}, unbiased=True
    )
    flax = case("flax", {"float64": VALUES})
    for pair in ((torch, flax), (flax, torch)):
        buffers = results(*pair)["buffers"]
        assert buffers.status == "passed"
        assert buffers.difference is not None
        assert buffers.difference < 1e-14
    # Who says unbiased and is biased is found, and so is another factor.
    assert results(replace(torch, unbiased=False), flax)["buffers"].status == "failed"
    assert results(case("torch", {"float64": VALUES}, unbiased=True), flax)["buffers"].status == (
        "failed"
    )
    other = {**VALUES, "buffers/bn.running_var": unbiased * (1 + 1e-9)}
    wrong = results(case("torch", {"float64": other}, unbiased=True), flax)["buffers"]
    assert wrong.status == "failed"


def test_the_factor_is_known_along_a_training() -> None:
    """Both kinds of running variance, from one formula, over many steps of other variances."""
    pair = Pair(
        case("torch", {"float64": VALUES}, unbiased=True),
        case("flax", {"float64": VALUES}),
        "float64",
    )
    momentum, count = pair.norms["bn"]
    assert momentum == pytest.approx(0.1, rel=1e-12)
    assert count == 2 * 4 * 6
    old = RANDOM.uniform(1, 2, 4)
    biased, unbiased = old.copy(), old.copy()
    for _ in range(50):
        variance = RANDOM.uniform(0.1, 3, 4)
        biased = (1 - momentum) * biased + momentum * variance
        unbiased = (1 - momentum) * unbiased + momentum * variance * count / (count - 1)
    unified = pair.unified("bn.running_var", old, biased, 50)
    assert differences.difference(unbiased, unified) < 1e-14
    assert (pair.unified("bn.running_mean", old, biased, 50) == biased).all()


def test_a_training_with_another_kind_of_variance_is_the_same_training() -> None:
    """Sketches of running variances, whose norm cannot be made of another's."""
    old, count = RANDOM.uniform(1, 2, 40), 2 * 4 * 6 // recipes.BATCH * recipes.TRAINED_BATCH
    biased, unbiased = [old], [old]
    for _ in range(5):
        variance = RANDOM.uniform(0.1, 3, 40)
        biased.append(0.9 * biased[-1] + 0.1 * variance)
        unbiased.append(0.9 * unbiased[-1] + 0.1 * variance * count / (count - 1))
    sides = [
        {"steps/sgd/bn.running_var": np.stack([differences.sketch(array) for array in arrays[1:]])}
        for arrays in (unbiased, biased)
    ]
    torch = case("torch", {"float64": {**VALUES, **sides[0]}}, unbiased=True)
    flax = case("flax", {"float64": {**VALUES, **sides[1]}})
    for pair in (Pair(torch, flax, "float64"), Pair(flax, torch, "float64")):
        tracks, problems = trainings.track(pair, "steps/sgd", "float64", {"bn.running_var": old})
        assert not problems
        assert tracks["bn.running_var"].max() < 1e-14
    wrong = {"steps/sgd/bn.running_var": sides[0]["steps/sgd/bn.running_var"] * 1.001}
    pair = Pair(case("torch", {"float64": {**VALUES, **wrong}}, unbiased=True), flax, "float64")
    tracks, _ = trainings.track(pair, "steps/sgd", "float64", {"bn.running_var": old})
    assert tracks["bn.running_var"].max() > 1e-4


# float32


def both(a_size: float, b_size: float, **changes: Any) -> dict[str, judge.Result]:
    """Two backends in both dtypes, with rounding of some size, in float32."""
    double = {
        n: a.astype(np.float32).astype(np.float64) if a.dtype.kind == "f" else a
        for n, a in VALUES.items()
    }
    one = case("torch", {"float32": rounded(double, a_size, 1), "float64": double})
    single = {**rounded(double, b_size, 2), **changes}
    return results(one, case("flax", {"float32": single, "float64": double}), "float32")


def test_float32_is_held_to_the_rounding_that_was_measured() -> None:
    usual = both(1e-7, 1e-7)
    assert {result.status for result in usual.values()} == {"passed"}
    assert usual["forward"].tolerance is not None
    assert 1e-6 < usual["forward"].tolerance < 1e-4
    # One backend that rounds a thousand times more, as TF32 does, is found out by the other.
    coarse = both(1e-7, 1e-3)
    assert coarse["forward"].status == coarse["gradients"].status == "failed"
    # Where both round more, the network is badly conditioned: that is no fault.
    assert both(1e-5, 1e-5)["forward"].status == "passed"


def test_what_is_not_finite_measures_no_rounding() -> None:
    clean = both(1e-7, 1e-7)["forward"]
    nan = np.full((7, 5), np.nan, np.float32)
    broken = both(1e-7, 1e-7, **{"forward/7/logits": nan})["forward"]
    assert clean.status == "passed"
    assert broken.status == "failed"
    assert "not finite" in broken.detail


def test_no_rounding_is_so_large_that_anything_passes() -> None:
    wild = both(1.0, 1.0)
    assert {wild[r].status for r in ("forward", "activations", "gradients")} == {"failed"}
    assert wild["forward"].tolerance == CEILING


def test_gradients_may_be_summed_in_another_order() -> None:
    """A sum in sequence rounds more than one in pairs: that is a library's choice."""
    for name, status in (("gradients/bn.weight", "passed"), ("loss/value", "failed")):
        summed = (VALUES[name] * (1 + 4e-6)).astype(np.float32)
        assert both(1e-7, 1e-7, **{name: summed})[name.partition("/")[0]].status == status


def test_float32_alone_has_a_fixed_tolerance() -> None:
    single = rounded(VALUES, 1e-7, 1)
    one = case("torch", {"float32": single})
    assert results(one, case("flax", {"float32": single}), "float32")["forward"].tolerance == 1e-5


def test_a_kink_explains_gradients_before_it_and_none_after() -> None:
    """The batch norm's output falls on two sides of 0: the convolution's gradient may jump."""
    outs = rounded(VALUES, 0, 0)["training/bn:out"]
    flipped = outs.copy()
    outs[0, 1, 2, 3], flipped[0, 1, 2, 3] = 3e-9, -2e-9
    gradients = rounded(VALUES, 0, 0)
    jump = gradients["gradients/conv.weight"] * np.float32(1.01)
    later = gradients["gradients/bn.weight"] * np.float32(1.01)

    def judged(**changes: Any) -> judge.Result:
        double = case(
            "torch", {"float64": VALUES, "float32": {**gradients, "training/bn:out": outs}}
        )
        single = {**gradients, "training/bn:out": flipped, **changes}
        other = case("flax", {"float64": VALUES, "float32": single})
        return results(double, other, "float32")["gradients"]

    result = judged(**{"gradients/conv.weight": jump})
    assert result.status == "bounded"
    assert "a kink: at [0, 1, 2, 3] of bn's output torch has 3.00e-09 and flax -2.00e-09" in (
        result.detail
    )
    # The batch norm's own gradient may jump too; without a kink nothing may.
    assert judged(**{"gradients/bn.weight": later}).status == "bounded"
    flipped[0, 1, 2, 3] = 3e-9
    assert judged(**{"gradients/conv.weight": jump}).status == "failed"


def test_a_kink_does_not_explain_what_comes_after_it() -> None:
    single = rounded(VALUES, 0, 0)
    flipped = {**single, "training/conv:out": -single["training/conv:out"]}
    flipped["gradients/bn.weight"] = single["gradients/bn.weight"] * np.float32(1.01)
    one = case("torch", {"float64": VALUES, "float32": single})
    by_rung = results(one, case("flax", {"float64": VALUES, "float32": flipped}), "float32")
    assert by_rung["gradients"].status == "failed"


# Trainings


def trained(dtype: str, seed: int, size: float = 0.0, *, first: float = 0.0) -> Arrays:
    """Sketches along 50 steps, with rounding that grows from nothing, and teacher-forced steps.

    `first` is what the first step has too much.
    """
    random = np.random.default_rng(3)
    noise = np.random.default_rng(seed)
    track, changes = [], []
    value = random.normal(size=27)
    for step in range(recipes.STEPS):
        update = 1e-2 * random.normal(size=27)
        value = value + update
        away = size * step / (recipes.STEPS - 1) if step else first
        track.append(differences.sketch(value * (1 + away * noise.normal(size=27))))
        changes.append(differences.sketch(update))
    arrays = {"steps/adam/conv.weight": np.stack(track)}
    if dtype == "float32":
        arrays |= {
            "teacher-forced/conv.weight": np.stack(changes),
            "teacher-forced float64/conv.weight": np.stack(changes),
        }
    return arrays


def training(
    a: Arrays, b: Arrays, *, wrong: Mapping[int, float] | float = 0.0, kinks: int = 0
) -> dict[str, judge.Result]:
    """Two float32 trainings; some of b's teacher-forced steps are wrong, the first have kinks."""
    double = {**VALUES, **trained("float64", 0)}
    one, other = {**rounded(VALUES, 0, 0), **a}, {**rounded(VALUES, 0, 0), **b}
    steps = np.ones(recipes.STEPS)
    for step, size in wrong.items() if isinstance(wrong, Mapping) else enumerate(steps * wrong):
        steps[int(step)] += size
    other["teacher-forced/conv.weight"] = other["teacher-forced/conv.weight"] * steps[:, None]
    other |= {f"teacher-forced kinks/{step}/bn": np.array([1e-9, -1e-9]) for step in range(kinks)}
    return results(
        case("torch", {"float64": double, "float32": one}),
        case("flax", {"float64": double, "float32": other}),
        "float32",
    )


def drifted(a: float, b: float, **options: Any) -> judge.Result:
    """The result of two trainings that have drifted so far."""
    one, other = trained("float32", 1, a), trained("float32", 2, b)
    return training(one, other, **options)["optimizers adam"]


def test_float32_may_drift_if_each_step_by_itself_is_right() -> None:
    assert drifted(1e-6, 1e-6).status == "passed"
    result = drifted(1e-7, 1e-3)
    assert result.status == "bounded"
    assert "rounding that grows" in result.detail
    assert drifted(1e-7, 1e-3, wrong=2e-2).status == "failed"


def test_a_drift_that_both_have_does_not_make_anything_pass() -> None:
    """Trainings as far apart as their weights are large prove nothing by themselves."""
    assert drifted(1.0, 1.0).status == "bounded"
    failed = drifted(1.0, 1.0, wrong=2e-2)
    assert failed.status == "failed"
    assert failed.tolerance is not None
    assert failed.tolerance <= CEILING


def test_a_drift_that_one_alone_has_is_bounded_at_no_distance() -> None:
    """A training that goes elsewhere in float32 alone, from its second step on, is none of it."""
    one = trained("float32", 1, 1e-6)
    for factor in (2.0, -1.0, 0.0, 1e3):
        other = trained("float32", 2, 1e-6)
        other["steps/adam/conv.weight"][1:] *= factor
        assert training(one, other)["optimizers adam"].status == "failed"


def test_a_drift_that_comes_late_does_not_excuse_an_early_one() -> None:
    late, early = trained("float32", 1, 1e-6), trained("float32", 2, 1e-6)
    early["steps/adam/conv.weight"][1:] = (
        differences.sketch(np.ones(27)) * 1e-4 + late["steps/adam/conv.weight"][1:]
    )
    assert training(late, early)["optimizers adam"].status == "bounded"


def test_the_first_step_has_no_drift_to_excuse_it() -> None:
    one, wrong = trained("float32", 1, 1e-6), trained("float32", 2, 1e-6, first=1e-4)
    assert training(one, wrong)["optimizers adam"].status == "failed"
    assert training(one, wrong, kinks=1)["optimizers adam"].status == "bounded"


def test_teacher_forced_steps_may_differ_only_where_there_is_a_kink() -> None:
    one, other = trained("float32", 1), trained("float32", 2)
    assert training(one, other)["teacher-forced adam"].status == "passed"
    assert training(one, other, wrong={2: 0.5})["teacher-forced adam"].status == "failed"
    # A kink's step is no measure of rounding: what it may differ by stays what the others say.
    result = training(one, other, wrong={2: 0.5}, kinks=3)["teacher-forced adam"]
    assert result.status == "bounded"
    assert result.tolerance is not None
    assert result.tolerance < 1e-4
    assert "step 3: flax at bn" in result.detail
    assert (
        training(one, other, wrong={2: 0.5, 7: 0.5}, kinks=3)["teacher-forced adam"].status
        == "failed"
    )
    # Where nearly every step has one, nothing is left that could be right.
    assert training(one, other, wrong={2: 0.5}, kinks=25)["teacher-forced adam"].status == "failed"


def handed_over(
    dtype: str,
    *,
    landed: float = 0.0,
    exact: float = 0.0,
    outputs: float = 0.0,
    loaded: float = 0.0,
    wrong: float = 0.0,
) -> judge.Result:
    """A saved training that goes on in another backend, and how far away it lands there."""
    one, other = trained("float32", 1), trained("float32", 2)
    other["teacher-forced/conv.weight"] = other["teacher-forced/conv.weight"] * (1 + wrong)
    kernel = RANDOM.normal(size=(4, 3, 3, 3))
    logits = RANDOM.normal(size=(7, 5))

    def going_on(single: str, away: float, off: float, read: float) -> Arrays:
        steps = np.stack([differences.sketch(kernel * (1 + away * n)) for n in range(1, 11)])
        state = differences.sketch(kernel * (1 + read))[None]
        return {
            "resume/adam/outputs/logits": (logits * (1 + off)).astype(single),
            "resume/adam/loaded/conv.weight@exp_avg": state,
            "resume/adam/steps/conv.weight": steps,
        }

    double = {**VALUES, **trained("float64", 0)}
    ours = {"float64": {**double, **going_on("float64", 0, 0, 0)}}
    theirs = {"float64": {**double, **going_on("float64", exact, 0, 0)}}
    if dtype == "float64":
        theirs = {"float64": {**double, **going_on("float64", landed, outputs, loaded)}}
    else:
        single = rounded(VALUES, 0, 0)
        ours[dtype] = {**single, **one, **going_on(dtype, 1e-9, 0, 0)}
        theirs[dtype] = {**single, **other, **going_on(dtype, landed, outputs, loaded)}
    pair = Pair(case("torch", ours), case("flax", theirs), dtype)
    return judge.resumed(pair, "adam", judge.teacher_forced(pair) if dtype != "float64" else None)


def test_a_training_lands_where_it_would_have() -> None:
    assert handed_over("float64", landed=1e-12).status == "passed"
    assert handed_over("float64", landed=1e-10).status == "failed"
    assert handed_over("float64", loaded=1e-11).status == "failed"
    assert handed_over("float32", landed=1e-7).status == "passed"
    assert handed_over("float32", landed=1e-7, outputs=1e-3).status == "failed"
    assert handed_over("float32", landed=1e-7, loaded=1e-5).status == "failed"


def test_a_kink_in_a_training_is_seen_in_one_backends_own_rounding() -> None:
    far = handed_over("float32", landed=1e-3)
    assert far.status == "bounded"
    assert "rounding that grows or a kink" in far.detail
    # Not where its float64 goes there too: that is another training.
    assert handed_over("float32", landed=1e-3, exact=1e-3).status == "failed"
    # Nor where single steps are wrong.
    assert handed_over("float32", landed=1e-3, wrong=0.5).status == "failed"
    # Nor at any distance.
    assert handed_over("float32", landed=2.0).status == "failed"
    # Nor where it began elsewhere.
    assert handed_over("float32", landed=1e-3, loaded=1e-3).status == "failed"


def test_a_resumed_training_must_have_the_same_tensors_of_the_same_shape() -> None:
    kernel = differences.sketch(np.ones(3))[None]
    whole = {
        "resume/adam/steps/fc.weight": kernel,
        "resume/adam/loaded/fc.weight@exp_avg": kernel,
        "resume/adam/outputs/logits": np.ones((7, 2)),
    }

    def result(**changes: np.ndarray | None) -> judge.Result:
        arrays = {n: a for n, a in {**whole, **changes}.items() if a is not None}
        pair = Pair(case("torch", {"float64": whole}), case("flax", {"float64": arrays}), "float64")
        return judge.resumed(pair, "adam", None)

    assert result().status == "passed"
    for name, array in whole.items():
        assert result(**{name: None}).status == "failed"
        shaped = result(**{name: np.concatenate([array, array])})
        assert shaped.status == "failed"
        assert "shapes" in shaped.detail


def test_float64_may_not_drift() -> None:
    one = case("torch", {"float64": {**VALUES, **trained("float64", 1, 1e-12)}})
    other = case("flax", {"float64": {**VALUES, **trained("float64", 2, 1e-12)}})
    assert results(one, other)["optimizers adam"].status == "passed"
    other = case("flax", {"float64": {**VALUES, **trained("float64", 2, 1e-9)}})
    assert results(one, other)["optimizers adam"].status == "failed"


def shipped(
    backend: str, gradient: np.ndarray, start: np.ndarray, dtype: str = "float64", wrong: float = 1
) -> CaseEvidence:
    """A backend's evidence of one step of its own Adam."""
    step = judge.shipped_step(backend, gradient) * wrong
    own = {
        "first gradients/conv.weight": gradient.astype(dtype),
        f"first/{recipes.SHIPPED}/conv.weight": (start - step).astype(dtype),
        f"steps/{recipes.SHIPPED}/conv.weight": differences.sketch(start - step)[None],
    }
    common = VALUES if dtype == "float64" else rounded(VALUES, 0, 0)
    return case(backend, {dtype: {**common, **own}})


def test_the_shipped_adam_is_bounded_by_its_epsilon() -> None:
    gradient, start = RANDOM.normal(size=(2, 4, 3, 3, 3)) * [[[[[1e-5]]]], [[[[1]]]]]
    name = f"optimizers {recipes.SHIPPED}"
    torch, flax, keras = (shipped(b, gradient, start) for b in ("torch", "flax", "keras"))
    assert results(torch, flax)[name].status == "passed"
    bounded = results(torch, keras)[name]
    assert bounded.status == "bounded"
    assert "epsilon is 1e-7, beside the uncorrected root" in bounded.detail
    for backend in ("keras", "flax"):
        wrong = shipped(backend, gradient, start, wrong=1.001)
        assert results(torch, wrong)[name].status == "failed"


def test_one_adam_may_only_differ_as_its_gradients_do() -> None:
    """In float32 a kink changes gradients; in float64 nothing may."""
    gradient, start = RANDOM.normal(size=(2, 4, 3, 3, 3)) * 1e-2
    name = f"optimizers {recipes.SHIPPED}"
    for dtype, status in (("float64", "failed"), ("float32", "bounded")):
        one = shipped("torch", gradient, start, dtype)
        assert results(one, shipped("flax", -gradient, start, dtype), dtype)[name].status == status
        same = results(one, shipped("flax", gradient, start, dtype), dtype)[name]
        assert same.status == "passed"
        assert same.tolerance == {"float64": recipes.TRAINED, "float32": CEILING}[dtype]


# Dropout


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ([0.7, 1000, 1e-8, 0], ""),
        ([0.64, 100, 1e-8, 0], ""),
        ([0.3, 1000, 1e-8, 0], "keeps 30.0% in place of 70.0%"),
        ([0.7, 1000, 0.43, 0], "scales what it keeps by another number than 1.43"),
        ([0.7, 1000, 1e-8, 0.1], "changes its input in evaluation mode"),
        ([np.nan, 0, 0, 0], "keeps nan"),
    ],
)
def test_own_dropout_keeps_its_share(row: list[float], problem: str) -> None:
    with np.errstate(all="ignore"):
        evidence = case(
            "torch",
            {"float64": {**VALUES, "own dropout/drop": np.array([*row, *UNLIKE])}},
            dropouts={"drop": 0.3},
        )
        ((name, result),) = judge.dropout(evidence, "float64")
    assert name == "drop"
    assert result.status == ("failed" if problem else "passed")
    assert problem in result.detail


@pytest.mark.parametrize(
    ("alike", "problem"),
    [
        ([1.0, 900, 0.58, 900, 0.0, 0], "the same values of several examples: 100.0% are alike"),
        ([0.58, 900, 1.0, 900, 0.0, 0], "the same values within an example: 100.0% are alike"),
        ([0.58, 900, 0.58, 900, 1.0, 900], "the same values as the layer before: 100.0% are alike"),
        ([0.58, 900, 0.58, 900, 0.16, 900], "the same values as the layer before: 16.0% are"),
        ([0.62, 900, 0.55, 900, 0.58, 900], ""),
        ([1.0, 9, 0.0, 0, 0.0, 0], ""),  # so few may be alike by chance
    ],
)
def test_masks_are_drawn_for_each_value(alike: list[float], problem: str) -> None:
    arrays = {**VALUES, "own dropout/drop": np.array([0.7, 1000, 0, 0, *alike])}
    evidence = case("torch", {"float64": arrays}, dropouts={"drop": 0.3})
    ((_, result),) = judge.dropout(evidence, "float64")
    assert result.status == ("failed" if problem else "passed")
    assert problem in result.detail


@pytest.mark.parametrize(("share", "status"), [(1.0, "passed"), (0.999, "failed")])
def test_a_dropout_of_nothing_keeps_all(share: float, status: str) -> None:
    arrays = {**VALUES, "own dropout/drop": np.array([share, 1000, 0, 0, *[1, 900] * 3])}
    evidence = case("torch", {"float64": arrays}, dropouts={"drop": 0.0})
    ((_, result),) = judge.dropout(evidence, "float64")
    assert result.status == status


@pytest.mark.parametrize(
    ("rate", "one", "problem"),
    [
        (0.0, [3, 3, 3], ""),
        (0.0, [3, 3, 4], "a share of 0 is dropped"),
        (0.5, [4, 5, 6], ""),
        (0.5, [3, 3, 3], "there is no dropout in training"),
    ],
)
def test_trainers_drop_the_share_that_is_asked_for(
    rate: float, one: list[float], problem: str
) -> None:
    losses = {
        "one": np.array(one, float),
        "again": np.array(one, float),
        "another": np.array([value + 7 * rate for value in one], float),
        **dict.fromkeys(("none", "evaluated", "evaluated without"), np.array([3.0, 3.0, 3.0])),
        "moved": np.array(0.5),
    }
    result = of_dropout(losses, "float64", drops=rate > 0)
    assert result.status == ("failed" if problem else "passed")
    assert problem in result.detail


# What evidence cannot hold, and what is told of it


def test_gradients_of_zeros_on_all_sides_prove_nothing() -> None:
    zeros = {n: np.zeros_like(a) for n, a in VALUES.items() if n.startswith("gradients/")}
    one, other = (case(name, {"float64": {**VALUES, **zeros}}) for name in ("torch", "flax"))
    result = results(one, other)["gradients"]
    assert result.status == "failed"
    assert "all gradients of torch are 0" in result.detail


def test_figures_of_dropout_that_are_no_numbers_fail() -> None:
    arrays = {**VALUES, "own dropout/drop": np.full(10, np.nan)}
    evidence = case("torch", {"float64": arrays}, dropouts={"drop": 0.5})
    ((_, result),) = judge.dropout(evidence, "float64")
    assert result.status == "failed"


def test_a_dropout_layer_is_told_with_its_cause() -> None:
    for row, kind in (
        ([0.5, 1000, 0.4, 0], "scale"),
        ([0.7, 1000, 0, 0], "dropout rate"),
        ([0.5, 1000, 0, 0.1], "dropout"),
    ):
        arrays = {**VALUES, "own dropout/drop": np.array([*row, *EVEN])}
        evidence = case("torch", {"float64": arrays}, dropouts={"drop": 0.5})
        ((_, result),) = judge.dropout(evidence, "float64")
        assert result.first is not None
        assert (result.first.layer, result.first.kind) == ("drop", kind)


def test_rates_are_told_on_both_sides() -> None:
    sides = [
        case(n, {"float64": VALUES}, dropouts={"drop": r}) for n, r in (("a", 0.5), ("b", 0.3))
    ]
    result = judge.rates(Pair(sides[0], sides[1], "float64"))
    assert result.first is not None
    assert result.first.cause == "a drops 0.5 of the values, b 0.3"


def test_the_first_tensor_that_is_not_the_same_is_told() -> None:
    other = {n: a for n, a in VALUES.items() if n != "weights/bn.weight"}
    result = results(case("torch", {"float64": VALUES}), case("flax", {"float64": other}))[
        "tensors"
    ]
    assert result.first is not None
    assert (result.first.layer, result.first.kind) == ("bn", "absent tensor")
    changed = {**VALUES, "weights/bn.weight": np.zeros(4)}
    result = results(case("torch", {"float64": VALUES}), case("flax", {"float64": changed}))[
        "tensors"
    ]
    assert result.first is not None
    assert result.first.kind == "zeros"


def test_of_differences_that_are_alike_the_first_is_named() -> None:
    allowed = dict.fromkeys("abcd", 1e-12)
    alike = {"a": 1e-13, "b": 1.5e-4, "c": 1.5e-4 * (1 + 1e-12), "d": 1e-5}
    assert Differences(alike, allowed).worst == "b"
    assert Differences(alike | {"d": 1.6e-4}, allowed).worst == "d"
    near = {"a": 0.9999e-12, "b": 1.0001e-12}
    assert "b differs" in Differences(near, allowed).result().detail
    assert Differences({"a": 0.1, "b": float("inf")}, allowed).worst == "b"
    assert Differences({"a": 0.1, "b": float("nan")}, allowed).result().status == "failed"
    assert Differences().worst is None
