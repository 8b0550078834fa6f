"""What is made of the trainers' evidence, on arrays made by hand."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from shared.interface import VARIANTS, TensorInfo
from shared.parity import collect, combinations, edges, expected, judge, recipes, samples
from shared.parity.evidence import Asked, CaseEvidence
from shared.parity.judge import Pair, figures
from shared.specs import SPECS

SPEC = SPECS["basic_net"]
CASE = SPEC.cases[1]
NETWORK = CASE.network
TASK = SPEC.require_task()
TABLE = [
    TensorInfo("fc.weight", (3, 4), "float64", "parameter"),
    TensorInfo("bn.running_var", (3,), "float64", "buffer"),
]
ASKED = Asked(("momentum",), 5, 0, 3, 3, adam=True)
Arrays = dict[str, np.ndarray]


def of_variant(dtype: str, size: float = 0.0, seed: int = 0) -> Arrays:
    """What a variant's trainers show, with rounding of some size."""
    noise = np.random.default_rng(seed)

    def rounded(array: np.ndarray) -> np.ndarray:
        return (array * (1 + size * noise.normal(size=array.shape))).astype(dtype)

    def drawn(name: str, *shape: int) -> np.ndarray:
        return rounded(samples.generator(name, shape, 1).normal(size=shape))

    logits = samples.generator("logits", (), 1).normal(size=(recipes.EVALUATED, 7))
    targets = recipes.sample_targets(NETWORK, TASK, recipes.EVALUATED)
    task = recipes.task_of_trainers(TASK, dtype)
    arrays: Arrays = {"forward/logits": rounded(logits)}
    (recipe,) = recipes.trainers(ASKED, dtype)
    moments = {
        "before": (logits, {}),
        "after": (logits + 1, {}),
        "uncounted": (logits, edges.uncounted(task, targets)),
        "alike": (np.ones_like(logits), edges.first_labels(task, targets)),
    }
    for moment, (outputs, labels) in moments.items():
        logged = outputs.astype(dtype) if moment == "alike" else rounded(outputs)
        of = figures.reference(task, {"logits": logged}, targets | labels)
        arrays |= {f"{recipe}/{moment}/{name}": value for name, value in of.items()}
    arrays[f"{recipe}/after/outputs/logits"] = rounded(logits + 1)
    arrays[f"{recipe}/alike/outputs/logits"] = np.ones_like(logits, dtype)
    for moment in ("before", "after"):
        arrays[f"lent/{moment}/evaluated/logits"] = np.arange(32, dtype=np.uint8)
    names = dict.fromkeys([recipe, *([recipes.SINGLE] if dtype == "float64" else [])])
    for each in names:
        for step in range(3):
            arrays[f"{each}/{step}/figures/loss"] = drawn(f"{each} {step} loss")
            arrays[f"{each}/{step}/figures/correct"] = np.array(2.0)
            arrays[f"{each}/{step}/fc.weight"] = drawn(f"{each} {step} weight", 3, 4)
            arrays[f"{each}/{step}/bn.running_var"] = drawn(f"{each} {step} variance", 3)
    return arrays


def dropout() -> Arrays:
    one = np.array([0.61, 0.72, 0.43])
    return {
        "dropout/one": one,
        "dropout/again": one.copy(),
        "dropout/another": np.array([0.33, 0.44, 0.55]),
        "dropout/none": np.full(3, 0.5001),
        "dropout/evaluated": np.full(3, 0.5),
        "dropout/evaluated without": np.full(3, 0.5),
        "dropout/moved": np.array(0.1),
    }


def evidence(
    backend: str, by_dtype: dict[str, dict[str, Arrays]], *, unbiased: bool = False
) -> CaseEvidence:
    arrays = {
        dtype: {
            f"variants/{variant}/{name}": array
            for variant, of in variants.items()
            for name, array in of.items()
        }
        for dtype, variants in by_dtype.items()
    }
    tables = {d: [replace(row, dtype=d) for row in TABLE] for d in by_dtype}
    rates = {"dropout": 0.25}
    return CaseEvidence(backend, CASE.label, tables, arrays, ASKED, rates, unbiased)


def both(
    dtype: str = "float64", changes: Mapping[str, np.ndarray | None] | None = None
) -> CaseEvidence:
    of = {**of_variant(dtype), **dropout(), **(changes or {})}
    arrays = {n: a for n, a in of.items() if a is not None}
    return evidence("flax", {dtype: dict.fromkeys(VARIANTS, arrays)})


def alone(one: CaseEvidence, dtype: str = "float64") -> dict[str, judge.Result]:
    return dict(judge.alone(NETWORK, TASK, ASKED, one, dtype))


def test_what_trainers_give_by_themselves_passes() -> None:
    for dtype in ("float64", "float32"):
        results = alone(both(dtype), dtype)
        assert {r.status for r in results.values()} == {"passed"}
        parts = ("figures", "lent", "dropout")
        assert set(results) == {f"{part}, {variant}" for part in parts for variant in VARIANTS}


@pytest.mark.parametrize("name", ["loss", "correct", "counted"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_wrong_figure_is_found(name: str, moment: str) -> None:
    (recipe,) = recipes.trainers(ASKED, "float64")
    key = f"{recipe}/{moment}/{name}"
    for wrong in (of_variant("float64")[key] + 1e-6 + (name != "loss"), np.array(np.nan), None):
        results = alone(both(changes={key: wrong}))
        assert results["figures, idiomatic"].status == "failed"
        assert f"{name} {moment} the training" in results["figures, idiomatic"].detail


def test_without_outputs_no_figure_passes() -> None:
    result = alone(both(changes={"forward/logits": None}))["figures, tuned"]
    assert result.status == "failed"
    assert "no outputs before" in result.detail


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"again": [0.61, 0.72, 0.44]}, "same seed gives other"),
        ({"another": [0.61, 0.44, 0.55]}, "another seed gives the same"),
        ({"one": [0.6, 0.6, 0.6], "again": [0.6, 0.6, 0.6]}, "several steps"),
        ({"none": [0.5, 0.6, 0.7]}, "without dropout the loss of one batch changes"),
        ({"none": [0.61, 0.61, 0.61]}, "there is no dropout in training"),
        ({"evaluated": [0.5, 0.5, 0.6]}, "dropout in an evaluation"),
        ({"moved": [0.0]}, "no weight moves"),
        ({"another": [np.nan, 0.44, 0.55]}, "not finite"),
    ],
)
def test_masks_are_each_steps_own_and_the_seeds(
    changes: dict[str, list[float]], problem: str
) -> None:
    masked = {f"dropout/{name}": np.array(losses) for name, losses in changes.items()}
    result = alone(both(changes=masked))["dropout, tuned"]
    assert result.status == "failed"
    assert problem in result.detail


def test_losses_that_are_absent_are_missing() -> None:
    result = alone(both(changes={"dropout/again": None}))["dropout, tuned"]
    assert (result.status, result.detail) == ("missing", "there are no losses of again")


def pair(dtype: str = "float64", changes: Mapping[str, float | None] | None = None) -> judge.Result:
    """Two backends' trainers, of which the second has other arrays."""
    (recipe,) = recipes.trainers(ASKED, dtype)
    sides = []
    for number in range(2):
        by_dtype = {"float64": {"idiomatic": of_variant("float64", 1e-15, number)}}
        if dtype == "float32":
            by_dtype[dtype] = {"idiomatic": of_variant(dtype, 1e-7, 7 + number)}
        sides.append(by_dtype)
    other = sides[1][dtype]["idiomatic"]
    for name, change in (changes or {}).items():
        key = name.replace("RECIPE", recipe)
        array = other.pop(key)
        if change is not None:
            other[key] = array * np.asarray(change, array.dtype)
    one, two = (evidence(n, by) for n, by in zip(("torch", "flax"), sides, strict=True))
    return judge.trainers(Pair(one, two, dtype), ASKED)


def test_trainers_that_do_the_same_pass() -> None:
    assert pair().status == "passed"
    assert pair("float32").status == "passed"


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "name",
    [
        "RECIPE/before/loss",
        "RECIPE/0/figures/loss",
        "RECIPE/0/fc.weight",
        "RECIPE/1/bn.running_var",
        "RECIPE/1/fc.weight",
    ],
)
def test_another_step_or_loss_is_found(dtype: str, name: str) -> None:
    change = 1 + (1e-9 if dtype == "float64" else 1e-4)
    ends = ("failed", "bounded") if dtype == "float32" and "weight" in name else ("failed",)
    assert pair(dtype, {name: change}).status in ends
    assert pair(dtype, {name: np.nan}).status == "failed"
    assert pair(dtype, {name: None}).status == "failed"


def test_counts_are_exact() -> None:
    result = pair(changes={"RECIPE/0/figures/correct": 2.0})
    assert result.status == "failed"
    assert "torch counts 2.0, flax 4.0" in result.detail


def test_a_kink_may_change_few_single_steps() -> None:
    result = pair("float32", {"RECIPE/1/fc.weight": 1.1})
    assert (result.status, result.detail.split(";")[0]) == ("bounded", "a kink in 1 of 3 steps")
    many = {"RECIPE/0/fc.weight": 1.1, "RECIPE/1/fc.weight": 1.1}
    assert pair("float32", many).status == "failed"
    # A loss and a statistic have no kinks.
    for smooth in ("before/loss", "1/figures/loss", "1/bn.running_var"):
        assert pair("float32", {f"RECIPE/{smooth}": 1.1}).status == "failed"


def test_a_kink_is_not_any_distance() -> None:
    for factor in (-100.0, 3.0):
        assert pair("float32", {"RECIPE/1/fc.weight": factor}).status == "failed"


def test_outputs_after_a_training_are_held_too() -> None:
    assert pair(changes={"RECIPE/after/outputs/logits": 1 + 1e-9}).status == "failed"


def test_labels_that_count_are_counted_in_float32_too() -> None:
    assert pair("float32", {"RECIPE/before/counted": 2.0}).status == "failed"


def test_variants_have_one_dtype() -> None:
    of = of_variant("float32")
    wide = {name: array.astype(np.float64) for name, array in of.items()}
    by = {"float32": {"idiomatic": of, "tuned": wide}}
    assert judge.variants(evidence("torch", by), "float32").status == "failed"


def test_a_running_variance_may_be_the_unbiased_one() -> None:
    """PyTorch's changes are n / (n - 1) times the others', and nothing else."""
    start = samples.starting_weights(TABLE, "float32", recipes.SEED)["bn.running_var"]
    momentum, count = 0.1, recipes.BATCH * 4
    batches = np.random.default_rng(3).uniform(0.5, 2, size=(3, 3))

    def changes(scale: float) -> list[np.ndarray]:
        old, steps = start.astype(np.float64), []
        for variance in batches:
            new = (1 - momentum) * old + momentum * scale * variance
            steps.append(new - old)
            old = new
        return steps

    def side(backend: str, scale: float, *, unbiased: bool) -> CaseEvidence:
        arrays = of_variant("float64")
        for step, change in enumerate(changes(scale)):
            arrays[f"adam/{step}/bn.running_var"] = change
        del (
            arrays[f"{recipes.SINGLE}/0/bn.running_var"],
            arrays[f"{recipes.SINGLE}/1/bn.running_var"],
        )
        one = evidence(backend, {"float64": {"idiomatic": arrays}}, unbiased=unbiased)
        inputs = np.random.default_rng(5).normal(size=(count, 3))
        old = np.zeros(3)
        more = {
            "training/bn:in": inputs,
            "weights/bn.running_mean": old,
            "buffers/bn.running_mean": old + momentum * (inputs.mean(axis=0) - old),
        }
        return replace(one, arrays={"float64": {**one.arrays["float64"], **more}})

    biased = side("flax", 1.0, unbiased=False)
    right = side("torch", count / (count - 1), unbiased=True)
    assert judge.trainers(Pair(right, biased, "float64"), ASKED).status == "passed"
    wrong = side("torch", 1.0, unbiased=True)
    assert judge.trainers(Pair(wrong, biased, "float64"), ASKED).status == "failed"


def test_variants_are_the_same_by_their_own_rounding() -> None:
    def of(dtype: str, tuned: Arrays) -> CaseEvidence:
        by = {"float64": dict.fromkeys(VARIANTS, of_variant("float64"))}
        by[dtype] = {"idiomatic": of_variant(dtype, 1e-7, 1), "tuned": tuned}
        return evidence("torch", by)

    near = of_variant("float32", 1e-7, 2)
    assert judge.variants(of("float32", near), "float32").status == "passed"
    far = {**near, "forward/logits": near["forward/logits"] * np.float32(1.001)}
    assert judge.variants(of("float32", far), "float32").status == "failed"
    less = {n: a for n, a in near.items() if not n.startswith("forward")}
    assert judge.variants(of("float32", less), "float32").status == "failed"
    nothing = evidence("torch", {"float64": {variant: {} for variant in VARIANTS}})
    assert judge.variants(nothing, "float64").status == "failed"


def test_trainers_are_of_the_smallest_whole_network_and_of_those_that_say_so() -> None:
    for spec in SPECS.values():
        whole = [case for case in spec.cases if recipes.is_whole(spec, case)]
        others = [case for case in whole if case != spec.cases[0]] or whole
        smallest = min(others, key=lambda case: case.parameters, default=None)
        right = [case for case in whole if case == smallest or case.trainers]
        actual = [case for case in spec.cases if recipes.has_trainers(spec, case)]
        assert actual == (right if spec.task else [])
        for case in spec.cases:
            asked = collect.plan(spec, case, ["float64"], trainings=False).asked
            assert bool(asked.variants) is (case in actual)
            assert asked.passes is (case not in actual)
            assert asked.adam is (spec.name == combinations.ARCHITECTURE and case in actual)
            (recipe,) = recipes.trainers(asked, "float64")
            assert recipe == ("adam" if asked.adam else "momentum")


def passes(dtype: str, **changes: np.ndarray) -> Arrays:
    """What a variant shows of a case without trainers."""
    arrays: Arrays = {"forward/logits": np.ones((7, 7), dtype)}
    if dtype == "float64":
        arrays["loss/value"] = np.array(2.0)
        arrays[f"gradients/{TABLE[0].name}"] = np.ones(TABLE[0].shape)
        arrays[f"buffers/{TABLE[1].name}"] = np.ones(TABLE[1].shape)
    return arrays | changes


def test_passes_of_variants_are_held() -> None:
    for dtype in ("float64", "float32"):
        for name, array in passes(dtype).items():
            for size, status in ((0.0, "passed"), (1e-3, "failed")):
                other = {name: (array * (1 + size)).astype(dtype)}
                sides = {"idiomatic": passes(dtype), "tuned": passes(dtype, **other)}
                one = replace(evidence("torch", {dtype: sides}), asked=Asked(passes=True))
                assert judge.variants(one, dtype).status == status


def test_passes_that_are_absent_are_missing() -> None:
    case = SPEC.cases[2]
    asked = collect.plan(SPEC, case, ["float64"], trainings=False).asked
    lacking = expected.absent(SPEC, case, asked, evidence("torch", {"float64": {}}), "float64")
    names = [
        f"{part}/{row.name}" for part, row in zip(("gradients", "buffers"), TABLE, strict=True)
    ]
    for variant in VARIANTS:
        for name in ("forward/logits", "loss/value", *names):
            assert f"variants/{variant}/{name}" in lacking["variants"]
