"""JSON as the standard has it: what is not a finite number becomes null."""

from __future__ import annotations

import contextlib
import json
import math
from pathlib import Path
from typing import Any

from shared.errors import DataError


def finite(value: Any) -> Any:
    """The same value with null in place of infinities and NaN, and every key a text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return value


def text(value: Any, indent: int | None = 2) -> str:
    """The value as JSON, in lines unless `indent` is None."""
    return json.dumps(finite(value), indent=indent) + "\n"


def write(path: Path, value: Any, indent: int | None = 2) -> None:
    """Write the value as JSON.

    Raises:
        DataError: the file cannot be written; one that is there is then as it was.
    """
    put(path, text(value, indent))


def put(path: Path, content: str) -> None:
    """Write a text file: whole, or not at all.

    Raises:
        DataError: as `write`.
    """
    target = path.resolve()
    if target.exists() and not target.is_file():  # a pipe or a device is written to as it is
        partial = target
    else:
        partial = target.with_name(target.name + ".partial")
    try:
        partial.write_text(content, "utf-8")
        if partial != target:
            partial.replace(target)
    except OSError as error:
        if partial != target:
            with contextlib.suppress(OSError):
                partial.unlink()
        raise DataError(f"cannot write {path}: {error.strerror}") from error
