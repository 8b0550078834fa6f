"""Options that verbs share: a dtype that is none, or that proves nothing, is refused."""

from pathlib import Path

import pytest

from tests.printed import refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["parity", "basic_net", "--dtype", "bfloat16"], "held against each other, in float32 or"),
        (["record", "basic_net", "--backend", "torch", "--dtype", "bfloat16"], "not in bfloat16"),
        (["compare", "--dtype", "bf16"], "there is no dtype 'bf16'; there are float32, float64, b"),
        (["train", "basic_net", "--backend", "torch", "--dtype", "half"], "there is no dtype 'ha"),
        (
            ["bench", "--variants", "reference", "--dtype", "bfloat16"],
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
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, *arguments)
    assert list(tmp_path.iterdir()) == []
