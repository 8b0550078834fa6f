"""The unit tier imports no framework and starts no worker: a test that does either fails."""

import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, NoReturn
from unittest import mock

import pytest

from shared import workers
from tests.sources import FRAMEWORKS


class Refusing(Loader):
    """In place of the loader of a framework."""

    def create_module(self, spec: ModuleSpec) -> NoReturn:
        pytest.fail(f"the unit tier imports no framework, and here {spec.name} is imported")

    def exec_module(self, module: ModuleType) -> NoReturn:
        raise NotImplementedError


class Finder(MetaPathFinder):
    """It finds a framework where it is, so that one may ask for it, and lets nobody import it."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] not in FRAMEWORKS:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None:
            spec.loader = Refusing()
        return spec


def context(backend: str) -> NoReturn:
    """In place of what starts the process of a worker, whose backend is there."""
    pytest.fail(f"the unit tier starts no worker, and here one of {backend} is started")


@contextmanager
def alone() -> Iterator[None]:
    """Without frameworks and workers for a while."""
    finder = Finder()
    sys.meta_path.insert(0, finder)
    try:
        with mock.patch.object(workers, "context", context):
            yield
    finally:
        sys.meta_path.remove(finder)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    """While a file of the tier is imported."""
    with alone():
        return (yield)


@pytest.fixture(scope="module", autouse=True)
def nothing_else() -> Iterator[None]:
    """While the tests of a file of the tier run, with all that they ask for."""
    with alone():
        yield
