"""The README's examples work as they stand, and what it states is so."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared import mnist, registry, specs

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
    """A working directory with a digit to predict."""
    folder = tmp_path_factory.mktemp("readme")
    Image.fromarray(mnist.load("sample").test.images[0, :, :, 0]).save(folder / "digit.png")
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
    assert "conv1.weight (32, 1, 3, 3) float32 parameter" in result.stdout
    assert "'class_output': (3, 10), 'reg_output': (3, 1)" in result.stdout
    accuracy = re.search(r"(\d+) % of the test digits", result.stdout)
    assert accuracy
    assert int(accuracy[1]) > 80


def test_the_table_of_architectures_is_that_of_the_specs() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)\.py` \| (.*?) \| .* \| (.*?) \|$", TEXT, re.MULTILINE)
    assert [row[0] for row in rows] == list(specs.SPECS)
    for name, file, classes, parameters in rows:
        spec = specs.find(name)
        assert file == spec.network.file
        assert f"`{spec.network.cls}`" in classes
        assert parameters in (f"{spec.parameters:,}", "its base's")


def test_the_output_shown_has_what_compare_prints() -> None:
    (shown,) = [text for kind, text in BLOCKS if kind == "text"]
    for title in ("parameters", "first forward pass", "test accuracy", "images/s", "peak memory"):
        assert title in shown
    accuracies = [float(value) for value in re.findall(r"(\d+\.\d+) %", shown)]
    assert len(accuracies) == 3
    assert np.min(accuracies) >= 96
