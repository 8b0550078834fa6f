"""The ladder as a matrix: a rung a row, and in each cell the worst of its checks."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from shared.parity.checks import RUNGS

Check = Mapping[str, Any]  # as in the JSON of `triptych parity`
_WORST = ("missing", "failed", "bounded", "passed")


@dataclass(frozen=True)
class Cell:
    """What one rung says of one pair, or one backend, in one dtype.

    Attributes:
        name: Unique on the page.
        status: The worst of the checks'.
        text: The largest difference, or what there is in place of one.
        much: How strong the colour is, from 0.15 at the tolerance to 0.8 for none at all.
        checks: Every check.
    """

    name: str
    status: str
    text: str
    much: float
    checks: Sequence[Check]


@dataclass(frozen=True)
class Row:
    """A rung, and its cells by column; None where there is none."""

    rung: str
    cells: Sequence[Cell | None]


@dataclass(frozen=True)
class Matrix:
    """Columns are (who, dtype)."""

    title: str
    columns: Sequence[tuple[str, str]]
    rows: Sequence[Row]


def matrices(checks: Iterable[Check], backends: Sequence[str], page: str) -> list[Matrix]:
    """What pairs have in common, and what each backend shows by itself.

    Args:
        checks: Of one architecture.
        backends: Those that have columns; evidence of others, such as a second version of one of
            them ("torch#2"), has columns too.
        page: What the cells' names begin with.
    """
    checks = [check for check in checks if check["rung"] != "mirror"]
    named = (name for check in checks for name in re.split("[->]", check["between"]) if name)
    backends = [*dict.fromkeys([*backends, *named])]
    dtypes = list(dict.fromkeys(check["dtype"] for check in checks))
    pairs = ["-".join(pair) for pair in combinations(backends, 2)]
    grids = []
    for title, columns in (("between two", pairs), ("each by itself", list(backends))):
        rows = []
        for rung in RUNGS:
            cells = [
                _cell(f"{page}-{rung}-{who}-{dtype}", _of(checks, rung, who, dtype))
                for who in columns
                for dtype in dtypes
            ]
            if any(cells):
                rows.append(Row(rung, cells))
        if rows:
            grids.append(Matrix(title, [(who, dtype) for who in columns for dtype in dtypes], rows))
    return grids


def _of(checks: Sequence[Check], rung: str, who: str, dtype: str) -> list[Check]:
    """The checks of a cell; a pair has both directions of an exchange."""
    orders = (who.split("-"), who.split("-")[::-1])
    names = {sign.join(order) for order in orders for sign in "->"}
    return [c for c in checks if (c["rung"], c["dtype"]) == (rung, dtype) and c["between"] in names]


def _cell(name: str, checks: Sequence[Check]) -> Cell | None:
    if not checks:
        return None
    status = min((check["status"] for check in checks), key=_WORST.index)
    largest = max(
        (check for check in checks if check["difference"] is not None),
        key=lambda check: check["difference"] if math.isfinite(check["difference"]) else math.inf,
        default=None,
    )
    if status in ("failed", "missing"):
        text = status
    elif largest is None:
        text = "same"
    else:
        text = "0" if largest["difference"] == 0 else f"{largest['difference']:.0e}"
    return Cell(name, status, text, _strength(largest), checks)


def _strength(check: Check | None) -> float:
    """How far below its tolerance a difference is, on a logarithmic scale of ten decades."""
    if check is None or not check["difference"] or not check["tolerance"]:
        return 0.8
    decades = math.log10(check["tolerance"] / check["difference"])
    return round(0.15 + 0.65 * min(max(decades / 10, 0), 1), 2)
