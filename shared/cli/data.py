"""`triptych data`."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.choosing import choose
from shared.cli import completing, printing
from shared.cli.arguments import option
from shared.cli.options import DataDirectory, Output
from shared.errors import ConfigurationError

ACTIONS = ("status", "verify", "download")


def _names(prefix: str, parsed_args: Namespace, **_: Any) -> Iterable[str]:  # noqa: ARG001
    """What a shell is told: no name where none is needed."""
    return () if parsed_args.action == "status" else completing.data_sets()


@dataclass(frozen=True)
class Options:
    """What is done, and to which data set."""

    action: str = option(
        nargs="?",
        default="status",
        completer=completing.words(lambda: ACTIONS),
        help="status (the default), verify or download",
    )
    name: str | None = option(
        nargs="?",
        metavar="NAME",
        completer=_names,
        help="sample, mnist or fashion_mnist",
    )


def data(data_directory: DataDirectory, output: Output, options: Options) -> int:
    """Say which data sets are here; verify one, or download one.

    `verify` exits with 1 when a file is missing or damaged.
    """
    choose("action", options.action, ACTIONS)
    if options.action == "status":
        return _status(data_directory.data_dir, output)
    if options.name is None:
        from shared.data import files

        raise ConfigurationError(
            f"`triptych data {options.action}` needs the name of a data set: "
            f"{', '.join(files.NAMES)}"
        )
    if options.action == "download":
        return _download(options.name, data_directory.data_dir, output)
    return _verify(options.name, data_directory.data_dir, output)


def _status(directory: Path | None, output: Output) -> int:
    """Print a table of the data sets."""
    from shared.data import files

    root, rows = files.data_directory(directory), files.status(directory)
    if output.as_json:
        sets = [
            {
                "name": row.name,
                "here": row.present,
                "where": str(row.where) if row.where else None,
                "problem": row.problem,
            }
            for row in rows
        ]
        printing.print_json({"directory": str(root), "data_sets": sets})
        return 0
    from rich.table import Table

    table = Table(title=f"data directory: {root}", title_justify="left")
    for title in ("data set", "state", "where"):
        table.add_column(title, overflow="fold")
    for row in rows:
        state = row.problem or ("here, checked" if row.present else "not here")
        table.add_row(row.name, state, str(row.where or ""))
    printing.console().print(table)
    return 0


def _download(name: str, directory: Path | None, output: Output) -> int:
    """Download a data set, and say where it is."""
    from shared.data import download

    where = download.download(name, directory, sys.stderr.isatty())
    if output.as_json:
        printing.print_json({"name": name, "where": str(where)})
    else:
        print(f"{name} is in {where}")
    return 0


def _verify(name: str, directory: Path | None, output: Output) -> int:
    """Say which files of a data set are whole."""
    from shared.data import files

    checked = files.verify(name, directory)
    whole = all(file.ok for file in checked)
    if output.as_json:
        rows = [{"path": str(file.path), "problem": file.problem} for file in checked]
        printing.print_json({"name": name, "whole": whole, "files": rows})
    else:
        for file in checked:
            print(f"{file.path} {file.problem or 'is whole'}")
    return 0 if whole else 1
