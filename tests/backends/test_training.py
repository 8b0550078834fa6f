"""The learning rate of each step is the same formula in every backend."""

import importlib
from typing import Any

import numpy as np
import pytest

from shared.panels import PANELS
from shared.specs import Settings
from tests.conftest import Lend


def rates(backend: str, settings: Settings, steps: int) -> list[float]:  # in a worker
    """The learning rate of each step, in float64."""
    panel: Any = importlib.import_module(f"{PANELS[backend]}.training")
    if backend == "torch":
        import torch

        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], settings.learning_rate)
        schedule = panel.make_schedule(optimizer, settings)
        values = []
        for _ in range(steps):
            values.append(schedule.get_last_lr()[0])
            optimizer.step()
            schedule.step()
        return values
    if backend == "flax":
        import jax

        with jax.enable_x64(True):
            rate = panel.make_schedule(settings)
            return [float(rate(jax.numpy.asarray(step, "int32"))) for step in range(steps)]
    from keras_impl.engine.computing import computing

    with computing("float64", "cpu"):
        rate = panel.make_schedule(settings)
        return [float(rate(step)) for step in range(steps)]


@pytest.mark.parametrize("backend", PANELS)
@pytest.mark.parametrize(
    ("warmup", "decay"), [(None, 9), (5, None), (5, 9), (1, 1), (6, 1)], ids=str
)
def test_the_learning_rate_is_the_same_formula_everywhere(
    lend: Lend, backend: str, warmup: int | None, decay: int | None
) -> None:
    settings = Settings(learning_rate=0.003, warmup_steps=warmup, decay_steps=decay)
    steps = np.arange(20)
    rise = (steps + 1) / ((warmup or 0) + 1)
    past = np.clip((steps - (warmup or 0)) / decay, 0, 1) if decay else np.zeros(20)
    expected = 0.003 * np.where(steps < (warmup or 0), rise, (1 + np.cos(np.pi * past)) / 2)
    actual = lend(backend).call(rates, backend, settings, len(steps))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=0.003 * 1e-12)
    assert actual[0] > 0
