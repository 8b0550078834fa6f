"""`triptych parity` in shards: what each one writes, and what they are merged into."""

import json
import re
from pathlib import Path

import pytest

from shared import strict
from shared.parity import ladder
from shared.parity.checks import sum_of
from shared.parity.shards import Shard
from shared.specs import SPECS
from tests.printed import as_json, refused
from tests.unit import climbs
from tests.unit.cli.conftest import Triptych

NAMES = ("basic_net", "skip_mlp")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where files are written, of climbs that are made up."""
    climbs.fake(monkeypatch)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def files(folder: Path, triptych: Triptych) -> list[str]:
    """What the climbs of three shards write, whose own checks all passed."""
    paths = []
    for number in (1, 2, 3):
        path = f"{number}.json"
        status, out, _ = triptych("parity", *NAMES, "--shard", f"{number}/3", "--json", path)
        assert status == 0
        assert out.splitlines()[-1].startswith(f"shard {number}/3: ")
        assert (folder / path).exists()
        paths.append(path)
    return paths


def test_the_files_say_what_was_asked(folder: Path, triptych: Triptych) -> None:
    options = ("--dtype", "float64", "--no-trainings", "--backends", "torch,keras")
    assert triptych("parity", *NAMES, *options, "--shard", "2/3", "--json", "2.json")[0] == 0
    written = json.loads((folder / "2.json").read_text())
    assert (written["kind"], written["format"]) == ("triptych parity", 2)
    assert written["asked"] == {
        "architectures": ["basic_net", "skip_mlp"],
        "dtypes": ["float64"],
        "backends": ["torch", "keras"],
        "trainings": False,
        "variants": True,
        "device": "cpu",
        "precision": "highest",
        "shard": "2/3",
        "sources": "1" * 64,
    }
    assert triptych("parity", *NAMES, "--json", "whole.json")[0] == 0
    assert json.loads((folder / "whole.json").read_text())["asked"]["shard"] is None


def test_merged_files_print_and_write_what_a_single_climb_does(
    folder: Path, files: list[str], triptych: Triptych
) -> None:
    whole = triptych("parity", *NAMES, "--json", "whole.json")
    merged = triptych("parity", *files, "--json", "merged.json")
    assert merged[:2] == whole[:2]
    assert merged[0] == 0
    assert (folder / "merged.json").read_bytes() == (folder / "whole.json").read_bytes()


def test_it_exits_with_1_unless_the_whole_is_proved(
    capsys: pytest.CaptureFixture[str], files: list[str], triptych: Triptych
) -> None:
    status, out, _ = triptych("parity", *files[:2])
    assert status == 1
    cases = sum(len(SPECS[name].cases) for name in NAMES)
    assert re.search(rf"not among the files: shard 3/3, with [1-9] of {cases} cases", out)
    assert "MISSING counts" in out
    assert "shard 3/3 is not among the files" in out
    value = as_json(capsys, "parity", *files[1:], status=1)
    assert value["proved"] is False
    assert as_json(capsys, "parity", *files)["proved"] is True


def test_a_failure_in_one_shard_fails_the_whole(
    folder: Path, files: list[str], triptych: Triptych
) -> None:
    content = json.loads((folder / files[1]).read_text())
    content["checks"][-1] |= {"status": "failed", "detail": "far apart"}
    content["proved"] = False
    strict.write(folder / files[1], {**content, "sum": sum_of(content)})
    status, out, _ = triptych("parity", *files)
    assert status == 1
    assert "far apart" in out
    assert " 1 failed, 0 missing" in out


def test_a_shard_without_a_case_says_so_and_is_merged(
    folder: Path, capsys: pytest.CaptureFixture[str], triptych: Triptych
) -> None:
    count = len(SPECS["skip_mlp"].cases) + 1
    paths = [f"{number}.json" for number in range(1, count + 1)]
    for number, path in enumerate(paths, 1):
        result = triptych("parity", "skip_mlp", "--shard", f"{number}/{count}", "--json", path)
        assert result[0] == 0
    assert result == (0, f"shard {count}/{count} has no case: there are {count - 1} in all\n", "")
    assert json.loads((folder / paths[-1]).read_text())["checks"] == []
    assert triptych("parity", *paths)[0] == 0
    assert as_json(capsys, "parity", "skip_mlp", "--shard", f"{count}/{count}")["proved"] is False


def test_a_shard_of_which_nothing_is_compared_is_no_empty_one(
    monkeypatch: pytest.MonkeyPatch, triptych: Triptych
) -> None:
    climbs.fake(monkeypatch, skipped=dict.fromkeys(("torch", "flax", "keras"), "not installed"))
    for number in (1, 2):
        status, out, _ = triptych("parity", "skip_mlp", "--shard", f"{number}/2")
        assert status == 1
        assert "nothing is proved" in out


def test_a_shard_is_not_overwritten_by_a_merge(
    folder: Path, files: list[str], capsys: pytest.CaptureFixture[str], triptych: Triptych
) -> None:
    before = (folder / files[0]).read_bytes()
    sentence = refused(capsys, "parity", "--json", *files)
    assert sentence == (
        "triptych: --json would overwrite 1.json, a shard: put --json last to print, or name "
        "another file after it\n"
    )
    assert (folder / files[0]).read_bytes() == before
    again = triptych("parity", *NAMES, "--shard", "1/3", "--json", files[0])
    assert again[0] == 0  # the same shard may be climbed again


def test_what_does_not_fit_together_is_refused(
    folder: Path, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    other = ladder.climb([SPECS[name] for name in NAMES], ["float64"], shard=Shard(2, 3))
    strict.write(folder / "2.json", other.to_dict())
    assert refused(capsys, "parity", *files) == (
        "triptych: 1.json and 2.json were asked for different things: dtypes float64, float32, "
        "and dtypes float64\n"
    )
    assert "are the same shard, 1/3" in refused(capsys, "parity", "1.json", "1.json")
