"""Options as dataclasses: their fields say what `argparse` is told, their instances what it read.

A verb is a function whose parameters are such dataclasses:

    @dataclass(frozen=True)
    class Device:
        device: str = option("--device", default="cpu", help="cpu (the default) or cuda")

    def train(device: Device, ...) -> int: ...
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import field, fields
from pathlib import Path
from typing import Any, TypeVar, cast, get_type_hints

from shared.cli import completing
from shared.cli.completing import Completer

Options = TypeVar("Options")
Verb = Callable[..., int]
"""A verb's function: it takes dataclasses of options, and gives the exit status."""


def option(
    *names: str,
    old_name: str | None = None,
    completer: Completer | None = None,
    **settings: Any,
) -> Any:
    """A field of a dataclass of options; without names it is a positional argument.

    Args:
        *names: As they stand on the command line, such as "--epochs".
        old_name: A name that works too, and that the help does not show.
        completer: What gives a shell the words for its value; without one, a path is completed by
            the files that there are.
        **settings: What `add_argument` is told besides: type, default, help and so on.
    """
    if completer is None:
        completer = completing.files() if settings.get("type") is Path else completing.nothing
    return field(
        metadata={
            "names": names,
            "old_name": old_name,
            "completer": completer,
            "settings": settings,
        }
    )


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        message = f"must be a whole number, not {text!r}"
        raise argparse.ArgumentTypeError(message) from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, not {text!r}") from None


def _file(text: str) -> Path:
    return _path("file", text)


def _folder(text: str) -> Path:
    return _path("folder", text)


def _path(kind: str, text: str) -> Path:
    if not text:  # `Path` would take it for the current folder
        raise argparse.ArgumentTypeError(f"must name a {kind}, not {text!r}")
    return Path(text)


_READERS: Mapping[Any, Callable[[str], Any]] = {int: _whole_number, float: _number, Path: _file}
"""What reads a value of a type, and says in words what it should be."""

FOLDER = "DIR"
"""What the help calls a path that is a folder's."""


def options_of(verb: Verb) -> dict[str, Any]:
    """The dataclasses of options that a verb takes, by its parameters' names."""
    return {name: kind for name, kind in get_type_hints(verb).items() if name != "return"}


def add_options(parser: argparse.ArgumentParser, options: Any) -> None:
    """Give a parser the options that a dataclass has."""
    for each in fields(options):
        names, old_name, settings = (
            each.metadata[key] for key in ("names", "old_name", "settings")
        )
        if (kind := settings.get("type")) in _READERS:
            reader = _folder if settings.get("metavar") == FOLDER else _READERS[kind]
            settings = {**settings, "type": reader}
        actions = [parser.add_argument(*names, dest=each.name, **settings)]
        if old_name:
            hidden = {"default": argparse.SUPPRESS, "help": argparse.SUPPRESS}
            actions.append(parser.add_argument(old_name, dest=each.name, **{**settings, **hidden}))
        for action in actions:
            action.completer = each.metadata["completer"]  # type: ignore[attr-defined]


def read_options(options: type[Options], namespace: argparse.Namespace) -> Options:
    """The instance of a dataclass of options that holds what a parser read."""
    names = [each.name for each in fields(cast(Any, options))]
    return options(**{name: getattr(namespace, name) for name in names})


def call(verb: Verb, namespace: argparse.Namespace) -> int:
    """Call a verb with the options that a parser read for it."""
    kinds = options_of(verb)
    return verb(**{name: read_options(kind, namespace) for name, kind in kinds.items()})
