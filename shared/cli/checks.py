"""What is refused before any work is done, in one sentence each."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from shared import specs
from shared.choosing import choose, listed
from shared.cli.printing import PRINTED
from shared.errors import ConfigurationError


def architectures(names: Iterable[str]) -> list[specs.Spec]:
    """The specs of those names, each once."""
    return list({spec.name: spec for spec in map(specs.find, names)}.values())


def chosen(kind: str, text: str | None, names: Iterable[str]) -> list[str]:
    """Those that a list with commas names, each once, or all where no list is given."""
    known = [*names]
    if text is None:
        return known
    if not words(text):
        raise ConfigurationError(f"--{kind}s must name {listed(known, 'or')}, not {text!r}")
    return [choose(kind, word, known) for word in dict.fromkeys(words(text))]


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
    _check_permission(path if path.exists() else path.parent, path)
    if path.is_file() or not path.exists():  # a pipe or a device is left alone
        _try_file(path.resolve(), path)
    return path


def writable_folder(path: Path) -> Path:
    """A folder that can be written, or made."""
    if path.exists() and not path.is_dir():
        raise ConfigurationError(f"{path} is no directory; name a folder to write")
    if not path.exists() and not path.parent.is_dir():
        raise ConfigurationError(f"{path} cannot be made: {path.parent} is no directory")
    if path.exists():
        _check_permission(path, path)
        _try_file(path / "report", path)
        return path
    try:
        path.mkdir()
        path.rmdir()
    except (OSError, ValueError) as error:
        raise _unwritable(path, "made", path.parent, error) from error
    return path


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


def _check_permission(target: Path, path: Path) -> None:
    if not os.access(target, os.W_OK):
        raise ConfigurationError(f"{path} cannot be written: permission denied")


def _try_file(target: Path, path: Path) -> None:
    """Make what is written before `target` itself, and remove it: some folders take no file."""
    partial = target.with_name(f"{target.name}.partial")
    try:
        partial.touch(exist_ok=False)
        partial.unlink()
    except FileExistsError:  # another command is writing it, or was stopped
        return
    except OSError as error:
        raise _unwritable(path, "written", target.parent, error) from error


def _unwritable(path: Path, done: str, folder: Path, error: Exception) -> ConfigurationError:
    reason = error.strerror if isinstance(error, OSError) else error
    return ConfigurationError(
        f"{path} cannot be {done}: {folder} takes nothing new ({reason}); name another place"
    )
