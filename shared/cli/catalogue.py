"""`triptych list`."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Sequence

from shared import specs
from shared.cli import describing, printing
from shared.cli.options import Output

TITLES = ("architecture", "what it shows", "parameters")
GAP = 2
LEAST = 20
"""How many characters the middle column has at least."""


def list_architectures(output: Output) -> int:
    """List the networks: what each shows, and how large it is.

    `triptych show NAME` has its inputs, outputs and files too, and so has --json.
    """
    if output.as_json:
        printing.print_json([describing.row(spec) for spec in specs.SPECS.values()])
        return 0
    rows = [
        (spec.name, spec.shows or spec.summary, f"{spec.parameters:,}")
        for spec in specs.SPECS.values()
    ]
    # By hand: to import a library that draws tables takes as long as all the rest.
    print(*_table([TITLES, *rows], shutil.get_terminal_size().columns), sep="\n")
    return 0


def _table(rows: Sequence[tuple[str, str, str]], width: int) -> Iterator[str]:
    """The lines of a table of three columns, of which the middle one is broken to fit."""
    first, middle, last = (max(map(len, column)) for column in zip(*rows, strict=True))
    middle = min(middle, max(width - first - last - 2 * GAP, LEAST))
    gap = " " * GAP
    for name, text, count in rows:
        line, *others = textwrap.wrap(text, middle)
        yield f"{name:<{first}}{gap}{line:<{middle}}{gap}{count:>{last}}"
        for other in others:
            yield " " * first + gap + other
