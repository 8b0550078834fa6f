"""The examples of the README and the docs work as they stand."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared import registry
from shared.data import mnist, tasks
from tests.e2e.command import here, process
from tests.e2e.smaller import make_smaller
from tests.flavours import ALL
from tests.readme import examples

EVERYTHING = not [name for name in registry.BACKENDS if registry.missing(name)]
COMMANDS = {name: text for name, text in examples("sh").items() if "make " not in text}
needs_all = pytest.mark.skipif(not EVERYTHING, reason="the examples use all three backends")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory with a digit, a scene of digits and a number to predict."""
    test, random = mnist.load("sample").test, np.random.default_rng(0)
    strips, length, _ = tasks.strips(test, random)
    for name, image in (
        ("digit", test.images[0, :, :, 0]),
        ("scene", tasks.canvases(test, random)[0][0, :, :, 0]),
        ("number", strips[0, :, : length[0]]),
    ):
        Image.fromarray(image).save(tmp_path / f"{name}.png")
    return tmp_path


@needs_all
@pytest.mark.parametrize("commands", COMMANDS.values(), ids=COMMANDS)
def test_commands(commands: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in one block, one after the other."""
    if not ALL:
        make_smaller(monkeypatch)
    for command in commands.splitlines():
        program, *arguments = shlex.split(command)
        assert program == "triptych"
        done = (process if ALL else here)(*arguments, folder=folder)
        assert done.status == 0, f"{command}: {done.err}"
        assert done.out.strip()
        assert "Traceback" not in done.err


@needs_all
@pytest.mark.parametrize("code", examples("python").values(), ids=examples("python"))
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
        outputs = [text for text in examples("text").values() if "flax Port" in text]
        assert outputs
        assert {*outputs} == {result.stdout}  # the weights have a seed
        return
    shown = next(text for text in examples("text").values() if "<MIMONet in" in text)
    figures = re.compile(r"loss (\d\.\d\d), test accuracy (\d\d\.\d) %")
    assert figures.sub("", result.stdout) == figures.sub("", shown)
    printed = figures.search(result.stdout)
    assert printed
    assert float(printed[2]) > 80
    assert (folder / "mimo.safetensors").is_file()
