"""The shards of a climb: disjoint, together everything, and of about the same cost."""

import pytest

from shared.errors import ConfigurationError
from shared.parity import recipes, shards
from shared.parity.shards import Part, Shard
from shared.specs import SPECS

ALL = [*SPECS.values()]
CASES = [(spec.name, case.label) for spec in ALL for case in spec.cases]


def labels(part: Part) -> list[tuple[str, str]]:
    return [(spec.name, case.label) for spec, case in part.cases]


def parts(count: int) -> list[Part]:
    return [shards.part(ALL, Shard(number, count)) for number in range(1, count + 1)]


@pytest.mark.parametrize("text", ["1/1", "2/4", "4/4", "10/10"])
def test_a_shard_is_written_as_it_is_read(text: str) -> None:
    assert str(Shard.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["0/4", "5/4", "a/b", "2", "", "/", "2/", "/4", "-1/4", "2/4/6", "2/4 ", "1.0/4", "02/4", "٢/٤",
     "1/0", f"1/{'9' * 5000}"],
)  # fmt: skip
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Shard.parse(text)
    assert str(caught.value) == (
        f"a shard must be K/N, such as 2/4: the K-th of N, with K from 1 to N, not {text!r}"
    )


def test_no_two_cases_of_an_architecture_have_one_label() -> None:
    assert len({*CASES}) == len(CASES)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, len(CASES), len(CASES) + 5, 999_999_999])
def test_shards_are_disjoint_and_together_everything(count: int) -> None:
    several = shards.split(ALL, count)
    assert sorted(label for part in several for label in labels(part)) == sorted(CASES)
    for part in several:
        assert labels(part) == [label for label in CASES if label in labels(part)]
    assert len([part for part in several if part.cases]) == min(count, len(CASES))
    for number in (1, count):
        part = shards.part(ALL, Shard(number, count))
        assert part == (several[number - 1] if number <= len(CASES) else Part())


@pytest.mark.parametrize("count", [1, 2, 5, len(CASES) + 1])
def test_sources_are_compared_where_the_first_case_is(count: int) -> None:
    several = parts(count)
    assert sorted(spec.name for part in several for spec in part.mirrored) == sorted(SPECS)
    for part in several:
        for spec in part.mirrored:
            assert (spec.name, spec.cases[0].label) in labels(part)


def test_without_a_shard_it_is_everything_in_order() -> None:
    part = shards.part(ALL, None)
    assert labels(part) == CASES
    assert [spec.name for spec in part.mirrored] == [*SPECS]
    assert shards.part([], None) == Part()
    assert shards.part([], Shard(1, 2)) == Part()


def test_an_architecture_that_is_named_twice_is_climbed_once() -> None:
    spec = SPECS["basic_net"]
    assert shards.split([spec, spec], 2) == shards.split([spec], 2)


@pytest.mark.parametrize("count", [2, 3, 4, 8])
def test_shards_cost_about_the_same(count: int) -> None:
    """None has more than the mean and one case (Graham, 1966)."""
    costs = [[shards.cost(spec, case) for spec, case in part.cases] for part in parts(count)]
    loads = [sum(of) for of in costs]
    dearest = max(cost for of in costs for cost in of)
    assert max(loads) <= sum(loads) / count + dearest * (1 - 1 / count)
    assert max(loads) <= 1.1 * max(sum(loads) / count, dearest)


def test_parts_cost_less_than_the_whole_and_trainings_most() -> None:
    for spec in ALL:
        trained = recipes.trained_case(spec)
        whole = [case for case in spec.cases if recipes.is_whole(spec, case)]
        dearest = max(whole, key=lambda case: shards.cost(spec, case))
        assert trained in (dearest, None)
        for case in spec.cases:
            if case not in whole:
                assert 0 < shards.cost(spec, case) < min(shards.cost(spec, one) for one in whole)
