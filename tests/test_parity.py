"""The ladder holds for every case of every architecture, and it finds faults that are put in."""

import json
import multiprocessing
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import combinations, permutations
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from shared import registry, specs
from shared.interface import TensorInfo
from shared.parity import arrays, ladder, mirror, recipes, table
from shared.workers import Worker
from tests import faults

INSTALLED = registry.installed()
several = pytest.mark.skipif(len(INSTALLED) < 2, reason="parity needs two backends")
everything = pytest.mark.skipif(len(INSTALLED) < 3, reason="needs all three backends")
FILES = sorted({file for spec in specs.SPECS.values() for file in spec.files})


# The last rungs, with their trainings, take minutes: here they are climbed by a network with batch
# norm, one with a loop and one with an embedding and attention; by all if TRIPTYCH_TEST_TRAININGS
# is "all", and always by `triptych parity`.
EVERYWHERE = os.environ.get("TRIPTYCH_TEST_TRAININGS") == "all"
TRAINED = [*specs.SPECS] if EVERYWHERE else ["dense_net", "row_gru", "seq2seq"]
LONGER = [specs.find(name) for name in TRAINED]
SHORTER = [spec for spec in specs.SPECS.values() if spec.name not in TRAINED]
CASES = [(spec, case) for spec in LONGER + SHORTER for case in spec.cases]


class Climb:
    """A climb of every architecture, as far as a test needs it: no test waits for all of it."""

    def __init__(self) -> None:
        self.outcome = ladder.Outcome()
        self._done: set[tuple[str, str]] = set()
        self._coming = self._climb()

    def _climb(self) -> Generator[tuple[specs.Spec, specs.Case]]:
        yield from ladder.climbing(self.outcome, LONGER)
        if SHORTER:
            yield from ladder.climbing(self.outcome, SHORTER, trainings=False)

    def to(self, spec: specs.Spec, case: specs.Case) -> ladder.Outcome:
        """What came of it, from when this case is done."""
        while (spec.name, case.label) not in self._done:
            spec_done, case_done = next(self._coming)
            self._done.add((spec_done.name, case_done.label))
        return self.outcome

    def close(self) -> None:
        """End the workers, wherever the climb is."""
        self._coming.close()


@pytest.fixture(scope="module")
def climb() -> Iterator[Climb]:
    """The ladder, climbed once by every architecture; its workers end with this file's tests."""
    with closing(Climb()) as climb:
        yield climb


@pytest.fixture(scope="module")
def climbed(climb: Climb) -> ladder.Outcome:
    """The outcome, when all is done: the tests above have waited for it, a part at a time."""
    return climb.to(*CASES[-1])


the_whole = pytest.mark.timeout(3600)  # for one that is run alone


def expected(spec: specs.Spec, case: specs.Case, dtype: str) -> dict[str, list[str]]:
    """Who is held against whom on each rung of a case."""
    pairs = ["-".join(pair) for pair in combinations(INSTALLED, 2)]
    ways = [">".join(pair) for pair in permutations(INSTALLED, 2)]
    found = {
        "counts": INSTALLED,
        "outputs": INSTALLED,
        "exchange": ways,
        **dict.fromkeys(("tensors", "forward", "activations"), pairs),
    }
    if spec.task is not None:
        found |= dict.fromkeys(("loss", "gradients"), pairs)
        if case.buffers:
            found["buffers"] = pairs
        if case.network.cls in ("BasicNet", "SequentialNet", "MNISTClassifier"):
            found["dropout"] = [*INSTALLED, *pairs]
    if spec.name in TRAINED and case == recipes.trained_case(spec):
        found |= {"optimizers": pairs * len(recipes.RECIPES), "resume": ways}
        if dtype == "float32":
            found["forced"] = pairs
    if dtype == "float64" and spec.task is not None and recipes.is_whole(spec, case):
        found["ways"] = INSTALLED
    return {rung: sorted(names) for rung, names in found.items()}


@several
@pytest.mark.parametrize("dtype", ladder.TOLERANCES)
@pytest.mark.parametrize(("spec", "case"), CASES, ids=[f"{s.name}-{c.label}" for s, c in CASES])
def test_every_case_climbs_every_rung(
    climb: Climb, spec: specs.Spec, case: specs.Case, dtype: str
) -> None:
    checks = [
        c
        for c in climb.to(spec, case).checks
        if (c.architecture, c.case, c.dtype) == (spec.name, case.label, dtype)
    ]
    between: dict[str, list[str]] = {}
    for check in checks:
        between.setdefault(check.rung, []).append(check.between)
    assert {rung: sorted(names) for rung, names in between.items()} == expected(spec, case, dtype)
    assert [c for c in checks if c.status not in ("passed", "bounded")] == []
    for check in checks:
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


@several
def test_a_climb_that_is_left_ends_its_workers() -> None:
    outcome, before = ladder.Outcome(), set(multiprocessing.active_children())
    climb = ladder.climbing(outcome, [specs.find("basic_net")], ["float64"], trainings=False)
    spec, case = next(climb)
    assert {c.case for c in outcome.checks if c.rung == "forward"} == {case.label}
    assert spec.name == "basic_net"
    workers = set(multiprocessing.active_children()) - before
    assert len(workers) == len(INSTALLED)
    climb.close()
    for worker in workers:
        worker.join(30)
    assert not any(worker.is_alive() for worker in workers)


@several
@the_whole
def test_what_is_bounded_has_a_stated_cause(climbed: ladder.Outcome) -> None:
    bounded = [check for check in climbed.checks if check.status == "bounded"]
    assert all(check.detail for check in bounded)
    # In float64 nothing but what Keras's Adam is by itself.
    double = [check for check in bounded if check.dtype == "float64"]
    assert {check.part for check in double} <= {recipes.SHIPPED}
    assert all("keras" in check.between for check in double)


@several
@the_whole
def test_float64_tells_more_than_float32(climbed: ladder.Outcome) -> None:
    """Were float64 computed in float32 somewhere, both would show the same rounding."""
    for rung in ("forward", "activations", "gradients", "optimizers"):
        worst = {
            dtype: max(
                c.difference or 0
                for c in climbed.checks
                if (c.dtype, c.rung, c.status) == (dtype, rung, "passed")
            )
            for dtype in ladder.TOLERANCES
        }
        assert 0 < worst["float64"] < worst["float32"] * 1e-6


@several
@the_whole
def test_outcome_is_proved_and_complete(climbed: ladder.Outcome) -> None:
    assert climbed.proved
    assert climbed.count("passed") + climbed.count("bounded") == len(climbed.checks)
    assert {c.rung for c in climbed.checks} == set(ladder.RUNGS)
    assert set(climbed.versions) == set(INSTALLED)
    text = json.dumps(climbed.to_dict())
    assert json.loads(text)["proved"] is True


@several
@the_whole
def test_table_shows_a_figure_for_every_pair(climbed: ladder.Outcome) -> None:
    console = Console(width=140, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    with console.file:
        table.show(climbed, console)
    text = console.export_text()
    assert f"{len(climbed.checks):,} checks: {climbed.count('passed'):,} passed" in text
    assert "0 failed, 0 missing" in text
    for pair in combinations(INSTALLED, 2):
        assert "-".join(pair) in text
    assert text.count("e-1") >= len(CASES)  # the differences in float64


class Faulty(Worker):
    """A worker of which one backend's gets a fault."""

    backend_with_fault = ""
    fault: Callable[[], None]

    def __enter__(self) -> "Faulty":
        super().__enter__()
        if self.backend == self.backend_with_fault:
            self.call(type(self).fault)
        return self


def small(spec: specs.Spec) -> specs.Spec:
    """An architecture without its default case, which is the largest."""
    first, *others = spec.more_cases
    return replace(
        spec,
        make=lambda: first.network,
        parameters=first.parameters,
        buffers=first.buffers,
        more_cases=tuple(others),
    )


@pytest.fixture
def with_fault(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ladder.Outcome]:
    """Climb with a fault in one backend."""

    def climb(backend: str, fault: Callable[[], None], architecture: str, **options: Any) -> Any:
        kind = type(
            "FaultyNow", (Faulty,), {"backend_with_fault": backend, "fault": staticmethod(fault)}
        )
        monkeypatch.setattr(ladder, "Worker", kind)
        return ladder.climb(
            [small(specs.find(architecture))], ["float64"], trainings=False, **options
        )

    return climb


def failed(outcome: ladder.Outcome) -> set[tuple[str, str]]:
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
                ("ways", "flax"),
                *(
                    (rung, pair)
                    for rung in ("forward", "loss", "gradients", "dropout")
                    for pair in ("torch-flax", "flax-keras")
                ),
            },
        ),
        (
            "torch",
            faults.torch_extra_bias,
            "branching_net",
            {
                ("counts", "torch"),
                *(
                    (rung, pair)
                    for rung in ("tensors", "forward", "activations", "loss", "gradients")
                    for pair in ("torch-flax", "torch-keras")
                ),
                ("exchange", "torch>flax"),
                ("exchange", "torch>keras"),
                ("exchange", "flax>torch"),
                ("exchange", "keras>torch"),
            },
        ),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_fault_fails_at_its_rung_and_names_who(
    with_fault: Callable[..., ladder.Outcome],
    backend: str,
    fault: Callable[[], None],
    architecture: str,
    expected: set[tuple[str, str]],
) -> None:
    outcome = with_fault(backend, fault, architecture)
    assert failed(outcome) == expected
    assert not outcome.proved


@everything
def test_kernels_turned_on_loading_are_found(with_fault: Callable[..., ladder.Outcome]) -> None:
    """A mapping that is wrong on the way in shows when the weights come back."""
    outcome = with_fault("keras", faults.keras_swapped_kernels, "branching_net")
    found = failed(outcome)
    assert {("exchange", "torch>keras"), ("exchange", "flax>keras")} <= found
    assert ("forward", "torch-keras") in found
    assert ("exchange", "torch>flax") not in found


@everything
def test_a_worker_that_dies_is_missing_and_the_others_are_compared(
    with_fault: Callable[..., ladder.Outcome],
) -> None:
    outcome = with_fault("flax", faults.dies, "basic_net")
    missing = [c for c in outcome.checks if c.status == "missing"]
    assert {c.between for c in missing} >= {"flax", "torch-flax", "flax-keras", "flax>torch"}
    assert all("flax" in c.between and "status 3" in c.detail for c in missing)
    others = [c for c in outcome.checks if "flax" not in c.between]
    assert ("forward", "torch-keras") in {(c.rung, c.between) for c in others}
    assert all(c.status == "passed" for c in others)
    assert not outcome.proved


@several
def test_a_backend_that_is_not_installed_is_reported_and_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    absent = INSTALLED[-1]
    real = registry.missing
    monkeypatch.setattr(
        registry, "missing", lambda name: ["something"] if name == absent else real(name)
    )
    outcome = ladder.climb([specs.find("basic_net")], ["float64"], trainings=False)
    assert f"pip install 'triptych[{absent}]'" in outcome.skipped[absent]
    assert absent not in outcome.versions
    assert not any(absent in c.between for c in outcome.checks if c.rung != "mirror")
    assert outcome.proved is (len(INSTALLED) > 2)


@pytest.mark.skipif(not INSTALLED, reason="needs a backend")
def test_one_backend_alone_proves_nothing() -> None:
    outcome = ladder.climb(
        [specs.find("basic_net")], ["float64"], backends=INSTALLED[:1], trainings=False
    )
    assert outcome.count("failed") == outcome.count("missing") == 0
    assert not outcome.compared
    assert not outcome.proved


def test_no_checks_at_all_prove_nothing() -> None:
    assert not ladder.Outcome().proved
    assert not ladder.climb([], backends=[]).proved


# The measure


def test_difference_is_relative_to_the_largest_value() -> None:
    a = np.array([0.0, -4.0, 2.0])
    assert arrays.difference(a, a + np.array([0.0, 0.0, 0.5])) == 0.125
    assert arrays.difference(a, a.copy()) == 0.0


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        (np.ones((2, 1)), np.ones((2, 2)), "shapes"),
        (np.ones(2), np.ones((1, 2)), "shapes"),
        (np.ones(2), np.ones(2, np.float32), "dtypes"),
        (np.ones(0), np.ones(0), "no values"),
        (np.array([np.nan]), np.array([np.nan]), "not finite"),
        (np.array([1.0]), np.array([np.inf]), "not finite"),
        (np.array([np.inf]), np.array([np.inf]), "not finite"),
    ],
)
def test_difference_refuses_what_cannot_be_compared(
    a: np.ndarray, b: np.ndarray, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        arrays.difference(a, b)


def test_difference_from_zero_is_not_small() -> None:
    assert arrays.difference(np.zeros(2), np.zeros(2)) == 0
    assert arrays.difference(np.zeros(2), np.array([0, 1e-300])) == float("inf")


def test_unequal_sees_one_bit_names_and_dtypes() -> None:
    a = {"x": np.array([1.0, 2.0]), "y": np.array([-0.0])}
    assert arrays.unequal(a, {name: array.copy() for name, array in a.items()}) == []
    assert arrays.unequal(a, {**a, "x": np.nextafter(a["x"], 3)}) == ["x"]
    assert arrays.unequal(a, {**a, "y": np.array([0.0])}) == ["y"]
    assert arrays.unequal(a, {"x": a["x"]}) == ["y"]
    assert arrays.unequal(a, {**a, "z": a["x"]}) == ["z"]
    assert arrays.unequal(a, {**a, "x": a["x"].astype(np.float32)}) == ["x"]


def test_sample_weights_hide_nothing() -> None:
    rows = [
        TensorInfo("bn.weight", (9,), "float64", "parameter"),
        TensorInfo("bn.bias", (9,), "float64", "parameter"),
        TensorInfo("bn.running_mean", (9,), "float64", "buffer"),
        TensorInfo("bn.running_var", (9,), "float64", "buffer"),
        TensorInfo("conv.weight", (4, 3, 3, 3), "float64", "parameter"),
    ]
    values = arrays.sample_weights(rows, "float64", 1)
    everything = np.concatenate([array.ravel() for array in values.values()])
    assert len(np.unique(everything)) == len(everything)
    assert not {0.0, 1.0} & set(everything)
    assert (values["bn.running_var"] > 0).all()
    again = arrays.sample_weights(reversed(rows), "float64", 1)
    assert arrays.unequal(values, again) == []
    assert len(arrays.unequal(values, arrays.sample_weights(rows, "float64", 2))) == 5


def test_sample_inputs_have_no_two_values_alike() -> None:
    network = specs.find("mimo_net").network
    inputs = arrays.sample_inputs(network, 3, "float64")
    assert {n: a.shape for n, a in inputs.items()} == {
        "image": (3, 28, 28, 1),
        "metadata": (3, 10),
    }
    assert all(len(np.unique(a)) == a.size for a in inputs.values())


# Rung 1


@pytest.mark.parametrize("file", FILES)
def test_panels_mirror_each_other(file: str) -> None:
    assert mirror.compare(file) == []


@pytest.mark.parametrize("file", FILES)
def test_outlines_are_not_empty(file: str) -> None:
    for backend in specs.PANELS:
        text = mirror.source(backend, file).read_text()
        names = [name for name, _ in mirror.outline(text, backend)]
        assert len(names) >= 3
        assert any(name.endswith(".forward") for name in names)


@pytest.mark.parametrize(
    ("backend", "file", "old", "new", "said"),
    [
        ("keras", "mlp", "dropout_rate: float = 0.2", "dropout_rate: float = 0.3", "0.3"),
        ("flax", "mlp", "hidden_size: int = 128", "hidden: int = 128", "hidden=128"),
        ("flax", "residual", "stride: int = 1", "stride: int = 2", "stride=2"),
        ("keras", "branching", "self.conv3b = ", "self.conv_3b = ", "conv_3b"),
        ("torch", "mimo", "self.image_fc", "self.fc_image", "fc_image"),
        ("flax", "mnist_cnn", "def extract_features", "def features_of", "features_of"),
        ("keras", "inference", "return_confidence: bool = False", "confident: bool", "confident"),
        ("flax", "residual", "class ResidualBlock", "class Block", "Block"),
        ("torch", "residual", "def make_stage(in_channels", "def make_stage(channels", "channels"),
        ("flax", "mnist_cnn", "self.losses.append", "self.losses.append", ""),
    ],
)
def test_mirror_finds_what_differs(backend: str, file: str, old: str, new: str, said: str) -> None:
    texts = {name: mirror.source(name, file).read_text() for name in specs.PANELS}
    assert old in texts[backend]
    texts[backend] = texts[backend].replace(old, new)
    problems = mirror.differences({n: mirror.outline(text, n) for n, text in texts.items()})
    assert bool(problems) is bool(said)
    assert said in "".join(problems)


def test_mirror_finds_classes_in_another_order() -> None:
    one = "class A:\n    def __init__(self): pass\n"
    two = "class B:\n    def __init__(self): pass\n"
    problems = mirror.differences(
        {"torch": mirror.outline(one + two, "torch"), "keras": mirror.outline(two + one, "keras")}
    )
    assert len(problems) == 1


def test_mirror_of_nothing_is_no_mirror() -> None:
    assert mirror.differences({"torch": [], "flax": []}) == ["torch has no classes to compare"]
