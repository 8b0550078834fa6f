"""What tests of several tiers are given: pictures, requests, and the laws of frameworks."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from shared import compare, mnist, tasks
from shared.parity.initialisers import Row
from shared.specs import Settings

DRAWN = {"unet": "mask", "seq2seq": "attention"}  # whose predictions are pictures, and of what
OF_TORCH = "U(±1/sqrt(fan_in))"


def write_digits(folder: Path) -> list[Path]:
    """Three digits as PNG files, of classes 0, 1 and 2."""
    sample = mnist.load("sample")
    paths = []
    for digit in range(3):
        first = int(np.argmax(sample.train.labels == digit))
        path = folder / f"digit{digit}.png"
        Image.fromarray(sample.train.images[first, :, :, 0]).save(path)
        paths.append(path)
    return paths


def write_scene(folder: Path) -> tuple[Path, np.ndarray, np.ndarray]:
    """A canvas as a PNG file, its pixels uint8 (64, 64, 1), and its mask (64, 64)."""
    images, masks = tasks.canvases(mnist.load("sample").test, np.random.default_rng(3))
    Image.fromarray(images[0, ..., 0]).save(folder / "scene.png")
    return folder / "scene.png", images[0], masks[0]


def quick(**changes: Any) -> compare.Request:
    """A request for a short training, with these changes."""
    settings = Settings(epochs=1, batch_size=500)
    request = {
        "architecture": "basic_net",
        "data": "sample",
        "directory": None,
        "settings": settings,
        "seed": 0,
        "device": "cpu",
    }
    return compare.Request(**{**request, **changes})


def laws(rows: list[Row]) -> dict[str, str]:
    """The law of each kind of new weights, of which there is one."""
    assert len({row.kind for row in rows}) == len(rows)
    return {row.kind: row.law for row in rows}
