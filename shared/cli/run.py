"""The command from its arguments to its exit status."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Sequence

from shared.cli import completing
from shared.cli.arguments import call
from shared.cli.parser import VERBS, make_parser
from shared.cli.reading import read
from shared.errors import DivergedError, TriptychError, WorkerError

UNWRITABLE = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EIO)
"""How a write fails to what is open already; files that cannot be opened have their sentences."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; exits with the status. Without arguments it prints the overview.

    0: done. 1: a check failed, or a backend or a training did, or what was to be printed could not
    be. 2: bad input, in one sentence. 130: interrupted.
    """
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="replace")  # "±" on a terminal that has ASCII alone
    try:
        try:
            status = _run(sys.argv[1:] if arguments is None else list(arguments))
        except SystemExit as end:  # `argparse` has printed a help, or Rich to a pipe that is closed
            status = end.code
        if sys.stdout is not None:  # it was closed before the start
            sys.stdout.flush()
    except OSError as error:
        if error.filename is not None or error.errno not in UNWRITABLE:
            raise
        status = _unprinted(error)
    sys.exit(status)


def _run(words: list[str]) -> int | str | None:
    """The status of a command."""
    parser = make_parser()
    if completing.is_asked():
        completing.answer(parser)
    if not words:
        parser.print_help()
        return 0
    try:
        namespace = read(parser, VERBS, words)
        return call(namespace.verb, namespace)
    except TriptychError as error:
        print(f"triptych: {error}", file=sys.stderr)
        return 1 if isinstance(error, (WorkerError, DivergedError)) else 2
    except KeyboardInterrupt:
        print("triptych: interrupted", file=sys.stderr)
        return 130


def _unprinted(error: OSError) -> int:
    """The status where stdout takes nothing more; a reader that has ended need not be told."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())  # the interpreter's own attempt would be told of
    os.close(nowhere)
    if not isinstance(error, BrokenPipeError):
        print(f"triptych: the output cannot be written: {error.strerror}", file=sys.stderr)
    return 1
