"""Evidence in files: it comes back as it was, and what is not as it was is refused."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared import differences, specs
from shared.errors import EvidenceError
from shared.parity import evidence, recipes
from shared.parity.checks import RUNGS, case_checks
from shared.parity.evidence import Asked, CaseEvidence, Evidence
from shared.parity.files import compare_files
from shared.parity.record import record
from tests.conftest import Lend
from tests.flavours import exhaustive, lacking

PAIR = ("torch", "flax")
PARTS = (
    "inputs",
    "targets",
    "weights",
    "exchange",
    "forward/7",
    "evaluation/hidden.1:out",
    "training",
    "loss",
    "gradients",
    "gradients/hidden.1.weight",
    "input gradients",
    "edges/ties",
    "edges/uncounted",
    "edges/large/weights/nearby",
    "edges/batches/13",
    "edges/alike/classes",
    "edges/lent/after",
    "edges/lent/warnings",
    "first gradients",
    "first/momentum",
    "steps/momentum",
    "steps/adam/hidden.0.weight@exp_avg",
    "methods",
    "methods/predict/classes",
    "methods/config/width",
    "methods/again/outputs",
    "methods/kept",
    "teacher-forced",
    "teacher-forced float64",
    "resume/adam",
    "resume/momentum/loaded",
    "variants/tuned",
    "variants/tuned/momentum/1",
    "variants/idiomatic/momentum/before",
    "variants/tuned/single steps/4",
    "variants/tuned/momentum/uncounted",
    "variants/tuned/momentum/alike/outputs",
    "variants/idiomatic/lent",
)
"""What the evidence of a network with trainings has, in parts."""
pytestmark = [
    pytest.mark.skipif(
        any(lacking(name) is not None for name in PAIR), reason="needs torch and flax"
    ),
    pytest.mark.xdist_group("evidence"),  # they share what was recorded once
]


@pytest.fixture(scope="module")
def recorded(lend: Lend) -> dict[str, Evidence]:
    """Both backends' evidence of a small architecture, trainings and all."""
    spec = specs.find("skip_mlp")
    return {name: lend(name).call(record, spec, name) for name in PAIR}


@pytest.fixture
def files(recorded: dict[str, Evidence], tmp_path: Path) -> dict[str, Path]:
    paths = {name: tmp_path / f"{name}.safetensors" for name in recorded}
    for name, path in paths.items():
        evidence.write(path, recorded[name])
    return paths


def changed(original: Evidence, rung: str, change: Any) -> Evidence:
    """Evidence with a rung's arrays changed, in both dtypes of every case."""
    cases = {}
    for label, case in original.cases.items():
        arrays = {
            dtype: {
                name: change(name, array) if name.startswith(f"{rung}/") else array
                for name, array in of_dtype.items()
            }
            for dtype, of_dtype in case.arrays.items()
        }
        cases[label] = replace(case, arrays=arrays)
    return replace(original, cases=cases)


def test_evidence_comes_back_as_it_was(
    recorded: dict[str, Evidence], files: dict[str, Path]
) -> None:
    for name, path in files.items():
        returned, written = evidence.read(path), recorded[name]
        assert (returned.architecture, returned.versions, returned.title) == (
            "skip_mlp",
            written.versions,
            written.title,
        )
        assert returned.networks == written.networks
        assert [*returned.cases] == [case.label for case in specs.find("skip_mlp").cases]
        for label, case in written.cases.items():
            other = returned.cases[label]
            assert other.tables == case.tables
            assert other.unbiased is (name == "torch")
            for dtype, arrays in case.arrays.items():
                assert [*other.arrays[dtype]] == [*arrays]  # in the order of execution
                assert all(
                    differences.bitwise_equal(other.arrays[dtype][n], a) for n, a in arrays.items()
                )


def test_files_are_compared_like_live_backends(files: dict[str, Path]) -> None:
    outcome = compare_files([*files.values()])
    assert outcome.proved
    rungs = {check.rung for check in outcome.checks}
    assert rungs == set(RUNGS) - {"mirror", "buffers", "dropout"}
    assert {check.part for check in outcome.checks if check.rung == "optimizers"} == {
        *recipes.EVERYWHERE
    }
    assert outcome.notes == ["not compared from files: the sources (mirror)"]
    assert json.loads(json.dumps(outcome.to_dict()))["proved"] is True


def test_no_framework_is_imported_for_it(files: dict[str, Path]) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from shared.parity import table\n"
        "from shared.parity.files import compare_files\n"
        "outcome = compare_files([Path(p) for p in sys.argv[1:]])\n"
        "print(table.summary(outcome))\n"
        "loaded = {'torch', 'jax', 'flax', 'keras', 'tensorflow'} & set(sys.modules)\n"
        "sys.exit(f'loaded {loaded}' if loaded or not outcome.proved else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, files.values())], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert " 0 failed, 0 missing" in done.stdout


def test_two_runs_of_one_backend_can_be_compared(
    recorded: dict[str, Evidence], files: dict[str, Path], tmp_path: Path
) -> None:
    again = tmp_path / "again.safetensors"
    other = replace(recorded["torch"], versions={"torch": "3.0"}, device="cuda", run="another")
    evidence.write(again, other)
    outcome = compare_files([files["torch"], again])
    assert outcome.proved
    assert outcome.versions == {"torch": recorded["torch"].versions, "torch#2": {"torch": "3.0"}}
    assert outcome.device == "cpu, cuda"
    assert {c.difference for c in outcome.checks if c.rung == "forward"} == {0.0}


def test_evidence_is_not_held_against_itself(files: dict[str, Path], tmp_path: Path) -> None:
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(files["torch"].read_bytes())
    for other in (files["torch"], copy):
        with pytest.raises(EvidenceError, match="are the same evidence, of one run of torch"):
            compare_files([files["torch"], files["flax"], other])


def test_what_not_all_recorded_is_noted(
    recorded: dict[str, Evidence], files: dict[str, Path], tmp_path: Path
) -> None:
    """float64 and trainings that one file alone has are left out, with a note; nothing fails."""
    fewer = tmp_path / "fewer.safetensors"
    cases = {
        label: replace(
            case,
            asked=Asked(),
            arrays={
                "float32": {
                    name: array
                    for name, array in case.arrays["float32"].items()
                    if not name.startswith(("first", "steps", "teacher-forced", "resume"))
                }
            },
        )
        for label, case in recorded["flax"].cases.items()
    }
    evidence.write(fewer, replace(recorded["flax"], cases=tables_of(cases)))
    outcome = compare_files([files["torch"], fewer])
    assert outcome.proved
    assert {check.dtype for check in outcome.checks} == {"float32"}
    assert "not compared in float64, which flax did not record" in outcome.notes
    assert any("trainings" in note for note in outcome.notes)


@pytest.mark.parametrize("rung", PARTS)
def test_what_all_sides_lack_is_missing(
    recorded: dict[str, Evidence], tmp_path: Path, rung: str
) -> None:
    """Whatever a case must show and no evidence has is no pass."""
    paths = []
    for name, original in recorded.items():
        cases = {
            label: replace(
                case,
                arrays={
                    dtype: {n: a for n, a in of.items() if not f"{n}/".startswith(f"{rung}/")}
                    for dtype, of in case.arrays.items()
                },
            )
            for label, case in original.cases.items()
        }
        paths.append(tmp_path / f"{name}.safetensors")
        evidence.write(paths[-1], replace(original, cases=cases))
    outcome = compare_files(paths)
    assert not outcome.proved
    bad = [check for check in outcome.checks if check.status in ("missing", "failed")]
    for name in recorded:
        assert any(check.between == name for check in bad), [*recorded]


@pytest.mark.parametrize("rung", ["inputs", "targets"])
def test_what_was_computed_from_other_numbers_is_missing(
    recorded: dict[str, Evidence], tmp_path: Path, rung: str
) -> None:
    """All sides were, alike: they agree, and nobody knows on what."""
    paths = [tmp_path / f"{name}.safetensors" for name in recorded]
    for path, original in zip(paths, recorded.values(), strict=True):
        evidence.write(path, changed(original, rung, lambda _, array: np.zeros_like(array)))
    outcome = compare_files(paths)
    bad = [check for check in outcome.checks if check.status not in ("passed", "bounded")]
    assert {check.between for check in bad} == {*recorded}
    assert all(f"there is no {rung}/" in check.detail for check in bad)
    assert all("as it is drawn for all" in check.detail for check in bad)


FORGED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "flat": lambda array: array.reshape(-1) if array.ndim > 1 else array[..., None],
    "with one axis more": lambda array: array[None],
    "empty": lambda array: array.reshape(-1)[:0],
    "cut": lambda array: array.reshape(-1)[:-1] if array.size else array[None],
    "a number": lambda array: array.reshape(-1)[:1].reshape(()) if array.size else array[None],
    "of whole numbers": lambda array: np.zeros(array.shape, np.int64),
    "of bytes": lambda array: np.zeros(array.shape, np.uint8),
    "of NaN": lambda array: np.full(array.shape, np.nan),
}


@pytest.mark.parametrize("form", FORGED)
@pytest.mark.parametrize(
    "seed", [pytest.param(n, marks=[exhaustive] if n else []) for n in range(12)]
)
def test_whatever_a_file_holds_is_compared_or_missing(
    recorded: dict[str, Evidence], form: str, seed: int
) -> None:
    """A few arrays of one side are something else; that ends no comparison with an error."""
    spec, (case, *_) = specs.find("skip_mlp"), specs.find("skip_mlp").cases
    sides = {name: one.cases[case.label] for name, one in recorded.items()}
    names = [*sides["torch"].arrays["float64"]]
    picked = np.random.default_rng(seed).choice(names, 5, replace=False)
    arrays = {
        n: FORGED[form](a) if n in picked else a
        for n, a in sides["torch"].arrays["float64"].items()
    }
    sides["torch"] = replace(sides["torch"], arrays={**sides["torch"].arrays, "float64": arrays})
    checks = [
        *case_checks(spec, case, "float64", [*sides], sides, {}, sides["torch"].asked),
        *case_checks(spec, case, "float32", [*sides], sides, {}, sides["torch"].asked),
    ]
    assert any(check.status in ("failed", "missing") for check in checks), picked


@pytest.mark.parametrize("rung", ["variants", "methods"])
def test_a_file_cannot_ask_for_less(
    recorded: dict[str, Evidence], tmp_path: Path, rung: str
) -> None:
    """Evidence that says it was asked for nothing, and has nothing, is no pass on any side."""
    paths = []
    for name, original in recorded.items():
        cases = {
            label: replace(
                case,
                asked=replace(case.asked, variants=0, singles=0, methods=(), passes=False),
                arrays={
                    dtype: {n: a for n, a in of.items() if not n.startswith(f"{rung}/")}
                    for dtype, of in case.arrays.items()
                },
            )
            for label, case in original.cases.items()
        }
        paths.append(tmp_path / f"{name}.safetensors")
        evidence.write(paths[-1], replace(original, cases=cases))
    outcome = compare_files(paths)
    assert not outcome.proved
    assert outcome.count("missing")


def test_a_difference_in_a_file_is_found_and_located(
    recorded: dict[str, Evidence], files: dict[str, Path], tmp_path: Path
) -> None:
    """The second layer's output is changed, and what follows is left alone."""

    def change(name: str, array: np.ndarray) -> np.ndarray:
        return array * (1 + 1e-9) if name == "training/hidden.1:out" else array

    other = tmp_path / "other.safetensors"
    evidence.write(other, changed(recorded["flax"], "training", change))
    outcome = compare_files([files["torch"], other], ["float64"])
    failed = [check for check in outcome.checks if check.status == "failed"]
    assert {check.rung for check in failed} == {"activations"}
    first = failed[0].first
    assert first is not None
    assert (first.layer, first.mode) == ("hidden.1", "training")
    assert "the output of hidden.1 differs by 1.0e-09" in first.text


def test_a_changed_file_is_refused(files: dict[str, Path]) -> None:
    path = files["torch"]
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(EvidenceError, match="was changed after it was written"):
        evidence.read(path)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_truncated_file_is_refused(files: dict[str, Path], share: float) -> None:
    path = files["torch"]
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(EvidenceError, match="cannot read evidence from"):
        evidence.read(path)


def test_evidence_of_other_things_is_not_compared(
    recorded: dict[str, Evidence], files: dict[str, Path], tmp_path: Path
) -> None:
    path = tmp_path / "other.safetensors"
    good = recorded["flax"]
    first = next(iter(good.cases))

    def refused(wrong: Evidence, problem: str, **options: Any) -> None:
        evidence.write(path, wrong)
        with pytest.raises(EvidenceError, match=problem):
            compare_files([files["torch"], path], **options)

    refused(replace(good, architecture="basic_net"), "not of one architecture: torch.saf")
    lacks = {label: case for label, case in good.cases.items() if label != first}
    refused(replace(good, cases=lacks), "of flax lacks the case 'default'")
    networks = {**good.networks, first: {"depth": 9}}
    refused(replace(good, networks=networks), "is of another SkipMLP")
    shifted = changed(good, "inputs", lambda _, array: array + 1)
    refused(shifted, "was computed from other inputs for 'default'")
    single = {
        label: replace(case, arrays={"float32": case.arrays["float32"]})
        for label, case in good.cases.items()
    }
    refused(replace(good, cases=tables_of(single)), "do not all have float64", dtypes=["float64"])


def tables_of(cases: dict[str, CaseEvidence]) -> dict[str, CaseEvidence]:
    """Cases whose tables are of the dtypes that they have."""
    return {
        label: replace(
            case, tables={d: rows for d, rows in case.tables.items() if d in case.arrays}
        )
        for label, case in cases.items()
    }


def test_float32_alone_is_held_to_a_tolerance(
    recorded: dict[str, Evidence], tmp_path: Path
) -> None:
    """Without float64 nothing tells the rounding; the other backend's tells, if there is one."""
    paths = []
    for name, original in recorded.items():
        cases = {
            label: replace(case, arrays={"float32": case.arrays["float32"]})
            for label, case in original.cases.items()
        }
        paths.append(tmp_path / f"{name}.safetensors")
        evidence.write(paths[-1], replace(original, cases=tables_of(cases)))
    outcome = compare_files(paths)
    assert outcome.proved
    forward = [check for check in outcome.checks if check.rung == "forward"]
    assert {check.tolerance for check in forward} == {1e-5}
