"""Shards of a climb, merged: what a single climb gives, and nothing that is absent passes."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from shared import strict
from shared.errors import DataError
from shared.parity import ladder, merge, shards, sources, table
from shared.parity.checks import Check, sum_of
from shared.parity.shards import Shard
from shared.specs import SPECS, Spec
from tests.printed import shown
from tests.unit import climbs

ALL = [*SPECS.values()]
FEW = [SPECS[name] for name in ("skip_mlp", "unet", "basic_net")]
CASES = sum(len(spec.cases) for spec in ALL)
FLAX = {"flax": "the flax backend needs jax"}


def is_of(check: Check, part: shards.Part) -> bool:
    """Whether a check is one of a shard's."""
    if check.rung == "mirror":
        return check.architecture in [spec.name for spec in part.mirrored]
    return (check.architecture, check.case) in [(spec.name, c.label) for spec, c in part.cases]


def edit(path: Path, change: Callable[[Any], object]) -> None:
    """Change what a file holds, and its sum with it."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps({**content, "sum": sum_of(content)}))


# What a single climb gives


@pytest.mark.parametrize("bad", [0.0, 0.3])
@pytest.mark.parametrize(
    ("specs", "count", "options"),
    [
        (ALL, 1, {}),
        (ALL, 2, {}),
        (ALL, 5, {}),
        (ALL, CASES, {}),
        (ALL, CASES + 3, {}),
        (FEW, 3, {"trainings": False}),
        (FEW, 4, {"variants": False, "device": "cuda", "precision": "default"}),
        (FEW[::-1], 3, {"backends": ["keras", "torch"]}),
        (FEW[:1], 2, {"backends": ["torch"]}),
    ],
)
def test_it_is_what_a_single_climb_gives(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    bad: float,
    specs: Sequence[Spec],
    count: int,
    options: Any,
) -> None:
    climbs.fake(monkeypatch, bad=bad)
    paths = climbs.write_shards(tmp_path, specs, count, **options)
    whole = ladder.climb(specs, **options)
    Random(count).shuffle(paths)
    merged = merge.merge(paths)
    assert merged == whole
    assert strict.text(merged.to_dict()) == strict.text(whole.to_dict())
    assert shown(table.show, merged) == shown(table.show, whole)
    assert merged.proved is (not bad and merged.compared)


@pytest.mark.parametrize("dtypes", [["float64"], ["float32"], ["float32", "float64"]])
def test_dtypes_are_those_of_the_climb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtypes: list[str]
) -> None:
    climbs.fake(monkeypatch, skipped=FLAX)
    merged = merge.merge(climbs.write_shards(tmp_path, FEW, 4, dtypes))
    assert merged == ladder.climb(FEW, dtypes)
    assert merged.proved
    assert merged.skipped == FLAX


def test_a_merged_outcome_is_a_whole_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    climbs.fake(monkeypatch)
    merged = merge.merge(climbs.write_shards(tmp_path, FEW, 2))
    assert merged.asked
    assert merged.asked.shard is None
    strict.write(tmp_path / "whole.json", merged.to_dict())
    with pytest.raises(
        DataError, match=r"whole\.json cannot be used: it is no shard, but what was"
    ):
        merge.merge([tmp_path / "whole.json", tmp_path / "1.json"])


def test_notes_gaps_and_errors_of_all_shards_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    climbs.fake(monkeypatch, bad=0.1)
    paths = climbs.write_shards(tmp_path, FEW, 3)
    edit(paths[0], lambda value: value.update(notes=["a", "b"], errors={"keras": "it died"}))
    edit(paths[1], lambda value: value.update(notes=["b", "c"], errors={"keras": "no memory"}))
    edit(paths[2], lambda value: value.update(errors={"keras": "it died", "torch": "it hung"}))
    merged = merge.merge(paths)
    assert merged.notes == ["a", "b", "c"]
    assert merged.errors == {"torch": "it hung", "keras": "it died; no memory"}


def test_a_file_that_somebody_has_cut_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else would miss a check that has passed."""
    climbs.fake(monkeypatch)
    paths = climbs.write_shards(tmp_path, FEW, 2)
    content = json.loads(paths[1].read_text())
    assert content["checks"].pop()["status"] == "passed"
    paths[1].write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"2\.json .* it was changed after it was written"):
        merge.merge(paths)


# What is absent


@pytest.mark.parametrize("absent", [[1], [4], [2, 3]])
def test_a_shard_that_is_absent_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, absent: list[int]
) -> None:
    climbs.fake(monkeypatch)
    paths = climbs.write_shards(tmp_path, ALL, 4)
    merged = merge.merge([path for path in paths if int(path.stem) not in absent])
    whole, parts = ladder.climb(ALL), shards.split(ALL, 4)
    assert not merged.proved
    assert climbs.counted(merged).keys() == climbs.counted(whole).keys()
    for number, part in enumerate(parts, 1):
        own = [check for check in merged.checks if is_of(check, part)]
        if number not in absent:
            assert own == [check for check in whole.checks if is_of(check, part)]
            continue
        reason = f"shard {number}/4 is not among the files"
        assert {(check.status, check.detail) for check in own} == {("missing", reason)}
        for spec, case in part.cases:
            for dtype in ("float64", "float32"):
                pairs = [
                    check.between
                    for check in own
                    if (check.rung, check.architecture, check.case, check.dtype)
                    == ("forward", spec.name, case.label, dtype)
                ]
                assert pairs == ["torch-flax", "torch-keras", "flax-keras"]
    names = " and ".join(f"{number}/4" for number in absent)
    cases = sum(len(parts[number - 1].cases) for number in absent)
    assert merged.notes == [f"not among the files: shard {names}, with {cases} of {CASES} cases"]


def test_a_shard_without_a_case_need_not_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    climbs.fake(monkeypatch)
    spec = SPECS["skip_mlp"]
    paths = climbs.write_shards(tmp_path, [spec], len(spec.cases) + 2)
    whole = ladder.climb([spec])
    assert merge.merge(paths[: len(spec.cases)]) == whole
    assert merge.merge(paths) == whole
    only_empty = merge.merge(paths[len(spec.cases) :])
    assert not only_empty.proved
    assert only_empty.count("missing") == len(only_empty.checks) > len(spec.cases)


@pytest.mark.parametrize(
    "is_lost",
    [
        lambda check: check["case"] == "default",
        lambda check: check["dtype"] == "float32",
        lambda check: check["rung"] == "mirror",
        lambda check: "flax" in check["between"].split("-"),
        lambda check: check["between"] == "torch-keras",
        lambda _: True,
    ],
)
def test_what_a_file_lacks_of_its_shard_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_lost: Callable[[Any], bool]
) -> None:
    climbs.fake(monkeypatch)
    spec = SPECS["skip_mlp"]
    path, other = climbs.write_shards(tmp_path, [spec], 2)
    if any(check["case"] == "default" for check in json.loads(other.read_text())["checks"]):
        path, other = other, path

    def lose(value: Any) -> None:
        value["checks"] = [check for check in value["checks"] if not is_lost(check)]
        value["proved"] = any(check["rung"] == "forward" for check in value["checks"])

    edit(path, lose)
    merged = merge.merge([path, other])
    missing = [check for check in merged.checks if check.status == "missing"]
    assert not merged.proved
    assert missing
    assert {check.detail for check in missing} == {f"{path} lacks it"}
    assert climbs.counted(merged).keys() == climbs.counted(ladder.climb([spec])).keys()
    assert not [check for check in missing if not is_lost(vars(check))]


def test_a_backend_that_one_machine_lacks_is_missing_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each shard by itself is proved, by the backends that it has."""
    first, _ = (tmp_path / name for name in ("first", "second"))
    for folder, skipped in ((first, FLAX), (tmp_path / "second", {})):
        folder.mkdir()
        climbs.fake(monkeypatch, skipped=skipped)
        climbs.write_shards(folder, FEW, 2)
    without, with_all = first / "1.json", tmp_path / "second" / "2.json"
    assert json.loads(without.read_text())["proved"]
    merged = merge.merge([without, with_all])
    assert not merged.proved
    assert merged.skipped == FLAX
    missing = [check for check in merged.checks if check.status == "missing"]
    assert {check.between for check in missing} == {"flax", "torch-flax", "flax-keras"}
    part = shards.split(FEW, 2)[0]
    assert all(is_of(check, part) for check in missing)
    places = {(check.architecture, check.case) for check in missing}
    assert places == {(spec.name, case.label) for spec, case in part.cases}


def test_sources_that_are_not_those_here_are_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    climbs.fake(monkeypatch)
    paths = climbs.write_shards(tmp_path, FEW, 2)
    monkeypatch.setattr(sources, "digest", lambda: "0" * 64)
    merged = merge.merge(paths)
    assert merged.proved
    assert merged.notes == ["the shards were climbed by other sources than those here"]


# What is refused


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The shards of a climb."""
    monkeypatch.chdir(tmp_path)
    climbs.fake(monkeypatch)
    return [Path(path.name) for path in climbs.write_shards(tmp_path, FEW, 2)]


def refused(paths: Sequence[Path]) -> str:
    with pytest.raises(DataError) as caught:
        merge.merge(paths)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("options", "things"),
    [
        ({"dtypes": ["float64"]}, "dtypes float64, float32, and dtypes float64"),
        ({"trainings": False}, "with trainings, and without trainings"),
        ({"variants": False}, "with variants, and without variants"),
        ({"device": "cuda"}, "device cpu, and device cuda"),
        ({"precision": "default"}, "precision highest, and precision default"),
        ({"backends": ["torch"]}, "backends torch, flax, keras, and backends torch"),
        (
            {"specs": FEW[:2]},
            "architectures skip_mlp, unet, basic_net, and architectures skip_mlp, unet",
        ),
    ],
)
def test_files_that_were_asked_for_different_things(
    two: list[Path], options: Any, things: str
) -> None:
    outcome = ladder.climb(**{"specs": FEW, **options}, shard=Shard(2, 2))
    strict.write(two[1], outcome.to_dict())
    assert refused(two) == f"1.json and 2.json were asked for different things: {things}"


def test_files_of_different_sources(two: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    digest = sources.digest()
    monkeypatch.setattr(sources, "digest", lambda: "0" * 64)
    strict.write(two[0], ladder.climb(FEW, shard=Shard(1, 2)).to_dict())
    assert refused(two) == (
        f"1.json and 2.json were made by different sources, 000000000000 and {digest[:12]} "
        "(SHA-256): climb every shard with one version of Triptych"
    )


def test_files_of_other_versions_of_a_library(two: list[Path]) -> None:
    edit(two[1], lambda value: value["versions"]["flax"].update(jax="9.4"))
    assert refused(two) == (
        "1.json and 2.json ran flax with different libraries: jax 9.2, flax 9.3, and jax 9.4, "
        "flax 9.3"
    )


def test_other_versions_are_seen_past_a_shard_that_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    climbs.fake(monkeypatch)
    paths = climbs.write_shards(tmp_path, FEW, 3)
    edit(
        paths[1],
        lambda value: (value["versions"].pop("torch"), value.update(errors={"torch": "x"})),
    )
    edit(paths[2], lambda value: value["versions"]["torch"].update(torch="9.2"))
    assert "ran torch with different libraries: torch 9.1, and torch 9.2" in refused(paths)


def test_one_shard_twice_and_shards_of_other_numbers(two: list[Path]) -> None:
    assert refused([two[0], two[1], two[0]]) == (
        "1.json and 1.json are the same shard, 1/2: name each shard once"
    )
    strict.write(two[1], ladder.climb(FEW, shard=Shard(2, 3)).to_dict())
    assert refused(two) == "1.json and 2.json are shards of different climbs: 1/2 and 2/3"


def test_checks_of_another_shard(two: list[Path]) -> None:
    checks = json.loads(two[0].read_text())["checks"]
    edit(two[1], lambda value: value["checks"].append(checks[-1]))
    case = f"{checks[-1]['architecture']}, {checks[-1]['case']}"
    assert refused(two) == f"2.json has {case}, which is not of shard 2/2"
    edit(two[1], lambda value: value["checks"][-1].update(architecture="net_of_tomorrow"))
    assert "2.json has net_of_tomorrow, " in refused(two)


def test_an_architecture_that_is_not_here(two: list[Path]) -> None:
    for path in two:
        edit(path, lambda value: value["asked"]["architectures"].append("net_of_tomorrow"))
    assert refused(two) == (
        "1.json cannot be used: there is no architecture 'net_of_tomorrow' here"
    )


NO_SHARD = "cannot be used: it is no shard, but what was climbed without --shard"
NO_OUTCOME = "is no shard of a climb, which `triptych parity --shard` writes: "


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda value: value["asked"].update(shard=None), NO_SHARD),
        (lambda value: value.update(asked=None), NO_SHARD),
        (lambda value: value.clear(), NO_SHARD),
        (lambda value: (value.pop("asked"), value.update(format=1)), NO_SHARD),
        (lambda value: value.update(format=3), "cannot be used: it is parity of format 3, and"),
        (lambda value: value.update(kind="triptych bench"), "cannot be used: it is of the kind"),
        (lambda value: value["asked"].update(shard="3/2"), "cannot be used: a shard must be K/N"),
        (lambda value: value.update(proved=False), NO_OUTCOME + "ValueError: its verdict is not"),
        (lambda value: value.update(asked=5), NO_OUTCOME + "TypeError: "),
        (lambda value: value.pop("checks"), NO_OUTCOME + "KeyError: 'checks'"),
    ],
)
def test_a_file_that_is_no_shard(
    two: list[Path], change: Callable[[Any], object], problem: str
) -> None:
    edit(two[1], change)
    assert refused(two).startswith(f"2.json {problem}")


@pytest.mark.parametrize("content", [b"", b"5", b"[]", b'"asked"', b"\xff", b"[" * 100_000])
def test_a_file_that_is_no_json_of_ours(two: list[Path], content: bytes) -> None:
    two[1].write_bytes(content)
    assert refused(two).startswith("2.json ")
    assert not merge.is_shard(two[1])


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_truncated_file(two: list[Path], share: float) -> None:
    content = two[1].read_bytes()
    two[1].write_bytes(content[: int(len(content) * share)])
    assert refused(two) == f"2.json {NO_OUTCOME}it is no JSON"


def test_a_file_that_is_not_there(two: list[Path]) -> None:
    two[1].unlink()
    assert refused(two).endswith("writes: there is no such file")
    assert not merge.is_shard(two[1])
    assert merge.is_shard(two[0])
    assert not merge.is_shard(Path())
