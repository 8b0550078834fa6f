"""Weights in files: what goes in comes out, and bad files fail."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from shared import weights
from shared.differences import unequal
from shared.errors import WeightsError

Arrays = dict[str, np.ndarray]
METADATA: dict[str, Any] = {"architecture": "x", "config": {"width": 3, "nested": [1, 2.5, None]}}


def some() -> Arrays:
    rng = np.random.default_rng(0)
    return {
        "fc.weight": rng.normal(size=(3, 4)).astype(np.float32),
        "fc.bias": rng.normal(size=3),
        "turned": np.asfortranarray(rng.normal(size=(2, 5, 3)).astype(np.float16)),
        "scalar": np.array(2.5, np.float32),
    }


def complaint(path: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        weights.read(path)
    return str(caught.value)


def test_file_keeps_every_bit_and_the_metadata(tmp_path: Path) -> None:
    tensors = some()
    weights.write(tmp_path / "w.safetensors", tensors, METADATA)
    loaded, metadata = weights.read(tmp_path / "w.safetensors")
    assert len(loaded) == 4
    assert unequal(tensors, loaded) == []
    assert metadata == METADATA


def test_file_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    weights.write(path, {"a": np.zeros(3)}, {})
    weights.write(path, {"b": np.ones(2)}, {})
    assert list(weights.read(path)[0]) == ["b"]
    assert list(tmp_path.iterdir()) == [path]


def test_metadata_of_other_programs_are_texts(tmp_path: Path) -> None:
    save_file({"a": np.zeros(2)}, tmp_path / "w.safetensors", metadata={"format": "pt"})
    assert weights.read(tmp_path / "w.safetensors")[1] == {"format": "pt"}


def test_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "none.safetensors"
    assert complaint(path) == f"cannot read weights from {path}: no such file"


def test_directory_in_place_of_a_file(tmp_path: Path) -> None:
    assert complaint(tmp_path) == f"cannot read weights from {tmp_path}: it is a directory"


@pytest.mark.parametrize(
    "contents",
    [b"", b"short", b"\x80\x04a pickle, say" * 9, json.dumps({"a": 1}).encode() * 9],
    ids=["empty", "short", "pickle", "json"],
)
def test_file_that_is_no_safetensors(tmp_path: Path, contents: bytes) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(contents)
    reason = "it is no safetensors file, or it is damaged"
    assert complaint(path) == f"cannot read weights from {path}: {reason}"


@pytest.mark.parametrize("cut", [1, 60, 200])
def test_truncated_file(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "w.safetensors"
    weights.write(path, some(), METADATA)
    path.write_bytes(path.read_bytes()[:-cut])
    assert complaint(path).startswith(f"cannot read weights from {path}: ")


def test_unwritable_directory(tmp_path: Path) -> None:
    path = tmp_path / "none" / "w.safetensors"
    with pytest.raises(WeightsError) as caught:
        weights.write(path, some(), {})
    assert str(caught.value) == f"cannot write {path}: No such file or directory"


def test_failed_write_leaves_the_older_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "w.safetensors"
    weights.write(path, {"a": np.zeros(3)}, {})
    before = path.read_bytes()
    true_write = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        true_write(self, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(WeightsError) as caught:
        weights.write(path, some(), {})
    assert str(caught.value) == f"cannot write {path}: No space left on device"
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_failed_rename_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.mkdir()
    with pytest.raises(WeightsError, match="cannot write"):
        weights.write(path, some(), {})
    assert list(tmp_path.iterdir()) == [path]


def test_fit_names_everything_that_is_wrong() -> None:
    shapes = {"a": (2, 3), "b": (4,), "c": (1,), "d": (2,)}
    tensors = {
        "a": np.zeros((3, 2)),
        "c": np.zeros(1),
        "d": np.zeros(2, np.int64),
        "e": np.zeros(()),
    }
    with pytest.raises(WeightsError) as caught:
        weights.fit(tensors, shapes)
    assert str(caught.value) == (
        "the weights do not fit the network: missing b (4,); a is (3, 2) and should be (2, 3); "
        "d is int64 and should be floating point; extra e ()"
    )
    weights.fit({name: np.zeros(shape) for name, shape in shapes.items()}, shapes)


def test_buffers_are_known_by_their_names() -> None:
    assert weights.is_buffer("layer1.0.bn1.running_mean")
    assert weights.is_buffer("running_var")
    assert not weights.is_buffer("running_mean.weight")
