"""MNIST and Fashion-MNIST as NumPy arrays, with no framework imported.

Three data sets go by name. `sample` is 5,000 real MNIST digits that come with the package.
`mnist` and `fashion_mnist` are the full sets; they are looked for in the data directory and, where
they are not there, downloaded into it. Every file is checked against the SHA-256 sum of its
contents before one byte of it is used.

Sources: MNIST by Yann LeCun, Corinna Cortes and Christopher J. C. Burges (CC BY-SA 3.0);
Fashion-MNIST by Han Xiao, Kashif Rasul and Roland Vollgraf, arXiv:1708.07747 (MIT); for the sample
see `sample/README.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shared import reprs
from shared.data.download import fetch
from shared.data.files import (
    DIRECTORY_VARIABLE,
    FILES,
    MISSING,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    Directory,
    best,
    data_directory,
)
from shared.errors import DataError, InputError

MEAN, STD = 0.1307, 0.3081  # of MNIST's training pixels, as every MNIST example has them


@dataclass(frozen=True)
class Split:
    """One part of a data set: images uint8 (N, 28, 28, 1), labels int32 (N,)."""

    images: np.ndarray
    labels: np.ndarray

    def __repr__(self) -> str:
        return f"<Split: {len(self.images):,} images, {len(self.labels):,} labels>"


@dataclass(frozen=True)
class Dataset:
    """A data set in memory, and for people where it came from."""

    name: str
    train: Split
    test: Split
    source: str

    def __repr__(self) -> str:
        return reprs.data("Dataset", self.name, vars(self.train), vars(self.test))

    def _repr_html_(self) -> str:
        return reprs.data_html("Dataset", self.name, vars(self.train), vars(self.test))


def load(
    name: str,
    directory: Directory = None,
    *,
    download: bool = True,
    progress: bool = True,
) -> Dataset:
    """Read a data set, after a download where it is not yet in the data directory.

    Args:
        name: One of `NAMES`.
        directory: The data directory; see `data_directory`. The sample needs none.
        download: Whether files that are missing may be downloaded.
        progress: Whether a download shows its progress on stderr.

    Returns:
        Images uint8 (N, 28, 28, 1) and labels int32 (N,), for `train` and for `test`.

    Raises:
        ConfigurationError: There is no data set of that name.
        DataError: A file is missing, damaged, or cannot be stored.
        DownloadError: The kind of DataError where a file is missing and no mirror gave it.
    """
    whole = _gather(name, directory)
    missing = [file for file in FILES if file not in whole]
    if missing and not download:
        raise DataError(
            f"{name} is not in {data_directory(directory)}: {missing[0]} is missing; let it be "
            f"downloaded, name its directory in {DIRECTORY_VARIABLE}, or use the data set 'sample'"
        )
    if missing:
        fetch(name, missing, directory, progress)
        whole = _gather(name, directory)

    def split(images: str, labels: str) -> Split:
        # Copies, as arrays on bytes are read-only, which PyTorch warns of.
        return Split(
            np.frombuffer(whole[images][1], np.uint8, offset=16).reshape(-1, 28, 28, 1).copy(),
            np.frombuffer(whole[labels][1], np.uint8, offset=8).astype(np.int32),
        )

    source = "the embedded sample" if name == "sample" else str(whole[TRAIN_IMAGES][0].parent)
    return Dataset(name, split(TRAIN_IMAGES, TRAIN_LABELS), split(TEST_IMAGES, TEST_LABELS), source)


def normalise(images: np.ndarray) -> np.ndarray:
    """Scale pixels to [0, 1], subtract `MEAN` and divide by `STD`.

    Bit for bit what torchvision's `ToTensor` and `Normalize((0.1307,), (0.3081,))` give: each of
    the three steps is rounded to float32. A pixel has 256 values, so a table holds every result.

    Args:
        images: uint8, of any shape; (N, 28, 28, 1) here.

    Returns:
        float32, of the same shape.

    Raises:
        InputError: The images are not uint8.
    """
    if images.dtype != np.uint8:
        raise InputError(f"images to normalise are {images.dtype}; they must be uint8, 0 to 255")
    pixels = np.arange(256, dtype=np.float32)
    return ((pixels / np.float32(255) - np.float32(MEAN)) / np.float32(STD))[images]


def _gather(name: str, directory: Directory) -> dict[str, tuple[Path, bytes]]:
    """The files of a data set that are here, with their contents; raise for a damaged one."""
    whole = {}
    for file in FILES:
        check, contents = best(name, file, directory)
        if check.ok:
            whole[file] = check.path, contents
        elif name == "sample":
            raise DataError(f"{check.path} {check.problem}; install triptych again")
        elif check.problem != MISSING:
            raise DataError(f"{check.path} {check.problem}; remove it or download {name} again")
    return whole
