"""How large a backend's environment is: the installed packages that it needs, and those they do."""

from __future__ import annotations

import os
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from shared import registry


def environment_bytes(backend: str, project: str = "triptych") -> int | None:
    """Bytes of the files of all packages that `pip install '.[BACKEND]'` brings.

    None where the project itself is not installed, so that nothing says what it needs. What a
    package makes of itself later, such as compiled Python, is not counted.
    """
    runs_on = os.environ.get("KERAS_BACKEND", "tensorflow")
    extras = registry.KERAS_RUNS_ON.get(runs_on, backend) if backend == "keras" else backend
    try:
        names = requirements(project, set(extras.split(",")))
    except metadata.PackageNotFoundError:
        return None
    return sum(file.size or 0 for name in names for file in metadata.distribution(name).files or ())


def requirements(project: str, extras: set[str]) -> set[str]:
    """The installed packages that one needs with some of its extras, directly or not.

    Raises:
        PackageNotFoundError: it is not installed itself.
    """
    first = canonicalize_name(project)
    waiting = [(first, extra) for extra in ("", *sorted(extras))]
    seen = set(waiting)
    while waiting:
        name, extra = waiting.pop()
        for text in metadata.requires(name) or ():
            requirement = Requirement(text)
            if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
                continue
            needed = canonicalize_name(requirement.name)
            more = {(needed, extra) for extra in ("", *requirement.extras)} - seen
            # What is not there was left out by whoever installed the rest.
            if more and _installed(needed):
                seen |= more
                waiting += sorted(more)
    return {str(name) for name, _ in seen if name != first}


def _installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True
