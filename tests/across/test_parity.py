"""The ladder holds for every architecture, and it finds faults that are put in."""

import io
import json
import multiprocessing
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations as pairs_of
from typing import Any

import pytest
from rich.console import Console

from shared import registry, specs
from shared.differences import TOLERANCES
from shared.interface import VARIANTS
from shared.parity import collect, combinations, ladder, recipes, table
from shared.parity.checks import RUNGS, Check, Outcome
from shared.parity.combinations import COMBINATIONS
from shared.workers import Worker
from tests.across import faults
from tests.flavours import ALL, cases, exhaustive, smallest
from tests.shorter import shorter

INSTALLED = registry.installed()
several = pytest.mark.skipif(len(INSTALLED) < 2, reason="parity needs two backends")
everything = pytest.mark.skipif(len(INSTALLED) < 3, reason="needs all three backends")


# The last rungs, with their trainings, take minutes: `make test` climbs them with a network that
# has batch norm and convolutions, and with one that is a loop; `make test-all` with all.
TRAINED = [*specs.SPECS] if ALL else ["dense_net", "row_gru"]
FEWER_STEPS = {} if ALL else {"dense_net": 8}
# In float32 the same code runs; convolutions with batch norm and a loop round most.
SINGLE = [*specs.SPECS] if ALL else ["dense_net", "row_gru", "basic_net"]
# Both variants, with their trainers: those whose tasks and layers others do not have.
VARIED = [*specs.SPECS] if ALL else [*SINGLE, "seq2seq", "early_exit_net", "mnist_classifier"]
CASES = cases("torch", native=False)


def climb(spec: specs.Spec, case: specs.Case, dtypes: Sequence[str] = tuple(TOLERANCES)) -> Outcome:
    """Climb the ladder with one case."""
    outcome = Outcome()
    trainings = spec.name in TRAINED
    with pytest.MonkeyPatch.context() as patch:
        if spec.name in FEWER_STEPS:
            patch.setattr(collect, "plan", shorter(collect.plan, FEWER_STEPS[spec.name]))
        varied = spec.name in VARIED
        for _ in ladder.climbing(
            outcome, [(spec, case)], dtypes, trainings=trainings, variants=varied
        ):
            pass
    return outcome


def expected(spec: specs.Spec, case: specs.Case, dtype: str) -> dict[str, list[str]]:
    """Who is held against whom on each rung of a case."""
    pairs = ["-".join(pair) for pair in pairs_of(INSTALLED, 2)]
    rungs = {
        "counts": INSTALLED,
        "outputs": INSTALLED,
        **dict.fromkeys(("tensors", "forward", "exchange", "activations"), pairs),
        "methods": of_methods(case.network, dtype, pairs),
    }
    if spec.task is not None:
        rungs |= dict.fromkeys(("loss", "gradients"), pairs)
        if case.buffers:
            rungs["buffers"] = pairs
        if case.network.cls in ("BasicNet", "SequentialNet", "MNISTClassifier"):
            rungs["dropout"] = [*INSTALLED, *pairs * 2]  # the rates, and what the same masks give
    tried = 0
    if spec.name in TRAINED and case == recipes.trained_case(spec):
        tried = len(COMBINATIONS) if spec.name == combinations.ARCHITECTURE else 0
        rungs["optimizers"] = pairs * len(recipes.of(spec))
        rungs["resume"] = pairs * len(recipes.RESUMED)
        if dtype == "float32":
            rungs["teacher-forced"] = pairs
    if spec.name in VARIED and not recipes.has_trainers(spec, case):
        rungs["variants"] = INSTALLED
    elif spec.name in VARIED:
        single = case == recipes.trained_case(spec)
        parts = dtype == "float64" or single, dtype == "float64" and single and "dropout" in rungs
        rungs["trainers"] = [*INSTALLED * len(VARIANTS) * (1 + sum(parts)), *pairs * (1 + tried)]
        rungs["variants"] = INSTALLED * (1 + tried)
    labels = spec.task is not None and recipes.is_whole(spec, case)
    kinds = ["ties", "black", "large", "alike"]
    kinds += ["masked"] if any(t.dtype != "float" for t in case.network.inputs.values()) else []
    kinds += ["uncounted"] if labels else []
    kinds += ["batches"] if case == recipes.smallest(spec) and dtype == "float64" else []
    by_itself = ["finite", "alike", "lent", *(["uncounted"] if labels else [])]
    rungs["edges"] = [*pairs * len(kinds), *INSTALLED * len(by_itself)]
    return {rung: sorted(names) for rung, names in rungs.items()}


def of_methods(network: specs.Network, dtype: str, pairs: Sequence[str]) -> list[str]:
    """Who is held against whom, for each part of the rung of methods."""
    parts = 1  # that no weight has changed
    classes = next(iter(network.outputs.values())).axes.endswith("K")
    parts += classes + 2 * (network.cls == "MNISTClassifier") + (network.cls == "Seq2Seq")
    if dtype == "float64":
        parts += 2 + 2 * (network.cls == "InferenceModel")
        parts += network.cls in ("MNISTClassifier", "Seq2Seq")
    else:
        parts -= network.cls == "MNISTClassifier"
    return [*INSTALLED * parts, *(pairs if classes else [])]


@several
@pytest.mark.parametrize(("spec", "case"), CASES, ids=[f"{s.name}-{c.label}" for s, c in CASES])
def test_every_case_climbs_every_rung(spec: specs.Spec, case: specs.Case) -> None:
    # A part in float32 is what it is in its network.
    single = ALL or (recipes.is_whole(spec, case) and spec.name in SINGLE)
    dtypes = [dtype for dtype in TOLERANCES if single or dtype == "float64"]
    outcome = climb(spec, case, dtypes)
    assert outcome.proved
    assert outcome.count("passed") + outcome.count("bounded") == len(outcome.checks)
    assert set(outcome.versions) == set(INSTALLED)
    assert json.loads(json.dumps(outcome.to_dict()))["proved"] is True
    mirrored, *rest = outcome.checks
    assert mirrored.rung == "mirror"
    for dtype in dtypes:
        checks = [check for check in rest if check.dtype == dtype]
        between: dict[str, list[str]] = {}
        for check in checks:
            between.setdefault(check.rung, []).append(check.between)
        sets = {rung: sorted(names) for rung, names in between.items()}
        assert sets == expected(spec, case, dtype)
        hold(checks, dtype)
    shown = text_of(outcome)
    assert f"{len(outcome.checks):,} checks: {outcome.count('passed'):,} passed" in shown
    assert "0 failed, 0 missing" in shown
    for pair in pairs_of(INSTALLED, 2):
        assert "-".join(pair) in shown
    if spec.name in TRAINED and case == recipes.trained_case(spec):
        assert {check.rung for check in outcome.checks} | {"buffers", "dropout"} == {*RUNGS}
        float64_tells_more(outcome)


def hold(checks: Iterable[Check], dtype: str) -> None:
    """Differences are as small as they may be, and what is bounded has a stated cause."""
    for check in checks:
        assert check.status in ("passed", "bounded"), check
        if check.status == "bounded":
            assert check.detail
            if dtype == "float64":  # nothing but what Keras's Adam is by itself
                assert check.part == recipes.SHIPPED
                assert "keras" in check.between
        if check.rung in ("forward", "activations", "loss", "gradients", "buffers"):
            assert check.difference is not None
            assert check.tolerance is not None
            assert check.difference >= 0
            if dtype == "float64":
                assert check.status == "passed"
                assert check.difference <= 1e-12
            elif check.status == "passed":
                assert check.difference <= check.tolerance < 1e-1
        if check.rung == "optimizers" and dtype == "float64" and check.status == "passed":
            assert check.difference is not None
            assert check.difference <= 1e-10


def float64_tells_more(outcome: Outcome) -> None:
    """Were float64 computed in float32 somewhere, both would show the same rounding."""
    for rung in ("forward", "activations", "gradients", "optimizers"):
        worst = {
            dtype: max(
                c.difference or 0
                for c in outcome.checks
                if (c.dtype, c.rung, c.status) == (dtype, rung, "passed")
            )
            for dtype in TOLERANCES
        }
        assert 0 < worst["float64"] < worst["float32"] * 1e-6


def text_of(outcome: Outcome) -> str:
    """What the command prints of an outcome."""
    console = Console(width=140, file=io.StringIO(), record=True)
    table.show(outcome, console)
    return console.export_text()


@several
def test_a_climb_that_is_left_ends_its_workers() -> None:
    outcome, before = Outcome(), set(multiprocessing.active_children())
    basic_net = specs.find("basic_net")
    both = [(basic_net, case) for case in basic_net.cases[:2]]
    climb = ladder.climbing(outcome, both, ["float64"], trainings=False)
    spec, case = next(climb)
    assert {c.case for c in outcome.checks if c.rung == "forward"} == {case.label}
    assert spec.name == "basic_net"
    workers = set(multiprocessing.active_children()) - before
    assert len(workers) == len(INSTALLED)
    climb.close()
    for worker in workers:
        worker.join(30)
    assert not any(worker.is_alive() for worker in workers)


class Faulty(Worker):
    """A worker of which one backend's gets a fault."""

    backend_with_fault = ""
    fault: Callable[[], None]

    def __enter__(self) -> "Faulty":
        super().__enter__()
        if self.backend == self.backend_with_fault:
            self.call(type(self).fault)
        return self


@pytest.fixture
def with_fault(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Climb with a fault in one backend."""

    def climb(backend: str, fault: Callable[[], None], architecture: str) -> Outcome:
        kind = type(
            "FaultyNow", (Faulty,), {"backend_with_fault": backend, "fault": staticmethod(fault)}
        )
        monkeypatch.setattr(ladder, "Worker", kind)
        return climbed_by(architecture)

    return climb


def climbed_by(architecture: str, **options: Any) -> Outcome:
    """The ladder in float64, without trainings, by an architecture's smallest case."""
    spec, outcome = specs.find(architecture), Outcome()
    places = [(spec, smallest(spec))]
    for _ in ladder.climbing(outcome, places, ["float64"], trainings=False, **options):
        pass
    return outcome


def failed(outcome: Outcome) -> set[tuple[str, str]]:
    """Rung and participants of every check that failed."""
    return {(c.rung, c.between) for c in outcome.checks if c.status == "failed"}


@everything
@pytest.mark.parametrize(
    ("backend", "fault", "architecture", "expected"),
    [
        (
            "flax",
            faults.flax_not_finite,
            "basic_net",
            {
                *((rung, "flax") for rung in ("edges", "methods", "trainers", "variants")),
                *(
                    (rung, pair)
                    for rung in (
                        "forward",
                        "methods",
                        "loss",
                        "gradients",
                        "dropout",
                        "edges",
                        "trainers",
                    )
                    for pair in ("torch-flax", "flax-keras")
                ),
            },
        ),
        pytest.param(
            "torch",
            faults.torch_extra_bias,
            "branching_net",
            {
                ("counts", "torch"),
                *(
                    (rung, pair)
                    for rung in ("tensors", "exchange", "activations", "trainers")
                    for pair in ("torch-flax", "torch-keras")
                ),
            },
            marks=exhaustive,
        ),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_fault_fails_at_its_rung_and_names_who(
    with_fault: Callable[..., Outcome],
    backend: str,
    fault: Callable[[], None],
    architecture: str,
    expected: set[tuple[str, str]],
) -> None:
    outcome = with_fault(backend, fault, architecture)
    assert failed(outcome) == expected
    assert not outcome.proved


@everything
def test_kernels_turned_on_loading_are_found(with_fault: Callable[..., Outcome]) -> None:
    """A mapping that is wrong on the way in shows when the weights come back."""
    outcome = with_fault("keras", faults.keras_swapped_kernels, "branching_net")
    failures = failed(outcome)
    assert {("exchange", "torch-keras"), ("exchange", "flax-keras")} <= failures
    assert ("forward", "torch-keras") in failures
    assert ("exchange", "torch-flax") not in failures


@everything
@pytest.mark.parametrize("fault", [faults.dies, faults.dies_while_it_starts])
def test_a_worker_that_dies_is_missing_and_the_others_are_compared(
    with_fault: Callable[..., Outcome], fault: Callable[[], None]
) -> None:
    outcome = with_fault("flax", fault, "basic_net")
    missing = [c for c in outcome.checks if c.status == "missing"]
    assert {c.between for c in missing} >= {"flax", "torch-flax", "flax-keras"}
    assert all("flax" in c.between and "status 3" in c.detail for c in missing)
    others = [c for c in outcome.checks if "flax" not in c.between]
    assert ("forward", "torch-keras") in {(c.rung, c.between) for c in others}
    assert all(c.status == "passed" for c in others)
    assert not outcome.proved
    assert [*outcome.errors] == ["flax"]
    assert f"flax: {outcome.errors['flax']}" in text_of(outcome)


@several
def test_a_backend_that_is_not_installed_is_reported_and_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    absent = INSTALLED[-1]
    real = registry.missing
    monkeypatch.setattr(
        registry, "missing", lambda name: ["something"] if name == absent else real(name)
    )
    outcome = climbed_by("basic_net")
    assert f"pip install -e '.[{absent}]'" in outcome.skipped[absent]
    assert absent not in outcome.versions
    assert not any(absent in c.between for c in outcome.checks if c.rung != "mirror")
    assert outcome.proved is (len(INSTALLED) > 2)


@pytest.mark.skipif(not INSTALLED, reason="needs a backend")
def test_one_backend_alone_proves_nothing() -> None:
    outcome = climbed_by("basic_net", backends=INSTALLED[:1])
    assert outcome.count("failed") == outcome.count("missing") == 0
    assert not outcome.compared
    assert not outcome.proved


def test_no_checks_at_all_prove_nothing() -> None:
    assert not Outcome().proved
    assert not ladder.climb([], backends=[]).proved
