"""`triptych bench`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from shared.cli import checks, completing, printing
from shared.cli.arguments import option
from shared.cli.options import Backends, DataDirectory, Device, Dtype, json_file, record_file
from shared.cli.training import dataset
from shared.errors import ConfigurationError

if TYPE_CHECKING:
    from shared.benchmark.run import Request

JSON = Path("triptych-bench.json")
"""The file that everything is written to."""


@dataclass(frozen=True)
class Options:
    """What is measured, how often, and where it is written."""

    architectures: list[str] = option(
        nargs="*",
        metavar="ARCHITECTURE",
        completer=completing.architectures,
        help="names from `triptych list` (default: mnist_classifier)",
    )
    json_path: Path = json_file(f"where to write it all (default: {JSON})", JSON)
    variants: str | None = option(
        "--variants",
        old_name="--ways",
        default=None,
        metavar="NAMES",
        completer=completing.several(completing.measured_variants),
        help="which variants: idiomatic, tuned and reference, with commas between (default: all "
        "that there are)",
    )
    batch_sizes: str = option(
        "--batch-sizes",
        default="64,256",
        metavar="SIZES",
        help="of inference; training takes the first (default: 64,256)",
    )
    rounds: int = option(
        "--rounds", type=int, default=5, help="how often each measurement is made (default: 5)"
    )
    seconds: float = option(
        "--seconds", type=float, default=0.5, help="of each measurement in a round (default: 0.5)"
    )
    epochs: int = option(
        "--epochs", type=int, default=1, help="of the training that is timed whole (default: 1)"
    )
    costs: bool = option(
        "--costs",
        action="store_true",
        help="measure what the shared loop, the loader and the command add, and how costs grow",
    )
    accuracy: float | None = option(
        "--accuracy",
        type=float,
        nargs="?",
        const=99.0,
        metavar="PERCENT",
        help="measure the time to this test accuracy on mnist_classifier too: the loop that "
        "tutorials teach, and the preset fast in every backend (default: 99)",
    )
    seeds: int = option(
        "--seeds", type=int, default=5, help="of --accuracy: trainings of each (default: 5)"
    )
    data: str = option(
        "--data",
        default="mnist",
        completer=completing.words(completing.data_sets),
        help="of --accuracy: mnist (the default), fashion_mnist or sample",
    )
    check: bool = option(
        "--check",
        action="store_true",
        help="hold the ratios, --costs too, against the recorded ones; by hand, on a quiet machine",
    )
    record_path: Path | None = record_file(
        "write the ratios, --costs too, to hold later ones against"
    )
    markdown_path: Path | None = option(
        "--markdown",
        old_name="--readme",
        type=Path,
        metavar="FILE",
        completer=completing.files(".md"),
        help="put the figures into a Markdown file, between the marks bench:begin and bench:end",
    )


def bench(
    backends: Backends,
    data_directory: DataDirectory,
    dtype: Dtype,
    device: Device,
    options: Options,
) -> int:
    """Measure the speed, memory and start-up of every backend.

    A candidate is a backend in one of its variants, and has a process of its own. In rounds they
    take turns; medians are shown, and the spread. "idiomatic" is how the framework's documentation
    writes it, "tuned" the fastest means with the same numbers, "reference" the framework's own
    MNIST example for mnist_classifier. In bfloat16 each candidate's outputs are held against
    float32's of the same weights.

    About three minutes; with --accuracy some twenty more. Exits with 1 when a candidate fails, when
    outputs differ by more than rounding, or when a ratio falls (--check).
    """
    request = _request(backends, data_directory, dtype, device, options)
    from shared.benchmark import check, run, table

    path = checks.json_file(options.json_path)
    for other in (options.record_path, options.markdown_path):
        if other:
            checks.writable_file(other)
    if options.markdown_path:
        table.check_marks(options.markdown_path)
    recorded = check.read(check.RECORDED) if options.check else {}
    if request.goal:
        loaded = dataset(options.data, data_directory.data_dir)
        request = replace(request, goal=replace(request.goal, data=loaded.name))
    outcome = run.run(request, printing.notices())
    ratios = check.ratios(outcome)
    verdict = check.check(ratios, recorded)
    value = {**outcome.to_dict(), "ratios": ratios}
    printing.write_json(path, {**value, "recorded_ratios": recorded} if options.check else value)
    if path != printing.PRINTED:
        table.show(outcome, printing.console())
        if options.check:
            table.show_check(verdict, printing.console())
        print(f"written to {path}")
    stream = printing.sentences(json_printed=path == printing.PRINTED)
    if options.record_path:
        check.record(outcome, options.record_path)
        print(f"ratios written to {options.record_path}", file=stream)
    if options.markdown_path:
        table.write(outcome, options.markdown_path)
        print(f"figures written to {options.markdown_path}", file=stream)
    return 0 if outcome.passed and (verdict.passed or not options.check) else 1


def _request(
    backends: Backends,
    data_directory: DataDirectory,
    dtype: Dtype,
    device: Device,
    options: Options,
) -> Request:
    """What is to be measured."""
    names = [spec.name for spec in checks.architectures(options.architectures)]
    from shared.benchmark import accuracy, measure, run

    dtype.checked()
    device.checked()
    folder = str(data_directory.data_dir) if data_directory.data_dir else None
    goal = None
    if options.accuracy is not None:
        goal = accuracy.Goal(options.accuracy, options.seeds, options.data, folder)
    return run.Request(
        tuple(names) or (measure.REFERENCE_ARCHITECTURE,),
        tuple(backends.chosen()),
        tuple(checks.chosen("variant", options.variants, measure.ALL_VARIANTS)),
        _sizes(options.batch_sizes),
        dtype.dtype,
        device.device,
        options.rounds,
        options.seconds,
        options.epochs,
        options.costs or options.check or options.record_path is not None,
        goal,
    )


def _sizes(text: str) -> tuple[int, ...]:
    """The batch sizes in a list with commas, each once."""
    words = checks.words(text)
    if not words or not all(word.isdecimal() for word in words):
        raise ConfigurationError(
            f"batch sizes must be whole numbers with commas between, not {text!r}"
        )
    return tuple(dict.fromkeys(map(int, words)))
