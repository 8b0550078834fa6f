"""`triptych parity`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from shared import specs
from shared.cli import checks, completing, printing
from shared.cli.arguments import option
from shared.cli.options import Backends, Device, ProofOptions, json_file
from shared.errors import ConfigurationError


@dataclass(frozen=True)
class Options:
    """What is held against each other, and where the checks are written."""

    names: list[str] = option(
        nargs="*",
        metavar="ARCHITECTURE|FILE",
        completer=completing.either(completing.architectures, completing.files(".safetensors")),
        help="architectures (default: all), or two or more files that `triptych record` wrote",
    )
    watch: bool = option(
        "--watch",
        action="store_true",
        help="climb again whenever a file of a panel is saved, until Ctrl-C; what passes through "
        "the networks is told first",
    )
    fresh: bool = option(
        "--fresh",
        action="store_true",
        help="make all evidence anew: read nothing that was kept, and keep nothing",
    )
    json_path: Path | None = json_file("where to write every check")


def parity(backends: Backends, device: Device, proof: ProofOptions, options: Options) -> int:
    """Prove that the panels hold the same networks, rung by rung.

    With files of evidence: hold these against each other, without any framework. All architectures
    take 10 to 20 minutes on 2 cores, two thirds of it with --no-trainings; evidence is
    kept, so that a later run makes what changed alone. Exits with 1 when a check fails, a
    comparison is missing, or there was nothing to compare.
    """
    from shared import caches
    from shared.parity import files, ladder, table

    dtypes = proof.dtypes()
    precision = proof.checked_precision()
    path = checks.json_file(options.json_path) if options.json_path else None
    evidence = _evidence(options.names)
    if options.watch and (evidence or path):
        raise ConfigurationError(
            "--watch climbs again after every change, and ends with Ctrl-C; leave out "
            f"{'files of evidence' if evidence else '--json'}"
        )
    if options.watch:
        _watch(options, backends.chosen(), device.checked(), proof)
    if evidence:
        outcome = files.compare_files(evidence, dtypes)
    else:
        architectures = checks.architectures(options.names or specs.SPECS)
        device.checked()
        caches.keep()
        with printing.doing() as report:
            outcome = ladder.climb(
                architectures,
                dtypes,
                device=device.device,
                precision=precision,
                backends=backends.chosen(),
                trainings=proof.trainings,
                keeps=not options.fresh,
                report=report,
            )
    if path:
        printing.write_json(path, outcome.to_dict())
    if path != printing.PRINTED:
        table.show(outcome, printing.console())
    return 0 if outcome.proved else 1


def _watch(options: Options, backends: Sequence[str], device: str, proof: ProofOptions) -> NoReturn:
    """Climb after every change, until somebody interrupts."""
    from shared import caches
    from shared.parity import table
    from shared.parity.kept import Question
    from shared.parity.watch import Watch

    precision, dtypes = proof.checked_precision(), tuple(proof.dtypes())
    question = Question(dtypes, device, precision, proof.trainings, variants=True)
    caches.keep()
    terminal = printing.console()
    Watch(
        checks.architectures(options.names or specs.SPECS),
        question,
        backends,
        say=lambda text: terminal.print(text, highlight=False, soft_wrap=True),
        show=lambda outcome: table.show_problems(outcome, terminal),
        fresh=options.fresh,
    ).run()


def _evidence(names: list[str]) -> list[Path]:
    """The files, if files are named; those and architectures together are refused."""
    paths = [Path(name) for name in names if name.endswith(".safetensors") or os.sep in name]
    if paths and (len(paths) < len(names) or len(paths) < 2):
        raise ConfigurationError(
            "files of evidence are held against each other: name two or more, and nothing "
            f"else, not {', '.join(names)}"
        )
    return paths
