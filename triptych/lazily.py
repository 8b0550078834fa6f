"""Where the public names are, and whether they can be imported."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

HOMES = {
    "Backend": "shared.interface",
    "BackendMissingError": "shared.errors",
    "ConfigurationError": "shared.errors",
    "DataError": "shared.errors",
    "Dataset": "shared.data.mnist",
    "History": "shared.train.loop",
    "InputError": "shared.errors",
    "Model": "shared.interface",
    "Progress": "shared.train.loop",
    "Report": "shared.parity.user_models",
    "Settings": "shared.specs",
    "Spec": "shared.specs",
    "TaskData": "shared.data.tasks",
    "TriptychError": "shared.errors",
    "WeightsError": "shared.errors",
    "Worker": "shared.workers",
    "WorkerError": "shared.errors",
    "assert_same_model": "shared.parity.user_models",
    "build": "triptych.models",
    "compare_models": "shared.parity.user_models",
    "find": "shared.specs",
    "fit": "triptych.training",
    "list_architectures": "triptych.models",
    "load": "shared.registry",
    "load_data": "triptych.training",
    "load_weights": "triptych.weights",
    "normalise": "shared.data.mnist",
    "save_weights": "triptych.weights",
    "task_data": "triptych.training",
}
"""The module of every public name."""

PACKAGES = ("shared", "torch_impl", "flax_impl", "keras_impl")
"""What Triptych is made of. They lie beside the package `triptych`."""

BESIDE = Path(__file__).parent.resolve().parent


class ShadowedError(ImportError):
    """Another package has the name of one that Triptych is made of, and is in its way."""


def get(name: str) -> object:
    """A public name of `triptych`.

    Raises:
        AttributeError: There is no such name.
        ShadowedError: Another package is in the way.
    """
    if name == "__version__":
        from importlib.metadata import version

        return version("triptych")
    if name not in HOMES:
        raise AttributeError(f"module 'triptych' has no attribute {name!r}")
    check()
    return getattr(importlib.import_module(HOMES[name]), name)


def check() -> None:
    """See to it that Triptych's packages are its own; none of them is imported.

    Raises:
        ShadowedError: Another one is in the way. The sentence says which, where, and what to do.
    """
    for name in PACKAGES:
        place = _place(name)
        if place is not None and place.resolve() != (BESIDE / name).resolve():
            raise ShadowedError(
                f"Triptych has a package named {name!r}, and {place}, which has the same name, is "
                f"in its way: rename that one, or use Triptych in a process that does not have "
                f"{place.parent} on sys.path",
                name=name,
                path=str(place),
            )


def _place(name: str) -> Path | None:
    """The folder or file that a package is imported from; None where nothing is known of it."""
    if name in sys.modules:
        spec = getattr(sys.modules[name], "__spec__", None)
    else:
        spec = importlib.util.find_spec(name)
    if spec is None:
        return None
    if spec.origin is None:  # a folder without __init__.py
        return next((Path(folder) for folder in spec.submodule_search_locations or ()), None)
    origin = Path(spec.origin)
    return origin.parent if origin.name == "__init__.py" else origin
