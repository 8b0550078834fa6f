"""What the tests are run for: the flavours, and the cases of the specs.

A flavour is a backend, or Keras on another framework than TensorFlow. What is not installed is
skipped; TRIPTYCH_TEST_BACKENDS, flavours with commas between, names those that must be there.

`make test` takes each class in its smallest case, in a moment what takes an hour for all of them;
with TRIPTYCH_TEST_ALL=1, as `make test-all` has it, every case is taken, in every flavour that may
show something with it.
"""

import os
from collections.abc import Iterable, Mapping

import pytest

from shared import registry
from shared.specs import SPECS, Case, Network, Spec

ALL = os.environ.get("TRIPTYCH_TEST_ALL", "") not in ("", "0")
exhaustive = pytest.mark.exhaustive
"""A test, or a parameter of one, that is for `make test-all`."""

# A test runs what JAX compiles once or twice: it is not worth optimising. The next test that builds
# the same network finds it in a cache, however little time it took.
QUICKLY = {
    "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
FLAVOURS: dict[str, tuple[str, dict[str, str]]] = {
    "torch": ("torch", {}),
    "flax": ("flax", QUICKLY),
    "keras": ("keras", {"KERAS_BACKEND": "tensorflow"}),
    "keras-jax": ("keras", {"KERAS_BACKEND": "jax", **QUICKLY}),
    "keras-torch": ("keras", {"KERAS_BACKEND": "torch"}),
}
DEMANDED = [name for name in os.environ.get("TRIPTYCH_TEST_BACKENDS", "").split(",") if name]

# Keras is one panel on three frameworks: its mistakes show on TensorFlow. On the other two a test
# of all cases takes, of each spec, the network in its smallest case alone; and a test of the native
# networks takes those of these classes.
SECOND_TO_TENSORFLOW = ("keras-jax", "keras-torch")
STILL_TAKEN: tuple[str, ...] = ("MNISTClassifier", "EarlyExitNet")
if ALL:
    STILL_TAKEN += ("MIMONet", "SimpleResNet")


def lacking(flavour: str) -> str | None:
    """Why a flavour cannot be tested here, if it cannot."""
    backend, environment = FLAVOURS[flavour]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return registry.explain_missing(backend) if registry.missing(backend) else None


def skip_if_lacking(flavour: str) -> None:
    """Skip the test where a flavour is not installed; fail it where it must be."""
    reason = lacking(flavour)
    if reason and flavour in DEMANDED:
        pytest.fail(f"TRIPTYCH_TEST_BACKENDS demands {flavour}, but {reason}")
    if reason:
        pytest.skip(reason)


def smallest(spec: Spec) -> Case:
    """A spec's whole network in its smallest case that is no default, if there is one."""
    own = [case for case in spec.more_cases if case.network.cls == spec.network.cls]
    return min(own or spec.cases, key=lambda case: case.parameters)


def smallest_of_each_class(spec: Spec) -> list[Case]:
    """A spec's whole network and its parts, each in its smallest case."""
    parts: dict[str, Case] = {spec.network.cls: smallest(spec)}
    for case in sorted(spec.more_cases, key=lambda case: case.parameters):
        parts.setdefault(case.network.cls, case)
    return [case for case in spec.cases if case in parts.values()]


def cases(flavour: str, *, native: bool) -> list[tuple[Spec, Case]]:
    """What a test of all cases takes in a flavour.

    What a framework does with a default, it does with a smaller case; its names, its counts and its
    numbers are tested elsewhere. So tests of native networks leave it out.
    """
    chosen: list[tuple[Spec, Case]] = []
    for spec in SPECS.values():
        if flavour in SECOND_TO_TENSORFLOW:
            own = [smallest(spec)]
            if (native or not ALL) and spec.network.cls not in STILL_TAKEN:
                own = []
        elif not ALL:
            own = smallest_of_each_class(spec)
        elif native:
            own = [c for c in spec.cases if c.label != "default" or c == smallest(spec)]
        else:
            own = [*spec.cases]
        chosen += [(spec, case) for case in own]
    return chosen


def in_flavours(names: Iterable[str] = FLAVOURS, *, native: bool = False) -> pytest.MarkDecorator:
    """A test of `flavour`, `spec` and `case`, for everything that it takes."""
    return pytest.mark.parametrize(
        ("flavour", "spec", "case"),
        [
            pytest.param(name, spec, case, id=f"{name}-{spec.name}-{case.label}".replace(" ", "_"))
            for name in names
            for spec, case in cases(name, native=native)
        ],
    )


def in_flavours_with(argument: str, networks: Mapping[str, Network]) -> pytest.MarkDecorator:
    """A test of `flavour` and one of these native networks, or of its name."""
    return pytest.mark.parametrize(
        ("flavour", argument),
        [
            pytest.param(flavour, name if argument == "name" else network, id=f"{flavour}-{name}")
            for flavour in FLAVOURS
            for name, network in networks.items()
            if flavour not in SECOND_TO_TENSORFLOW or network.cls in STILL_TAKEN
        ],
    )
