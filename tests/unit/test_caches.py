"""Where what was compiled is kept, which is only where the user wants it."""

import os
from pathlib import Path

import pytest

from shared import caches

DIRECTORY = "JAX_COMPILATION_CACHE_DIR"


@pytest.fixture(autouse=True)
def untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment in which nobody has set anything, and which is put back."""
    names = (caches.VARIABLE, DIRECTORY, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS")
    for name in names:
        monkeypatch.setenv(name, "")  # so that it is put back
        monkeypatch.delenv(name)


def test_compiled_steps_are_kept_in_the_users_cache_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    caches.keep()
    folder = Path(os.environ[DIRECTORY])
    assert folder.is_dir()
    assert tmp_path in folder.parents
    assert "triptych" in folder.parts


def test_each_kind_of_processor_has_a_folder_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(caches.VARIABLE, str(tmp_path))
    here = caches.directory()
    assert here == caches.directory()
    monkeypatch.setattr(caches.machine, "processor_lines", lambda *_: ["model name: another"])
    elsewhere = caches.directory()
    assert here
    assert elsewhere
    assert here.parent == elsewhere.parent == tmp_path
    assert here != elsewhere


def test_off_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(caches.VARIABLE, "off")
    caches.keep()
    assert DIRECTORY not in os.environ


def test_a_folder_that_cannot_be_made_keeps_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(caches.VARIABLE, str(tmp_path / "file" / "below"))
    caches.keep()
    assert DIRECTORY not in os.environ


def test_what_the_user_has_set_for_jax_stays(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(caches.VARIABLE, str(tmp_path))
    monkeypatch.setenv(DIRECTORY, "mine")
    caches.keep()
    assert os.environ[DIRECTORY] == "mine"
    assert list(tmp_path.iterdir()) == []
