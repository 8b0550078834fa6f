"""The README's examples work as they stand, and what it states is so."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared import mnist, registry, specs, tasks

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
COMMANDS = [line for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]
EVERYTHING = not [name for name in registry.BACKENDS if registry.missing(name)]
needs_all = pytest.mark.skipif(not EVERYTHING, reason="the examples use all three backends")


def test_the_two_commands_come_first_and_are_in_the_makefile() -> None:
    assert COMMANDS[:2] == ["make demo", "make test"]
    makefile = (ROOT / "Makefile").read_text()
    for command in COMMANDS[:2]:
        assert f"\n{command.split()[1]}: " in makefile


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with a digit, a scene of digits and a number to predict."""
    folder = tmp_path_factory.mktemp("readme")
    test, random = mnist.load("sample").test, np.random.default_rng(0)
    strips, length, _ = tasks.strips(test, random)
    for name, image in (
        ("digit", test.images[0, :, :, 0]),
        ("scene", tasks.canvases(test, random)[0][0, :, :, 0]),
        ("number", strips[0, :, : length[0]]),
    ):
        Image.fromarray(image).save(folder / f"{name}.png")
    return folder


@needs_all
@pytest.mark.parametrize("command", COMMANDS[2:])
def test_command(command: str, folder: Path) -> None:
    program, *arguments = shlex.split(command)
    assert program == "triptych"
    call = [sys.executable, "-c", "from shared.cli import main; main()", *arguments]
    result = subprocess.run(call, capture_output=True, text=True, cwd=folder, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip()
    assert "Traceback" not in result.stderr


@needs_all
@pytest.mark.parametrize("code", [text for kind, text in BLOCKS if kind == "python"])
def test_python(code: str, folder: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    if "compare_models" in code:
        assert "torch Net and flax Port are NOT the same model" in result.stdout
        assert "the input of norm (flax Port: LayerNorm_0) differs by" in result.stdout
        assert "likely cause: flax applies tanh gelu, torch exact gelu" in result.stdout
        return
    assert "conv1.weight (32, 1, 3, 3) float32 parameter" in result.stdout
    assert "'class_output': (3, 10), 'reg_output': (3, 1)" in result.stdout
    accuracy = re.search(r"(\d+) % of the test digits", result.stdout)
    assert accuracy
    assert int(accuracy[1]) > 80


def test_the_table_of_architectures_is_that_of_the_specs() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (`\w+\.py`.*?) \| (.*?) \| .* \| (.*?) \|$", TEXT, re.MULTILINE
    )
    assert [row[0] for row in rows] == list(specs.SPECS)
    for name, files, classes, parameters in rows:
        spec = specs.find(name)
        assert re.findall(r"`(\w+)\.py`", files) == list(spec.files)
        # A cell is reached through its network: no case builds it alone.
        built = {case.network.cls for case in spec.cases}
        assert built <= {*re.findall(r"`(\w+)`", classes)} <= built | {"GRUCell"}
        assert parameters in (f"{spec.parameters:,}", "its base's")


def test_the_table_of_scores_has_every_network_that_is_trained() -> None:
    rows = re.findall(
        r"^\| `triptych compare (\w+)(.*?)` \| (.*?) \| (.*?) % \| (.*?) % \| (.*?) % \|$",
        TEXT,
        re.MULTILINE,
    )
    trained = {spec.name: spec.require_task() for spec in specs.SPECS.values() if spec.task}
    assert [row[0] for row in rows] == list(trained)
    least = {"basic_net": 93, "skip_mlp": 96, "unet": 80, "seq2seq": 90, "mnist_classifier": 96}
    for name, options, score, *reached in rows:
        assert score == specs.METRICS[trained[name].metrics[0]].removeprefix("test ")
        assert ("--data mnist" in options) is (name in ("unet", "seq2seq"))
        assert all(least.get(name, 85) <= float(value) <= 100 for value in reached)


def test_the_output_shown_has_what_compare_prints() -> None:
    shown = next(text for kind, text in BLOCKS if kind == "text")
    for title in ("parameters", "first forward pass", "test accuracy", "images/s", "peak memory"):
        assert title in shown
    accuracies = [float(value) for value in re.findall(r"(\d+\.\d+) %", shown)]
    assert len(accuracies) == 3
    assert np.min(accuracies) >= 96
