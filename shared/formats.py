"""What a file says of itself: its kind, and the version of its format; both are checked on reading.

Versions before 0.2.0 wrote evidence of format 1, and said nothing in other files: those are of
format 0. What they called otherwise is renamed when it is read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from shared.errors import DataError

FORMATS = {
    "benchmark": 1,
    "comparison": 1,
    "conventions": 1,
    "evidence": 6,
    "history": 1,
    "parity": 2,
    "ratios": 1,
    "recorded conventions": 1,
    "recorded report": 1,
    "report": 1,
    "weights": 1,
}
"""The kinds of files that are written, and the newest format of each."""

_PREFIX = "triptych "

UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RecursionError,
    OverflowError,
)
"""What reading JSON raises, and taking from it what it has not."""

Value = TypeVar("Value")

KEYS = {"way": "variant", "ways": "variants", "ledger": "conventions"}
RUNGS = {"ways": "variants", "forced": "teacher-forced"}
"""What keys of JSON, and rungs of the ladder, were called in the formats before."""


def stamp(kind: str) -> dict[str, Any]:
    """What a file of a kind begins with."""
    return {"kind": _PREFIX + kind, "format": FORMATS[kind]}


def kind_of(value: Mapping[str, Any]) -> str | None:
    """The kind that a file's content says it is; None where it says none."""
    kind = value.get("kind")
    known = isinstance(kind, str) and kind.removeprefix(_PREFIX) in FORMATS
    return str(kind).removeprefix(_PREFIX) if known else None


def check(value: Mapping[str, Any], kind: str) -> int:
    """The format of a file's content; 0 where it says neither its kind nor its format.

    Raises:
        DataError: it is of another kind, or of a newer format than this version reads.
    """
    if "kind" not in value and "format" not in value:
        return 0
    if value.get("kind") != _PREFIX + kind:
        raise DataError(f"it is of the kind {value.get('kind')!r}, not {_PREFIX + kind!r}")
    version = value.get("format")
    if type(version) is not int or not 0 < version <= FORMATS[kind]:
        raise DataError(
            f"it is {kind} of format {version!r}, and this version of Triptych reads formats up to "
            f"{FORMATS[kind]}; write it again, or install the version that wrote it"
        )
    return version


def read(path: Path, kind: str, take: Callable[[Any], Value], otherwise: str) -> Value:
    """What is taken from a JSON file of a kind.

    Args:
        path: The file.
        kind: Which it must be, if it says any.
        take: Takes what is needed from the content; what it raises tells that the file lacks it.
        otherwise: What the file is not, in a sentence that goes on after its path.

    Raises:
        DataError: the file is not there, cannot be read, or is not of the kind.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
        check(content, kind)
        return take(content)
    except DataError as error:
        raise DataError(f"{path} cannot be used: {error}") from error
    except UNREADABLE as error:
        raise DataError(f"{path} {otherwise}: {reason(error)}") from error


def reason(error: Exception) -> str:
    """Why a JSON file cannot be used, of what reading it raised (see `UNREADABLE`)."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, (json.JSONDecodeError, UnicodeDecodeError)):
        return "it is no JSON"
    return f"{type(error).__name__}: {error}"


def modern(value: Any) -> Any:
    """A value as JSON has it, with the names that format 0 had for keys and rungs replaced."""
    if isinstance(value, list):
        return [modern(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    renamed = {KEYS.get(key, key): modern(item) for key, item in value.items()}
    if isinstance(renamed.get("rung"), str):
        renamed["rung"] = RUNGS.get(renamed["rung"], renamed["rung"])
    return renamed
