"""`triptych bench`, really run: a small benchmark ends, and has every figure."""

import json
from pathlib import Path

import pytest

from shared import cli, registry
from tests.e2e.smaller import make_smaller
from tests.flavours import ALL

INSTALLED = registry.installed()
one = pytest.mark.skipif(not INSTALLED, reason="needs a backend")


@one
def test_a_small_benchmark(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if not ALL:
        make_smaller(monkeypatch)
    options = ["--rounds", "1", "--seconds", "0.05", "--batch-sizes", "16", "--variants", "tuned"]
    with pytest.raises(SystemExit) as caught:
        cli.main(["bench", "basic_net", *options])
    text = capsys.readouterr().out
    assert caught.value.code == 0, text
    value = json.loads((tmp_path / "triptych-bench.json").read_text())
    assert [row["backend"] for row in value["rows"]] == INSTALLED
    for row in value["rows"]:
        for name in ("startup_seconds", "import_seconds", "build_seconds", "first_step_seconds"):
            assert row[name] > 0
        assert row["startup_seconds"] > row["import_seconds"]
        assert row["training"]["median"] > 0
        assert row["latency"]["p99"] >= row["latency"]["p50"] > 0
        assert set(row["inference"]) == {"16", "1"}
        assert row["total_seconds"] > row["startup_seconds"]
        assert row["peak_memory_mib"] > 50
        assert row["resolved"]["CPUs"]
        assert value["environment_bytes"][row["backend"]] > 10_000_000
    assert value["peak"]["median"] > 0
