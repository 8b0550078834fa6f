"""The sources that evidence is made by, and a digest of them."""

from __future__ import annotations

import hashlib
import site
import sys
import sysconfig
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


def elsewhere() -> list[str]:
    """The modules of this process that are neither of this project nor installed, by their files.

    A panel may import a file that lies beside it, or anywhere on the path.
    """
    own = [FOLDER / package for package in (*PACKAGES, "triptych", "tests")]
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    paths = {*sysconfig.get_paths().values(), *site.getsitepackages(), site.getusersitepackages()}
    roots = [*own, *(Path(path).resolve() for path in prefixes | paths)]
    known = [getattr(module, "__file__", None) for module in [*sys.modules.values()]]
    named = {Path(file) for file in known if isinstance(file, str)}
    files = {file.resolve() for file in named if file.is_absolute()}  # PyTorch makes some up
    return sorted(
        str(file) for file in files if not any(file.is_relative_to(root) for root in roots)
    )


@cache
def _content(path: Path, state: tuple[int, ...]) -> str:  # noqa: ARG001
    """SHA-256 of a file's content, read again when the file is another one than before."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
