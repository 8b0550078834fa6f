"""Files are written whole or not at all, and what is no regular file stays what it is."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared import strict, weights, writing
from shared.errors import DataError, TriptychError

Write = Callable[[Path], None]


def write_json(path: Path) -> None:
    strict.write(path, {"a": 1})


def write_weights(path: Path) -> None:
    weights.write(path, {"a": np.ones(3)}, {})


both = pytest.mark.parametrize("write", [write_json, write_weights])


@both
def test_a_link_stays_one_and_its_file_is_written(tmp_path: Path, write: Write) -> None:
    link, folder = tmp_path / "link", tmp_path / "folder"
    folder.mkdir()
    link.symlink_to(folder / "real")
    for _ in range(2):  # into nothing, and over what the first wrote
        write(link)
        assert link.is_symlink()
        assert [*folder.iterdir()] == [folder / "real"]
    write(tmp_path / "plain")
    assert (folder / "real").read_bytes() == (tmp_path / "plain").read_bytes()


@both
def test_a_pipe_is_written_to(tmp_path: Path, write: Write) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    write(tmp_path / "plain")
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write(pipe)
        assert os.read(reader, 1 << 16) == (tmp_path / "plain").read_bytes()
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    assert {path.name for path in tmp_path.iterdir()} == {"pipe", "plain"}


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="the system has no /dev/fd")
@both
def test_a_pipe_without_a_name_of_its_own_is_written_to(tmp_path: Path, write: Write) -> None:
    """What a shell puts in the place of `>(gzip)`."""
    write(tmp_path / "plain")
    reader, writer = os.pipe()
    try:
        write(Path(f"/dev/fd/{writer}"))
        assert os.read(reader, 1 << 16) == (tmp_path / "plain").read_bytes()
    finally:
        os.close(reader)
        os.close(writer)


@both
@pytest.mark.parametrize("name", ["", "a\0b", "a" * 300, "loop"])
def test_a_path_that_cannot_be_is_told_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Write, name: str
) -> None:
    (tmp_path / "loop").symlink_to("loop")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TriptychError, match=r"^cannot write "):
        write(Path(name))
    assert [path.name for path in tmp_path.iterdir()] == ["loop"]


@pytest.mark.parametrize("content", ["text", b"bytes"])
def test_a_file_that_cannot_be_written_is_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | bytes
) -> None:
    path = tmp_path / "kept"
    writing.put(path, "before")

    def full(self: Path, *_: Any) -> None:
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(DataError, match=r"cannot write .*kept: No space left on device"):
        writing.put(path, content)
    assert path.read_text() == "before"
    assert [*tmp_path.iterdir()] == [path]
