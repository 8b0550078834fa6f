"""Backends by name: what is missing, and what to install for it."""

import importlib.util
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from shared import registry
from shared.errors import BackendMissingError, ConfigurationError
from tests.sources import ROOT


@pytest.mark.parametrize(
    ("backend", "absent", "lacks"),
    [
        ("torch", ["torch"], "torch"),
        ("flax", ["jax", "optax"], "jax and optax"),
        ("keras", ["keras", "tensorflow"], "keras and tensorflow"),
    ],
)
def test_missing_packages_are_named_with_their_remedy(
    monkeypatch: pytest.MonkeyPatch, backend: str, absent: list[str], lacks: str
) -> None:
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    real = importlib.util.find_spec

    def find(name: str, package: str | None = None) -> Any:
        if name in absent:
            return None
        return real("sys") if name in ("torch", "jax", "flax", "optax") else real(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find)
    monkeypatch.chdir(ROOT)
    sentence = (
        f"the {backend} backend needs {lacks}; install it with: pip install -e '.[{backend}]'"
    )
    assert registry.missing(backend) == absent
    assert registry.explain_missing(backend) == sentence
    assert backend not in registry.installed()
    with pytest.raises(BackendMissingError) as caught:
        registry.load(backend)
    assert str(caught.value) == sentence


def test_registry_knows_its_backends_and_what_others_call_them() -> None:
    with pytest.raises(ConfigurationError) as caught:
        registry.load("caffe")
    assert str(caught.value) == "there is no backend 'caffe'; there are torch, flax, keras"
    with pytest.raises(ConfigurationError) as caught:
        registry.load("tensorflow")
    assert str(caught.value) == (
        "there is no backend 'tensorflow'; the backend keras runs on TensorFlow"
    )


def fewest(tmp_path: Path, name: str) -> Path:
    """A folder with a project of that name."""
    (tmp_path / "pyproject.toml").write_text(f'[project]\nname = "{name}"\n')
    return tmp_path


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no framework is installed."""
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)


@pytest.mark.usefixtures("nothing")
@pytest.mark.parametrize(
    ("runs_on", "extras"),
    [("tensorflow", "keras"), ("jax", "keras,flax"), ("torch", "keras,torch")],
)
def test_keras_says_what_it_needs_for_the_framework_that_it_is_to_run_on(
    monkeypatch: pytest.MonkeyPatch, runs_on: str, extras: str
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", runs_on)
    assert registry.missing("keras") == ["keras", runs_on]
    assert f"pip install -e '.[{extras}]'" in registry.explain_missing("keras")


@pytest.mark.usefixtures("nothing")
def test_keras_runs_on_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "nope")
    assert registry.explain_missing("keras") == (
        "KERAS_BACKEND must be tensorflow, jax, torch or unset, not 'nope'"
    )


@pytest.mark.usefixtures("nothing")
def test_in_a_clone_its_folder_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(registry, "FOLDER", fewest(tmp_path, "triptych"))
    end = "with: pip install -e '.[flax]'"
    assert registry.explain_missing("flax") == (
        f"the flax backend needs jax and flax and optax; install it in {tmp_path} {end}"
    )
    monkeypatch.chdir(tmp_path)
    assert registry.how_to_install("flax") == end


PACKAGES = {
    "torch": "'torch>=2.7' 'torchvision>=0.22'",
    "flax": "'jax>=0.7' 'flax>=0.12' 'optax>=0.2.5'",
    "keras": "'tensorflow>=2.20' 'keras>=3.11'",
}


def asked_for() -> list[str]:
    """What this project asks for, as it is installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"].items()
    return [*project["dependencies"], *(f'{t}; extra == "{e}"' for e, ts in extras for t in ts)]


@pytest.mark.usefixtures("nothing")
@pytest.mark.parametrize("other", [None, "", "another", "[project"])
@pytest.mark.parametrize("backend", PACKAGES)
def test_outside_of_a_clone_packages_are_named_with_their_bounds(
    backend: str, other: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(metadata, "requires", lambda _: asked_for())
    monkeypatch.setattr(registry, "FOLDER", tmp_path)
    if other == "another":
        fewest(tmp_path, other)
    elif other is not None:
        (tmp_path / "pyproject.toml").write_text(other)
    end = f"; install it with: pip install {PACKAGES[backend]}"
    assert registry.explain_missing(backend).endswith(end)


@pytest.mark.usefixtures("nothing")
def test_outside_of_a_clone_keras_has_the_packages_of_both(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(metadata, "requires", lambda _: asked_for())
    monkeypatch.setattr(registry, "FOLDER", tmp_path)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    packages = f"{PACKAGES['keras']} {PACKAGES['flax']}"
    assert registry.how_to_install("keras") == f"with: pip install {packages}"


@pytest.mark.usefixtures("nothing")
@pytest.mark.parametrize("answer", [None, [], metadata.PackageNotFoundError("triptych")])
def test_where_nobody_says_the_bounds_there_are_none(
    answer: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def requires(_: str) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(metadata, "requires", requires)
    monkeypatch.setattr(registry, "FOLDER", tmp_path)
    assert registry.how_to_install("flax") == "with: pip install jax flax optax"
    assert registry.how_to_install("keras") == "with: pip install keras tensorflow"
