"""The ladder finds every mutation of the catalogue where it is, and says why."""

from collections.abc import Callable
from functools import cache

import pytest

from shared import registry
from tests.across.mutations import detect
from tests.across.mutations.catalogue import CATALOGUE
from tests.across.mutations.detect import (
    EXACT,
    MEASURED,
    REPORT,
    SINGLE,
    Bench,
    Finding,
)
from tests.across.mutations.mutation import TRAINERS, Mutation
from tests.flavours import exhaustive

everything = pytest.mark.skipif(
    bool([name for name in registry.BACKENDS if registry.missing(name)]),
    reason="a mutated backend is held against the two others: all three are needed",
)
QUICK = {(m.rung, m.backend, m.evidence): m for m in CATALOGUE}.values()
"""Those that `make test` puts in: of each rung one in each backend, and one of its evidence.

Causes are told from made-up arrays in the tests of `shared.parity.causes`.
"""
NEAR = 4  # rows of the report on what is so near to float32's rounding that machines disagree


@pytest.fixture(scope="session")
def bench() -> Callable[[tuple[str, str]], Bench]:
    """The backends as they are, in the case of some mutations: asked once a case."""

    @cache
    def build(place: tuple[str, str]) -> Bench:
        return Bench(place, [m.recipe for m in CATALOGUE if m.place == place and m.recipe])

    return build


@pytest.fixture(scope="module")
def findings() -> dict[str, Finding]:
    """What the ladder says of the whole catalogue in every view."""
    return {finding.mutation.name: finding for finding in detect.run()}


@everything
@pytest.mark.parametrize(
    "mutation",
    [
        pytest.param(
            m,
            id=m.name,
            marks=[
                pytest.mark.xdist_group(f"mutations of {m.place}"),
                *([] if m in QUICK else [exhaustive]),
            ],
        )
        for m in CATALOGUE
    ],
)
def test_a_mutation_is_found_where_it_is_and_for_what_it_is(
    mutation: Mutation, bench: Callable[[tuple[str, str]], Bench]
) -> None:
    finding = bench(mutation.place).finding(mutation)
    assert finding.rung == mutation.rung, finding.failed
    others = detect.others(mutation)
    told = dict.fromkeys(others, (mutation.layer, mutation.cause))
    assert finding.told == told, finding.texts
    assert finding.unrelated == []  # the two others are still the same network
    if mutation.cause:
        assert len(finding.texts) == len(others)
        assert all(mutation.backend in text for text in finding.texts)
    rows = detect.exact(REPORT.read_text("utf-8")).splitlines()
    assert detect.exact(detect.row(finding)) in rows, f"write it anew: {detect.COMMAND}"


def of_all(test: Callable[..., None]) -> Callable[..., None]:
    """A test of the whole catalogue in every view."""
    for mark in (everything, exhaustive, pytest.mark.xdist_group("all mutations")):
        test = mark(test)
    return pytest.mark.timeout(3600)(test)


@of_all
def test_float32_misses_what_float64_finds(findings: dict[str, Finding]) -> None:
    """Both are there: what is as small as rounding, and what is not.

    Trainings of several steps are held in float64 alone.
    """
    findings = {n: f for n, f in findings.items() if f.mutation.recipe != TRAINERS}
    for view in (MEASURED, SINGLE):
        missed = {name for name, finding in findings.items() if not finding.failed[view]}
        assert "weight_off_by_a_millionth" in missed
        assert "layer_in_float32" in missed
        assert len(missed) < len(findings) / 4


@of_all
def test_float32_finds_more_with_its_rounding_measured(findings: dict[str, Finding]) -> None:
    detected = {
        view: {name for name, finding in findings.items() if finding.failed[view]}
        for view in (EXACT, MEASURED, SINGLE)
    }
    assert len(detected[SINGLE]) < len(detected[MEASURED]) < len(detected[EXACT]) == len(CATALOGUE)


@of_all
def test_the_report_is_what_the_catalogue_gives(findings: dict[str, Finding]) -> None:
    written, text = REPORT.read_text("utf-8"), detect.render(findings.values())
    assert detect.exact(written) == detect.exact(text), f"write it anew: {detect.COMMAND}"
    assert len(detect.missed(written) ^ detect.missed(text)) <= NEAR, f"as above: {detect.COMMAND}"
