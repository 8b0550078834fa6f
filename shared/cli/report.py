"""`triptych report`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shared import specs
from shared.choosing import check_seed
from shared.cli import checks, completing, printing
from shared.cli.arguments import option
from shared.cli.options import Backends, Output, record_file
from shared.cli.pages import REPORT, write_pages
from shared.errors import ConfigurationError


@dataclass(frozen=True)
class Options:
    """What the pages are about, and where they are written."""

    architectures: list[str] = option(
        nargs="*",
        metavar="ARCHITECTURE",
        completer=completing.architectures,
        help="names from `triptych list` (default: those in the files, or the whole catalogue)",
    )
    folder: Path = option(
        "--output",
        "-o",
        type=Path,
        default=Path(REPORT),
        metavar="DIR",
        completer=completing.folders,
        help=f"the folder to write (default: {REPORT})",
    )
    files: list[Path] = option(
        "--from",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        completer=completing.files(".json", ".safetensors"),
        help="JSON of compare, parity, bench, conventions or an earlier report, or evidence: what "
        "is there is not measured again",
    )
    guide: bool = option(
        "--no-guide", action="store_false", help="do not run the chapters of the guide"
    )
    seed: int = option(
        "--seed", type=int, default=0, help="of the weights and the batch order (default: 0)"
    )
    record_path: Path | None = record_file(
        "write whole trainings' scores, whole ladders' parity and what the guide's chapters "
        "printed into FILE, for later reports to show; what it has besides stays"
    )


def report(backends: Backends, output: Output, options: Options) -> int:
    """Write pages about the networks, to be opened in a browser.

    They have sources, graph, parameters, parity, training and speed, and open from the disk,
    without a server. What no file given with --from holds is measured now: short trainings without
    dropout, parity in float64 without trainings, what each library takes for granted, and the
    guide's chapters. Every other network has a page too, and beside it all stands what was
    recorded. The whole catalogue takes some 15 minutes on 2 cores where no file is given. Exits
    with 1 when a backend failed.
    """
    from shared.report import recorded, recording, run

    named = checks.architectures(options.architectures)
    seed = check_seed(options.seed)
    folder = checks.writable_folder(options.folder)
    record_path = checks.writable_file(options.record_path) if options.record_path else None
    for path in options.files:
        if specs.is_name(str(path)) and not path.exists():
            raise ConfigurationError(
                f"--from takes {path} for a file: name architectures before --from"
            )
    saved = run.read(options.files)
    before = recorded.Recorded()
    if record_path and record_path.exists():
        before = recorded.read(record_path)
    measured = write_pages(
        named or checks.architectures(saved.architectures()),
        backends.chosen(),
        saved,
        folder,
        seed=seed,
        guide=options.guide,
    )
    if record_path:
        with run.blaming_files(measured):
            updated, lines = recording.updated(before, measured)
        recorded.write(record_path, updated)
        for line in [*lines, f"recorded in {record_path}"]:
            print(line, file=printing.sentences(json_printed=output.as_json))
    if output.as_json:
        paths = {"pages": str(folder / "index.html"), "measured": str(folder / run.MEASURED)}
        printing.print_json({**paths, "failed": measured.failed})
    else:
        print(f"report written to {folder / 'index.html'}")
    return 1 if measured.failed else 0
