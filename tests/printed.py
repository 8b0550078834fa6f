"""What the command and its tables print, caught."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from shared import cli


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command says when it refuses: status 2, and one sentence, which is on stderr."""
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("triptych: ")
    assert err.endswith("\n")
    assert len(err.splitlines()) == 1
    assert "Traceback" not in err
    return err


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str, status: int | None = 0) -> Any:
    """What a verb prints with `--json`: strict JSON and nothing else; any status for None."""
    with pytest.raises(SystemExit) as caught:
        cli.main([*arguments, "--json"])
    assert status in (None, caught.value.code)
    return strict(capsys.readouterr().out)


def strict(text: str) -> Any:
    """The value of strict JSON."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def shown(show: Callable[..., None], *arguments: Any, terminal: bool = False) -> str:
    """What a table looks like, 120 characters wide: in a pipe, or at a terminal without colours."""
    stream = io.StringIO()
    environment = {"TERM": "xterm", "NO_COLOR": "1"}
    console = Console(
        width=120, file=stream, markup=False, force_terminal=terminal, _environ=environment
    )
    show(arguments[0], console, *arguments[1:])
    return stream.getvalue()
