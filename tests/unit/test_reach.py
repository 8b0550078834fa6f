"""What a file's measurement says of what does not run."""

import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.backends import reach


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """What calls of `f` in a file of this source do not reach."""
    package = f"panel_{tmp_path.name.replace('-', '_')}"

    def measure(source: str, *calls: tuple[Any, ...]) -> list[str]:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("")
        (tmp_path / package / "net.py").write_text(dedent(source))
        monkeypatch.syspath_prepend(tmp_path)

        def run() -> None:
            for call in calls:
                sys.modules[f"{package}.net"].f(*call)

        return reach.lacking(package, ["net"], run)

    return measure


SHORTCUT = """
    def f(stride, inside, outside):
        if stride != 1 or inside != outside:
            return 1
        return 0
"""


def test_all_is_reached(measured: Any) -> None:
    assert measured(SHORTCUT, (1, 3, 3), (2, 3, 3), (1, 3, 5)) == []


def test_an_operand_that_never_decides_alone_is_named(measured: Any) -> None:
    assert measured(SHORTCUT, (1, 3, 3), (2, 3, 5), (1, 3, 5)) == [
        "net.py:3: stride != 1 or inside != outside: stride != 1 is never True alone"
    ]


def test_a_condition_that_never_fails_is_named(measured: Any) -> None:
    assert measured(SHORTCUT, (2, 3, 3), (1, 3, 5)) == [
        "net.py:5: the line never runs",
        "net.py:3: no branch from here to 5",
        "net.py:3: stride != 1 or inside != outside: it is never False",
    ]


def test_bodies_and_tests_within_a_line_are_named(measured: Any) -> None:
    source = """
        def f(x):
            g = lambda: x
            h = [y for y in range(x)]
            return 1 if x < 2 else 2
    """
    assert measured(source, (0,)) == [
        "net.py:3: lambda: x: it never runs",
        "net.py:4: [y for y in range(x)]: it never runs",
        "net.py:5: 1 if x < 2 else 2?: the test is never False",
    ]


def test_what_an_and_gives_stays_what_it_is(measured: Any) -> None:
    source = """
        def f(x, y, expected):
            assert (x and y) == expected[0]
            assert (x or y or 5) == expected[1]
    """
    calls = [(0, 3, (0, 3)), (2, 0, (0, 2)), (2, 3, (3, 2)), (0, 0, (0, 5))]
    assert measured(source, *calls) == []
