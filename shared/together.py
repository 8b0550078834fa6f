"""Several workers at once: one that fails has its error told, and does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar

from shared import registry
from shared.errors import TriptychError
from shared.workers import Worker

Key = TypeVar("Key")
Result = TypeVar("Result")


@dataclass
class Answers:
    """What each backend's process gave."""

    results: dict[str, Any] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


def ask(
    backends: Sequence[str],
    function: Callable[..., Any],
    *arguments: Any,
    environment: Mapping[str, str] | None = None,
) -> Answers:
    """Call `function(backend, *arguments)` in a process of each backend, all at once.

    A backend that is not installed is skipped; one that fails does not stop the others.
    """
    usable, skipped = registry.usable(backends)
    with ExitStack() as stack:
        workers = {
            name: stack.enter_context(Worker(name, environment, whole=False)) for name in usable
        }
        results, errors = gather(
            workers, lambda name, worker: worker.submit(function, name, *arguments)
        )
    return Answers(results, skipped, errors)


def gather(
    workers: Mapping[Key, Worker], start: Callable[[Key, Worker], Future[Result]]
) -> tuple[dict[Key, Result], dict[Key, str]]:
    """Let all workers work at once, and wait: what they give, and what went wrong, by key."""
    futures, early = begin(workers, start)
    results, errors = wait(workers, futures)
    return results, early | errors


def begin(
    workers: Mapping[Key, Worker], start: Callable[[Key, Worker], Future[Result]]
) -> tuple[dict[Key, Future[Result]], dict[Key, str]]:
    """Let all workers begin at once; their futures, and what went wrong already, by key."""
    futures: dict[Key, Future[Result]] = {}
    errors: dict[Key, str] = {}
    for key, worker in workers.items():
        try:
            futures[key] = start(key, worker)
        except TriptychError as error:
            errors[key] = str(error)
    return futures, errors


def wait(
    workers: Mapping[Key, Worker], futures: Mapping[Key, Future[Result]]
) -> tuple[dict[Key, Result], dict[Key, str]]:
    """What workers give, and what went wrong, by key."""
    results: dict[Key, Result] = {}
    errors: dict[Key, str] = {}
    for key, future in futures.items():
        try:
            results[key] = workers[key].result(future)
        except TriptychError as error:
            errors[key] = str(error)
    return results, errors
