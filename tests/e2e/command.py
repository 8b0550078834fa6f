"""The command as a user calls it: in a process of its own, or here, where it starts sooner."""

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from unittest import mock

from shared import cli, registry
from shared.workers import Worker


@dataclass(frozen=True)
class Done:
    """What a command did."""

    status: int
    out: str
    err: str


def process(*arguments: str, folder: Path | None = None, **environment: str) -> Done:
    """Run the command in a process of its own, its output in a pipe."""
    variables = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    done = subprocess.run(
        [sys.executable, "-c", "from shared.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**variables, **environment},
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def here(*arguments: str, folder: Path | None = None) -> Done:
    """Run the command in this process: its workers are forked with their frameworks.

    `predict` and `record` load a framework themselves; they have a process for that.
    """
    if arguments[0] not in ("predict", "record"):
        return call(arguments, folder)
    named = dict(pairwise(arguments)).get("--backend")
    with Worker(named or registry.installed()[0]) as worker:
        return worker.call(call, arguments, folder)


def call(arguments: tuple[str, ...], folder: Path | None) -> Done:
    """Run the command, with its output in a pipe as far as it can tell."""
    out, err = io.StringIO(), io.StringIO()
    variables = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    with (
        mock.patch.dict(os.environ, variables, clear=True),
        within(folder),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            cli.main(arguments)
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
    return Done(status, out.getvalue(), err.getvalue())


@contextmanager
def within(folder: Path | None) -> Iterator[None]:
    """Work in a folder for a while."""
    before = Path.cwd()
    os.chdir(folder or before)
    try:
        yield
    finally:
        os.chdir(before)
