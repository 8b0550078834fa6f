"""Files of MNIST: tiny ones that are written for tests, and the full ones where they are."""

import gzip
import os
from pathlib import Path

import pytest

from shared.data import files

FULL_FOLDER = os.environ.get(files.DIRECTORY_VARIABLE)
FULL_NAMES = ("mnist", "fashion_mnist")


def put(folder: Path, files: dict[str, bytes], *, zipped: bool = False, dot: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file, contents in files.items():
        spelling = file.replace("-idx", ".idx") if dot else file
        blob = gzip.compress(contents) if zipped else contents
        (folder / (spelling + (".gz" if zipped else ""))).write_bytes(blob)


def require_full(name: str) -> None:
    if not FULL_FOLDER or not {s.name: s for s in files.status(FULL_FOLDER)}[name].present:
        pytest.skip(f"{files.DIRECTORY_VARIABLE} does not name a directory that holds {name}")
