"""The tests of this tier cannot import a framework or start a worker without failing."""

import importlib
from importlib.util import find_spec

import pytest

from shared import registry
from shared.workers import Worker
from tests.sources import FRAMEWORKS


@pytest.mark.parametrize("name", sorted(FRAMEWORKS))
def test_a_framework_is_found_and_not_imported(name: str) -> None:
    if find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    with pytest.raises(pytest.fail.Exception, match=f"no framework, and here {name} is imported"):
        importlib.import_module(name)


def test_no_backend_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")  # which Keras sets for good
    for name in registry.installed():
        with pytest.raises(pytest.fail.Exception, match="the unit tier imports no framework"):
            registry.load(name)


def test_no_worker_is_started() -> None:
    for name in registry.installed():
        with pytest.raises(pytest.fail.Exception, match=f"here one of {name} is"), Worker(name):
            pass
