"""The environments of workers, and those that do not start."""

import multiprocessing
import pickle
from types import SimpleNamespace
from typing import Any

import pytest

from shared.errors import BackendMissingError, ConfigurationError
from shared.workers import TUNED, Worker, _run, environment


def test_the_tuned_environment_keeps_what_the_user_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.check=1")
    assert environment("idiomatic") == {}
    tunables = environment("tuned")["GLIBC_TUNABLES"]
    assert tunables == "glibc.malloc.check=1:glibc.malloc.hugetlb=1"
    monkeypatch.delenv("GLIBC_TUNABLES")
    assert environment("tuned") == TUNED


def test_worker_of_a_backend_that_is_not_installed_does_not_start() -> None:
    before = {child.pid for child in multiprocessing.active_children()}
    worker = Worker("keras", {"KERAS_BACKEND": "no_such_framework"})
    with pytest.raises(BackendMissingError, match="no_such_framework"), worker:
        pytest.fail("a worker without its framework was started")
    assert {child.pid for child in multiprocessing.active_children()} <= before


def test_worker_of_an_unknown_backend_does_not_start() -> None:
    with pytest.raises(ConfigurationError, match="there is no backend 'caffe'"), Worker("caffe"):
        pytest.fail("a worker of no backend was started")


class Process:
    """A process whose status is known when its pool is shut down."""

    exitcode: int | None = None


@pytest.mark.parametrize(
    ("status", "how"),
    [
        (3, "ended with status 3"),
        (-9, "was ended by signal 9 (SIGKILL)"),
        (None, "ended, or answers no more"),
    ],
)
def test_how_a_process_ended_is_told(status: int | None, how: str) -> None:
    worker: Any = Worker("torch")
    worker._process = Process()
    worker._pool = SimpleNamespace(shutdown=lambda: setattr(worker._process, "exitcode", status))
    message = str(worker._ended())
    assert message == f"the torch backend gave no result: its process {how}"


class OddError(Exception):
    """An error that cannot be read at another process's end."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"{one} {other}")


def give(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (SystemExit(0), "SystemExit: 0"),
        (SystemExit("goodbye"), "SystemExit: goodbye"),
        (KeyboardInterrupt(), "KeyboardInterrupt: "),
        (OddError("one", "two"), "OddError: one two"),
    ],
)
def test_what_is_no_error_elsewhere_is_one_here(error: BaseException, message: str) -> None:
    """A panel that leaves Python must not end who waits for it, as if all were well."""
    with pytest.raises(Exception, match=f"^{message}$") as caught:
        _run(give, (error,))
    assert isinstance(pickle.loads(pickle.dumps(caught.value)), type(caught.value))


def test_an_error_that_can_travel_is_itself() -> None:
    with pytest.raises(ZeroDivisionError, match="by 0"):
        _run(give, (ZeroDivisionError("by 0"),))
