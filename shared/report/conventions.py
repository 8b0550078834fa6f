"""The page of conventions: what differs, a few lines in which it shows, and the error it makes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.conventions import pitfalls, table
from shared.panels import PANELS
from shared.report import code, snippets

SMALLEST = 1e-8
"""An error of this size has no bar; one of 1 has a whole one."""


@dataclass(frozen=True)
class Error:
    """Between two backends: a number in words with the length of its bar, or why there is none."""

    between: str
    text: str
    size: float


@dataclass(frozen=True)
class Row:
    """One convention.

    Attributes:
        key: Its name in the table.
        meaning: What its values say.
        values: By backend; none where it was not asked.
        code: By backend the lines of the example, or those that ask the library.
        example: Whether the code is an example, whose outcomes are held against each other.
        errors: Of each two backends that were measured.
    """

    key: str
    meaning: str
    values: Mapping[str, str]
    code: Mapping[str, Sequence[code.Line]]
    example: bool
    errors: Sequence[Error]


def groups(
    conventions: Mapping[str, Any] | None, errors: Mapping[str, Any] | None
) -> list[tuple[str, list[Row]]]:
    """The conventions that differ, by heading."""
    values = conventions["rows"] if conventions else {}
    measured = errors["rows"] if errors else {}
    by_heading = []
    for heading, meanings in table.MEANINGS.items():
        rows = [
            _row(key, meaning, values[key], measured.get(key))
            for key, meaning in meanings.items()
            if key in values and table.differ(values[key])
        ]
        if rows:
            by_heading.append((heading, rows))
    return by_heading


def same(conventions: Mapping[str, Any] | None) -> list[tuple[str, str, str]]:
    """Key, meaning and value of the conventions in which all agree that were asked."""
    values = conventions["rows"] if conventions else {}
    return [
        (key, meaning, next(iter(values[key].values())))
        for meanings in table.MEANINGS.values()
        for key, meaning in meanings.items()
        if values.get(key) and not table.differ(values[key])
    ]


def _row(
    key: str, meaning: str, values: Mapping[str, str], measured: Mapping[str, Any] | None
) -> Row:
    example = key in pitfalls.INPUTS
    texts = {
        name: pitfalls.source(name, key).text if example else snippets.snippets(name).get(key, "")
        for name in PANELS
    }
    return Row(
        key,
        meaning,
        values,
        {name: code.highlighted(text, layers=False) for name, text in texts.items() if text},
        example,
        [_error(measurement) for measurement in measured["errors"]] if measured else [],
    )


def _error(measurement: Mapping[str, Any]) -> Error:
    between, value = " and ".join(measurement["between"]), measurement["error"]
    if isinstance(value, str):
        return Error(between, value, 0)
    size = 1 - math.log(max(value, SMALLEST)) / math.log(SMALLEST)
    return Error(between, f"{value:.2g}" if value else "none", round(min(size, 1), 3))
