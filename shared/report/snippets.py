"""The code that asks a library for one convention, cut out of a panel's `conventions/defaults.py`.

A convention is measured by a few statements among those of its neighbours. Kept are those that the
value depends on, by the names that they mention.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache

from shared.panels import source


@cache
def snippets(backend: str) -> dict[str, str]:
    """By the convention's key, the code by which a backend's panel measures it."""
    text = source(backend, "conventions/defaults").read_text("utf-8")
    by_key = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef):
            for key, value in _entries(node):
                by_key[key] = _code(node, value)
    return by_key


def _entries(function: ast.FunctionDef) -> Iterator[tuple[str, ast.expr]]:
    """The keys of conventions in dictionaries of a function, and their values."""
    for node in ast.walk(function):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and "." in str(key.value):
                    yield str(key.value), value


def _code(function: ast.FunctionDef, value: ast.expr) -> str:
    """The statements that a value depends on, and the value."""
    needed = _names(value)
    kept: list[ast.stmt] = []
    for statement in reversed(function.body):
        if isinstance(statement, ast.Return) or value in ast.walk(statement):
            continue
        touched = _assigned(statement)
        if touched & needed or (_mentions(statement) & needed and not touched):
            kept.append(statement)
            needed |= _names(statement)
    lines = [ast.unparse(statement) for statement in reversed(kept)]
    return "\n".join([*lines, ast.unparse(value)])


def _names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


_mentions = _names


def _assigned(statement: ast.stmt) -> set[str]:
    """The names that a statement gives a value, or makes: functions too."""
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return {statement.name}
    return {
        part.id
        for part in ast.walk(statement)
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
    }
