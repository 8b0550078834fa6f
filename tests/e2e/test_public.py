"""`import triptych` does what the command does."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared import registry, weights
from shared.workers import Worker
from tests.e2e.command import here

INSTALLED = registry.installed()


def trained(backend: str, path: Path) -> None:
    import triptych

    model = triptych.build("basic_net", backend)
    digits = triptych.load_data()
    history = triptych.fit(model, digits, epochs=1)
    triptych.save_weights(path, model, history=history, data=digits)


@pytest.mark.skipif(not INSTALLED, reason="no backend is installed")
def test_a_training_is_that_of_the_command(tmp_path: Path) -> None:
    backend = INSTALLED[0]
    own, commands = tmp_path / "own.safetensors", tmp_path / "commands.safetensors"
    with Worker(backend) as worker:
        worker.call(trained, backend, own)
    done = here("train", "basic_net", "--backend", backend, "--epochs", "1", "-o", str(commands))
    assert done.status == 0, done.err
    arrays, about = weights.read(own)
    expected, metadata = weights.read(commands)
    assert arrays.keys() == expected.keys()
    for name, array in arrays.items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-4, atol=1e-5)
    histories: list[Any] = [each.pop("history") for each in (about, metadata)]
    assert about == metadata
    mine, theirs = histories
    assert mine.keys() == theirs.keys()
    assert mine["settings"] == theirs["settings"]
    assert mine["epochs"][0]["loss"] == pytest.approx(theirs["epochs"][0]["loss"], rel=1e-4)
