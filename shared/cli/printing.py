"""What verbs print, and where."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from shared import strict
from shared.panels import PANELS

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


@contextmanager
def doing() -> Iterator[Callable[[str], None]]:
    """What is told, on stderr, of what is being done: "torch: basic_net, default", for example.

    On a terminal one line shows the latest. Elsewhere each architecture has a line when its turn
    comes, whichever its cases and backends are.
    """
    terminal = console(stderr=True)
    if terminal.is_terminal:
        with terminal.status("starting") as status:
            yield status.update
        return
    shown: set[str] = set()

    def show(text: str) -> None:
        what = text.partition(",")[0]
        backend, colon, rest = what.partition(": ")
        what = rest if colon and backend in PANELS else what
        if what not in shown:
            shown.add(what)
            terminal.print(what, highlight=False, soft_wrap=True)

    yield show


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
