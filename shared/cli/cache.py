"""`triptych cache`."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from shared.choosing import choose
from shared.cli import completing, printing
from shared.cli.arguments import option
from shared.cli.options import Output
from shared.errors import DataError

ACTIONS = ("status", "clear")
KINDS = ("evidence", "compiled")


def _kinds(prefix: str, parsed_args: Namespace, **_: Any) -> Iterable[str]:  # noqa: ARG001
    """What a shell is told: no kind where none is needed."""
    return KINDS if parsed_args.action == "clear" else ()


@dataclass(frozen=True)
class Options:
    """What is done, and with what."""

    action: str = option(
        nargs="?",
        default="status",
        completer=completing.words(lambda: ACTIONS),
        help="status (the default) or clear",
    )
    kind: str | None = option(
        nargs="?",
        metavar="KIND",
        completer=_kinds,
        help="what to clear: evidence or compiled (default: both)",
    )


def cache(output: Output, options: Options) -> int:
    """Say what is kept for later runs, or clear it.

    `parity` keeps evidence, and what XLA compiled is kept for all verbs.
    """
    from shared import caches

    choose("action", options.action, ACTIONS)
    kinds = [choose("kind", options.kind, KINDS)] if options.kind else [*KINDS]
    if options.action == "clear":
        try:
            removed = {kind: caches.clear(kind) for kind in kinds}
        except OSError as error:
            raise DataError(f"cannot clear {error.filename}: {error.strerror}") from error
        if output.as_json:
            printing.print_json({"removed": removed})
        for kind, size in removed.items() if not output.as_json else ():
            print(f"{kind}: {_megabytes(size)} removed")
        return 0
    rows = [row for row in caches.stored() if row.kind in kinds]
    if output.as_json:
        named = [{**asdict(row), "folder": row.folder and str(row.folder)} for row in rows]
        printing.print_json({"kept": named})
        return 0
    from rich.table import Table

    table = Table()
    for title in ("kept", "files", "size", "at most", "where"):
        table.add_column(title, overflow="fold")
    for row in rows:
        most = _megabytes(row.limit) if row.limit else "no limit"
        where = str(row.folder) if row.folder else "nowhere: it is off"
        table.add_row(row.kind, f"{row.files:,}", _megabytes(row.size), most, where)
    printing.console().print(table)
    return 0


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
