"""`triptych record` of several architectures, without a framework."""

from pathlib import Path
from typing import Any

import pytest

from shared import specs
from shared.parity import evidence
from shared.parity import record as recording
from tests.printed import as_json, refused
from tests.unit.cli.conftest import Triptych

FILES = ("basic_net-torch-evidence.safetensors", "mimo_net-torch-evidence.safetensors")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where files are written, of evidence that is made up."""

    def record(
        spec: specs.Spec, backend: str, *_: Any, device: str, precision: str, **__: Any
    ) -> evidence.Evidence:
        return evidence.Evidence(spec.name, backend, {"torch": "9"}, device, precision, {}, {})

    monkeypatch.setattr(recording, "record", record)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_each_architecture_has_a_file(folder: Path, triptych: Triptych) -> None:
    status, out, _ = triptych("record", "basic_net", "MIMONet", "mimo_net", "--backend", "torch")
    assert status == 0
    assert sorted(path.name for path in folder.iterdir()) == [*FILES]
    assert [evidence.read(folder / name).architecture for name in FILES] == [
        "basic_net",
        "mimo_net",
    ]
    assert [line.split()[-1] for line in out.splitlines()] == [*FILES]


@pytest.mark.usefixtures("folder")
def test_json_is_a_list_only_of_several(capsys: pytest.CaptureFixture[str]) -> None:
    alone = as_json(capsys, "record", "basic_net", "--backend", "torch")
    assert alone["file"] == FILES[0]
    several = as_json(capsys, "record", "basic_net", "mimo_net", "--backend", "torch")
    assert several[0] == alone
    assert [value["file"] for value in several] == [*FILES]


def test_one_file_is_named_for_one_architecture(
    folder: Path, capsys: pytest.CaptureFixture[str], triptych: Triptych
) -> None:
    options = ("--backend", "torch", "--output", "one.safetensors")
    sentence = refused(capsys, "record", "basic_net", "mimo_net", *options)
    assert "--output names the file of one architecture, and there are 2" in sentence
    assert not [*folder.iterdir()]
    assert triptych("record", "basic_net", "BasicNet", *options)[0] == 0
    assert [path.name for path in folder.iterdir()] == ["one.safetensors"]
