"""`triptych cache`."""

from pathlib import Path

import pytest

from shared import caches
from shared.cli import cache
from tests.printed import as_json
from tests.unit.cli.conftest import Triptych

KEY = "0" * 64


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(caches.EVIDENCE, str(tmp_path / "evidence"))
    monkeypatch.setenv(caches.VARIABLE, str(tmp_path / "compiled"))
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / f"{KEY}.safetensors").write_bytes(b"x" * 3_000_000)
    (tmp_path / "evidence" / "notes.txt").write_text("somebody's own")
    (tmp_path / "compiled" / KEY[:16]).mkdir(parents=True)
    (tmp_path / "compiled" / KEY[:16] / "step").write_bytes(b"x" * 1_500_000)
    (tmp_path / "compiled" / "own").write_text("somebody's own")
    return tmp_path


def test_cache_says_what_is_kept(
    folders: Path, triptych: Triptych, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = triptych("cache")
    assert status == 0
    assert "3.0 MB" in out
    assert "1.5 MB" in out
    value = as_json(capsys, "cache")
    assert value["kept"] == [
        {
            "kind": "evidence",
            "folder": str(folders / "evidence"),
            "files": 1,
            "size": 3_000_000,
            "limit": caches.LIMIT,
        },
        {
            "kind": "compiled",
            "folder": str(folders / "compiled"),
            "files": 1,
            "size": 1_500_000,
            "limit": None,
        },
    ]


def test_cache_clears_what_is_ours_alone(folders: Path, triptych: Triptych) -> None:
    status, out, _ = triptych("cache", "clear", "evidence")
    assert (status, out) == (0, "evidence: 3.0 MB removed\n")
    assert [path.name for path in (folders / "evidence").iterdir()] == ["notes.txt"]
    assert (folders / "compiled" / KEY[:16] / "step").exists()
    status, out, _ = triptych("cache", "clear")
    assert (status, out) == (0, "evidence: 0.0 MB removed\ncompiled: 1.5 MB removed\n")
    assert (folders / "compiled" / "own").exists()
    assert not (folders / "compiled" / KEY[:16] / "step").exists()


def test_a_cache_that_is_off_is_nowhere(
    triptych: Triptych, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(caches.EVIDENCE, "off")
    monkeypatch.setenv(caches.VARIABLE, "off")
    status, out, _ = triptych("cache")
    assert status == 0
    assert out.count("it is off") == 2
    assert triptych("cache", "clear")[0] == 0


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["look"], "there is no action 'look'; there are status, clear"),
        (["clear", "weights"], "there is no kind 'weights'; there are evidence, compiled"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    words: list[str], text: str, triptych: Triptych
) -> None:
    status, _, err = triptych("cache", *words)
    assert status == 2
    assert text in err


def test_the_kinds_are_those_that_are_kept() -> None:
    assert cache.KINDS == caches.KINDS
