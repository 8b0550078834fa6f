"""Checks that need no framework, on evidence that is made by hand."""

import numpy as np
import pytest

from shared.interface import TensorInfo
from shared.parity import expected
from shared.parity.checks import _counts, _outputs
from shared.parity.evidence import Asked, CaseEvidence
from shared.parity.samples import BATCHES
from shared.specs import SPECS

CASE = SPECS["basic_net"].cases[0]
FORWARD = {f"forward/{n}/logits": np.zeros((n, 10)) for n in BATCHES}


def evidence_of(**arrays: np.ndarray) -> CaseEvidence:
    return CaseEvidence("torch", CASE.label, {"float64": []}, {"float64": arrays})


def test_outputs_are_those_of_the_spec() -> None:
    assert _outputs(evidence_of(**FORWARD), CASE, "float64").status == "passed"
    wrong = _outputs(
        evidence_of(**{**FORWARD, "forward/7/logits": np.zeros((7, 9))}), CASE, "float64"
    )
    assert wrong.status == "failed"
    assert wrong.detail.startswith("batch 7 gives {'logits': ((7, 9), 'float64')}, where the spec")
    single = evidence_of(**{n: a.astype(np.float32) for n, a in FORWARD.items()})
    assert _outputs(single, CASE, "float64").status == "failed"


def test_a_table_of_another_dtype_is_found() -> None:
    case = SPECS["skip_mlp"].cases[0]
    row = TensorInfo("fc.weight", (case.parameters,), "float16", "parameter")
    evidence = CaseEvidence("torch", case.label, {"float64": [row]}, {"float64": {}})
    result = _counts(evidence, case, "float64")
    assert (result.status, result.detail) == ("failed", "not in float64: fc.weight")


@pytest.mark.parametrize(
    ("name", "array", "problem"),
    [
        ("first/momentum/fc1.weight", np.full((24, 90), np.nan), "of finite numbers"),
        ("loss/value", np.array(1.0, np.float32), "in float64"),
        ("gradients/fc1.weight", np.zeros((24, 91)), "in the shape (24, 90)"),
    ],
)
def test_what_must_be_there_is_finite_and_of_its_dtype(
    name: str, array: np.ndarray, problem: str
) -> None:
    spec = SPECS["basic_net"]
    case = spec.cases[1]
    row = TensorInfo("fc1.weight", (24, 90), "float64", "parameter")
    asked = Asked(("momentum",), 2)
    evidence = CaseEvidence("torch", case.label, {"float64": [row]}, {"float64": {name: array}})
    lacking = expected.absent(spec, case, asked, evidence, "float64")
    assert f"{name} {problem}" in [each for names in lacking.values() for each in names]
