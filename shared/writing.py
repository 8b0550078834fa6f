"""Files that are written whole, or not at all."""

from __future__ import annotations

import contextlib
import stat
from pathlib import Path

from shared.errors import DataError


def put(path: Path, content: str | bytes) -> None:
    """Write a file: whole, or not at all. A text is written in UTF-8.

    A link stays one: what it leads to is written. A pipe or a device is written to as it is.

    Raises:
        DataError: the file cannot be written; one that is there is then as it was.
    """
    partial = None
    try:
        data = content.encode("utf-8") if isinstance(content, str) else content
        if _is_special(path):
            path.write_bytes(data)
            return
        target = path.resolve()
        partial = target.with_name(target.name + ".partial")
        partial.write_bytes(data)
        partial.replace(target)
    except (OSError, ValueError) as error:
        if partial is not None:
            with contextlib.suppress(OSError):
                partial.unlink()
        reason = error.strerror if isinstance(error, OSError) else None
        raise DataError(f"cannot write {path}: {reason or error}") from error


def _is_special(path: Path) -> bool:
    """Whether a path leads to something that is no regular file."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return False
