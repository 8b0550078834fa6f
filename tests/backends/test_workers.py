"""Workers that die, fail, or cannot start; what they tell, and what they leave alone."""

import importlib.util
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest

from shared import registry
from shared.errors import BackendMissingError, ConfigurationError, WorkerError
from shared.workers import SHARED_GPU, Worker
from tests.conftest import Lend
from tests.flavours import FLAVOURS, lacking

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
    original = importlib.util.find_spec

    def find(name: str, package: str | None = None) -> Any:
        return None if name in packages else original(name, package)

    importlib.util.find_spec = find
    try:
        registry.load(backend)
    finally:
        importlib.util.find_spec = original


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
    with Worker(some.backend, SHARED_GPU) as worker:
        yield worker


@pytest.mark.parametrize(
    ("how", "argument", "ending"),
    [
        (end, 3, "its process ended with status 3"),
        (kill, signal.SIGKILL, "its process was ended by signal 9 (SIGKILL)"),
    ],
)
def test_death_is_told_and_others_go_on(
    some: Worker, mortal: Worker, how: Callable[[int], None], argument: int, ending: str
) -> None:
    assert mortal.call(divide, 6, 2) == 3
    sentence = f"the {mortal.backend} backend gave no result: {ending}"
    with pytest.raises(WorkerError) as caught:
        mortal.call(how, argument)
    assert str(caught.value) == sentence
    with pytest.raises(WorkerError) as caught:
        mortal.call(divide, 6, 2)  # and it stays dead
    assert str(caught.value) == sentence
    assert some.call(divide, 6, 2) == 3


def test_a_death_is_told_as_it_was_where_its_status_comes_late(
    mortal: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pool's thread reads it, once; another that reads it meanwhile finds nothing there."""
    read = forkserver.read_signed

    def read_late(descriptor: int) -> int:
        time.sleep(0.2)
        return read(descriptor)

    monkeypatch.setattr(forkserver, "read_signed", read_late)
    with pytest.raises(WorkerError, match=r"ended with status 3$"):
        mortal.call(end, 3)


def test_failure_has_its_backend_type_and_message(some: Worker) -> None:
    with pytest.raises(WorkerError) as caught:
        some.call(divide, 1, 0)
    assert str(caught.value) == (
        f"the {some.backend} backend failed: ZeroDivisionError: division by zero"
    )
    assert some.call(divide, 1, 2) == 0.5


class TwoArgumentsError(Exception):
    """It cannot be read at the other end: it keeps one argument, and is made of two."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}")


def raise_two() -> None:
    raise TwoArgumentsError("one", "another")


def test_an_error_that_cannot_travel_is_told_and_the_worker_goes_on(some: Worker) -> None:
    with pytest.raises(WorkerError) as caught:
        some.call(raise_two)
    assert str(caught.value) == (
        f"the {some.backend} backend failed: TwoArgumentsError: one and another"
    )
    assert some.call(divide, 6, 2) == 3


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


class Account:
    """What a worker may hold."""

    def __init__(self, balance: int) -> None:
        if balance < 0:
            raise ConfigurationError(f"balance must be at least 0, not {balance}")
        self.balance = balance

    def add(self, amount: int) -> int:
        self.balance += amount
        return self.balance


def test_a_worker_holds_objects_by_name(some: Worker) -> None:
    for name, balance in (("mine", 1), ("yours", 10)):
        some.result(some.hold(name, Account, balance))
    assert [some.result(some.ask(n, "add", 5)) for n in ("mine", "yours", "mine")] == [6, 15, 11]
    some.result(some.drop("mine"))
    some.result(some.drop("mine"))
    with pytest.raises(WorkerError, match="KeyError: 'mine'"):
        some.result(some.ask("mine", "add", 1))
    assert some.result(some.ask("yours", "add", 1)) == 16
    some.result(some.drop("yours"))


def test_what_could_not_be_made_is_told_by_who_asks_for_it(some: Worker) -> None:
    some.hold("mine", Account, -1)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="balance must be at least 0, not -1"):
            some.result(some.ask("mine", "add", 1))
    some.result(some.drop("mine"))


def test_environment_of_a_worker_is_its_own(some: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MARK, "outside")
    monkeypatch.delenv(f"{MARK}_2", raising=False)
    before = dict(os.environ)
    with Worker(some.backend, {**SHARED_GPU, MARK: "inside", f"{MARK}_2": "new"}) as worker:
        assert worker.call(read_environment, MARK) == "inside"
        assert worker.call(read_environment, f"{MARK}_2") == "new"
        assert dict(os.environ) == before
        pid = worker.call(os.getpid)
        assert pid != os.getpid()
    assert pid not in {child.pid for child in multiprocessing.active_children()}
    assert some.call(read_environment, f"{MARK}_2") is None


def test_missing_packages_are_told_through_a_worker(some: Worker) -> None:
    package = {"torch": "torch", "flax": "flax", "keras": "keras"}[some.backend]
    with pytest.raises(BackendMissingError) as caught:
        some.call(load_without, some.backend, package)
    assert str(caught.value) == (
        f"the {some.backend} backend needs {package}; "
        f"install it {registry.how_to_install(some.backend)}"
    )


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
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
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


def versions(backend: str) -> dict[str, str]:
    return registry.load(backend).versions()


def test_versions_are_plain_text(worker: Worker) -> None:
    """A subclass of a framework's own would be imported, with the framework, where it arrives."""
    by_package = worker.call(versions, worker.backend)
    assert by_package
    assert {type(version) for version in by_package.values()} == {str}
