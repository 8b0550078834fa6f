"""What verbs print, and where."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from shared import strict

if TYPE_CHECKING:
    from rich.console import Console

PRINTED = Path("-")
"""What `--json` without a file stands for: print it, and nothing else."""


def console(*, stderr: bool = False) -> Console:
    """The terminal; where there is none, wide enough that no table is cut."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else 120
    # Without markup and emoji: `pip install -e '.[torch]'` is no style.
    return Console(stderr=stderr, width=width, markup=False, emoji=False)


def notices() -> Callable[[str], None]:
    """What prints notices, a line each, to stderr."""
    terminal = console(stderr=True)
    return lambda text: terminal.print(text, highlight=False)


def sentences(*, json_printed: bool) -> TextIO:
    """Where sentences go: to stdout, unless JSON is printed there."""
    return sys.stderr if json_printed else sys.stdout


def write_json(path: Path, value: Any) -> None:
    """Write strict JSON, or print it: what is not a finite number becomes null."""
    if path == PRINTED:
        print(strict.text(value), end="")
    else:
        strict.write(path, value)


def print_json(value: Any) -> None:
    """Print strict JSON."""
    write_json(PRINTED, value)
