"""The digest of the sources: of every one, and of nothing else."""

import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from shared.panels import PANELS
from shared.parity import sources
from shared.registry import FOLDER


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small project."""
    for package in (*PANELS.values(), "shared", "tests"):
        (tmp_path / package / "deep").mkdir(parents=True)
        (tmp_path / package / "mlp.py").write_text("a = 1\n")
        (tmp_path / package / "deep" / "inner.py").write_text("b = 2\n")
    monkeypatch.setattr(sources, "FOLDER", tmp_path)
    return tmp_path


def test_every_source_is_in_it_under_its_own_path() -> None:
    names = {n: path for package in sources.PACKAGES for n, path in sources.files(package).items()}
    assert {"shared/parity/sources.py", "torch_impl/mlp.py", "flax_impl/engine/weights.py"} <= {
        *names
    }
    assert all(path.samefile(sources.FOLDER / name) for name, path in names.items())
    digest = sources.digest()
    assert len(digest) == 64
    assert digest == sources.digest()


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "torch_impl" / "mlp.py").write_text("a = 2\n"),
        lambda folder: (folder / "shared" / "deep" / "inner.py").write_text(""),
        lambda folder: (folder / "keras_impl" / "new.py").touch(),
        lambda folder: (folder / "flax_impl" / "mlp.py").unlink(),
        lambda folder: (folder / "shared" / "mlp.py").rename(folder / "shared" / "mlq.py"),
        lambda folder: (folder / "shared" / "digits.npz").write_bytes(b"\0"),
    ],
)
def test_a_source_that_changes_changes_it(folder: Path, change: Callable[[Path], object]) -> None:
    before = sources.digest()
    change(folder)
    assert sources.digest() != before


def test_a_digest_of_some_packages_is_of_these_alone(folder: Path) -> None:
    one, other = (sources.digest(["shared", panel]) for panel in ("torch_impl", "flax_impl"))
    (folder / "torch_impl" / "mlp.py").write_text("a = 2\n")
    assert sources.digest(["shared", "torch_impl"]) != one
    assert sources.digest(["shared", "flax_impl"]) == other


def test_nothing_else_changes_it(folder: Path) -> None:
    before = sources.digest()
    (folder / "shared" / "__pycache__").mkdir()
    (folder / "shared" / "__pycache__" / "mlp.pyc").write_bytes(b"\0")
    (folder / "shared" / ".mlp.py.swp").write_text("a")
    (folder / "shared" / "mlp.py~").write_text("a = 0")
    (folder / "shared" / ".#mlp.py").symlink_to("nobody@nowhere")  # an editor's mark
    (folder / "tests" / "mlp.py").write_text("a = 2\n")
    (folder / "setup.py").write_text("")
    assert sources.digest() == before


def test_content_that_moves_between_sources_changes_it(folder: Path) -> None:
    first, second = (folder / "shared" / name for name in ("a.py", "b.py"))
    first.write_text("one\ntwo\n")
    second.write_text("three\n")
    before = sources.digest()
    first.write_text("one\n")
    second.write_text("two\nthree\n")
    assert sources.digest() != before


def test_what_a_link_leads_to_is_in_it(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "helper.py").write_text("a = 1\n")
    (folder / "torch_impl" / "linked").symlink_to(outside)
    (folder / "torch_impl" / "circle").symlink_to(folder / "torch_impl")
    assert "torch_impl/linked/helper.py" in sources.files("torch_impl")
    before = sources.digest()
    (outside / "helper.py").write_text("a = 2\n")
    assert sources.digest() != before


def test_a_file_that_is_written_has_another_state(folder: Path) -> None:
    """Even where content, size and time are the same again."""
    path = folder / "torch_impl" / "mlp.py"
    before, states = path.stat(), sources.states()
    assert sources.states() == states
    path.write_text("a = 2\n")
    path.write_text("a = 1\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    changed = sources.states()
    assert [name for name in states if changed[name] != states[name]] == ["torch_impl/mlp.py"]
    path.unlink()
    assert "torch_impl/mlp.py" not in sources.states()


def test_modules_from_elsewhere_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What no digest is of: a helper that lies anywhere on the path."""
    before = sources.elsewhere()
    helper = tmp_path / "helper_from_elsewhere.py"
    helper.write_text("a = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "helper_from_elsewhere", raising=False)
    importlib.import_module("helper_from_elsewhere")
    assert {*sources.elsewhere()} - {*before} == {str(helper.resolve())}
    monkeypatch.delitem(sys.modules, "helper_from_elsewhere")


def test_another_panel_is_from_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files are not in the key of this one's evidence."""
    helper = ModuleType("keras_impl.helper")
    helper.__file__ = str(FOLDER / "keras_impl" / "helper.py")
    monkeypatch.setitem(sys.modules, "keras_impl.helper", helper)
    assert helper.__file__ in sources.elsewhere(("shared", "torch_impl"))
    assert helper.__file__ not in sources.elsewhere(("shared", "keras_impl"))


def test_a_file_that_goes_while_it_is_read_ends_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Editors leave files for a moment."""
    before = sources.digest()
    original = sources.files
    monkeypatch.setattr(
        sources,
        "files",
        lambda package: original(package) | {f"{package}/4913": folder / package / "4913"},
    )
    assert sources.digest() == before


def test_this_project_and_what_is_installed_are_not_from_elsewhere() -> None:
    code = "import numpy, rich, json, shared.parity.ladder as l; print(l.sources.elsewhere())"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=FOLDER, capture_output=True, text=True, check=True
    )
    assert run.stdout == "[]\n"
