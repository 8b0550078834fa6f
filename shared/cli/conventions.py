"""`triptych conventions`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shared import specs
from shared.cli import checks, completing, printing
from shared.cli.arguments import option
from shared.cli.options import Backends, Output, record_file
from shared.errors import ConfigurationError


@dataclass(frozen=True)
class Options:
    """Which conventions are shown, and where they are written."""

    architectures: list[str] = option(
        nargs="*",
        metavar="ARCHITECTURE",
        completer=completing.architectures,
        help="show the laws of these networks' new weights instead",
    )
    everything: bool = option(
        "--all",
        action="store_true",
        help="show the rows in which the libraries agree too",
    )
    record_path: Path | None = record_file("write the table, to hold later ones against")


def conventions(backends: Backends, output: Output, options: Options) -> int:
    """Show the defaults and meanings in which the libraries differ.

    They are asked of the libraries themselves and held against the table that was recorded with
    the versions of requirements.lock; what changed since is told. With architectures: the laws that
    their new weights are drawn from. Exits with 1 when a value is not the recorded one, or a
    backend fails.
    """
    from shared import registry

    architectures = checks.architectures(options.architectures)
    if architectures and (options.everything or options.record_path):
        raise ConfigurationError("--all and --record are for the table, without an architecture")
    path = checks.writable_file(options.record_path) if options.record_path else None
    chosen = backends.chosen()
    if all(registry.missing(name) for name in chosen):
        raise ConfigurationError("; ".join(registry.explain_missing(name) for name in chosen))
    if architectures:
        return _laws(architectures, chosen, output)
    return _show_table(chosen, output, options.everything, path)


def _laws(architectures: Sequence[specs.Spec], backends: list[str], output: Output) -> int:
    """Show the laws that new weights are drawn from."""
    from shared.conventions import initialisers

    outcomes = []
    for spec in architectures:
        with printing.console(stderr=True).status("drawing new weights"):
            outcome = initialisers.compare(spec, backends)
        outcomes.append(outcome)
        if not output.as_json:
            initialisers.show(outcome, printing.console())
    if output.as_json:
        values = [outcome.to_dict() for outcome in outcomes]
        printing.print_json(values if len(values) > 1 else values[0])
    return 1 if any(outcome.errors for outcome in outcomes) else 0


def _show_table(backends: list[str], output: Output, everything: bool, path: Path | None) -> int:
    """Show the table of conventions, and perhaps write it."""
    from shared.conventions import table

    with printing.console(stderr=True).status("asking the libraries"):
        conventions = table.collect(backends)
    changes = table.changed(conventions, table.read())
    if output.as_json:
        printing.print_json(
            {**conventions.to_dict(), "changes": [str(change) for change in changes]}
        )
    else:
        table.show(conventions, printing.console(), everything, changes)
    if path:
        table.record(conventions, path)
        print(f"written to {path}", file=printing.sentences(json_printed=output.as_json))
    return 1 if changes or conventions.errors else 0
