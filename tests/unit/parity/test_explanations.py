"""One cause, one line; and what it does not explain."""

import math
from dataclasses import replace

from shared.parity.checks import Check, Outcome
from shared.parity.explanations import explain
from shared.parity.locate import LOSS, Divergence
from shared.parity.table import show_problems
from tests.printed import shown

GELU = Divergence(
    "forward",
    "evaluation",
    "fc3",
    "the input of fc3",
    0.25,
    "activation",
    "flax applies tanh gelu, torch relu",
    "torch_impl/mlp.py:41, flax_impl/mlp.py:35",
)
SINCE_KERAS = replace(
    GELU,
    cause="flax applies tanh gelu, keras relu",
    place="flax_impl/mlp.py:35, keras_impl/mlp.py:44",
)
UNKNOWN = replace(GELU, kind="", cause="", point="fc3.weight after one step", place="")


def check(rung: str, between: str, first: Divergence | None = None, **options: object) -> Check:
    named = {"architecture": "basic_net", "case": "default", "dtype": "float64", "status": "failed"}
    return Check(**{**named, "rung": rung, "between": between, "first": first, **options})  # type: ignore[arg-type]


def test_all_that_one_line_makes_fail_is_one_cause() -> None:
    checks = [
        check("loss", "flax-keras", SINCE_KERAS, difference=0.1),
        check("forward", "torch-flax", GELU, difference=0.2),
        check("forward", "flax-keras", SINCE_KERAS, difference=0.2),
        check("forward", "torch-keras", status="passed", difference=0.0),
        check("forward", "torch-flax", GELU, difference=0.2, dtype="float32"),
        check("forward", "torch-flax", GELU, difference=0.2, case="another"),
    ]
    (cause,), others = explain(checks)
    assert others == []
    assert cause.odd == "flax"
    assert cause.rungs == ["forward", "loss"]
    assert cause.text == (
        "flax_impl/mlp.py:35, the input of fc3: flax applies tanh gelu, torch relu; "
        "explains 5 checks"
    )


def test_what_follows_from_a_cause_is_explained_by_it() -> None:
    checks = [
        check("forward", "torch-flax", GELU, difference=0.2),
        check("optimizers", "torch-flax", UNKNOWN, difference=0.1),
        check("edges", "torch-flax", difference=math.inf),
        check("methods", "torch-flax", detail="classes of torch and of flax differ"),
    ]
    (cause,), others = explain(checks)
    assert others == []
    assert cause.text.endswith("; explains 2 checks, and perhaps 2 more")


def test_a_cause_explains_only_what_it_reaches() -> None:
    rate = replace(UNKNOWN, kind="dropout rate", cause="flax drops 0.4 of the values, torch 0.5")
    rounded = replace(GELU, kind="precision", cause="flax's values are rounded to bfloat16")
    out_of_reach = [
        check("edges", "torch-flax", difference=0.3),
        check("resume", "torch-flax", difference=0.3),
    ]
    trained = check("trainers", "torch-flax", difference=0.3)
    dropped = check("dropout", "torch-flax", rate, difference=0.1)
    (cause,), others = explain([*out_of_reach, dropped, trained])
    assert cause.checks == [dropped, trained]
    assert others == out_of_reach
    exact = check("gradients", "torch-flax", difference=0.3)
    (cause,), others = explain(
        [check("forward", "torch-flax", rounded, difference=0.1, dtype="float32"), exact]
    )
    assert len(cause.checks) == 1
    assert others == [exact]


def test_another_cause_at_the_same_place_has_its_own_words() -> None:
    half = replace(UNKNOWN, kind="scale", cause="torch's loss is half of flax's")
    bits = replace(UNKNOWN, kind="scale", cause="flax's loss is in nats, torch's in bits")
    causes, _ = explain(
        [
            check("loss", "torch-flax", half, difference=0.1),
            check("loss", "torch-flax", bits, difference=0.1, case="another"),
        ]
    )
    assert [cause.first.cause for cause in causes] == [half.cause, bits.cause]


def test_a_function_that_does_several_things_has_a_line_for_each_cause() -> None:
    def failed(dtype: str, kind: str, cause: str) -> Check:
        place = "torch_impl/training.py:74, flax_impl/training.py:49"
        first = Divergence("loss", "training", "", LOSS, 0.1, kind, cause, place)
        return Check("loss", "net", "case", dtype, "torch-flax", "failed", first=first)

    causes, rest = explain(
        [
            failed("float64", "smoothing", "flax smooths labels by 0.1, torch by 0"),
            failed("float32", "scale", "flax doubles the loss of torch"),
        ]
    )
    assert rest == []
    assert [cause.text for cause in causes] == [
        "flax_impl/training.py:49, the loss of equal outputs: flax smooths labels by 0.1, torch by "
        "0; explains 1 check",
        "flax_impl/training.py:49, the loss of equal outputs: flax doubles the loss of torch; "
        "explains 1 check",
    ]


def test_files_of_one_backend_are_told_apart() -> None:
    first = replace(GELU, cause="torch#2 applies tanh gelu, torch relu", place="")
    (cause,), _ = explain([check("forward", "torch-torch#2", first, difference=0.1)])
    assert cause.odd == "torch#2"
    assert cause.text.startswith("the input of fc3: torch#2 applies tanh gelu")


def test_what_does_not_follow_is_not_explained() -> None:
    unexplained = [
        check("counts", "flax", detail="3 parameters"),
        check("tensors", "torch-flax", detail="flax has no fc9"),
        check("forward", "torch-flax", status="missing", detail="flax died"),
        check("methods", "flax", difference=0.3),
        check("edges", "torch-keras", difference=0.3),
        check("edges", "torch-flax", difference=0.3, case="another"),
        check("edges", "torch-flax", difference=0.3, architecture="another"),
    ]
    (cause,), others = explain([*unexplained, check("forward", "torch-flax", GELU, difference=0.2)])
    assert cause.checks == [check("forward", "torch-flax", GELU, difference=0.2)]
    assert cause.perhaps == []
    assert others == unexplained


def test_two_causes_are_two_lines() -> None:
    momentum = replace(
        UNKNOWN, kind="nesterov", cause="keras takes plain momentum, torch Nesterov's"
    )
    since_flax = replace(momentum, cause="keras takes plain momentum, flax Nesterov's")
    causes, others = explain(
        [
            check("optimizers", "torch-keras", momentum, difference=0.1),
            check("optimizers", "flax-keras", since_flax, difference=0.1),
            check("forward", "torch-flax", GELU, difference=0.2),
        ]
    )
    assert others == []
    assert [cause.text for cause in causes] == [
        "flax_impl/mlp.py:35, the input of fc3: flax applies tanh gelu, torch relu; "
        "explains 1 check",
        "fc3.weight after one step: keras takes plain momentum, torch Nesterov's; "
        "explains 2 checks",
    ]


def test_one_cause_in_several_lines_names_them() -> None:
    lines = [
        check("forward", "torch-flax", replace(GELU, place=f"flax_impl/mlp.py:{line}"), case=str(n))
        for n, line in enumerate([3, 5, 5, 7, 9, 11])
    ]
    (cause,), _ = explain(lines)
    assert cause.text.startswith(
        "flax_impl/mlp.py:3, flax_impl/mlp.py:5, flax_impl/mlp.py:7, 2 more lines, the input of fc3"
    )


def test_what_no_convention_explains_is_told_where_it_begins() -> None:
    first = replace(UNKNOWN, place="flax_impl/mlp.py:35")
    (cause,), _ = explain(
        [
            check("forward", "torch-flax", first, difference=0.2),
            check("forward", "flax-keras", first, difference=0.2),
            check("loss", "torch-flax", difference=0.2),
        ]
    )
    assert cause.text == (
        "flax_impl/mlp.py:35, fc3.weight after one step: flax differs by 2.5e-01 for no known "
        "reason; from there: 3 checks"
    )


def test_problems_are_told_by_cause_and_then_what_is_left() -> None:
    outcome = Outcome(
        [
            check("forward", "torch-flax", GELU, difference=0.2, detail="forward/1 differs"),
            check("counts", "flax", detail="3 parameters"),
        ]
    )
    assert shown(show_problems, outcome).splitlines() == [
        "flax_impl/mlp.py:35, the input of fc3: flax applies tanh gelu, torch relu; "
        "explains 1 check",
        "  in forward; forward: basic_net, default, float64 torch-flax: forward/1 differs",
        "not explained by this:",
        "FAILED counts: basic_net, default, float64 flax: 3 parameters",
    ]


def test_where_all_passed_nothing_is_explained() -> None:
    assert explain([check("forward", "torch-flax", status="passed", difference=0.0)]) == ([], [])
