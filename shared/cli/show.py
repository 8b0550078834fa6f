"""`triptych show`."""

from __future__ import annotations

from dataclasses import dataclass

from shared import specs
from shared.choosing import choose
from shared.cli import checks, completing, describing, printing
from shared.cli.arguments import option
from shared.cli.options import Output
from shared.panels import PANELS


@dataclass(frozen=True)
class Options:
    """What is to be shown."""

    architectures: list[str] = option(
        nargs="+",
        metavar="ARCHITECTURE",
        completer=completing.architectures,
        help="a name from `triptych list`, or a class's or a file's",
    )
    backend: str | None = option(
        "--backend",
        completer=completing.words(completing.backends),
        help="only this panel: torch, flax or keras",
    )


def show(output: Output, options: Options) -> int:
    """Show networks side by side, in all three frameworks.

    One has its three files beside each other; several stand beside each other in each panel, or in
    one. Pieces are aligned: the first class of one file with the first class of the other, and
    their methods by name. Above them stands what each network takes and gives. One file of one
    panel in a pipe is the bare file.
    """
    from shared.show import columns

    shown = checks.architectures(options.architectures)
    files = [*dict.fromkeys(specs.find_file(name) for name in options.architectures)]
    backend = options.backend
    backends = list(PANELS) if backend is None else [choose("backend", backend, PANELS)]
    if output.as_json:
        about = [describing.row(spec) for spec in shown]
        printing.print_json({"architectures": about, **columns.to_dict(files, backends)})
        return 0
    console = printing.console()
    if console.is_terminal or len(files) * len(backends) > 1:
        for spec in shown:
            for line in describing.lines(spec, console.width):
                console.print(line, highlight=False)
            console.print()
    columns.show(files, backends, console)
    return 0
