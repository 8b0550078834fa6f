"""A benchmark's order, its arithmetic and its JSON, with workers that are made up."""

import json
import math
from typing import Any

import pytest

from shared import registry, specs, strict
from shared.benchmark import run
from shared.errors import ConfigurationError, DeviceMissingError, WorkerError
from shared.workers import COMPILED_ANEW, TUNED
from tests.unit.benchmark.workers import FakeWorker, benched, printed, with_costs


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mnist_classifier", ("images", 1)),
        ("unet", ("pixels", 64 * 64)),
        ("seq2seq", ("sequences", 1)),
        ("row_gru", ("images", 1)),
    ],
)
def test_units(name: str, expected: tuple[str, int]) -> None:
    assert run.unit(specs.find(name)) == expected


@pytest.mark.usefixtures("quiet")
def test_candidates_take_turns_in_every_measurement() -> None:
    _, log = benched(
        variants=("idiomatic", "tuned"), backends=("torch", "keras"), batch_sizes=(32,)
    )
    titles = ["torch idiomatic", "torch tuned", "keras idiomatic", "keras tuned"]
    anew = len(COMPILED_ANEW)
    tuned = anew + len(TUNED)
    assert log[:4] == [
        f"torch idiomatic: own weights, {anew} variables",
        f"torch tuned: others' weights, {tuned} variables",
        f"keras idiomatic: others' weights, {anew} variables",
        f"keras tuned: others' weights, {tuned} variables",
    ]
    expected = []
    for number in range(3):
        order = titles[number:] + titles[:number]
        for what in ("train", "infer 32", "infer 1"):
            expected += [f"{title}: {what}" for title in order]
    assert log[4 : 4 + len(expected)] == expected
    rest = log[4 + len(expected) :]
    assert rest[:4] == [f"{title}: epochs" for title in titles]
    assert sorted(rest[4:]) == sorted(f"{title}: ended" for title in titles)


@pytest.mark.usefixtures("quiet")
def test_architectures_come_one_after_the_other_and_only_one_has_a_reference() -> None:
    outcome, log = benched(architectures=("mnist_classifier", "unet"), backends=("torch",))
    assert [(row.architecture, row.variant) for row in outcome.rows] == [
        ("mnist_classifier", "idiomatic"),
        ("mnist_classifier", "tuned"),
        ("mnist_classifier", "reference"),
        ("unet", "idiomatic"),
        ("unet", "tuned"),
    ]
    assert log.count("torch reference: train") == 3
    assert not [line for line in log if line.startswith("torch reference: infer")]
    pixels = outcome.of("unet")[0]
    assert (pixels.unit, pixels.training.median) == ("pixels", 1000 * 64 * 64)
    in_float64, _ = benched(backends=("torch",), dtype="float64")
    assert [row.variant for row in in_float64.rows] == ["idiomatic", "tuned"]


@pytest.mark.usefixtures("quiet")
def test_rows_have_figures_shares_and_differences() -> None:
    outcome, _ = benched()
    row = outcome.rows[1]
    assert row.title == "torch tuned"
    assert row.training == run.Figure(2000, 0, (2000, 2000, 2000))
    assert row.inference[64].median == 64 * 10 / 5
    work = specs.find("mnist_classifier").operations
    assert row.share["training"] == pytest.approx(100 * 2000 * work.training / 1e12)
    assert row.share["inference 256"] == pytest.approx(100 * 512 * work.forward / 1e12)
    assert row.cores == {
        "training": 2,
        "inference 64": 0.5,
        "inference 256": 0.5,
        "inference 1": 0.5,
    }
    assert row.latency == run.Latency(0.5, 0.5, 30)
    assert row.total_seconds == 2 + 0.25 + 3 + 10
    assert (row.startup_seconds, row.import_seconds) == (2, 1.5)
    differences = [(r.title, r.difference, r.held_against) for r in outcome.rows]
    assert differences[0] == ("torch idiomatic", None, None)
    assert differences[1] == ("torch tuned", 0, "torch idiomatic")
    assert differences[2] == ("torch reference", None, None)
    assert differences[3][1] == pytest.approx(1e-6, rel=1e-3)
    assert outcome.foreign_load == 0
    assert not outcome.disturbed
    assert not outcome.wrong
    assert outcome.passed
    strict, _ = benched(dtype="float64")
    assert [row.title for row in strict.wrong] == ["flax idiomatic", "flax tuned"]
    assert not strict.passed
    on_gpu, _ = benched(device="cuda")
    assert set(on_gpu.rows[0].share.values()) == {None}


@pytest.mark.usefixtures("quiet")
def test_in_bfloat16_every_candidate_is_held_against_its_own_float32() -> None:
    outcome, _ = benched(dtype="bfloat16")
    rows = [(row.title, row.difference, row.held_against) for row in outcome.rows]
    titles = ["torch idiomatic", "torch tuned", "flax idiomatic", "flax tuned"]
    assert rows == [(title, 2**-7, "float32") for title in titles]
    assert outcome.passed
    text = printed(outcome)
    assert "mnist_classifier: bfloat16 on cpu" in text
    assert "first outputs, difference from float32's: torch idiomatic 7.8e-03, torch" in text
    assert "NumPy's products of float32 matrices" in text
    wrong, _ = benched({"flax tuned": "nan"}, dtype="bfloat16")
    assert [(row.title, row.difference) for row in wrong.wrong] == [("flax tuned", math.inf)]
    assert not wrong.passed
    assert "flax tuned: the first outputs differ from float32's by inf" in printed(wrong)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("when", ["prepare", "train", "infer", "run_epochs"])
def test_a_candidate_that_fails_is_named_and_the_others_go_on(when: str) -> None:
    outcome, log = benched({"torch tuned": when})
    assert [row.title for row in outcome.rows] == [
        "torch idiomatic",
        "torch reference",
        "flax idiomatic",
        "flax tuned",
        "flax reference",
    ]
    assert outcome.errors == {"mnist_classifier torch tuned": f"torch tuned broke in {when}"}
    assert not outcome.passed
    # It is not waited for, and not asked again.
    assert log.count("torch tuned: ended at once") == 1
    assert log.count("flax tuned: train") == 3


@pytest.mark.usefixtures("quiet")
def test_weights_come_from_the_first_that_works() -> None:
    _, log = benched({"torch": "start"})
    begun = [line for line in log if "weights" in line]
    assert begun[0].startswith("flax idiomatic: own weights, ")
    assert begun[1].startswith("flax tuned: others' weights")


@pytest.mark.usefixtures("quiet")
def test_no_result_at_all_is_an_error_with_every_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WorkerError) as caught:
        benched({"torch": "start", "flax": "start"})
    assert str(caught.value) == "the torch backend failed; the flax backend failed"
    monkeypatch.setattr(registry, "missing", lambda _: ["jax"])
    with pytest.raises(ConfigurationError, match=r"\.\[torch\].*\.\[flax\]"):
        benched()


@pytest.mark.usefixtures("quiet")
def test_a_device_that_is_missing_is_told_once_for_each_backend() -> None:
    def refuse(worker: FakeWorker, _: Any) -> None:
        raise DeviceMissingError(f"{worker.backend} finds no CUDA device")

    told: list[str] = []
    kind: Any = type("Without", (FakeWorker,), {"log": [], "faults": {}, "prepare": refuse})
    with pytest.raises(DeviceMissingError) as caught:
        run.run(run.Request(backends=("torch", "flax"), device="cuda"), told.append, start=kind)
    assert str(caught.value) == "torch finds no CUDA device; flax finds no CUDA device"
    assert all(line.endswith(": starting, building, warming up") for line in told)


@pytest.mark.usefixtures("quiet")
def test_a_backend_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "missing", lambda name: ["jax"] if name == "flax" else [])
    outcome, _ = benched()
    assert {row.backend for row in outcome.rows} == {"torch"}
    assert "pip install -e '.[flax]'" in outcome.skipped["flax"]
    assert "flax: skipped" in printed(outcome)


@pytest.mark.usefixtures("quiet")
def test_json_has_everything() -> None:
    outcome, _ = benched()
    outcome.costs = with_costs()
    value = json.loads(json.dumps(strict.finite(outcome.to_dict())))
    assert set(value) == {
        "kind", "format", "request", "peak", "foreign_load", "rows", "environment_bytes", "costs",
        "accuracy", "errors", "skipped", "machine", "disturbed", "passed",
    }  # fmt: skip
    for row in value["rows"]:
        reference = row["variant"] == "reference"
        empty = {name for name, content in row.items() if content in (None, {}, [])}
        allowed = {"difference", "held_against"}
        if reference:
            allowed |= {"inference", "first_inference_seconds", "latency", "peak_memory_mib"}
        assert empty <= allowed
        for name in ("training", "share", "cores", "resolved", "versions", "total_seconds"):
            assert row[name]
        assert len(row["training"]["rounds"]) == 3
    assert value["costs"]["growth"]["torch"][0]["peak_memory_mib"] == 600
    assert value["request"]["batch_sizes"] == [64, 256]
