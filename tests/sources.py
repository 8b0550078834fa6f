"""The sources, whose imports tests look at: what there is, and processes that import it."""

import os
import subprocess
import sys
from pathlib import Path

from shared.panels import PANELS
from shared.specs import SPECS, Network

ROOT = Path(__file__).parents[1]
FRAMEWORKS = {"torch", "torchvision", "jax", "jaxlib", "flax", "optax", "keras", "tensorflow"}
OWN = {*PANELS.values(), "shared", "triptych"}
SHIPPED = (
    "basic_net", "mimo_net", "simple_resnet", "mnist_classifier", "branching_net", "sequential_net",
    "skip_mlp", "inception_net", "dense_net", "unet", "seq2seq", "row_gru", "early_exit_net",
    "inference_model",
)  # fmt: skip
"""The architectures that the docs, the recorded figures and the guide must have.

One that is added may be there too; what is said of it must be true.
"""
ARCHITECTURES = sorted(
    {
        inner.file
        for spec in SPECS.values()
        for case in spec.cases
        for inner in (case.network, *case.network.config.values())
        if isinstance(inner, Network)
    }
)


def fresh(code: str) -> str:
    """Run code in a process of its own; what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200"},  # tables as on a wide terminal
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
