"""JSON as the standard has it: what is not a finite number becomes null."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

from shared.writing import put


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


def digest(value: Any) -> str:
    """SHA-256 of the value as JSON, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(finite(value), sort_keys=True).encode()).hexdigest()


def write(path: Path, value: Any, indent: int | None = 2) -> None:
    """Write the value as JSON: whole, or not at all.

    Raises:
        DataError: as `shared.writing.put`.
    """
    put(path, text(value, indent))
