"""Pictures that predictions are asked of, and those that a prediction draws."""

from pathlib import Path

import numpy as np
from PIL import Image

from shared.data import mnist, tasks

DRAWN = {"unet": "mask", "seq2seq": "attention"}  # whose predictions are pictures, and of what


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
