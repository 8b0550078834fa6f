"""Workers that die, fail, or cannot start; what they tell, and what they leave alone."""

import importlib.util
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared import registry
from shared.errors import BackendMissingError, ConfigurationError, WorkerError
from shared.workers import TUNED, Worker, environment
from tests.conftest import FLAVOURS, SHARING, Lend, lacking

MARK = "TRIPTYCH_TEST_MARK"


def end(status: int) -> None:
    os._exit(status)


def kill(number: int) -> None:
    os.kill(os.getpid(), number)


def divide(a: float, b: float) -> float:
    return a / b


def refuse(message: str) -> None:
    raise ConfigurationError(message)


def unpicklable() -> Any:
    return lambda: None


def read_environment(name: str) -> str | None:
    return os.environ.get(name)


def load_without(backend: str, *packages: str) -> None:
    """Load a backend where these packages are not installed."""
    found = importlib.util.find_spec

    def find(name: str, package: str | None = None) -> Any:
        return None if name in packages else found(name, package)

    importlib.util.find_spec = find
    try:
        registry.load(backend)
    finally:
        importlib.util.find_spec = found


@pytest.fixture
def some(lend: Lend) -> Worker:
    """Any worker of the session; it must outlive the test."""
    for flavour in FLAVOURS:
        if not lacking(flavour):
            return lend(flavour)
    pytest.skip("no backend is installed")


@pytest.fixture
def mortal(some: Worker) -> Iterator[Worker]:
    """Another process of that backend, to be killed."""
    with Worker(some.backend, SHARING) as worker:
        yield worker


@pytest.mark.parametrize(
    ("how", "argument", "wanted"),
    [
        (end, 3, "its process ended with status 3"),
        (kill, signal.SIGKILL, "its process was ended by signal 9 (SIGKILL)"),
    ],
)
def test_death_is_told_and_others_go_on(
    some: Worker, mortal: Worker, how: Callable[[int], None], argument: int, wanted: str
) -> None:
    assert mortal.call(divide, 6, 2) == 3
    sentence = f"the {mortal.backend} backend gave no result: {wanted}"
    with pytest.raises(WorkerError) as caught:
        mortal.call(how, argument)
    assert str(caught.value) == sentence
    with pytest.raises(WorkerError) as caught:
        mortal.call(divide, 6, 2)  # and it stays dead
    assert str(caught.value) == sentence
    assert some.call(divide, 6, 2) == 3


def test_failure_has_its_backend_type_and_message(some: Worker) -> None:
    with pytest.raises(WorkerError) as caught:
        some.call(divide, 1, 0)
    assert str(caught.value) == (
        f"the {some.backend} backend failed: ZeroDivisionError: division by zero"
    )
    assert some.call(divide, 1, 2) == 0.5


def test_errors_for_users_come_through_as_they_are(some: Worker) -> None:
    with pytest.raises(ConfigurationError) as caught:
        some.call(refuse, "one sentence")
    assert str(caught.value) == "one sentence"
    assert type(caught.value) is ConfigurationError


def test_what_cannot_travel_is_a_failure_of_the_backend(some: Worker) -> None:
    with pytest.raises(WorkerError, match=f"the {some.backend} backend failed: "):
        some.call(unpicklable)
    with pytest.raises(WorkerError, match=f"the {some.backend} backend failed: "):
        some.call(lambda: None)
    assert some.call(divide, 1, 2) == 0.5


def test_environment_of_a_worker_is_its_own(some: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MARK, "outside")
    monkeypatch.delenv(f"{MARK}_2", raising=False)
    before = dict(os.environ)
    with Worker(some.backend, {**SHARING, MARK: "inside", f"{MARK}_2": "new"}) as worker:
        assert worker.call(read_environment, MARK) == "inside"
        assert worker.call(read_environment, f"{MARK}_2") == "new"
        assert dict(os.environ) == before
        pid = worker.call(os.getpid)
        assert pid != os.getpid()
    assert pid not in {child.pid for child in multiprocessing.active_children()}
    assert some.call(read_environment, f"{MARK}_2") is None


def test_the_tuned_environment_keeps_what_the_user_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.check=1")
    assert environment("idiomatic") == {}
    tunables = environment("tuned")["GLIBC_TUNABLES"]
    assert tunables == "glibc.malloc.check=1:glibc.malloc.hugetlb=1"
    monkeypatch.delenv("GLIBC_TUNABLES")
    assert environment("tuned") == TUNED


@pytest.mark.parametrize(
    ("backend", "absent", "lacks"),
    [
        ("torch", ["torch"], "torch"),
        ("flax", ["jax", "optax"], "jax and optax"),
        ("keras", ["keras", "tensorflow"], "keras and tensorflow"),
    ],
)
def test_missing_packages_are_named_with_their_remedy(
    monkeypatch: pytest.MonkeyPatch, backend: str, absent: list[str], lacks: str
) -> None:
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    real = importlib.util.find_spec

    def find(name: str, package: str | None = None) -> Any:
        if name in absent:
            return None
        return real("sys") if name in ("torch", "jax", "flax", "optax") else real(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find)
    sentence = (
        f"the {backend} backend needs {lacks}; install it with: pip install 'triptych[{backend}]'"
    )
    assert registry.missing(backend) == absent
    assert registry.explain_missing(backend) == sentence
    assert backend not in registry.installed()
    with pytest.raises(BackendMissingError) as caught:
        registry.load(backend)
    assert str(caught.value) == sentence


def test_missing_packages_are_told_through_a_worker(some: Worker) -> None:
    package = {"torch": "torch", "flax": "flax", "keras": "keras"}[some.backend]
    with pytest.raises(BackendMissingError) as caught:
        some.call(load_without, some.backend, package)
    assert str(caught.value) == (
        f"the {some.backend} backend needs {package}; "
        f"install it with: pip install 'triptych[{some.backend}]'"
    )


def test_worker_of_a_backend_that_is_not_installed_does_not_start() -> None:
    before = {child.pid for child in multiprocessing.active_children()}
    worker = Worker("keras", {"KERAS_BACKEND": "no_such_framework"})
    with pytest.raises(BackendMissingError, match="no_such_framework"), worker:
        pytest.fail("a worker without its framework was started")
    assert {child.pid for child in multiprocessing.active_children()} <= before


def test_worker_of_an_unknown_backend_does_not_start() -> None:
    with pytest.raises(ConfigurationError, match="there is no backend 'caffe'"), Worker("caffe"):
        pytest.fail("a worker of no backend was started")


def test_registry_knows_its_backends() -> None:
    with pytest.raises(ConfigurationError) as caught:
        registry.load("tensorflow")
    assert str(caught.value).startswith(
        "there is no backend 'tensorflow'; there are torch, flax, keras."
    )


@pytest.mark.parametrize(
    ("runs_on", "said"),
    [
        ("tensorflow", "pip install 'triptych[keras]'"),
        ("jax", "pip install 'triptych[keras,flax]'"),
        ("torch", "pip install 'triptych[keras,torch]'"),
        ("nope", "KERAS_BACKEND must be tensorflow, jax, torch or unset, not 'nope'"),
    ],
)
def test_keras_says_what_it_needs_for_the_framework_that_it_is_to_run_on(
    monkeypatch: pytest.MonkeyPatch, runs_on: str, said: str
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", runs_on)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert registry.missing("keras") == ["keras", runs_on]
    assert said in registry.explain_missing("keras")


PARENT = """
import os, time
from shared import registry
from shared.workers import Worker

if __name__ == "__main__":
    with Worker(registry.installed()[0]) as worker:
        print(worker.call(os.getpid), flush=True)
        worker.call(time.sleep, 600)
"""


def alive(process: int) -> bool:
    """Whether a process runs; one that ended may stay listed where nobody asks for its status."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/status")
    return not (status.exists() and "\nState:\tZ" in status.read_text())


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_a_worker_ends_with_the_process_that_started_it(some: Worker, tmp_path: Path) -> None:
    """Killed, a parent cannot tell its worker, which may be in the middle of hours of work."""
    del some
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    ) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        os.kill(child, 0)  # it lives
        parent.kill()
    patience = time.monotonic() + 30
    while alive(child) and time.monotonic() < patience:
        time.sleep(0.05)
    if alive(child):
        os.kill(child, signal.SIGKILL)
        pytest.fail("the worker went on without its parent")
