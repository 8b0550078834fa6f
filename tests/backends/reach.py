"""What of a panel's architecture files runs: lines and branches, and every condition on its own.

Lines and branches are counted by coverage.py, to which `if a or b` is one branch. So the files are
imported anew here with every operand of an `and` or `or` noted, which test of `x if a else b` held,
and whether lambdas and comprehensions ran.
"""

from __future__ import annotations

import ast
import importlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import coverage

Vector = tuple[bool | None, ...]
"""What each operand was; None where it was not computed."""


class Notes:
    """What is to be seen in the files that were imported, and what was."""

    def __init__(self) -> None:
        self.expected: dict[str, Callable[[set[Vector]], list[str]]] = {}
        self.seen: dict[str, set[Vector]] = {}

    def several(
        self, key: str, operands: Sequence[tuple[bool, Callable[[], Any]]], isor: bool
    ) -> Any:
        """The value of an `or` or `and`; operands that call nothing are all computed."""
        vector: list[bool | None] = []
        decided, value = False, None
        for plain, operand in operands:
            if decided and not plain:
                vector.append(None)
                continue
            try:
                computed = operand()
            except Exception:
                if not decided:
                    raise
                vector.append(None)
                continue
            vector.append(bool(computed))
            if not decided:
                value, decided = computed, bool(computed) is isor
        self.seen.setdefault(key, set()).add(tuple(vector))
        return value

    def one(self, key: str, value: Any) -> Any:
        """The value of a test, or of a body that runs."""
        self.seen.setdefault(key, set()).add((bool(value) if key.endswith("?") else True,))
        return value

    def missing(self) -> list[str]:
        """What was not seen."""
        return [
            f"{key}: {problem}"
            for key, problems in self.expected.items()
            for problem in problems(self.seen.get(key, set()))
        ]


def alone(texts: Sequence[str | None], isor: bool) -> Callable[[set[Vector]], list[str]]:
    """Whether each operand decided by itself, with no help from the others, and whether none did.

    Of an `or` an operand decides by being true, of an `and` by being false. Constants, whose text
    is None, decide nothing.
    """

    def problems(seen: set[Vector]) -> list[str]:
        seen = {
            tuple(None if text is None else held for text, held in zip(texts, vector, strict=True))
            for vector in seen
        }
        lacking = [
            f"{text} is never {isor} alone"
            for at, text in enumerate(texts)
            if text is not None
            if not any(
                vector[at] is isor and isor not in vector[:at] + vector[at + 1 :] for vector in seen
            )
        ]
        if all(isor in vector for vector in seen):
            lacking.append(f"it is never {not isor}")
        return lacking

    return problems


class Marker(ast.NodeTransformer):
    """Puts a note around every condition, lambda and comprehension of a file."""

    def __init__(self, file: str, notes: Notes) -> None:
        self.file, self.notes = file, notes

    def _key(self, node: ast.expr) -> str:
        return f"{self.file}:{node.lineno}: {ast.unparse(node)}"

    def _noted(self, key: str, value: ast.expr) -> ast.expr:
        call = ast.Call(_of("one"), [ast.Constant(key), value], [])
        return ast.copy_location(call, value)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        key, isor = self._key(node), isinstance(node.op, ast.Or)
        constant = [isinstance(value, ast.Constant) for value in node.values]
        texts = [
            None if fixed else ast.unparse(value)
            for fixed, value in zip(constant, node.values, strict=True)
        ]
        self.notes.expected[key] = alone(texts, isor)
        plain = [not any(isinstance(n, ast.Call) for n in ast.walk(v)) for v in node.values]
        self.generic_visit(node)
        nothing = ast.arguments([], [], None, [], [], None, [])
        operands: list[ast.expr] = [
            ast.Tuple([ast.Constant(p), ast.Lambda(nothing, value)], ast.Load())
            for p, value in zip(plain, node.values, strict=True)
        ]
        arguments = [ast.Constant(key), ast.List(operands, ast.Load()), ast.Constant(isor)]
        return ast.copy_location(ast.Call(_of("several"), arguments, []), node)

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        key = f"{self._key(node)}?"
        self.notes.expected[key] = lambda seen: [
            f"the test is never {value}" for value in (True, False) if (value,) not in seen
        ]
        self.generic_visit(node)
        node.test = self._noted(key, node.test)
        return node

    def _body(self, node: ast.expr, body: str) -> ast.AST:
        key = self._key(node)
        self.notes.expected[key] = lambda seen: [] if seen else ["it never runs"]
        self.generic_visit(node)
        setattr(node, body, self._noted(key, getattr(node, body)))
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return self._body(node, "body")

    def visit_ListComp(self, node: ast.ListComp) -> ast.AST:
        return self._body(node, "elt")

    def visit_SetComp(self, node: ast.SetComp) -> ast.AST:
        return self._body(node, "elt")

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> ast.AST:
        return self._body(node, "elt")

    def visit_DictComp(self, node: ast.DictComp) -> ast.AST:
        return self._body(node, "value")


def _of(method: str) -> ast.expr:
    return ast.Attribute(ast.Name("__notes__", ast.Load()), method, ast.Load())


class Loader(SourceFileLoader):
    """Imports a file with its notes."""

    def __init__(self, name: str, path: str, notes: Notes) -> None:
        super().__init__(name, path)
        self.notes = notes

    def get_code(self, fullname: str) -> Any:
        """The code of the source, not of a cache of it."""
        path = self.get_filename(fullname)
        tree = Marker(Path(path).name, self.notes).visit(ast.parse(self.get_data(path)))
        return compile(ast.fix_missing_locations(tree), path, "exec")

    def exec_module(self, module: Any) -> None:
        module.__notes__ = self.notes
        super().exec_module(module)


class Finder:
    """Finds the architecture files of a panel, in its folder, before anybody else does."""

    def __init__(self, panel: str, folder: Path, files: Sequence[str], notes: Notes) -> None:
        self.paths = {f"{panel}.{file}": str(folder / f"{file}.py") for file in files}
        self.notes = notes

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        if name not in self.paths:
            return None
        loader = Loader(name, self.paths[name], self.notes)
        return spec_from_file_location(name, self.paths[name], loader=loader)


def lacking(panel: str, files: Sequence[str], run: Callable[[], None]) -> list[str]:
    """The lines, branches and conditions of a panel's files that a call does not reach."""
    folder = Path(importlib.import_module(panel).__file__ or "").parent
    notes = Notes()
    finder = Finder(panel, folder, files, notes)
    for name in finder.paths:
        sys.modules.pop(name, None)
    measured = coverage.Coverage(
        data_file=None, branch=True, config_file=False, include=[*finder.paths.values()]
    )
    sys.meta_path.insert(0, finder)  # type: ignore[arg-type]
    measured.start()
    try:
        for name in finder.paths:
            importlib.import_module(name)
        run()
    finally:
        measured.stop()
        sys.meta_path.remove(finder)  # type: ignore[arg-type]
    with TemporaryDirectory() as directory:
        path = Path(directory, "reached.json")
        measured.json_report(outfile=str(path))
        report = json.loads(path.read_text("utf-8"))
    assert len(report["files"]) == len(files)
    return [*_unreached(report), *notes.missing()]


def _unreached(report: Any) -> Iterator[str]:
    for name, file in report["files"].items():
        short = Path(name).name
        yield from (f"{short}:{line}: the line never runs" for line in file["missing_lines"])
        for start, end in file["missing_branches"]:
            yield f"{short}:{start}: no branch from here to {end if end > 0 else 'the end'}"
