"""Workers for the tests, one a flavour, started when first asked for and kept for the session.

A flavour is a backend, or Keras on another framework than TensorFlow. What is not installed is
skipped; TRIPTYCH_TEST_BACKENDS, flavours with commas between, names those that must be there.
"""

import json
import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared import cli, registry
from shared.errors import TriptychError
from shared.specs import SPECS, Case, Spec
from shared.workers import ALONE, Worker
from tests import native as native_checks

# A test runs what JAX compiles once or twice: it is not worth optimising. The next test that builds
# the same network finds it in a cache (see `lend`), however little time it took.
QUICKLY = {
    "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
os.environ["TRIPTYCH_COMPILATION_CACHE"] = "off"  # what tests compile is no user's
FLAVOURS: dict[str, tuple[str, dict[str, str]]] = {
    "torch": ("torch", {}),
    "flax": ("flax", QUICKLY),
    "keras": ("keras", {"KERAS_BACKEND": "tensorflow"}),
    "keras-jax": ("keras", {"KERAS_BACKEND": "jax", **QUICKLY}),
    "keras-torch": ("keras", {"KERAS_BACKEND": "torch"}),
}
# Several workers share a GPU, where there is one: none may take all its memory.
SHARING = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
DEMANDED = [name for name in os.environ.get("TRIPTYCH_TEST_BACKENDS", "").split(",") if name]
CASES = [
    pytest.param(case, id=f"{spec.name}-{case.label}".replace(" ", "_"))
    for spec in SPECS.values()
    for case in spec.cases
]
# Keras is one panel on three frameworks: its mistakes show on TensorFlow. On the other two a test
# of all cases takes, of each spec, the network in its smallest case alone; and where
# test_architectures goes through networks, it takes those of these classes.
SECOND_TO_TENSORFLOW = ("keras-jax", "keras-torch")
STILL_TAKEN = ("MNISTClassifier", "MIMONet", "SimpleResNet", "EarlyExitNet")

Lend = Callable[[str], Worker]
Native = Callable[..., Any]


def pytest_configure() -> None:
    unknown = set(DEMANDED) - set(FLAVOURS)
    if unknown:
        raise pytest.UsageError(
            f"TRIPTYCH_TEST_BACKENDS names {', '.join(sorted(unknown))}; "
            f"there are {', '.join(FLAVOURS)}"
        )


def smallest(spec: Spec) -> Case:
    """A spec's whole network in its smallest case that is no default, if there is one."""
    own = [case for case in spec.more_cases if case.network.cls == spec.network.cls]
    return min(own or spec.cases, key=lambda case: case.parameters)


def is_repetition(item: pytest.Item) -> bool:
    """Whether a test shows nothing that another one does not show sooner."""
    if not isinstance(item, pytest.Function) or not hasattr(item, "callspec"):
        return False
    arguments: dict[str, Any] = item.callspec.params
    again = arguments.get("flavour") in SECOND_TO_TENSORFLOW
    native = item.path.name == "test_architectures.py"
    if "case" in arguments:
        # What a framework does with a default, it does with a smaller case; its names, its counts
        # and its numbers are tested elsewhere.
        case = arguments["case"]
        few = again or (native and case.label == "default")
        return few and case not in [smallest(spec) for spec in SPECS.values()]
    if not (native and again):
        return False
    networks = [SPECS[arguments["name"]].network] if "name" in arguments else []
    networks += [arguments["network"]] if "network" in arguments else []
    return any(network.cls not in STILL_TAKEN for network in networks)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    repetitions = [item for item in items if is_repetition(item)]
    config.hook.pytest_deselected(items=repetitions)
    items[:] = [item for item in items if item not in repetitions]


def lacking(flavour: str) -> str | None:
    """Why a flavour cannot be tested here, if it cannot."""
    backend, environment = FLAVOURS[flavour]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return registry.explain_missing(backend) if registry.missing(backend) else None


@pytest.fixture(scope="session")
def lend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lend]:
    """Give the worker of a flavour, or skip the test where the flavour is not installed."""
    cache = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.mktemp("compiled"))}
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}

        def get(flavour: str) -> Worker:
            reason = lacking(flavour)
            if reason and flavour in DEMANDED:
                pytest.fail(f"TRIPTYCH_TEST_BACKENDS demands {flavour}, but {reason}")
            if reason:
                pytest.skip(reason)
            if flavour not in workers:
                backend, environment = FLAVOURS[flavour]
                worker = Worker(backend, {**ALONE, **SHARING, **cache, **environment})
                workers[flavour] = stack.enter_context(worker)
            return workers[flavour]

        yield get


@pytest.fixture(params=FLAVOURS)
def flavour(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def worker(flavour: str, lend: Lend) -> Worker:
    """The worker of the flavour that the test runs for."""
    return lend(flavour)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    """Every network that parity is proved on."""
    return request.param


@pytest.fixture(scope="session")
def answers() -> dict[Any, Any]:
    """What native checks have given so far."""
    return {}


@pytest.fixture
def native(flavour: str, worker: Worker, answers: dict[Any, Any]) -> Native:
    """Call a function of the backend's native checks in its worker, once for each arguments."""

    def call(name: str, *arguments: Any) -> Any:
        key = (flavour, name, pickle.dumps(arguments))
        if key not in answers:
            answers[key] = worker.call(native_checks.call, worker.backend, name, *arguments)
        return answers[key]

    return call


@pytest.fixture
def several(lend: Lend) -> dict[str, Worker]:
    """All workers that there are, for a test that holds one against another: at least two."""
    workers = {name: lend(name) for name in FLAVOURS if name in DEMANDED or not lacking(name)}
    if len(workers) < 2:
        pytest.skip("there is one backend here, and nothing to hold it against")
    return workers


@pytest.fixture(scope="session")
def report_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of one architecture as a user makes it, but for the guide's chapters."""
    if not registry.installed():
        pytest.skip("needs a backend")
    path = tmp_path_factory.mktemp("report") / "pages"
    with pytest.raises(SystemExit) as caught:
        cli.main(["report", "basic_net", "--no-guide", "--output", str(path)])
    assert caught.value.code == 0
    return path


@pytest.fixture(scope="session")
def measured(report_folder: Path) -> Any:
    """What was measured for that report."""
    from shared.report import run  # only these tests need what it imports

    return json.loads((report_folder / run.MEASURED).read_text("utf-8"))


@pytest.fixture(scope="session")
def surveys(lend: Lend) -> dict[str, dict[str, Any]]:
    """Every architecture as every backend tells of it."""
    from shared.report import survey

    return {
        name: {
            backend: lend(backend).call(survey.survey, backend, name)
            for backend in registry.installed()
        }
        for name in SPECS
    }


def sentence(worker: Worker, kind: type[TriptychError], *call: Any) -> str:
    """What a call in a worker says when it fails as it should."""
    with pytest.raises(kind) as caught:
        worker.call(*call)
    return str(caught.value)


def close(found: np.ndarray, wanted: np.ndarray, tolerance: float) -> bool:
    """Whether two arrays of one shape hold the same finite numbers, relative to the largest."""
    assert found.shape == wanted.shape
    assert found.size
    assert np.isfinite(found).all()
    assert np.isfinite(wanted).all()
    largest = float(np.abs(wanted).max())
    return float(np.abs(found - wanted).max()) <= tolerance * largest
