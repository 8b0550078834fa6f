"""Checks that need no framework, on evidence that is made by hand."""

import numpy as np

from shared.parity.checks import _outputs
from shared.parity.evidence import CaseEvidence
from shared.parity.samples import BATCHES
from shared.specs import SPECS

CASE = SPECS["basic_net"].cases[0]
FORWARD = {f"forward/{n}/logits": np.zeros((n, 10)) for n in BATCHES}


def evidence_of(**arrays: np.ndarray) -> CaseEvidence:
    return CaseEvidence("torch", CASE.label, {"float64": []}, {"float64": arrays})


def test_outputs_are_those_of_the_spec() -> None:
    assert _outputs(evidence_of(**FORWARD), CASE, "float64").status == "passed"
    wrong = _outputs(
        evidence_of(**{**FORWARD, "forward/2/logits": np.zeros((2, 9))}), CASE, "float64"
    )
    assert wrong.status == "failed"
    assert wrong.detail.startswith("batch 2 gives {'logits': ((2, 9), 'float64')}, where the spec")
    single = evidence_of(**{n: a.astype(np.float32) for n, a in FORWARD.items()})
    assert _outputs(single, CASE, "float64").status == "failed"
