"""What is refused before any work is done, in one sentence each."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from shared import specs
from shared.choosing import choose
from shared.cli.printing import PRINTED
from shared.errors import ConfigurationError


def architectures(names: Iterable[str]) -> list[specs.Spec]:
    """The specs of those names, each once."""
    return list({spec.name: spec for spec in map(specs.find, names)}.values())


def chosen(kind: str, text: str, names: Iterable[str]) -> list[str]:
    """Those that a list with commas names, each once, or all."""
    return [choose(kind, word, names) for word in dict.fromkeys(words(text))] or [*names]


def words(text: str) -> list[str]:
    """The words of a list with commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def writable_file(path: Path) -> Path:
    """A path that can be written, found out before hours of work are to be saved there."""
    try:
        (path.parent / f"{path.name}.partial").stat()  # what is written first has a longer name
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{str(path)!r} cannot be written: {error}") from error
    if path.is_dir():
        raise ConfigurationError(f"{path} is a directory; name a file to write")
    if not path.parent.is_dir():
        raise ConfigurationError(f"{path} cannot be written: {path.parent} is no directory")
    return _permitted(path)


def writable_folder(path: Path) -> Path:
    """A folder that can be written, or made."""
    if path.exists() and not path.is_dir():
        raise ConfigurationError(f"{path} is no directory; name a folder to write")
    if not path.exists() and not path.parent.is_dir():
        raise ConfigurationError(f"{path} cannot be made: {path.parent} is no directory")
    return _permitted(path)


def json_file(path: Path) -> Path:
    """Where JSON goes; an argument that came to stand there is no file.

    Raises:
        ConfigurationError: it cannot be written, or has the name of an architecture or of weights.
    """
    if path == PRINTED:
        return path
    if path.suffix == ".safetensors" or specs.is_name(str(path)):
        raise ConfigurationError(
            f"--json would write to {path}: put --json last to print, or name another file after it"
        )
    return writable_file(path)


def _permitted(path: Path) -> Path:
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ConfigurationError(f"{path} cannot be written: permission denied")
    return path
