"""The ladder's own checks, on evidence that is made by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shared import weights
from shared.errors import EvidenceError
from shared.parity import evidence, ladder
from shared.parity.collect import BATCHES
from shared.parity.evidence import CaseEvidence, Evidence
from shared.specs import SPECS

SPEC = SPECS["basic_net"]
CASE = SPEC.cases[0]
FORWARD = {f"forward/{n}/logits": np.zeros((n, 10)) for n in BATCHES}


def evidence_of(**arrays: np.ndarray) -> CaseEvidence:
    return CaseEvidence("torch", CASE.label, {"float64": []}, {"float64": arrays})


def test_outputs_are_those_of_the_spec() -> None:
    assert ladder._outputs(evidence_of(**FORWARD), CASE, "float64").status == "passed"
    wrong = ladder._outputs(
        evidence_of(**{**FORWARD, "forward/2/logits": np.zeros((2, 9))}), CASE, "float64"
    )
    assert wrong.status == "failed"
    assert wrong.detail.startswith("batch 2 gives {'logits': ((2, 9), 'float64')}, where the spec")
    single = evidence_of(**{n: a.astype(np.float32) for n, a in FORWARD.items()})
    assert ladder._outputs(single, CASE, "float64").status == "failed"


def test_workers_that_share_a_gpu_reserve_none_of_its_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environments: list[dict[str, str]] = []

    class StartError(Exception):
        pass

    def start(backend: str, environment: dict[str, str]) -> None:
        environments.append(environment)
        raise StartError(backend)

    monkeypatch.setattr(ladder, "Worker", start)
    monkeypatch.setattr(ladder.registry, "missing", lambda _: [])
    with pytest.raises(StartError):
        ladder.climb([SPEC], device="cuda")
    (environment,) = environments
    assert environment["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
    assert environment["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"


def test_files_of_an_architecture_that_is_not_here_are_refused(tmp_path: Path) -> None:
    one = Evidence("basic_net", "torch", {"torch": "9"}, "cpu", "highest", {}, {})
    paths = [tmp_path / name for name in ("a.safetensors", "b.safetensors")]
    for path in paths:
        evidence.write(path, replace(one, architecture="net_of_tomorrow"))
    with pytest.raises(EvidenceError, match="no architecture 'net_of_tomorrow' here to hold"):
        ladder.compare_files(paths)


def test_a_resumed_training_must_have_the_same_tensors_of_the_same_shape(tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    state = {"fc.weight": np.ones((2, 3)), "fc.bias": np.ones(2)}
    weights.write(file, state, {})
    trained = ladder.Trained(file, {}, {}, state, {})
    pair = ladder.judge.Pair(evidence_of(), evidence_of(), "float64")

    def resumed(**landed: np.ndarray) -> ladder.Result:
        return ladder._resumed(pair, trained, ({}, landed, {}))

    assert resumed(**state).status == "passed"
    missing = resumed(**{"fc.weight": state["fc.weight"]})
    assert (missing.status, missing.detail) == ("failed", "fc.bias is in one alone")
    shaped = resumed(**{**state, "fc.bias": np.ones(3)})
    assert shaped.status == "failed"
    assert shaped.detail.startswith("fc.bias: ")
