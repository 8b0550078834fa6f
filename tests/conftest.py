"""Workers for the tests, one a flavour, started when asked for, kept for one file's tests."""

import json
import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import platformdirs
import pytest

from shared import caches, workers
from shared.panels import PANELS
from shared.workers import ALONE, Worker
from tests.flavours import (
    ALL,
    DEMANDED,
    FLAVOURS,
    QUICKLY,
    lacking,
    skip_if_lacking,
)
from tests.warm import Servers

os.environ[caches.VARIABLE] = os.environ[caches.EVIDENCE] = "off"  # what tests make is no user's
TIERS = ("unit", "backends", "across", "e2e")

Lend = Callable[[str], Worker]
Native = Callable[..., Any]


def compiled() -> Path:
    """Where what the tests compile is kept for the next run, outside of the clone."""
    with pytest.MonkeyPatch.context() as patch:
        chosen = os.environ.get("TRIPTYCH_TEST_CACHE")
        patch.setenv(caches.VARIABLE, chosen or platformdirs.user_cache_dir("triptych-tests"))
        folder = caches.directory()
    assert folder is not None
    folder.mkdir(parents=True, exist_ok=True)
    return folder


# For every process that the tests start: two of them share two cores.
os.environ |= {**ALONE, **QUICKLY, "JAX_COMPILATION_CACHE_DIR": str(compiled())}
SERVERS = Servers()
ANEW = workers.context


def pytest_configure(config: pytest.Config) -> None:
    unknown = set(DEMANDED) - set(FLAVOURS)
    if unknown:
        raise pytest.UsageError(
            f"TRIPTYCH_TEST_BACKENDS names {', '.join(sorted(unknown))}; "
            f"there are {', '.join(FLAVOURS)}"
        )
    workers.context = SERVERS.context
    if hasattr(config, "workerinput"):
        SERVERS.share(json.loads(config.workerinput["servers"]))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """With pytest-xdist all processes of tests fork their workers from the same servers."""
    if not all("unit" in argument for argument in node.config.args):
        for flavour, (backend, environment) in FLAVOURS.items():
            if not lacking(flavour):
                SERVERS.start(backend, environment.get("KERAS_BACKEND", "tensorflow"))
    node.workerinput["servers"] = json.dumps(SERVERS.addresses())


def pytest_unconfigure() -> None:
    workers.context = ANEW


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    later = [item for item in items if not ALL and item.get_closest_marker("exhaustive")]
    config.hook.pytest_deselected(items=later)
    chosen = [item for item in items if item not in later]
    # Those of the unit tier run while the servers still import their frameworks.
    items[:] = sorted(chosen, key=lambda item: "tests/unit" not in item.nodeid)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests each tier has, and how many seconds they took, one after the other."""
    counts, seconds = dict.fromkeys(TIERS, 0), dict.fromkeys(TIERS, 0.0)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                tier = report.nodeid.split("/")[1]
                seconds[tier] += report.duration
                counts[tier] += report.when == "call"
    ran = [tier for tier in TIERS if counts[tier]]
    terminalreporter.write_line(
        "seconds of tests: "
        + ", ".join(f"{tier} {seconds[tier]:.0f} ({counts[tier]:,} tests)" for tier in ran)
    )


@pytest.fixture(autouse=True)
def same_environment() -> Iterator[None]:
    """No test leaves a variable behind that another one would find."""
    before = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    yield
    after = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    assert after == before


@pytest.fixture
def anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers are started as they are for users: by an interpreter that imports everything."""
    monkeypatch.setattr(workers, "context", ANEW)


@pytest.fixture(scope="module")
def lend() -> Iterator[Lend]:
    """Give the worker of a flavour, or skip the test where the flavour is not installed.

    Another file gets others: they start in no time, and what a network leaves in memory goes.
    """
    with ExitStack() as stack:
        lent: dict[str, Worker] = {}

        def get(flavour: str) -> Worker:
            skip_if_lacking(flavour)
            if flavour not in lent:
                backend, environment = FLAVOURS[flavour]
                worker = Worker(backend, {**ALONE, **environment})
                lent[flavour] = stack.enter_context(worker)
            return lent[flavour]

        yield get


@pytest.fixture(params=FLAVOURS if ALL else PANELS)
def flavour(request: pytest.FixtureRequest) -> str:
    """The flavour that the test runs for: a backend, or with `make test-all` any."""
    return request.param


@pytest.fixture
def worker(flavour: str, lend: Lend) -> Worker:
    """The worker of the flavour that the test runs for."""
    return lend(flavour)


@pytest.fixture(scope="module")
def answers() -> dict[Any, Any]:
    """What native checks have given so far."""
    return {}


@pytest.fixture
def native(flavour: str, worker: Worker, answers: dict[Any, Any]) -> Native:
    """Call a function of the backend's native checks in its worker, once for each arguments."""
    from tests.backends import native as checks

    def call(name: str, *arguments: Any) -> Any:
        key = (flavour, name, pickle.dumps(arguments))
        if key not in answers:
            answers[key] = worker.call(checks.call, worker.backend, name, *arguments)
        return answers[key]

    return call


@pytest.fixture
def several(lend: Lend) -> dict[str, Worker]:
    """All workers that there are, for a test that holds one against another: at least two."""
    lent = {name: lend(name) for name in FLAVOURS if name in DEMANDED or not lacking(name)}
    if len(lent) < 2:
        pytest.skip("there is one backend here, and nothing to hold it against")
    return lent
