"""The parser of the command line: every verb with its options."""

from __future__ import annotations

import argparse
import inspect
import shutil
import textwrap
from collections.abc import Sequence
from typing import Any

from shared.cli.arguments import Verb, add_options, options_of
from shared.cli.bench import bench
from shared.cli.cache import cache
from shared.cli.catalogue import list_architectures
from shared.cli.compare import compare
from shared.cli.completion import completion
from shared.cli.conventions import conventions
from shared.cli.data import data
from shared.cli.parity import parity
from shared.cli.predict import predict
from shared.cli.reading import PROGRAM, VERSION, Parser
from shared.cli.record import record
from shared.cli.report import report
from shared.cli.show import show
from shared.cli.train import train

VERBS: dict[str, Verb] = {
    "list": list_architectures,
    "show": show,
    "conventions": conventions,
    "compare": compare,
    "parity": parity,
    "record": record,
    "bench": bench,
    "report": report,
    "train": train,
    "predict": predict,
    "data": data,
    "cache": cache,
    "completion": completion,
}
"""Every verb, in the order of the overview."""

GROUPS = {
    "look at the networks": ("list", "show", "conventions"),
    "hold the frameworks against each other": ("compare", "parity", "record", "bench", "report"),
    "train a network and use it": ("train", "predict", "data"),
    "set up": ("cache", "completion"),
}
"""The verbs as the overview has them."""

DESCRIPTION = "The same neural networks in PyTorch, Flax and Keras, proved to be the same."
MARGIN, NAMES = 4, 12
"""The columns of the overview before a verb, and those that its name has."""


def make_parser() -> argparse.ArgumentParser:
    """The parser; what it reads has the verb's function as `verb`, and each option by its field."""
    parser = _Overview(prog=PROGRAM, description=DESCRIPTION)
    parser.add_argument(VERSION, action=_Version)
    verbs = parser.add_subparsers(metavar="VERB", parser_class=_Verb)
    for name, verb in VERBS.items():
        added = verbs.add_parser(
            name,
            help=_first_line(verb),
            description=inspect.getdoc(verb),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.set_defaults(verb=verb)
        for options in options_of(verb).values():
            add_options(added, options)
    return parser


def _first_line(verb: Verb) -> str:
    return (inspect.getdoc(verb) or "").partition("\n")[0]


def _width() -> int:
    """How wide a help is: what `argparse` takes too."""
    return max(shutil.get_terminal_size().columns - 2, 20)


def _wrapped(text: str) -> str:
    """Paragraphs that are as wide as the terminal; lines with a margin, which are code, stay."""
    paragraphs = []
    for paragraph in text.split("\n\n"):
        code = paragraph.startswith(" ")
        paragraphs.append(paragraph if code else textwrap.fill(paragraph, _width()))
    return "\n\n".join(paragraphs)


class _Verb(Parser):
    """The parser of a verb."""

    def format_help(self) -> str:
        """The help, its description as wide as the terminal."""
        self.description = _wrapped(self.description or "")
        return super().format_help()


class _Overview(Parser):
    """The parser of the whole command, whose help has the verbs in groups."""

    def format_help(self) -> str:
        """What `triptych` alone prints, and `triptych --help`."""
        usage = [f"usage: {PROGRAM} VERB [ARGUMENT ...]", f"       {PROGRAM} {VERSION}"]
        lines = [*usage, "", _wrapped(DESCRIPTION)]
        for title, verbs in GROUPS.items():
            lines += ["", f"{title}:"]
            lines += [
                textwrap.fill(
                    _first_line(VERBS[verb]),
                    _width(),
                    initial_indent=f"{'':{MARGIN}}{verb:<{NAMES}} ",
                    subsequent_indent=" " * (MARGIN + NAMES + 1),
                )
                for verb in verbs
            ]
        return "\n".join([*lines, "", _wrapped(f"`{PROGRAM} VERB --help` explains a verb."), ""])


class _Version(argparse.Action):
    """Print the version and end; it is looked up only when it is asked for."""

    def __init__(self, option_strings: Sequence[str], **_: Any) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help="print the version")

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        print(f"triptych {version('triptych')}")
        parser.exit()
