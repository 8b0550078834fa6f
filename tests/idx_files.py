"""Files of MNIST: tiny ones that are written for tests, and the full ones where they are."""

import gzip
import os
from pathlib import Path

import pytest

from shared import mnist

GIVEN = os.environ.get(mnist.DIRECTORY_VARIABLE)
FULL_NAMES = ("mnist", "fashion_mnist")


def put(folder: Path, files: dict[str, bytes], *, zipped: bool = False, dot: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file, contents in files.items():
        spelling = file.replace("-idx", ".idx") if dot else file
        blob = gzip.compress(contents) if zipped else contents
        (folder / (spelling + (".gz" if zipped else ""))).write_bytes(blob)


# The sample and the arrays


def require_full(name: str) -> None:
    if not GIVEN or not {s.name: s for s in mnist.status(GIVEN)}[name].found:
        pytest.skip(f"{mnist.DIRECTORY_VARIABLE} does not name a directory that holds {name}")
