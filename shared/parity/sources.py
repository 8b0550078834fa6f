"""Which sources of this project evidence was made by, as a digest."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from shared.panels import PANELS

LEFT_OUT = ("__pycache__",)


def files(package: str) -> dict[str, Path]:
    """Every file below a package, data too, by its path from there; nothing is imported.

    Raises:
        ModuleNotFoundError: there is no such package.
    """
    located = importlib.util.find_spec(package)
    if located is None or not located.submodule_search_locations:
        raise ModuleNotFoundError(f"there is no package {package}")
    root = Path(next(iter(located.submodule_search_locations)))
    paths = (path for path in sorted(root.rglob("*")) if path.is_file())
    named = {path.relative_to(root).as_posix(): path for path in paths}
    return {
        f"{package}/{name}": path
        for name, path in named.items()
        if not set(path.parts) & set(LEFT_OUT)
    }


def digest(packages: Iterable[str] = ("shared", *PANELS.values())) -> str:
    """SHA-256 over the names and the content of every file of these packages, in hexadecimal."""
    whole = hashlib.sha256()
    for package in packages:
        for name, path in files(package).items():
            seen = path.stat()
            content = _content(path, (seen.st_ino, seen.st_size, seen.st_mtime_ns))
            whole.update(f"{name} {content}\n".encode())
    return whole.hexdigest()


@cache
def _content(path: Path, seen: tuple[int, ...]) -> str:  # noqa: ARG001
    """SHA-256 of a file's content, read again when the file is another one than was seen."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
