"""Parity of users' own models: from Python and with pytest, outside of the catalogue."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.workers import ALONE, Worker
from tests.flavours import QUICKLY, lacking

pytestmark = pytest.mark.xdist_group("own_models")  # they share what was measured once
ROOT = Path(__file__).parents[2]
Call = Callable[..., dict[str, Any]]
MAPPING = {
    "Conv_0": "stem",
    "BatchNorm_0": "stem_norm",
    "LayerNorm_0": "norm",
    "Dense_0": "head",
}


def perform(module: str, name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """In a worker: call a function of a module that imports frameworks."""
    import importlib

    return getattr(importlib.import_module(module), name)(*arguments, **options)


@pytest.fixture(scope="module")
def workers() -> Iterator[Callable[[str], Worker]]:
    """Processes of these tests alone, for two frameworks are in each."""
    with ExitStack() as stack:
        started: dict[str, Worker] = {}

        def get(backend: str) -> Worker:
            for flavour in ("torch", backend):
                reason = lacking(flavour)
                if reason:
                    pytest.skip(reason)
            if backend not in started:
                environment = {"KERAS_BACKEND": "tensorflow"} if backend == "keras" else QUICKLY
                worker = Worker(backend, {**ALONE, **environment})
                started[backend] = stack.enter_context(worker)
            return started[backend]

        yield get


@pytest.fixture(scope="module")
def flax(workers: Callable[[str], Worker]) -> Call:
    """Call a function of `tests.across.own_torch_flax`."""
    return lambda name, *arguments, **options: workers("flax").call(
        perform, "tests.across.own_torch_flax", name, arguments, options
    )


@pytest.fixture(scope="module")
def keras(workers: Callable[[str], Worker]) -> Call:
    """Call a function of `tests.across.own_keras`."""
    return lambda name, *arguments, **options: workers("keras").call(
        perform, "tests.across.own_keras", name, arguments, options
    )


def statuses(report: dict[str, Any]) -> dict[str, str]:
    """The status of every rung; the worst where one has several parts."""
    assert "error" not in report, report["error"]
    result: dict[str, str] = {}
    for check in report["checks"]:
        worse = result.get(check["rung"]) == "failed"
        result[check["rung"]] = "failed" if worse else check["status"]
    return result


def assert_proved(report: dict[str, Any], *rungs: str) -> None:
    """All rungs passed, and these were among them."""
    assert set(statuses(report).values()) == {"passed"}, report["text"]
    assert set(rungs) <= set(statuses(report))
    assert report["proved"]
    assert report["first"] is None
    assert " are the same model" in report["text"]


TRAINED = ("tensors", "forward", "activations", "loss", "gradients", "buffers", "dropout")


def test_corrected_port_is_the_same_model(flax: Call) -> None:
    report = flax("example", {})
    assert_proved(report, *TRAINED)
    sizes = [c["difference"] for c in report["checks"] if c["difference"] is not None]
    assert 0 < max(sizes) < 1e-12
    assert report["notes"] == []  # no tensor holds one value alone


def test_tensors_that_can_hide_something_are_told(flax: Call) -> None:
    (note,) = flax("fresh")["notes"]
    assert note.startswith("stem_norm.weight, stem_norm.bias, stem_norm.running_mean and 3 more")
    assert "may hide a difference" in note


def test_planted_gelu_is_found_and_explained(flax: Call) -> None:
    report = flax("example", {"approximate": True})
    assert not report["proved"]
    first = report["first"]
    assert (first["layer"], first["mode"], first["kind"]) == ("norm", "evaluation", "gelu")
    assert first["point"] == "the input of norm"
    assert 1e-5 < first["difference"] < 1e-1
    assert report["twin"] == "LayerNorm_0"
    assert statuses(report)["tensors"] == "passed"
    assert statuses(report)["forward"] == statuses(report)["gradients"] == "failed"
    assert "flax applies tanh gelu, torch exact gelu" in report["text"]
    assert "the input of norm (flax Flax: LayerNorm_0) differs" in report["text"]
    lines = report["text"].splitlines()
    assert len(lines) < 24
    assert max(map(len, lines)) <= 110


def test_epsilon_is_found_in_the_layer_itself(flax: Call) -> None:
    first = flax("example", {"epsilon": 1e-6})["first"]
    assert (first["layer"], first["kind"]) == ("norm", "epsilon")
    assert first["point"] == "the output of norm"


def test_either_model_may_come_first(flax: Call) -> None:
    report = flax("backwards")
    assert report["first"]["layer"] == "LayerNorm_0"
    assert report["first"]["kind"] == "gelu"
    assert report["twin"] == "norm"


def test_float32_is_held_to_its_rounding(flax: Call) -> None:
    good = flax("example", {}, dtype="float32")
    assert_proved(good, *TRAINED)
    allowed = {c["tolerance"] for c in good["checks"]} - {None, 1e-5}
    assert allowed  # measured ones, not the one for where nothing is
    assert max(allowed) < 1e-3
    bad = flax("example", {"approximate": True}, dtype="float32")
    assert bad["first"]["kind"] == "gelu"
    assert bad["first"]["layer"] == "norm"


def test_evaluation_mode_alone(flax: Call) -> None:
    report = flax("example", {}, train=False)
    assert_proved(report, "tensors", "forward", "activations")
    assert set(statuses(report)) == {"tensors", "forward", "activations"}


def test_without_mapping_one_is_proposed_and_fits(flax: Call) -> None:
    report = flax("example", {}, mapping=None)
    assert report["kind"] == "ConfigurationError"
    assert "only a (torch Torch) has stem.weight (8, 3, 3, 3)" in report["error"]
    assert "only b (flax Flax) has" in report["error"]
    assert "Dense_0.bias (10,)" in report["error"]
    assert report["error"].endswith(f"mapping={MAPPING}")
    again = flax("example", {}, mapping=MAPPING)
    assert_proved(again, *TRAINED)
    assert again["notes"] == ["dropout layers are paired in their order: Dropout_0 with drop"]


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"stem": "Conv_0"}, "the mapping's key 'stem' is no layer or tensor of b (flax Flax)"),
        ({"Conv_0": "stam"}, "value 'stam' is no layer or tensor of a (torch Torch); it has stem"),
        ({**MAPPING, "LayerNorm_0": "stem_norm"}, "each tensor has one twin"),
        ({**MAPPING, "Dense_0": "stem", "Conv_0": "head"}, "stem.weight is (8, 3, 3, 3) in a"),
    ],
)
def test_mappings_that_do_not_fit(flax: Call, mapping: dict[str, str], message: str) -> None:
    report = flax("example", {}, mapping=mapping)
    assert report["kind"] == "ConfigurationError"
    assert message in report["error"]


def test_both_models_stay_as_they_are(flax: Call, keras: Call) -> None:
    for call in (flax, keras):
        same = call("unchanged")
        assert all(same.values()), same


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.zeros((2, 9, 12, 1)), "model a (torch Torch) cannot be run in float64 on the inputs "),
        (np.zeros((0, 9, 12, 3)), "batches of one length above 0, not {'input': 0}"),
        ((np.zeros((2, 3)), np.zeros((3, 3))), "not {'input': 2, 'input1': 3}"),
        (np.full((2, 9, 12, 3), np.nan), "input has values that are not finite"),
        (np.full((2, 9, 12, 3), -1e300), "input has values that float32 does not reach"),
        (np.array(["a"]), "input must be an array of numbers or truths"),
        (np.array([[2**40]]), "input has integers that are not in int32"),
        ({}, "batches of one length above 0"),
    ],
)
def test_inputs_that_do_not_fit(flax: Call, inputs: Any, message: str) -> None:
    report = flax("example", {}, inputs=inputs)
    assert report["kind"] == "InputError"
    assert message in report["error"]


def test_several_inputs_and_outputs(flax: Call) -> None:
    good = flax("two")
    assert_proved(good, "tensors", "forward", "activations", "loss", "gradients")
    assert "buffers" not in statuses(good)
    bad = flax("two", 4)
    assert bad["first"]["layer"] == "group"
    assert bad["twin"] == "GroupNorm_0"
    assert "normalises over" in bad["first"]["cause"]


def test_convolution_over_steps(flax: Call) -> None:
    assert_proved(flax("steps"), "gradients", "buffers")
    first = flax("steps", padding="CIRCULAR")["first"]
    assert (first["layer"], first["point"]) == ("body", "the output of body")


def test_values_are_compared_with_their_maximum(flax: Call) -> None:
    """A maximum that XLA computes again with other rounding is none of the values."""
    assert_proved(flax("maxima"), "activations", "gradients")


def test_weights_may_be_compared_in_place_of_copied(flax: Call) -> None:
    assert_proved(flax("own_weights", True), *TRAINED)
    other = flax("own_weights", False)
    tensors = other["checks"][0]
    assert tensors["status"] == "failed"
    assert tensors["detail"] == "head.weight does not hold the same values in both"
    assert other["first"]["layer"] == "head"


def test_modes_that_are_fields_and_dropout(flax: Call) -> None:
    assert_proved(flax("plain", 0.5, {}), *TRAINED)
    other = flax("plain", 0.5, {"rate": 0.25})
    assert other["first"]["kind"] == "dropout rate"
    assert other["first"]["layer"] == "drop"
    assert other["first"]["cause"] == "torch drops 0.5 of the values, flax 0.25"
    none = flax("plain", 0.0, {})
    assert none["first"]["kind"] == "dropout rate"
    assert statuses(none)["forward"] == "passed"


def test_momentum_shows_in_the_buffers_alone(flax: Call) -> None:
    report = flax("plain", 0.5, {"momentum": 0.99})
    failed = {rung for rung, status in statuses(report).items() if status == "failed"}
    assert failed == {"buffers"}
    assert report["first"]["layer"] == "norm"
    assert "momentum" in report["first"]["kind"]


def test_randomness_that_is_no_layer_is_told(flax: Call) -> None:
    report = flax("plain", None, {"rate": 0.0})
    assert report["kind"] == "ConfigurationError"
    assert "model a (torch Plain): it gives another loss each time" in report["error"]
    assert_proved(flax("plain", None, {"rate": 0.0}, train=False))


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("no variables", "model b is a Flax module without its variables"),
        ("parameters alone", "the variables of model b must be a dictionary that has 'params'"),
        ("a text", "model a must be a torch.nn.Module, a pair"),
        ("no statistics", "the variables are not the module's: they lack batch_stats/norm/mean"),
        ("a layer alone", "has tensors of its own, outside of any layer: weight, bias"),
        ("a fixed dtype", "(flax Sequential): 0 computes in float32, whatever it is given"),
    ],
)
def test_what_is_no_model(flax: Call, what: str, message: str) -> None:
    report = flax("other_things", what)
    assert message in report.get("error", "no error")


def test_unknown_dtype(flax: Call) -> None:
    report = flax("example", {}, dtype="bfloat16")
    assert report["error"] == "dtype must be float64 or float32, not 'bfloat16'"


def test_keras_port(keras: Call) -> None:
    report = keras("example", {})
    assert_proved(report, *TRAINED)
    assert report["notes"] == ["the gradient of stem.bias is 0 but for rounding, in both"]
    assert_proved(keras("example", {}, dtype="float32"), *TRAINED)
    assert_proved(keras("made_of_layers"), *TRAINED)


@pytest.mark.parametrize(
    ("changes", "layer", "kind"),
    [({"epsilon": 1e-3}, "norm", "epsilon"), ({"first": False}, "head", "flatten order")],
)
def test_keras_port_with_a_bug(keras: Call, changes: Any, layer: str, kind: str) -> None:
    first = keras("example", changes)["first"]
    assert (first["layer"], first["kind"]) == (layer, kind)


def test_keras_models_that_cannot_be_compared(keras: Call) -> None:
    assert "call it once before" in keras("refused", "unbuilt")["error"]
    assert "this one's takes x, y" in keras("refused", "several")["error"]


def test_assertion_says_what_differs_first(flax: Call) -> None:
    text = flax("raised")
    assert "first difference: the input of norm" in text
    assert "likely cause: flax applies tanh gelu" in text


def run(*arguments: str, directory: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        **ALONE,
        **QUICKLY,
        "PYTHONPATH": str(ROOT),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_fixture_for_pytest(tmp_path: Path) -> None:
    for flavour in ("torch", "flax"):
        reason = lacking(flavour)
        if reason:
            pytest.skip(reason)
    (tmp_path / "test_port.py").write_text(
        "from tests.examples.own_models import IMAGES, MAPPING, Torch, port\n"
        "def test_bad(assert_same_model):\n"
        "    assert_same_model(Torch(), port(), IMAGES, mapping=MAPPING)\n"
        "def test_good(assert_same_model):\n"
        "    assert_same_model(Torch(), port(approximate=False), IMAGES, mapping=MAPPING)\n",
        "utf-8",
    )
    done = run("-m", "pytest", "-p", "triptych.pytest_plugin", "-q", directory=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "1 failed, 1 passed" in done.stdout
    assert "first difference: the input of norm (flax Flax: LayerNorm_0) differs" in done.stdout
    assert "[gelu]" in done.stdout
    assert "user_models.py" not in done.stdout  # the test's own line is shown, and no more
