"""`triptych data`."""

from pathlib import Path

import pytest

from shared.data import download, files
from tests.printed import as_json
from tests.unit.cli.conftest import Triptych


def test_data_says_what_is_here(tmp_path: Path, triptych: Triptych) -> None:
    status, out, _ = triptych("data", "--data-dir", str(tmp_path))
    assert status == 0
    assert out.count("not here") == 2
    assert "here, checked" in out
    status, out, _ = triptych("data", "verify", "sample")
    assert status == 0
    assert out.count("is whole") == 4
    status, out, _ = triptych("data", "verify", "mnist", "--data-dir", str(tmp_path))
    assert status == 1
    assert out.count("is missing") == 4


def test_data_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    value = as_json(capsys, "data", "--data-dir", str(tmp_path))
    assert value["directory"] == str(tmp_path)
    assert value["data_sets"] == [
        {"name": "sample", "here": True, "where": str(files.SAMPLE_FOLDER), "problem": None},
        *(
            {"name": name, "here": False, "where": None, "problem": None}
            for name in ("mnist", "fashion_mnist")
        ),
    ]
    value = as_json(capsys, "data", "verify", "sample")
    assert (value["name"], value["whole"]) == ("sample", True)
    assert [file["problem"] for file in value["files"]] == [None] * 4
    value = as_json(capsys, "data", "verify", "mnist", "--data-dir", str(tmp_path), status=1)
    assert value["whole"] is False
    assert [file["problem"] for file in value["files"]] == ["is missing"] * 4


def test_a_download_as_json(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(download, "download", lambda *_: tmp_path)
    value = as_json(capsys, "data", "download", "mnist")
    assert value == {"name": "mnist", "where": str(tmp_path)}
