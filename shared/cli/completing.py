"""What a shell is told when the Tab key is pressed: words that may stand at the cursor.

An option has a completer, which argcomplete calls with what was typed so far, and asks for the
words that may stand there; others than those that begin so are left out by argcomplete itself.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from shared import specs
from shared.panels import PANELS

ASKED = "_ARGCOMPLETE"
"""The environment variable by which a shell asks."""

Completer = Callable[..., Iterable[str]]
"""It takes what was typed as `prefix`, and more by name; a mapping says what its words mean."""


def answer(parser: argparse.ArgumentParser) -> None:
    """Tell the shell that asks, and end the process."""
    import argcomplete

    argcomplete.autocomplete(parser, always_complete_options=False)


def nothing(prefix: str, **_: Any) -> Iterable[str]:  # noqa: ARG001
    """No words: what is typed is a number, or free."""
    return ()


def words(names: Callable[[], Iterable[str]]) -> Completer:
    """One of some names, which are looked up only when they are asked for."""

    def complete(prefix: str, **_: Any) -> Iterable[str]:  # noqa: ARG001
        return names()

    return complete


def several(names: Callable[[], Iterable[str]]) -> Completer:
    """Some of these names, with commas between."""

    def complete(prefix: str, **_: Any) -> Iterable[str]:
        before = prefix[: prefix.rfind(",") + 1]
        return [before + name for name in names() if name not in before.split(",")]

    return complete


def either(*completers: Completer) -> Completer:
    """The words of several completers."""

    def complete(prefix: str, **more: Any) -> Iterable[str]:
        return [word for each in completers for word in each(prefix, **more)]

    return complete


def architectures(prefix: str, **_: Any) -> Mapping[str, str]:
    """The architectures, with what they show; once something is typed, classes and files too."""
    names = {spec.name: spec.shows for spec in specs.SPECS.values()}
    if prefix:
        for spec in specs.SPECS.values():
            for case in spec.cases:
                names.setdefault(case.network.cls, f"a class of {spec.name}")
                names.setdefault(case.network.file, f"a file of {spec.name}")
    return names


def files(*suffixes: str) -> Completer:
    """Files whose names end so, in small letters or capitals, or all; and folders on the way."""
    return _paths(lambda path: not suffixes or path.suffix.lower() in suffixes)


def _paths(takes: Callable[[Path], bool]) -> Completer:
    def complete(prefix: str, **_: Any) -> Iterator[str]:
        folder = prefix[: prefix.rfind("/") + 1]
        try:
            entries = sorted(Path(folder or ".").expanduser().iterdir())
        except (OSError, RuntimeError):  # no such folder, or no such user
            return
        for entry in entries:
            if entry.name.startswith(".") and not prefix[len(folder) :].startswith("."):
                continue
            if entry.is_dir():
                yield f"{folder}{entry.name}/"
            elif takes(entry):
                yield folder + entry.name

    return complete


folders = _paths(lambda _: False)
"""Folders alone."""


def is_asked() -> bool:
    """Whether a shell asks, and nothing is to be done."""
    return ASKED in os.environ


def backends() -> Iterable[str]:
    """Names for `words` and `several`."""
    return PANELS


def devices() -> Iterable[str]:
    """Names for `words`."""
    from shared.interface import DEVICES

    return DEVICES


def dtypes() -> Iterable[str]:
    """Names for `words`."""
    from shared.interface import DTYPES

    return DTYPES


def proved_dtypes() -> Iterable[str]:
    """Names for `words`: those that a proof is made in."""
    from shared.interface import PROVED

    return PROVED


def variants() -> Iterable[str]:
    """Names for `words`."""
    from shared.interface import VARIANTS

    return VARIANTS


def measured_variants() -> Iterable[str]:
    """Names for `several`: those that a benchmark measures."""
    from shared.benchmark.measure import ALL_VARIANTS

    return ALL_VARIANTS


def data_sets() -> Iterable[str]:
    """Names for `words`."""
    from shared.data.files import NAMES

    return NAMES
