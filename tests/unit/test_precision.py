"""bfloat16 is refused where it proves nothing, and what is kept of it is float32."""

from pathlib import Path

import pytest

from shared.errors import ConfigurationError
from shared.interface import check_proved, kept
from shared.parity import compare_models
from shared.parity.judge import most_by_rounding
from tests.printed import refused


def test_dtypes_at_the_boundary() -> None:
    assert [kept(dtype) for dtype in ("float32", "float64", "bfloat16")] == [
        "float32",
        "float64",
        "float32",
    ]
    check_proved("float64")
    with pytest.raises(ConfigurationError, match="dtype must be float64 or float32, not 'bfloat1"):
        compare_models(None, None, [], dtype="bfloat16")
    assert most_by_rounding("bfloat16") == 16 * 2**-8
    assert most_by_rounding("float64") == 1e-12


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["parity", "basic_net", "--dtype", "bfloat16"], "held against each other, in float32 or"),
        (["record", "basic_net", "--backend", "torch", "--dtype", "bfloat16"], "not in bfloat16"),
        (["compare", "--dtype", "bf16"], "there is no dtype 'bf16'; there are float32, float64, b"),
        (["train", "basic_net", "--backend", "torch", "--dtype", "half"], "there is no dtype 'ha"),
        (
            ["bench", "--ways", "reference", "--dtype", "bfloat16"],
            "a reference computes in float32",
        ),
    ],
    ids=" ".join,
)
def test_bad_input_gets_one_sentence(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in refused(capsys, *arguments)
    assert list(tmp_path.iterdir()) == []
