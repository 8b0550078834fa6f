"""bfloat16 and float64 from the command line: what is printed, measured and written."""

import json
from pathlib import Path

import pytest

from shared import registry, weights
from shared.boundary import kept
from shared.differences import most_by_rounding
from tests.assertions import status
from tests.e2e.smaller import make_smaller
from tests.flavours import ALL

INSTALLED = registry.installed()
pytestmark = pytest.mark.skipif(not INSTALLED, reason="needs a backend")
MOST = most_by_rounding("bfloat16")


def test_compare_says_what_it_computed_in(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "all.json"
    options = ["--epochs", "1", "--batch-size", "100", "--dtype", "bfloat16"]
    assert status(["compare", "basic_net", *options, "--json", str(path)]) == 0
    text = capsys.readouterr().out
    assert "bfloat16" in text.splitlines()[0]
    result = json.loads(path.read_text())
    assert result["request"]["dtype"] == "bfloat16"
    assert list(result["rows"]) == INSTALLED
    for row in result["rows"].values():
        assert row["difference"] <= MOST
        assert row["history"]["epochs"][-1]["test_accuracy"] > 75


@pytest.mark.parametrize("dtype", ["bfloat16", "float64"])
def test_trained_weights_say_what_they_were_trained_in(dtype: str, tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    options = ["--epochs", "1", "--batch-size", "500", "--dtype", dtype, "--output", str(path)]
    assert status(["train", "basic_net", "--backend", INSTALLED[0], *options]) == 0
    arrays, metadata = weights.read(path)
    assert metadata["dtype"] == dtype
    assert {str(array.dtype) for array in arrays.values()} == {kept(dtype)}


def test_a_small_benchmark_says_how_far_it_is_from_float32(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    if not ALL:
        make_smaller(monkeypatch)
    options = ["--rounds", "1", "--seconds", "0.05", "--batch-sizes", "16", "--variants", "tuned"]
    assert status(["bench", "basic_net", *options, "--dtype", "bfloat16"]) == 0
    text = capsys.readouterr().out
    assert "basic_net: bfloat16 on cpu" in text
    assert "first outputs, difference from float32's: " in text
    assert "NumPy's products of float32 matrices" in text
    rows = json.loads((tmp_path / "triptych-bench.json").read_text())["rows"]
    assert [row["backend"] for row in rows] == INSTALLED
    for row in rows:
        assert 1e-4 < row["difference"] < MOST
        assert row["held_against"] == "float32"
