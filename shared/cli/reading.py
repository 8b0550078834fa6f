"""Arguments as `argparse` reads them; what it cannot read is refused in one sentence."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from typing import Any, NoReturn

from shared.choosing import choose, listed, nearest
from shared.cli.arguments import Verb, options_of
from shared.errors import ConfigurationError

PROGRAM = "triptych"
HELP = ("--help", "-h")
VERSION = "--version"


class Parser(argparse.ArgumentParser):
    """A parser that raises `argparse.ArgumentError` where others print their usage and end."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(exit_on_error=False, **settings)

    def error(self, message: str) -> NoReturn:
        """Raise an error of no argument in particular."""
        raise argparse.ArgumentError(None, message)


def read(
    parser: argparse.ArgumentParser, verbs: Mapping[str, Verb], words: Sequence[str]
) -> argparse.Namespace:
    """What a parser reads of the words after the program's name; there is one at least.

    Raises:
        ConfigurationError: there is no verb or no option of such a name, an argument is missing,
            or its value is not what it should be.
    """
    first = words[0]
    verb = None if _is_option(first) else verbs[choose("verb", first, verbs)]
    if verb:
        _check_options(first, words[1:], _names(verb), _old_names(verb))
    else:
        _check_options("", words[:1], [*HELP, VERSION])
    try:
        namespace, surplus = parser.parse_known_args(_joined(words))
    except argparse.ArgumentError as error:
        raise ConfigurationError(_sentence(first, verb, error)) from error
    if surplus:
        raise ConfigurationError(f"{first} takes no further argument, and there is {surplus[0]!r}")
    return namespace


def _settings(verb: Verb) -> list[Mapping[str, Any]]:
    """What is known of each option of a verb."""
    return [each.metadata for options in options_of(verb).values() for each in fields(options)]


def _names(verb: Verb) -> list[str]:
    """The names of a verb's options that its help shows."""
    return [*HELP, *(name for each in _settings(verb) for name in each["names"])]


def _old_names(verb: Verb) -> list[str]:
    return [each["old_name"] for each in _settings(verb) if each["old_name"]]


def _is_option(word: str) -> bool:
    """Whether a word names an option, rightly or not: "-" is a file, and "-1" a number."""
    if not word.startswith("-") or word in ("-", "--"):
        return False
    try:
        float(word)
    except ValueError:
        return True
    return False


def _joined(words: Sequence[str]) -> list[str]:
    """The words, with a negative number joined to its option: `argparse` takes -1e-3 for one."""
    joined: list[str] = []
    for word in words:
        follows = joined and joined[-1].startswith("--") and "=" not in joined[-1]
        if follows and len(joined[-1]) > 2 and word[:1] == "-" and not _is_option(word):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def _check_options(
    verb: str, words: Sequence[str], names: Collection[str], old_names: Collection[str] = ()
) -> None:
    """Refuse options that there are not, before `argparse` misses what they were to give.

    Beginnings of long names will do, and short ones with their values, as `argparse` has it.
    """
    if not set(HELP).isdisjoint(words):
        return
    known = [*names, *old_names]
    for word in words:
        if word == "--":
            return
        name = word.partition("=")[0]
        if not _is_option(word) or name in known:
            continue
        if name.startswith("--"):
            meant = [each for each in known if each.startswith(name)]
        else:
            meant = [each for each in known if len(each) == 2 and name.startswith(each)]
        if len(meant) > 1:
            raise ConfigurationError(f"{name} may be {listed(meant, 'or')}: write it out")
        if not meant:
            near = nearest(name, (each for each in names if each.startswith("--")))
            hint = f"did you mean {near!r}?" if near else f"see `{_command(verb)} --help`"
            raise ConfigurationError(f"{verb or PROGRAM} has no option {name!r}; {hint}")


def _command(verb: str) -> str:
    return f"{PROGRAM} {verb}".rstrip()


def _sentence(title: str, verb: Verb | None, error: argparse.ArgumentError) -> str:
    """What `argparse` found wrong, in our words where they are better."""
    message = str(error.message)
    if error.argument_name:
        name = max(error.argument_name.split("/"), key=len)  # the long one
        if message.startswith("expected"):
            return f"{name} needs a value"
        if message.startswith("ignored explicit argument"):
            return f"{name} takes no value"
        return f"{name} {message}"
    missing = message.partition("arguments are required: ")[2]
    if missing and verb:
        names = sorted(missing.split(", "), key=lambda name: name.startswith("-"))
        return f"{title} needs {listed([_explained(verb, name) for name in names])}"
    return message


def _explained(verb: Verb, name: str) -> str:
    """The name of an argument that is missing, and what its help says of it."""
    for each in _settings(verb):
        settings = each["settings"]
        if name in (settings.get("metavar"), "/".join(each["names"])):
            return f"{name} ({settings['help']})"
    return name
