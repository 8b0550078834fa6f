"""`triptych compare`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shared import specs, strict
from shared.cli import checks, completing, printing
from shared.cli.arguments import option
from shared.cli.options import (
    Backends,
    DataDirectory,
    Device,
    Dtype,
    TrainingOptions,
    Variant,
    json_file,
)
from shared.cli.pages import REPORT, write_pages
from shared.cli.training import request


@dataclass(frozen=True)
class Options:
    """What is compared, and where it is written."""

    architecture: str = option(
        nargs="?",
        default="mnist_classifier",
        metavar="ARCHITECTURE",
        completer=completing.architectures,
        help="a name from `triptych list` (default: mnist_classifier)",
    )
    json_path: Path | None = json_file(
        "where to write it all (default: triptych-compare-ARCHITECTURE.json)"
    )
    with_report: bool = option(
        "--report",
        action="store_true",
        help="write pages too: this architecture's with what was compared, and all others'",
    )
    report_dir: Path = option(
        "--report-dir",
        type=Path,
        default=Path(REPORT),
        metavar="DIR",
        completer=completing.folders,
        help=f"of --report: the folder to write (default: {REPORT})",
    )


def compare(
    training: TrainingOptions,
    data_directory: DataDirectory,
    backends: Backends,
    device: Device,
    variant: Variant,
    dtype: Dtype,
    options: Options,
) -> int:
    """Train a network in every backend from the same weights.

    Accuracy, speed, compile time, start-up and memory stand in one table. Exits with 1 when a
    backend fails or the first forward passes do not agree.
    """
    spec = specs.find(options.architecture)
    from shared import caches
    from shared.compare import comparison, table

    spec.require_task()
    chosen = backends.chosen()
    path = checks.json_file(options.json_path or Path(f"triptych-compare-{spec.name}.json"))
    folder = checks.writable_folder(options.report_dir) if options.with_report else None
    asked_for, source = request(spec, training, data_directory, device, variant, dtype)
    caches.keep()
    outcome = comparison.compare(spec, asked_for, source, chosen, printing.notices())
    printing.write_json(path, {"data_asked_for": training.data, **outcome.to_dict()})
    if path != printing.PRINTED:
        table.show(outcome, printing.console())
        print(f"written to {path}")
    if folder:
        from shared.report.files import Saved

        saved = Saved(comparisons={spec.name: strict.finite(outcome.to_dict())})
        write_pages([spec], chosen, saved, folder, seed=training.seed, guide=False)
        stream = printing.sentences(json_printed=path == printing.PRINTED)
        print(f"report written to {folder / 'index.html'}", file=stream)
    return 0 if outcome.passed else 1
