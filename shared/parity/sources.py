"""The sources that evidence is made by, and a digest of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from shared.panels import PANELS
from shared.registry import FOLDER

PACKAGES = ("shared", *PANELS.values())


def digest(packages: Iterable[str] = PACKAGES) -> str:
    """SHA-256, in hexadecimal, over the path and the content of every file of these packages."""
    whole = hashlib.sha256()
    for package in packages:
        for name, path in sorted(files(package).items()):
            state = path.stat()
            content = _content(path, (state.st_ino, state.st_size, state.st_mtime_ns))
            whole.update(f"{name}\0{content}\0".encode())
    return whole.hexdigest()


def files(package: str) -> dict[str, Path]:
    """Every file below a package, data too, by its path in the folder that the package is in.

    What Python compiled is left out, and what editors leave behind: hidden files and copies.
    """
    root = FOLDER / package
    paths = {path.relative_to(FOLDER): path for path in root.rglob("*")}
    return {
        name.as_posix(): path
        for name, path in paths.items()
        if "__pycache__" not in name.parts
        and not path.name.startswith(".")
        and not path.name.endswith("~")
        and path.is_file()
    }


@cache
def _content(path: Path, state: tuple[int, ...]) -> str:  # noqa: ARG001
    """SHA-256 of a file's content, read again when the file is another one than before."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
