"""Backends by name, imported as late as can be."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from shared.choosing import choose
from shared.errors import BackendMissingError
from shared.panels import PANELS

if TYPE_CHECKING:
    from shared.interface import Backend

BACKENDS = tuple(PANELS)
PROJECT = "triptych"
FOLDER = Path(__file__).resolve().parents[1]
"""What this package is in: a clone's folder, or that of all packages."""

# The frameworks that Keras can run on, and the extras that bring Keras and them.
KERAS_RUNS_ON = {"tensorflow": "keras", "jax": "keras,flax", "torch": "keras,torch"}
_NEEDS = {"torch": ("torch",), "flax": ("jax", "flax", "optax"), "keras": ("keras",)}


def missing(name: str) -> list[str]:
    """The packages that a backend needs and this environment lacks. Imports nothing.

    Raises:
        ConfigurationError: there is no backend of that name.
    """
    needs = _NEEDS[choose("backend", name, BACKENDS)]
    if name == "keras":
        needs += (_keras_runs_on(),)
    return [package for package in needs if importlib.util.find_spec(package) is None]


def _keras_runs_on() -> str:
    """The framework that Keras is told to run on."""
    return os.environ.get("KERAS_BACKEND", "tensorflow")


def installed() -> list[str]:
    """The backends that can be used here, in the order of `BACKENDS`."""
    return [name for name in BACKENDS if not missing(name)]


def usable(names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Those backends that can be used here, and by name why the others cannot."""
    skipped = {name: explain_missing(name) for name in names if missing(name)}
    return [name for name in names if name not in skipped], skipped


def explain_missing(name: str) -> str:
    """One sentence: what a backend lacks and what to install for it."""
    runs_on = _keras_runs_on()
    if name == "keras" and runs_on not in KERAS_RUNS_ON:
        return f"KERAS_BACKEND must be {', '.join(KERAS_RUNS_ON)} or unset, not {runs_on!r}"
    lacks = " and ".join(missing(name))
    return f"the {name} backend needs {lacks}; install it {how_to_install(name)}"


def how_to_install(name: str) -> str:
    """Where a command installs what a backend needs, if that is not everywhere, and the command.

    In a clone of this project's sources it is an extra of theirs. Elsewhere it is the packages by
    their names, because no index need have this project; without their bounds where the project is
    not installed, so that nothing says them.
    """
    extras = KERAS_RUNS_ON.get(_keras_runs_on(), name) if name == "keras" else name
    if _is_clone(FOLDER):
        where = "" if Path.cwd() == FOLDER else f"in {FOLDER} "
        return f"{where}with: pip install -e '.[{extras}]'"
    packages = [text for extra in extras.split(",") for text in _requirements(extra)]
    return f"with: pip install {shlex.join(packages or missing(name))}"


def _is_clone(folder: Path) -> bool:
    """Whether the sources of this project are in a folder, not only what is installed of them."""
    import tomllib

    try:
        text = (folder / "pyproject.toml").read_text("utf-8")
        return tomllib.loads(text)["project"]["name"] == PROJECT
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _requirements(extra: str) -> list[str]:
    """What this project asks for with an extra, as `pip` takes it; nothing if nobody says."""
    from importlib import metadata

    from packaging.requirements import Requirement

    try:
        texts = metadata.requires(PROJECT) or []
    except metadata.PackageNotFoundError:
        return []
    requirements = [Requirement(text) for text in texts]
    return [
        f"{requirement.name}{requirement.specifier}"
        for requirement in requirements
        if requirement.marker
        and requirement.marker.evaluate({"extra": extra})
        and not requirement.marker.evaluate({"extra": ""})
    ]


def load(name: str, *, whole: bool = True) -> Backend:
    """Import a backend, and with it its framework.

    `whole` is False in a worker: what the framework imports on the side, and only pictures or a
    compiler need, is left out or comes when it is first used.

    Load one backend a process: TensorFlow and torch's optimizers cannot share one
    (`triptych.Worker` gives each its own).

    Raises:
        ConfigurationError: there is no backend of that name.
        BackendMissingError: its packages are not installed.
    """
    if missing(name):
        raise BackendMissingError(explain_missing(name))
    loaded: Backend = importlib.import_module(f"{PANELS[name]}.engine.loading").load(whole=whole)
    return loaded
