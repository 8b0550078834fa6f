"""MNIST's files for the tests of the loader: tiny ones, in place of the user's own.

The full data sets are read only where TRIPTYCH_DATA names a directory that holds them. Elsewhere
tiny ones stand in, by other sums and counts in the loader's tables; the code is the same.
"""

import struct
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from shared.data import files, mnist
from shared.errors import DataError
from tests.idx_files import FULL_NAMES

Contents = dict[str, dict[str, bytes]]


@pytest.fixture(autouse=True)
def no_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the tests from the user's own data."""
    monkeypatch.delenv(files.DIRECTORY_VARIABLE, raising=False)
    monkeypatch.setattr(files.platformdirs, "user_cache_dir", lambda app: str(tmp_path / app))


def idx(array: np.ndarray) -> bytes:
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Contents:
    """Make MNIST and Fashion-MNIST two sets of 30 and 20 random images; return their contents."""
    rng = np.random.default_rng(7)
    sets: Contents = {}
    for name in FULL_NAMES:
        sets[name] = {}
        for part, count in (("train", 30), ("t10k", 20)):
            images = rng.integers(0, 256, (count, 28, 28))
            sets[name][f"{part}-images-idx3-ubyte"] = idx(images)
            sets[name][f"{part}-labels-idx1-ubyte"] = idx(rng.integers(0, 10, count))
        sums = {file: sha256(contents).hexdigest() for file, contents in sets[name].items()}
        monkeypatch.setitem(files.SUMS, name, sums)
        monkeypatch.setitem(files.COUNTS, name, (30, 20))
    return sets


def assert_holds(data: mnist.Dataset, files: dict[str, bytes]) -> None:
    for split, part in ((data.train, "train"), (data.test, "t10k")):
        assert split.images.tobytes() == files[f"{part}-images-idx3-ubyte"][16:]
        assert bytes(split.labels.tolist()) == files[f"{part}-labels-idx1-ubyte"][8:]


def sentence(call: Callable[[], object]) -> str:
    """The sentence of the DataError that a call raises."""
    with pytest.raises(DataError) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text
    return text
