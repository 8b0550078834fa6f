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
        completer=completing.either(
            completing.architectures, completing.files(".safetensors", ".json")
        ),
        help="architectures (default: all); or two or more files that `triptych record` wrote, or "
        "that `triptych parity --shard` wrote",
    )
    shard: str | None = option(
        "--shard",
        metavar="K/N",
        help="climb the K-th of N parts alone, such as 2/4; the files that --json writes of all N "
        "are merged by `triptych parity FILE FILE`",
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

    With files of evidence: hold these against each other, without any framework. With the files of
    shards: merge them, without any framework, into what a single run gives. All architectures take
    9 minutes or more on 2 cores, half of it with --no-trainings --dtype float64; evidence is kept,
    so that a later run makes what changed alone. Exits with 1 when a check fails, a comparison is
    missing, or there was nothing to compare. A shard that has no case exits with 0.
    """
    from shared import caches
    from shared.parity import files, ladder, merge, shards, table

    dtypes = proof.dtypes()
    precision = proof.checked_precision()
    path = checks.json_file(options.json_path) if options.json_path else None
    parts = _shards(options.names)
    evidence = [] if parts else _evidence(options.names)
    shard = None if options.shard is None else shards.Shard.parse(options.shard)
    if shard and (parts or evidence):
        raise ConfigurationError(
            f"--shard {shard} is for a climb, not for files: leave it out, or name architectures"
        )
    if options.watch:
        _watch(options, backends.chosen(), device.checked(), proof)
    architectures: list[specs.Spec] = []
    if parts:
        _check_merge(backends, device, proof, path)
        outcome = merge.merge(parts)
    elif evidence:
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
                shard=shard,
                report=report,
            )
    if path:
        printing.write_json(path, outcome.to_dict())
    if shard and not shards.part(architectures, shard).cases:
        stream = printing.sentences(json_printed=path == printing.PRINTED)
        count = len(shards.cases(architectures))
        print(f"shard {shard} has no case: there are {count} in all", file=stream)
        return 0
    if path != printing.PRINTED:
        table.show(outcome, printing.console())
    return 0 if outcome.proved else 1


def _watch(options: Options, backends: Sequence[str], device: str, proof: ProofOptions) -> NoReturn:
    """Climb after every change, until somebody interrupts."""
    from shared import caches
    from shared.parity import table
    from shared.parity.kept import Question
    from shared.parity.watch import Watch

    others = {
        "files": any(name.endswith((".json", ".safetensors")) for name in options.names),
        "--shard": options.shard is not None,
        "--json": options.json_path is not None,
    }
    for name in [name for name, is_set in others.items() if is_set]:
        raise ConfigurationError(
            f"--watch climbs again after every change, and ends with Ctrl-C: leave out {name}"
        )
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


def _shards(names: list[str]) -> list[Path]:
    """The files of shards, if files of JSON are named; those and anything else are refused."""
    paths = [Path(name) for name in names if name.endswith(".json")]
    if paths and (len(paths) < len(names) or len(paths) < 2):
        raise ConfigurationError(
            "files of shards are merged: name two or more, and nothing else, not "
            f"{', '.join(names)}"
        )
    return paths


def _check_merge(
    backends: Backends, device: Device, proof: ProofOptions, path: Path | None
) -> None:
    """Raise ConfigurationError for options of a climb, and where a shard would be overwritten."""
    from shared.parity import merge

    options = {
        "--backends": backends.backends is not None,
        "--device": device.device != "cpu",
        "--dtype": proof.dtype is not None,
        "--precision": proof.precision != "highest",
        "--no-trainings": not proof.trainings,
    }
    needless = [name for name, is_set in options.items() if is_set]
    if needless:
        raise ConfigurationError(
            f"{needless[0]} is for a climb, and files of shards say what was climbed: leave it out"
        )
    if path and merge.is_shard(path):
        raise ConfigurationError(
            f"--json would overwrite {path}, a shard: put --json last to print, or name another "
            "file after it"
        )


def _evidence(names: list[str]) -> list[Path]:
    """The files, if files are named; those and architectures together are refused."""
    paths = [Path(name) for name in names if name.endswith(".safetensors") or os.sep in name]
    if paths and (len(paths) < len(names) or len(paths) < 2):
        raise ConfigurationError(
            "files of evidence are held against each other: name two or more, and nothing "
            f"else, not {', '.join(names)}"
        )
    return paths
