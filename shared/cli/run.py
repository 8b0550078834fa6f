"""The command from its arguments to its exit status."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

from shared.cli import completing
from shared.cli.arguments import call
from shared.cli.parser import VERBS, make_parser
from shared.cli.reading import read
from shared.errors import DivergedError, TriptychError, WorkerError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; exits with the status. Without arguments it prints the overview.

    0: done. 1: a check failed, or a backend or a training did. 2: bad input, in one sentence.
    130: interrupted.
    """
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="replace")  # "±" on a terminal that has ASCII alone
    words = sys.argv[1:] if arguments is None else list(arguments)
    parser = make_parser()
    if completing.is_asked():
        completing.answer(parser)
    if not words:
        parser.print_help()
        sys.exit(0)
    try:
        namespace = read(parser, VERBS, words)
        status = call(namespace.verb, namespace)
    except TriptychError as error:
        print(f"triptych: {error}", file=sys.stderr)
        status = 1 if isinstance(error, (WorkerError, DivergedError)) else 2
    except KeyboardInterrupt:
        print("triptych: interrupted", file=sys.stderr)
        status = 130
    sys.exit(status)
