"""What was compiled is kept for the next run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared import caches, registry
from tests.flavours import exhaustive

DIRECTORY = "JAX_COMPILATION_CACHE_DIR"
PARITY = ["parity", "basic_net", "--dtype", "float64", "--no-trainings"]
TRAIN = ["train", "basic_net", "--backend", "flax", "--epochs", "1", "-o", "weights"]


@pytest.mark.skipif(bool(registry.missing("flax")), reason="flax is not installed")
@pytest.mark.parametrize(
    ("command", "step"), [(TRAIN, "train_step"), pytest.param(PARITY, "loss", marks=exhaustive)]
)
def test_a_second_run_finds_what_the_first_one_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], step: str
) -> None:
    monkeypatch.delenv(DIRECTORY, raising=False)  # or it is where the user has it
    folder = tmp_path / "compiled"

    def kept(where: str) -> set[str]:
        """The compiled steps that are there after a run."""
        subprocess.run(
            [sys.executable, "-c", "from shared.cli import main; main()", *command],
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": str(Path(caches.__file__).parents[1]),
                caches.VARIABLE: where,
                "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            },
            check=True,
            capture_output=True,
        )
        return {path.name for path in folder.rglob(f"*{step}*-cache")}

    assert kept("off") == set()
    first = kept(str(folder))
    assert first
    assert kept(str(folder)) == first
