"""The sources that a climb was made by, as one digest."""

from __future__ import annotations

import hashlib
from pathlib import Path

from shared.panels import PANELS
from shared.registry import FOLDER


def digest() -> str:
    """SHA-256, in hexadecimal, over the path and the content of every source."""
    whole = hashlib.sha256()
    for name, path in sorted(files().items()):
        content = path.read_bytes()
        # The length says where a file ends: no content passes for the name of the next one.
        whole.update(f"{name}\0{len(content)}\0".encode())
        whole.update(content)
    return whole.hexdigest()


def files() -> dict[str, Path]:
    """Every `*.py` below the panels and `shared`, by its path in the folder that they are in."""
    packages = (*PANELS.values(), "shared")
    paths = (path for package in packages for path in (FOLDER / package).rglob("*.py"))
    return {path.relative_to(FOLDER).as_posix(): path for path in paths if path.is_file()}
