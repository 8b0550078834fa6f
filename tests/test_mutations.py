"""The ladder finds every mutation of the catalogue where it is, and says why."""

import importlib.util
import inspect
from ast import FunctionDef, parse
from collections.abc import Mapping
from pathlib import Path

import pytest

from shared import registry
from shared.specs import SPECS
from tests.mutations import changed, detect, instead, known
from tests.mutations.catalogue import CATALOGUE, Mutation
from tests.mutations.detect import CLIMBED, EXACT, MEASURED, REPORT, SINGLE, Finding

everything = pytest.mark.skipif(
    bool([name for name in registry.BACKENDS if registry.missing(name)]),
    reason="a mutated backend is held against the two others: all three are needed",
)
pytestmark = pytest.mark.timeout(1800)  # whichever test comes first waits for the whole catalogue
BY_NAME = {mutation.name: mutation for mutation in CATALOGUE}
MANY = 40
NEAR = 4  # rows of the report on what is so near to float32's rounding that machines disagree


@pytest.fixture(scope="session")
def findings() -> dict[str, Finding]:
    """What the ladder says of the whole catalogue."""
    return {finding.mutation.name: finding for finding in detect.run()}


# The catalogue


def test_there_are_many_mutations_in_every_backend() -> None:
    assert len(CATALOGUE) == len(BY_NAME) >= MANY
    for backend in registry.BACKENDS:
        assert sum(mutation.backend == backend for mutation in CATALOGUE) >= MANY // 4


def test_mutations_are_of_every_kind_of_rung() -> None:
    rungs = {mutation.rung for mutation in CATALOGUE}
    assert rungs <= set(CLIMBED)
    # What changes names or shapes is no longer the same network: counts and tensors tell it.
    silent = {"outputs", "activations", "forced"}  # with these fails an earlier rung too
    assert set(CLIMBED) - silent == rungs


@pytest.mark.parametrize("backend", registry.BACKENDS)
def test_every_mutation_is_made_by_a_function_of_its_name(backend: str) -> None:
    source = Path(detect.__file__).with_name(f"{backend}_mutations.py").read_text("utf-8")
    made = [
        node.name
        for node in parse(source).body
        if isinstance(node, FunctionDef) and not node.name.startswith("_")
    ]
    assert sorted(made) == sorted(m.name for m in CATALOGUE if m.backend == backend)


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


# What is found


@everything
@pytest.mark.parametrize("name", BY_NAME)
def test_a_mutation_is_found_where_it_is(findings: dict[str, Finding], name: str) -> None:
    mutation, finding = BY_NAME[name], findings[name]
    assert finding.rung == mutation.rung, finding.failed
    wanted = (mutation.layer, mutation.cause)
    others = [backend for backend in registry.BACKENDS if backend != mutation.backend]
    assert finding.told == dict.fromkeys(others, wanted), finding.texts


@everything
@pytest.mark.parametrize("name", BY_NAME)
def test_the_two_others_are_still_the_same_network(findings: dict[str, Finding], name: str) -> None:
    assert findings[name].unrelated == []


@everything
@pytest.mark.parametrize("name", [m.name for m in CATALOGUE if m.cause])
def test_a_cause_names_the_backend_that_departs(findings: dict[str, Finding], name: str) -> None:
    texts = findings[name].texts
    assert len(texts) == len(registry.BACKENDS) - 1
    for text in texts:
        assert BY_NAME[name].backend in text


@everything
def test_float32_misses_what_float64_finds(findings: dict[str, Finding]) -> None:
    """Both are there: what is as small as rounding, and what is not."""
    for view in (MEASURED, SINGLE):
        missed = {name for name, finding in findings.items() if not finding.failed[view]}
        assert "weight_off_by_a_millionth" in missed
        assert "layer_in_float32" in missed
        assert len(missed) < len(findings) / 4


@everything
def test_float32_finds_more_with_its_rounding_measured(findings: dict[str, Finding]) -> None:
    found = {
        view: {name for name, finding in findings.items() if finding.failed[view]}
        for view in (EXACT, MEASURED, SINGLE)
    }
    assert len(found[SINGLE]) < len(found[MEASURED]) < len(found[EXACT]) == len(CATALOGUE)


@everything
def test_the_report_is_what_the_catalogue_gives(findings: dict[str, Finding]) -> None:
    written, text = REPORT.read_text("utf-8"), detect.render(findings.values())
    assert detect.exact(written) == detect.exact(text), f"write it anew: {detect.COMMAND}"
    assert len(detect.missed(written) ^ detect.missed(text)) <= NEAR, f"as above: {detect.COMMAND}"


# The report's words


def finding(rung: str = "forward", views: Mapping[str, list[str]] | None = None) -> Finding:
    mutation = Mutation("none", "something is wrong", "flax", ("unet", "down"), rung)
    failed = {EXACT: [rung], MEASURED: [], SINGLE: [], **(views or {})}
    return Finding(mutation, failed, {"torch": ("conv", "bias"), "keras": ("conv", "")}, [], [])


def test_the_report_has_a_row_for_every_mutation() -> None:
    text = detect.render([finding(), finding("loss", {MEASURED: ["loss", "forced"]})])
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
