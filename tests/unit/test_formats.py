"""What files say of themselves, and that those of an earlier version are read."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from shared import formats, strict, weights
from shared.benchmark import check
from shared.conventions import table
from shared.errors import DataError, EvidenceError, WeightsError
from shared.parity import evidence
from shared.parity.evidence import CaseEvidence, Evidence
from shared.predict import prediction
from shared.report import run

CHECK = {
    "rung": "forward",
    "architecture": "basic_net",
    "case": "default",
    "dtype": "float64",
    "between": "torch-flax",
    "status": "passed",
}


def written(path: Path, value: Any) -> Path:
    strict.write(path, value)
    return path


@pytest.mark.parametrize("kind", formats.FORMATS)
def test_a_kind_is_known_again(kind: str) -> None:
    value = {**formats.stamp(kind), "more": 1}
    assert value["kind"] == f"triptych {kind}"
    assert formats.kind_of(value) == kind
    assert formats.check(value, kind) == formats.FORMATS[kind] > 0


def test_what_says_nothing_is_of_an_earlier_version() -> None:
    assert formats.check({"ratios": {}}, "ratios") == 0
    assert formats.kind_of({"kind": "somebody else's"}) is None


@pytest.mark.parametrize("version", [0, 99, "1", None, True, 1.0])
def test_a_format_that_is_not_known_is_refused(version: object) -> None:
    value = {"kind": "triptych evidence", "format": version}
    with pytest.raises(DataError, match=f"evidence of format {version!r}, .* formats up to 6"):
        formats.check(value, "evidence")


def test_another_kind_is_refused() -> None:
    with pytest.raises(DataError, match="of the kind 'triptych parity', not 'triptych ratios'"):
        formats.check(formats.stamp("parity"), "ratios")
    with pytest.raises(DataError, match="of the kind None"):
        formats.check({"format": 1}, "ratios")


def test_pages_are_made_of_files_of_an_earlier_version(tmp_path: Path) -> None:
    bench = {
        "request": {"architectures": ["basic_net"], "ways": ["tuned"]},
        "peak": 1.0,
        "rows": [{"architecture": "basic_net", "backend": "torch", "way": "tuned"}],
    }
    checks = [{**CHECK, "rung": rung} for rung in ("forward", "forced", "ways")]
    earlier: dict[str, Any] = {
        "studies": {},
        "ledger": {"rows": {}},
        "pitfalls": None,
        "guide": None,
    }
    paths = [
        written(tmp_path / "bench.json", bench),
        written(tmp_path / "parity.json", {"checks": checks}),
        written(tmp_path / "report.json", earlier),
    ]
    saved = run.read(paths)
    (row,) = saved.benches["basic_net"]["rows"]
    assert row["variant"] == "tuned"
    assert saved.benches["basic_net"]["request"]["variants"] == ["tuned"]
    assert [each["rung"] for each in saved.checks] == ["forward", "teacher-forced", "variants"]
    assert saved.conventions == {"rows": {}}
    assert saved.files == [
        "bench.json, of triptych bench",
        "parity.json, of triptych parity",
        "report.json, of triptych report",
    ]


@pytest.mark.parametrize("version", [1, 2])
def test_pages_are_made_of_checks_of_every_format(tmp_path: Path, version: int) -> None:
    """Format 1 does not say what was asked."""
    asked = {"asked": {"shard": None}} if version > 1 else {}
    content = {**formats.stamp("parity"), "format": version, "checks": [CHECK], **asked}
    assert run.read([written(tmp_path / "parity.json", content)]).checks == [CHECK]


def test_pages_refuse_one_shard_of_the_checks(tmp_path: Path) -> None:
    shard = {**formats.stamp("parity"), "checks": [CHECK], "asked": {"shard": "2/4"}}
    path = written(tmp_path / "parity.json", shard)
    with pytest.raises(DataError, match=r"cannot be shown: it is shard 2/4 .* merges all shards"):
        run.read([path])


def test_pages_refuse_a_newer_format_and_another_kind(tmp_path: Path) -> None:
    newer = {**formats.stamp("parity"), "format": 99, "checks": [CHECK]}
    path = written(tmp_path / "parity.json", newer)
    with pytest.raises(DataError, match=r"parity\.json cannot be shown: it is parity of format 99"):
        run.read([path])
    path = written(tmp_path / "ratios.json", formats.stamp("ratios"))
    with pytest.raises(DataError, match="of the kind 'triptych ratios', which no page shows"):
        run.read([path])


def test_recorded_ratios_are_checked(tmp_path: Path) -> None:
    ratios = {"ratios": {"one": 2.0}}
    assert check.read(written(tmp_path / "old.json", ratios)) == {"one": 2.0}
    assert check.read(written(tmp_path / "new.json", {**formats.stamp("ratios"), **ratios})) == {
        "one": 2.0
    }
    renamed = {"ratios": {"mnist_classifier torch: training.fit over a bare loop": 0.9}}
    assert check.read(written(tmp_path / "first.json", renamed)) == {
        "mnist_classifier torch: the shared loop over a bare loop": 0.9
    }
    other = written(tmp_path / "other.json", {**formats.stamp("parity"), **ratios})
    with pytest.raises(DataError, match=r"other\.json cannot be used: it is of the kind"):
        check.read(other)
    assert formats.kind_of(json.loads(check.RECORDED.read_text("utf-8"))) == "ratios"


def test_recorded_conventions_are_checked(tmp_path: Path) -> None:
    old = written(tmp_path / "old.json", {"versions": {}, "rows": {"a": {"torch": "1"}}})
    assert table.read(old).rows == {"a": {"torch": "1"}}
    new = tmp_path / "new.json"
    table.record(table.read(old), new)
    assert table.read(new) == table.read(old)
    whole = written(tmp_path / "whole.json", table.read(old).to_dict())
    with pytest.raises(DataError, match="not 'triptych recorded conventions'"):
        table.read(whole)


@pytest.mark.parametrize(("version", "problem"), [(1, "earlier version"), (99, "up to 6")])
def test_evidence_of_another_format_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int, problem: str
) -> None:
    """An earlier one was computed from other numbers."""
    case = CaseEvidence("torch", "default", {"float64": []}, {"float64": {"w": np.ones(2)}})
    old = Evidence("basic_net", "torch", {"torch": "9"}, "cpu", "highest", {}, {"default": case})
    path = tmp_path / "old.safetensors"
    evidence.write(path, old)
    assert list(evidence.read(path).cases["default"].arrays["float64"]) == ["w"]
    with monkeypatch.context() as patch:
        patch.setitem(formats.FORMATS, "evidence", version)
        evidence.write(path, old)
    with pytest.raises(EvidenceError, match=f"evidence of format {version}.*{problem}"):
        evidence.read(path)


def test_weights_must_be_weights(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    about = {"architecture": "basic_net", "config": {}}
    weights.write(path, {"w": np.ones(1)}, about)
    assert prediction.read(path).spec.name == "basic_net"
    weights.write(path, {"w": np.ones(1)}, {**formats.stamp("weights"), **about})
    assert prediction.read(path).spec.name == "basic_net"
    weights.write(path, {"w": np.ones(1)}, {"about": formats.stamp("evidence")})
    with pytest.raises(WeightsError, match="cannot be used as weights: it is of the kind"):
        prediction.read(path, "basic_net")


@pytest.mark.parametrize("metadata", [{"format": "pt"}, {"kind": "lora", "format": "pt"}, {}])
def test_weights_of_other_programs_are_read(tmp_path: Path, metadata: dict[str, str]) -> None:
    """Theirs too say "format": safetensors' own, as PyTorch's hubs publish them, "pt"."""
    path = tmp_path / "theirs.safetensors"
    save_file({"w": np.ones(1, np.float32)}, path, metadata=metadata)
    saved = prediction.read(path, "basic_net")
    assert list(saved.arrays) == ["w"]
