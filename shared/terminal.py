"""What the verbs draw on a terminal: a colour for each backend, bars, and small plots.

Nothing is drawn in a pipe, nor on a terminal that has ASCII alone or says that it is dumb; text has
everything there. Without colours (`NO_COLOR`) bars and plots stay.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeGuard

from rich.console import Console

COLOURS = {"torch": "magenta", "flax": "green", "keras": "blue"}
"""Of the terminal's own 16 colours, those that are read on black as well as on white.

Red is left for what is wrong.
"""

_HALF, _WHOLE = "▖", "▄"
_BLOCKS = " ▁▂▃▄▅▆▇█"
_EIGHTHS = len(_BLOCKS) - 1


def colour(name: str) -> str:
    """A backend's colour, and that of what begins with its name: "torch#2", "torch tuned"."""
    return next((COLOURS[known] for known in COLOURS if name.startswith(known)), "")


def style(name: str) -> str:
    """How a backend's name is written."""
    return f"bold {colour(name)}".rstrip()


def print_gaps(
    console: Console, skipped: Mapping[str, str], errors: Mapping[str, str] | None = None
) -> None:
    """Print why backends are not in a table: those left out in yellow, those that failed in red."""
    for name, reason in skipped.items():
        console.print(f"{name}: skipped; {reason}", style="yellow", highlight=False, soft_wrap=True)
    for name, reason in (errors or {}).items():
        console.print(f"{name}: {reason}", style="red", highlight=False, soft_wrap=True)


def draws(console: Console) -> bool:
    """Whether to draw: on a terminal that has the characters for it."""
    plain = console.is_dumb_terminal or console.options.ascii_only
    return console.is_terminal and not plain


def is_amount(value: float | None) -> TypeGuard[float]:
    """Whether there is anything to draw: a number that is finite and above 0."""
    return value is not None and math.isfinite(value) and value > 0


def bar(value: float | None, largest: float, width: int) -> str:
    """A bar, of `width` characters for the largest value; empty where there is no amount."""
    wholes, halves = divmod(_steps(value, largest, 2 * width), 2)
    return _WHOLE * wholes + _HALF * halves


def means(values: Sequence[float], width: int) -> list[float | None]:
    """Values in order, put into `width` columns: the mean of those that fall on each.

    What is not finite does not count; where nothing is left, there is None. A few values are as
    wide as many.
    """
    averages: list[float | None] = []
    for column in range(width):
        start = column * len(values) // width
        end = max((column + 1) * len(values) // width, start + 1)
        finite = [value for value in values[start:end] if math.isfinite(value)]
        averages.append(sum(finite) / len(finite) if finite else None)
    return averages


def plot(values: Sequence[float | None], largest: float, height: int) -> list[str]:
    """Bars that stand side by side, `height` rows from the top; the largest value fills them."""
    tops = [_steps(value, largest, _EIGHTHS * height) for value in values]
    return ["".join(block(top - _EIGHTHS * row) for top in tops) for row in reversed(range(height))]


def block(eighths: int) -> str:
    """A block that fills so much of a character from below: none below 1, all above 8."""
    return _BLOCKS[min(max(eighths, 0), _EIGHTHS)]


def _steps(value: float | None, largest: float, most: int) -> int:
    """A value in steps, of which the largest has the most; what is above 0 has one at least."""
    if not most or not is_amount(value):
        return 0
    return min(max(round(value / largest * most), 1), most)
