"""Backends that are asked at once: what is missing or fails is told, and the others answer."""

from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

import pytest

from shared import registry, together
from shared.errors import WorkerError


class Scripted:
    """In place of a worker: flax has died before it is asked, keras dies meanwhile."""

    def __init__(self, backend: str, environment: Any, **_: Any) -> None:
        self.backend, self.environment = backend, environment

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        assert error is None

    def submit(self, function: Any, *arguments: Any) -> Future[Any]:
        if self.backend == "flax":
            raise WorkerError("flax has died")
        future: Future[Any] = Future()
        future.set_result(function(*arguments, self.environment))
        return future

    def result(self, future: Future[Any]) -> Any:
        if self.backend == "keras":
            raise WorkerError("keras dies")
        return future.result()


def joined(*words: Any) -> str:
    return " ".join(map(str, words))


def test_who_fails_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "Worker", Scripted)
    monkeypatch.setattr(registry, "missing", lambda _: [])
    answers = together.ask(["flax", "keras", "torch"], joined, "is asked", environment={"A": "B"})
    assert answers.results == {"torch": "torch is asked {'A': 'B'}"}
    assert answers.errors == {"flax": "flax has died", "keras": "keras dies"}
    assert answers.skipped == {}


def test_what_is_not_installed_is_skipped_and_the_reason_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(together, "Worker", Scripted)
    monkeypatch.setattr(registry, "missing", lambda name: ["it"] if name == "torch" else [])
    answers = together.ask(["torch"], joined)
    assert answers.results == answers.errors == {}
    assert answers.skipped == {"torch": registry.explain_missing("torch")}
    assert registry.usable(["keras", "torch"]) == (["keras"], answers.skipped)
