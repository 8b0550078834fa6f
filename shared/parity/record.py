"""Evidence of one backend, in the process that asks for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from shared.parity import collect
from shared.parity.collect import begin
from shared.parity.evidence import Evidence
from shared.specs import Spec


def record(
    spec: Spec,
    backend: str,
    dtypes: Sequence[str] = ("float64", "float32"),
    *,
    device: str = "cpu",
    precision: str = "highest",
    trainings: bool = True,
    report: Callable[[str], None] = lambda _: None,
) -> Evidence:
    """Everything that a backend is compared by, for every case of an architecture.

    Loads the backend: one a process.

    Raises:
        BackendMissingError: the backend is not installed.
        DeviceMissingError: it does not have the device.
        ConfigurationError: it does not compute in a dtype.
    """
    versions = begin(backend, device, precision)
    cases = {}
    for case in spec.cases:
        report(f"{spec.name}, {case.label}")
        plan = collect.plan(spec, case, dtypes, device, trainings=trainings)
        cases[case.label] = collect.collect(backend, plan)
    networks = {case.label: case.network.plain_config() for case in spec.cases}
    return Evidence(spec.name, backend, versions, device, precision, networks, cases)
