"""The catalogue of mutations, how they are made for a while, and the report on them."""

import importlib.util
import inspect
from ast import FunctionDef, parse
from collections.abc import Mapping
from pathlib import Path

import pytest

from shared import registry
from shared.specs import SPECS
from tests.across.mutations import changed, detect, instead, known
from tests.across.mutations.catalogue import CATALOGUE
from tests.across.mutations.detect import (
    CLIMBED,
    EXACT,
    MEASURED,
    SINGLE,
    Finding,
)
from tests.across.mutations.mutation import Mutation

BY_NAME = {mutation.name: mutation for mutation in CATALOGUE}
MANY = 180


# The catalogue


def test_there_are_many_mutations_in_every_backend() -> None:
    assert len(CATALOGUE) == len(BY_NAME) >= MANY
    for backend in registry.BACKENDS:
        assert sum(mutation.backend == backend for mutation in CATALOGUE) >= MANY // 4
    assert sum(mutation.evidence for mutation in CATALOGUE) >= 25


def test_most_mutations_of_numbers_have_a_cause() -> None:
    """What methods, edges and trainers do wrong is told in words of their own."""
    numbers = [
        m
        for m in CATALOGUE
        if not m.evidence and m.rung not in ("methods", "edges", "trainers", "variants", "exchange")
    ]
    assert all(m.cause for m in numbers if m.rung != "outputs")


def test_mutations_are_of_every_kind_of_rung() -> None:
    rungs = {mutation.rung for mutation in CATALOGUE}
    assert rungs <= set(CLIMBED)
    silent = {"teacher-forced"}  # with it fails an earlier rung too
    assert set(CLIMBED) - silent == rungs


def functions(file: str) -> list[str]:
    """The functions of a file of mutations."""
    source = Path(detect.__file__).with_name(f"{file}.py").read_text("utf-8")
    nodes = [node for node in parse(source).body if isinstance(node, FunctionDef)]
    return [node.name for node in nodes if not node.name.startswith("_")]


@pytest.mark.parametrize("backend", registry.BACKENDS)
def test_every_mutation_is_made_by_a_function_of_its_name(backend: str) -> None:
    made_by = [n for part in ("mutations", "further") for n in functions(f"{backend}_{part}")]
    mutations = [m.name for m in CATALOGUE if m.backend == backend and not m.evidence]
    assert sorted(made_by) == sorted(mutations)


def test_every_mutation_of_evidence_is_made_by_a_function_of_its_name() -> None:
    assert sorted(functions("of_evidence")) == sorted(m.name for m in CATALOGUE if m.evidence)


@pytest.mark.parametrize("place", sorted({m.place for m in CATALOGUE}), ids=" ".join)
def test_places_are_cases_of_the_specs(place: tuple[str, str]) -> None:
    assert place[1] in [case.label for case in SPECS[place[0]].cases]


# What is changed for a while


class Owner:
    kept = 1


def test_attributes_are_as_before_afterwards() -> None:
    owner = Owner()
    with changed(owner, kept=2):
        assert owner.kept == 2
    assert owner.kept == 1
    assert vars(owner) == {}  # what was inherited is again


def test_attributes_are_as_before_after_an_error() -> None:
    with pytest.raises(RuntimeError, match="on purpose"), changed(Owner, kept=2):
        raise RuntimeError("on purpose")
    assert Owner.kept == 1


def test_a_module_means_something_else_in_one_place_alone() -> None:
    owner = Owner()
    owner.module = importlib  # type: ignore[attr-defined]
    with instead(owner, "module", import_module="another"):
        assert owner.module.import_module == "another"  # type: ignore[attr-defined]
        assert owner.module.util is importlib.util  # type: ignore[attr-defined]
        assert inspect.isfunction(importlib.import_module)
    assert owner.module is importlib  # type: ignore[attr-defined]


def test_a_layer_is_known_for_a_while() -> None:
    tensors: dict[type, str] = {int: "rules"}
    with known(tensors, bool, int):
        assert tensors == {int: "rules", bool: "rules"}
    assert tensors == {int: "rules"}


# The report's words


def finding(rung: str = "forward", views: Mapping[str, list[str]] | None = None) -> Finding:
    mutation = Mutation("none", "something is wrong", "flax", ("unet", "down"), rung)
    failed = {EXACT: [rung], MEASURED: [], SINGLE: [], **(views or {})}
    return Finding(mutation, failed, {"torch": ("conv", "bias"), "keras": ("conv", "")}, [], [])


def test_the_report_has_a_row_for_every_mutation() -> None:
    text = detect.render([finding(), finding("loss", {MEASURED: ["loss", "teacher-forced"]})])
    rows = [line for line in text.splitlines() if line.startswith("| something")]
    assert rows[0].count("(◐)") == 1
    assert rows[1].count("(●)") == rows[1].count("○") == 1
    assert all("| flax |" in row for row in rows)
    assert "`conv` | bias |" in rows[0]
    assert "2 mutations, 2 found in float64" in text


def test_the_report_lists_what_float32_misses() -> None:
    text = detect.render([finding(views={MEASURED: ["forward"]})])
    assert "| something is wrong | flax | missed | found |" in text
    seen = {MEASURED: ["forward"], SINGLE: ["forward"]}
    assert "missed" not in detect.render([finding(views=seen)]).partition("|")[2]
