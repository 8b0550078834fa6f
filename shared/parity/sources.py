"""The sources that evidence is made by, and a digest of them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from shared import workers
from shared.panels import PANELS
from shared.registry import FOLDER

State = tuple[int, int, int, int]
PACKAGES = ("shared", *PANELS.values())


def digest(packages: Iterable[str] = PACKAGES) -> str:
    """SHA-256, in hexadecimal, over the path and the content of every file of these packages."""
    whole = hashlib.sha256()
    for package in packages:
        for name, path in sorted(files(package).items()):
            with contextlib.suppress(FileNotFoundError):  # it has gone this moment
                content = _content(path, state(path))
                whole.update(f"{name}\0{content}\0".encode())
    return whole.hexdigest()


def states(packages: Iterable[str] = PACKAGES) -> dict[str, State]:
    """What tells that a file of these packages was written, whatever is in it now, by its path."""
    known = {}
    for package in packages:
        for name, path in files(package).items():
            with contextlib.suppress(FileNotFoundError):  # it has gone this moment
                known[name] = state(path)
    return known


def state(path: Path) -> State:
    """What tells that a file was written: not even who sets its time back changes nothing.

    Raises:
        FileNotFoundError: there is none.
    """
    it = path.stat()
    return it.st_ino, it.st_size, it.st_mtime_ns, it.st_ctime_ns


def files(package: str) -> dict[str, Path]:
    """Every file below a package, data too, by its path in the folder that the package is in.

    What Python compiled is left out, and what editors leave behind: hidden files and copies.
    """
    paths = {path.relative_to(FOLDER): path for path in _below(FOLDER / package)}
    return {
        name.as_posix(): path
        for name, path in paths.items()
        if "__pycache__" not in name.parts
        and not path.name.startswith(".")
        and not path.name.endswith("~")
        and path.is_file()
    }


def elsewhere(packages: Iterable[str] = PACKAGES) -> list[str]:
    """The modules of this process that are neither of these packages nor installed, by their files.

    A panel may import a file that lies beside it, in another panel, or anywhere on the path. What
    a worker was started with is no panel's.
    """
    own = [FOLDER / package for package in (*packages, "triptych")]
    installed = [sysconfig.get_path(n) for n in ("stdlib", "platstdlib", "purelib", "platlib")]
    paths = {*installed, *site.getsitepackages(), site.getusersitepackages()}
    roots = [*own, *(Path(path).resolve() for path in paths)]
    began = {"__main__", "__mp_main__", *workers.began_with}
    modules = {name: module for name, module in [*sys.modules.items()] if name not in began}
    known = [getattr(module, "__file__", None) for module in modules.values()]
    named = {Path(file) for file in known if isinstance(file, str)}
    files = {file.resolve() for file in named if file.is_absolute()}  # PyTorch makes some up
    return sorted(
        str(file) for file in files if not any(file.is_relative_to(root) for root in roots)
    )


def _below(root: Path) -> Iterator[Path]:
    """Every file below a folder; links to folders are followed, each folder once."""
    entered: set[str] = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in entered:
            folders.clear()
            continue
        entered.add(real)
        yield from (Path(folder, name) for name in names)


@cache
def _content(path: Path, state: State) -> str:  # noqa: ARG001
    """SHA-256 of a file's content, read again when the file is another one than before."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
