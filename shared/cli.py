"""The command line: it reads arguments, calls the verbs, and prints what they give.

Whatever a verb needs is imported when that verb runs, so that `triptych list` stays quick.
"""

from __future__ import annotations

import argparse
import inspect
import io
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared import registry, specs, strict
from shared.errors import (
    ConfigurationError,
    DivergedError,
    DownloadError,
    TriptychError,
    WorkerError,
)

if TYPE_CHECKING:
    from rich.console import Console

    from shared.compare import Request
    from shared.mnist import Dataset
    from shared.report.run import Saved


PRECISIONS = ("highest", "default")
REPORT = "triptych-report"

PRINTED = Path("-")
"""What `--json` without a file stands for: print it, and nothing else."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; exits with the status.

    0: done. 1: a check failed, or a backend or a training did. 2: bad input, in one sentence.
    """
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="replace")  # "±" on a terminal that has ASCII alone
    options = vars(_parser().parse_args(arguments))
    verb = options.pop("verb")
    try:
        status = verb(**options)
    except TriptychError as error:
        print(f"triptych: {error}", file=sys.stderr)
        status = 1 if isinstance(error, (WorkerError, DivergedError)) else 2
    except KeyboardInterrupt:
        print("triptych: interrupted", file=sys.stderr)
        status = 130
    sys.exit(status)


def _parser() -> argparse.ArgumentParser:
    """Every verb with its arguments; each option's name is a parameter of the verb's function."""
    parser = argparse.ArgumentParser(
        prog="triptych",
        description="The same neural networks in PyTorch, Flax and Keras, "
        "and the proof that they are.",
    )
    parser.add_argument("--version", action=_Version)
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, function: Any, *parents: argparse.ArgumentParser) -> Any:
        """A verb whose help is its function's docstring, its first line in the overview."""
        text = inspect.cleandoc(function.__doc__)
        added = verbs.add_parser(
            name,
            help=text.splitlines()[0],
            description=text,
            parents=parents,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.set_defaults(verb=function)
        return added

    def shared_options() -> argparse.ArgumentParser:
        return argparse.ArgumentParser(add_help=False)

    directory = shared_options()
    directory.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help="where full data sets are (default: TRIPTYCH_DATA, or the user's cache)",
    )
    device = shared_options()
    device.add_argument("--device", default="cpu", help="cpu (the default) or cuda")
    way = shared_options()
    way.add_argument(
        "--way",
        default="tuned",
        help="tuned (the default), the fastest, or idiomatic, as the documentation writes it",
    )
    computed = shared_options()
    computed.add_argument(
        "--dtype",
        default="float32",
        help="float32 (the default), float64, or bfloat16, in which products alone are computed",
    )
    several = shared_options()
    several.add_argument(
        "--backends",
        default="",
        metavar="NAMES",
        help="which to use, with commas between (default: all that are installed)",
    )
    training = shared_options()
    training.add_argument(
        "--data", default="sample", help="sample (the default), mnist or fashion_mnist"
    )
    presets = [
        f"{name}, for {spec.name}, {preset.summary}"
        for spec in specs.SPECS.values()
        for name, preset in spec.presets.items()
    ]
    training.add_argument(
        "--preset",
        metavar="NAME",
        help="settings made for one purpose, which the options below change: "
        + "; ".join(presets).replace("%", "%%"),
    )
    training.add_argument("--epochs", type=int, help="passes over the data")
    training.add_argument("--batch-size", type=int, help="examples in a batch")
    training.add_argument("--optimizer", help="adam, adamw or sgd")
    training.add_argument("--learning-rate", type=float, help="the optimizer's learning rate")
    training.add_argument("--momentum", type=float, help="of sgd")
    training.add_argument(
        "--no-dropout",
        dest="dropout",
        action="store_false",
        default=None,
        help="let dropout rest in training too, so that trainings differ by rounding alone",
    )
    training.add_argument(
        "--seed", type=int, default=0, help="of weights, batch order and dropout (default: 0)"
    )
    one_name = {"metavar": "ARCHITECTURE", "help": "a name from `triptych list`"}
    as_json = shared_options()
    as_json.add_argument("--json", dest="as_json", action="store_true", help="print JSON instead")

    def json_file(what: str, default: Path | None = None) -> argparse.ArgumentParser:
        """The option `--json`, perhaps with a file."""
        option = shared_options()
        option.add_argument(
            "--json",
            dest="json_path",
            type=Path,
            nargs="?",
            const=PRINTED,
            default=default,
            metavar="FILE",
            help=f"{what}; without a file: print it instead",
        )
        return option

    parts = verb("list", list_architectures, as_json)

    parts = verb("show", show, as_json)
    parts.add_argument(
        "architectures",
        nargs="+",
        metavar="ARCHITECTURE",
        help="a name from `triptych list`, or a class's or a file's",
    )
    parts.add_argument("--backend", help="only this panel: torch, flax or keras")

    written = json_file("where to write it all (default: triptych-compare-ARCHITECTURE.json)")
    parts = verb("compare", compare, training, directory, several, device, way, computed, written)
    parts.add_argument("architecture", nargs="?", default="mnist_classifier", **one_name)
    parts.add_argument(
        "--report",
        dest="with_report",
        action="store_true",
        help="write pages about the architecture too, with what was compared",
    )
    parts.add_argument(
        "--report-dir",
        type=Path,
        default=Path(REPORT),
        metavar="DIR",
        help=f"of --report: the folder to write (default: {REPORT})",
    )

    parts = verb("report", report, several, as_json)
    parts.add_argument(
        "architectures",
        nargs="*",
        metavar="ARCHITECTURE",
        help="names from `triptych list` (default: those in the files, or the whole catalogue)",
    )
    parts.add_argument(
        "--output",
        "-o",
        dest="folder",
        type=Path,
        default=Path(REPORT),
        metavar="DIR",
        help=f"the folder to write (default: {REPORT})",
    )
    parts.add_argument(
        "--from",
        dest="files",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        help="JSON of compare, parity, bench, conventions or an earlier report, or evidence: what "
        "is there is not measured again",
    )
    parts.add_argument(
        "--no-guide",
        dest="guide",
        action="store_false",
        help="do not run the chapters of the guide",
    )
    parts.add_argument(
        "--seed", type=int, default=0, help="of the weights and the batch order (default: 0)"
    )

    dtypes = shared_options()
    dtypes.add_argument("--dtype", help="float64 (meaning) or float32 (default: both)")
    dtypes.add_argument(
        "--precision",
        default="highest",
        help="of float32 on a GPU: highest (the default), or default, perhaps TF32",
    )
    dtypes.add_argument(
        "--no-trainings",
        dest="trainings",
        action="store_false",
        help="leave out the rungs where networks are trained, which take longest",
    )
    written = json_file("where to write every check")
    parts = verb("parity", parity, several, device, dtypes, written)
    parts.add_argument(
        "names",
        nargs="*",
        metavar="ARCHITECTURE|FILE",
        help="architectures (default: all), or two or more files that `triptych record` wrote",
    )

    parts = verb("record", record, device, dtypes, as_json)
    parts.add_argument("architecture", **one_name)
    parts.add_argument("--backend", required=True, help="torch, flax or keras")
    parts.add_argument(
        "--output",
        "-o",
        type=Path,
        metavar="FILE",
        help="the evidence's file (default: ARCHITECTURE-BACKEND-evidence.safetensors)",
    )

    parts = verb("conventions", conventions, several, as_json)
    parts.add_argument(
        "architecture",
        nargs="?",
        metavar="ARCHITECTURE",
        help="show the laws of this network's new weights instead",
    )
    parts.add_argument(
        "--all",
        dest="everything",
        action="store_true",
        help="show the rows in which the libraries agree too",
    )
    parts.add_argument(
        "--record",
        dest="record_path",
        type=Path,
        metavar="FILE",
        help="write the table, to hold later ones against",
    )

    default = Path("triptych-bench.json")
    written = json_file(f"where to write it all (default: {default})", default)
    parts = verb("bench", bench, several, directory, computed, written)
    parts.add_argument(
        "architectures",
        nargs="*",
        metavar="ARCHITECTURE",
        help="names from `triptych list` (default: mnist_classifier)",
    )
    parts.add_argument(
        "--ways",
        default="",
        metavar="NAMES",
        help="idiomatic, tuned and reference, with commas between (default: all that there are)",
    )
    parts.add_argument(
        "--batch-sizes",
        default="64,256",
        metavar="SIZES",
        help="of inference; training takes the first (default: 64,256)",
    )
    parts.add_argument("--device", default="cpu", help="cpu (the default) or cuda")
    parts.add_argument(
        "--rounds", type=int, default=5, help="how often each measurement is made (default: 5)"
    )
    parts.add_argument(
        "--seconds", type=float, default=0.5, help="of each measurement in a round (default: 0.5)"
    )
    parts.add_argument(
        "--epochs", type=int, default=1, help="of the training that is timed whole (default: 1)"
    )
    parts.add_argument(
        "--costs",
        action="store_true",
        help="measure what the shared loop, the loader and the command add, and how costs grow",
    )
    parts.add_argument(
        "--accuracy",
        type=float,
        nargs="?",
        const=99.0,
        metavar="PERCENT",
        help="measure the time to this test accuracy on mnist_classifier too: the loop that "
        "tutorials teach, and the preset fast in every backend (default: 99)",
    )
    parts.add_argument(
        "--seeds", type=int, default=5, help="of --accuracy: trainings of each (default: 5)"
    )
    parts.add_argument(
        "--data",
        default="mnist",
        help="of --accuracy: mnist (the default), fashion_mnist or sample",
    )
    parts.add_argument(
        "--check",
        dest="check",
        action="store_true",
        help="hold the ratios, --costs too, against the recorded ones; by hand, on a quiet machine",
    )
    parts.add_argument(
        "--record",
        dest="record_path",
        type=Path,
        metavar="FILE",
        help="write the ratios, --costs too, to hold later ones against",
    )
    parts.add_argument(
        "--readme",
        dest="readme_path",
        type=Path,
        metavar="FILE",
        help="put the figures into a Markdown file, between the marks bench:begin and bench:end",
    )

    written = json_file("where to write the history")
    parts = verb("train", train, training, directory, device, way, computed, written)
    parts.add_argument("architecture", **one_name)
    parts.add_argument("--backend", required=True, help="torch, flax or keras")
    parts.add_argument(
        "--output",
        "-o",
        type=Path,
        metavar="FILE",
        help="the weights' file (default: ARCHITECTURE-BACKEND.safetensors)",
    )

    parts = verb("predict", predict, way, as_json)
    parts.add_argument(
        "weights", type=Path, metavar="WEIGHTS", help="a file that `triptych train` wrote"
    )
    parts.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="PNG or JPEG files")
    parts.add_argument("--backend", help="torch, flax or keras (default: the first installed)")
    parts.add_argument(
        "--architecture", help="what the weights are for, where the file does not say"
    )
    parts.add_argument(
        "--output-dir",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="where masks and attention are drawn (default: the current directory)",
    )

    parts = verb("data", data, directory, as_json)
    parts.add_argument(
        "action",
        nargs="?",
        default="status",
        help="status (the default), verify or download",
    )
    parts.add_argument("name", nargs="?", metavar="NAME", help="sample, mnist or fashion_mnist")
    return parser


class _Version(argparse.Action):
    """Print the version and end; it is looked up only when it is asked for."""

    def __init__(self, option_strings: Sequence[str], **_: Any) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help="print the version")

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        print(f"triptych {version('triptych')}")
        parser.exit()


def list_architectures(*, as_json: bool) -> int:
    """List the architectures with their inputs, outputs and parameter counts."""

    def shapes(tensors: Any) -> list[str]:
        return [f"{n} ({', '.join(map(str, ('N', *t.shape)))})" for n, t in tensors.items()]

    rows = [
        {
            "name": spec.name,
            "class": spec.network.cls,
            "files": [f"{file}.py" for file in spec.files],
            "summary": spec.summary,
            "inputs": shapes(spec.network.inputs),
            "outputs": shapes(spec.network.outputs),
            "parameters": spec.parameters,
            "buffers": spec.buffers,
            "task": spec.task.name if spec.task else None,
            "metrics": list(spec.task.metrics) if spec.task else [],
        }
        for spec in specs.SPECS.values()
    ]
    if as_json:
        _print_json(rows)
        return 0
    from rich.table import Table

    table = Table()
    table.add_column("architecture", no_wrap=True)
    for title in ("class, file", "inputs", "outputs"):
        table.add_column(title, overflow="fold")
    table.add_column("parameters", justify="right")
    for spec in specs.SPECS.values():
        table.add_row(
            spec.name,
            "\n".join([spec.network.cls, *(f"{file}.py" for file in spec.files)]),
            "\n".join(shapes(spec.network.inputs)),
            "\n".join(shapes(spec.network.outputs)),
            f"{spec.parameters:,}",
        )
    _console().print(table)
    return 0


def show(*, architectures: list[str], backend: str | None, as_json: bool) -> int:
    """Show an architecture's three files side by side, or several architectures.

    Several stand beside each other in each panel, or in one. Pieces are aligned: the first class
    of one file with the first class of the other, and their methods by name. One file of one panel
    in a pipe is the bare file.
    """
    from shared import show as room

    files = [specs.find_file(name) for name in architectures]
    backends = [specs.choose("backend", backend, specs.PANELS)] if backend else list(specs.PANELS)
    if as_json:
        _print_json(room.to_dict(files, backends))
    else:
        room.show(files, backends, _console())
    return 0


def compare(
    *,
    architecture: str,
    backends: str,
    device: str,
    way: str,
    dtype: str,
    json_path: Path | None,
    with_report: bool,
    report_dir: Path,
    data: str,
    data_dir: Path | None,
    seed: int,
    preset: str | None,
    **settings: Any,
) -> int:
    """Train an architecture in every backend from the same weights, and compare.

    Exits with 1 when a backend fails or the first forward passes do not agree.
    """
    spec = specs.find(architecture)
    from shared import caches, compare_table
    from shared import compare as room

    spec.require_task()
    chosen = _backends(backends)
    path = _for_json(json_path or Path(f"triptych-compare-{spec.name}.json"))
    folder = _folder(report_dir) if with_report else None
    request, source = _request(spec, preset, settings, data, data_dir, seed, device, way, dtype)
    caches.keep()
    notices = _console(stderr=True)
    comparison = room.compare(
        spec, request, source, chosen, lambda text: notices.print(text, highlight=False)
    )
    _write_json(path, {"data_asked_for": data, **comparison.to_dict()})
    if path != PRINTED:
        compare_table.show(comparison, _console())
        print(f"written to {path}")
    if folder:
        from shared.report import run as reporting

        saved = reporting.Saved(comparisons={spec.name: strict.finite(comparison.to_dict())})
        _report([spec], chosen, saved, folder, seed=seed, guide=False)
        told = sys.stderr if path == PRINTED else sys.stdout
        print(f"report written to {folder / 'index.html'}", file=told)
    return 0 if comparison.passed else 1


def report(
    *,
    architectures: list[str],
    backends: str,
    folder: Path,
    files: list[Path],
    guide: bool,
    seed: int,
    as_json: bool,
) -> int:
    """Write pages about architectures: sources, graph, parameters, parity, training and speed.

    The folder opens in a browser, from the disk. What no file given with --from holds is measured
    now: short trainings without dropout, parity in float64 without trainings, what each library
    takes for granted, and the guide's chapters. Exits with 1 when a backend failed.
    """
    from shared.report import run

    chosen = [specs.find(name) for name in dict.fromkeys(architectures)]
    _check_seed(seed)
    _folder(folder)
    saved = run.read(files)
    there = chosen or [specs.find(name) for name in saved.architectures()]
    failed = _report(there, _backends(backends), saved, folder, seed=seed, guide=guide)
    if as_json:
        where = {"pages": str(folder / "index.html"), "measured": str(folder / run.MEASURED)}
        _print_json({**where, "failed": failed})
    else:
        print(f"report written to {folder / 'index.html'}")
    return 1 if failed else 0


def _report(
    chosen: Sequence[specs.Spec],
    backends: Sequence[str],
    saved: Saved,
    folder: Path,
    *,
    seed: int,
    guide: bool,
) -> dict[str, str]:
    """Measure what was not saved, of the catalogue if nothing was chosen, and write the pages.

    Returns:
        Why backends failed, if any did; it is printed too.
    """
    from shared import caches
    from shared.report import run

    caches.keep()
    with _console(stderr=True).status("starting") as status:
        made = run.make(
            chosen or list(specs.SPECS.values()),
            backends,
            saved,
            seed=seed,
            guide=guide,
            report=status.update,
        )
    run.write(folder, made)
    for name, reason in made.failed.items():
        print(f"triptych: {name}: {reason}", file=sys.stderr)
    return made.failed


def parity(
    *,
    names: list[str],
    dtype: str | None,
    precision: str,
    trainings: bool,
    backends: str,
    device: str,
    json_path: Path | None,
) -> int:
    """Prove that the panels hold the same networks, rung by rung.

    With files of evidence: hold these against each other, without any framework. Exits with 1 when
    a check fails, a comparison is missing, or there was nothing to compare.
    """
    from shared import caches
    from shared.parity import ladder, table

    dtypes = _dtypes(dtype)
    specs.choose("precision", precision, PRECISIONS)
    path = _for_json(json_path) if json_path else None
    files = [Path(name) for name in names if _is_file_name(name)]
    if files:
        others = [name for name in names if not _is_file_name(name)]
        if others or len(files) < 2:
            raise ConfigurationError(
                "files of evidence are held against each other: name two or more, and nothing "
                f"else, not {', '.join(names)}"
            )
        outcome = ladder.compare_files(files, dtypes)
    else:
        chosen = [specs.find(name) for name in names or specs.SPECS]
        _check_device(device)
        caches.keep()
        with _console(stderr=True).status("starting") as status:
            outcome = ladder.climb(
                chosen,
                dtypes,
                device=device,
                precision=precision,
                backends=_backends(backends),
                trainings=trainings,
                report=status.update,
            )
    if path:
        _write_json(path, outcome.to_dict())
    if path != PRINTED:
        table.show(outcome, _console())
    return 0 if outcome.proved else 1


def record(
    *,
    architecture: str,
    backend: str,
    dtype: str | None,
    precision: str,
    trainings: bool,
    device: str,
    output: Path | None,
    as_json: bool,
) -> int:
    """Write one backend's evidence of an architecture, for `triptych parity FILE FILE`.

    So a run on a GPU is held against a laptop's, and one version of a library against another.
    """
    spec = specs.find(architecture)
    specs.choose("backend", backend, specs.PANELS)
    specs.choose("precision", precision, PRECISIONS)
    dtypes = _dtypes(dtype)
    _check_device(device)
    path = _writable(output or Path(f"{spec.name}-{backend}-evidence.safetensors"))
    from shared.parity import evidence
    from shared.parity.record import record as gather

    with _console(stderr=True).status("starting") as status:
        found = gather(
            spec,
            backend,
            dtypes,
            device=device,
            precision=precision,
            trainings=trainings,
            report=status.update,
        )
    evidence.write(path, found)
    size = path.stat().st_size
    if as_json:
        about = {
            name: getattr(found, name)
            for name in ("architecture", "backend", "versions", "device", "precision")
        }
        _print_json(
            {**about, "dtypes": dtypes, "cases": [*found.cases], "file": str(path), "bytes": size}
        )
    else:
        print(f"evidence of {spec.name} by {found.title}: {size / 1e6:.0f} MB written to {path}")
    return 0


def conventions(
    *,
    architecture: str | None,
    backends: str,
    as_json: bool,
    everything: bool,
    record_path: Path | None,
) -> int:
    """Show the defaults and meanings in which the libraries differ, and what changed.

    They are asked of the libraries themselves and held against the table that was recorded with
    the versions of requirements.lock. With an architecture: the laws that its new weights are drawn
    from. Exits with 1 when a value is not the recorded one, or a backend fails.
    """
    spec = specs.find(architecture) if architecture else None
    if spec and (everything or record_path):
        raise ConfigurationError("--all and --record are for the table, without an architecture")
    path = _writable(record_path) if record_path else None
    chosen = _backends(backends)
    if all(registry.missing(name) for name in chosen):
        raise ConfigurationError("; ".join(registry.explain_missing(name) for name in chosen))
    from shared.parity import conventions as room
    from shared.parity import initialisers

    if spec:
        with _console(stderr=True).status("drawing new weights"):
            outcome = initialisers.compare(spec, chosen)
        if as_json:
            _print_json(outcome.to_dict())
        else:
            initialisers.show(outcome, _console())
        return 1 if outcome.errors else 0
    with _console(stderr=True).status("asking the libraries"):
        ledger = room.collect(chosen)
    changes = room.changed(ledger, room.read())
    if as_json:
        _print_json({**ledger.to_dict(), "changes": [str(change) for change in changes]})
    else:
        room.show(ledger, _console(), everything, changes)
    if path:
        room.record(ledger, path)
        print(f"written to {path}", file=sys.stderr if as_json else sys.stdout)
    return 1 if changes or ledger.errors else 0


def bench(
    *,
    architectures: list[str],
    backends: str,
    ways: str,
    batch_sizes: str,
    dtype: str,
    device: str,
    rounds: int,
    seconds: float,
    epochs: int,
    costs: bool,
    accuracy: float | None,
    seeds: int,
    data: str,
    data_dir: Path | None,
    json_path: Path,
    check: bool,
    record_path: Path | None,
    readme_path: Path | None,
) -> int:
    """Measure speed, memory and start-up of every backend, in each of its ways.

    Each candidate has a process of its own. In rounds they take turns; medians are shown, and the
    spread. "idiomatic" is how the framework's documentation writes it, "tuned" the fastest means
    with the same numbers, "reference" the framework's own MNIST example for mnist_classifier. In
    bfloat16 each candidate's outputs are held against float32's of the same weights.
    About three minutes; with --accuracy some twenty more. Exits with 1 when a candidate fails, when
    outputs differ by more than rounding, or when a ratio falls (--check).
    """
    names = list(dict.fromkeys(specs.find(name).name for name in architectures))
    from shared.benchmark import accuracy as goals
    from shared.benchmark import check as ratios
    from shared.benchmark import measure, table
    from shared.benchmark import run as room

    _check_dtype(dtype)
    _check_device(device)
    folder = str(data_dir) if data_dir else None
    request = room.Request(
        tuple(names) or (measure.REFERENCE_ARCHITECTURE,),
        tuple(_backends(backends)),
        tuple(_chosen("way", ways, measure.ALL_WAYS)),
        _sizes(batch_sizes),
        dtype,
        device,
        rounds,
        seconds,
        epochs,
        costs or check or record_path is not None,
        None if accuracy is None else goals.Goal(accuracy, seeds, data, folder),
    )
    _for_json(json_path)
    for path in (record_path, readme_path):
        if path:
            _writable(path)
    if readme_path:
        table.check_marks(readme_path)
    recorded = ratios.read(ratios.RECORDED) if check else {}
    if request.goal:
        goal = replace(request.goal, data=_dataset(data, data_dir).name)
        request = replace(request, goal=goal)
    notices = _console(stderr=True)
    outcome = room.run(request, lambda text: notices.print(text, highlight=False))
    verdict = ratios.check(ratios.ratios(outcome), recorded)
    value = {**outcome.to_dict(), "ratios": ratios.ratios(outcome)}
    _write_json(json_path, {**value, "recorded_ratios": recorded} if check else value)
    if json_path != PRINTED:
        table.show(outcome, _console())
        if check:
            table.show_check(verdict, _console())
        print(f"written to {json_path}")
    told = sys.stderr if json_path == PRINTED else sys.stdout
    if record_path:
        ratios.record(outcome, record_path)
        print(f"ratios written to {record_path}", file=told)
    if readme_path:
        table.write(outcome, readme_path)
        print(f"figures written to {readme_path}", file=told)
    return 0 if outcome.passed and (verdict.passed or not check) else 1


def train(
    *,
    architecture: str,
    backend: str,
    device: str,
    way: str,
    dtype: str,
    output: Path | None,
    json_path: Path | None,
    data: str,
    data_dir: Path | None,
    seed: int,
    preset: str | None,
    **settings: Any,
) -> int:
    """Train an architecture in one backend and save its canonical weights."""
    spec = specs.find(architecture)
    from shared import caches, weights, workers
    from shared import compare as room

    spec.require_task()
    specs.choose("backend", backend, specs.PANELS)
    path = _writable(output or Path(f"{spec.name}-{backend}.safetensors"))
    history_path = _for_json(json_path) if json_path else None
    request, _ = _request(spec, preset, settings, data, data_dir, seed, device, way, dtype)
    caches.keep()
    with workers.Worker(backend, workers.environment(way)) as worker:
        run = worker.call(room.train, backend, request, None, False)
    history = run.history
    metadata = {
        "architecture": spec.name,
        "config": spec.network.plain_config(),
        "backend": backend,
        "versions": run.versions,
        "device": device,
        "way": way,
        "dtype": dtype,
        "data": request.data,
        "history": history.to_dict(steps=False),
    }
    weights.write(path, run.trained, metadata)
    if history_path:
        whole = {**metadata, "history": history.to_dict(), "weights": str(path)}
        _write_json(history_path, whole)
    if history_path == PRINTED:
        return 0
    last = history.epochs[-1]
    for metric, value in last.test_scores.items():
        print(f"{specs.METRICS[metric]} {value:.2f} %, ", end="")
    print(f"test loss {last.test_loss:.4f}")
    print(f"weights written to {path}")
    return 0


def predict(
    *,
    weights: Path,
    images: list[Path],
    backend: str | None,
    architecture: str | None,
    output_dir: Path,
    way: str,
    as_json: bool,
) -> int:
    """Say which digits pictures show, by the network that the weights are for.

    Most networks read one digit. A U-Net finds the digits on an image and draws IMAGE-mask.png, a
    Seq2Seq reads digits side by side and draws IMAGE-attention.png.
    """
    from shared import caches
    from shared import predict as room

    _check_way(way)
    saved = room.read(weights, architecture)
    outputs = [_writable(path) for path in room.pictures(saved.task, images, output_dir)]
    caches.keep()
    found = room.predict(saved, images, outputs, backend or _first_installed(), way)
    if as_json:
        _print_json(found.rows)
        return 0
    room.show(found, _console())
    for path in outputs:
        print(f"written to {path}")
    return 0


def data(*, action: str, name: str | None, data_dir: Path | None, as_json: bool) -> int:
    """Say which data sets are here; verify one, or download one.

    `verify` exits with 1 when a file is missing or damaged.
    """
    from shared import mnist

    specs.choose("action of `triptych data`", action, ("status", "verify", "download"))
    if action == "status":
        return _data_status(data_dir, as_json)
    if name is None:
        raise ConfigurationError(
            f"`triptych data {action}` needs the name of a data set: {', '.join(mnist.NAMES)}"
        )
    if action == "download":
        where = mnist.download(name, data_dir, sys.stderr.isatty())
        if as_json:
            _print_json({"name": name, "where": str(where)})
        else:
            print(f"{name} is in {where}")
        return 0
    checks = mnist.verify(name, data_dir)
    whole = all(check.ok for check in checks)
    if as_json:
        files = [{"path": str(check.path), "problem": check.problem} for check in checks]
        _print_json({"name": name, "whole": whole, "files": files})
    else:
        for check in checks:
            print(f"{check.path} {check.problem or 'is whole'}")
    return 0 if whole else 1


def _data_status(directory: Path | None, as_json: bool) -> int:
    """Print a table of the data sets."""
    from rich.table import Table

    from shared import mnist

    root, rows = mnist.data_directory(directory), mnist.status(directory)
    if as_json:
        sets = [
            {
                "name": row.name,
                "here": row.found,
                "where": str(row.where) if row.where else None,
                "problem": row.problem,
            }
            for row in rows
        ]
        _print_json({"directory": str(root), "data_sets": sets})
        return 0
    table = Table(title=f"data directory: {root}", title_justify="left")
    for title in ("data set", "state", "where"):
        table.add_column(title, overflow="fold")
    for row in rows:
        state = row.problem or ("here, checked" if row.found else "not here")
        table.add_row(row.name, state, str(row.where or ""))
    _console().print(table)
    return 0


def _console(*, stderr: bool = False) -> Console:
    """The terminal; where there is none, wide enough that no table is cut."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    wide = None if stream.isatty() or "COLUMNS" in os.environ else 120
    # Without markup: `pip install 'triptych[torch]'` is no style.
    return Console(stderr=stderr, width=wide, markup=False)


def _request(
    spec: specs.Spec,
    preset: str | None,
    given: dict[str, Any],
    data: str,
    directory: Path | None,
    seed: int,
    device: str,
    way: str,
    dtype: str,
) -> tuple[Request, str]:
    """What a training is to do, and where its data come from."""
    from shared import tasks, training
    from shared.compare import Request

    chosen = spec.preset(preset) if preset else None
    settings = _settings(chosen or spec, given)
    _check_seed(seed)
    _check_device(device)
    _check_way(way)
    _check_dtype(dtype)
    dataset = _dataset(data, directory)
    examples = tasks.examples(spec.require_task(), len(dataset.train.labels))
    training.check_batch(settings, examples)
    if chosen:
        settings = chosen.scheduled(settings, examples)
    where = str(directory) if directory else None
    request = Request(spec.name, dataset.name, where, settings, seed, device, way, dtype)
    return request, dataset.source


def _settings(base: specs.Spec | specs.Preset, given: dict[str, Any]) -> specs.Settings:
    """The architecture's or a preset's settings with those changed that were given."""
    return replace(base.settings, **{k: v for k, v in given.items() if v is not None})


def _backends(text: str) -> list[str]:
    """The backends in a list with commas, or all."""
    return _chosen("backend", text, specs.PANELS)


def _chosen(kind: str, text: str, names: Iterable[str]) -> list[str]:
    """Those that a list with commas names, each once, or all."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    return [specs.choose(kind, word, names) for word in dict.fromkeys(words)] or [*names]


def _sizes(text: str) -> tuple[int, ...]:
    """The batch sizes in a list with commas, each once."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words or not all(word.isdecimal() for word in words):
        raise ConfigurationError(
            f"batch sizes must be whole numbers with commas between, not {text!r}"
        )
    return tuple(dict.fromkeys(map(int, words)))


def _dtypes(name: str | None) -> list[str]:
    """One dtype, or both, that networks are proved the same in."""
    from shared.interface import PROVED, check_proved

    if name:
        _check_dtype(name)
        check_proved(name)
        return [name]
    return [*reversed(PROVED)]  # float64 first: it tells meaning


def _is_file_name(name: str) -> bool:
    """Whether a name is that of a file, and not of an architecture."""
    return name.endswith(".safetensors") or os.sep in name


def _first_installed() -> str:
    """The first backend that can be used here."""
    installed = registry.installed()
    if not installed:
        raise ConfigurationError(
            "no backend is installed; install one with: pip install 'triptych[torch]'"
        )
    return installed[0]


def _check_seed(seed: int) -> None:
    """Refuse a seed that some generator would not take."""
    if not 0 <= seed < 2**31:
        raise ConfigurationError(f"seed must be in [0, 2147483648), not {seed}")


def _check_device(device: str) -> None:
    """Refuse a device that has no meaning before any work is done."""
    from shared.interface import DEVICES

    specs.choose("device", device, DEVICES)


def _check_dtype(dtype: str) -> None:
    """Refuse a dtype that there is not before any work is done."""
    from shared.interface import DTYPES

    specs.choose("dtype", dtype, DTYPES)


def _check_way(way: str) -> None:
    """Refuse a way that there is not before any work is done."""
    from shared.interface import WAYS

    specs.choose("way", way, WAYS)


def _dataset(name: str, directory: Path | None) -> Dataset:
    """A data set; where MNIST cannot be had, the sample of it, with a notice."""
    from shared import mnist

    try:
        return mnist.load(name, directory, progress=sys.stderr.isatty())
    except DownloadError as error:
        if name != "mnist":
            raise
        print(
            f"notice: {error}\nnotice: using the embedded sample of 5,000 MNIST digits instead",
            file=sys.stderr,
        )
        return mnist.load("sample")


def _writable(path: Path) -> Path:
    """A path that can be written, found out before hours of work are to be saved there."""
    if path.is_dir():
        raise ConfigurationError(f"{path} is a directory; name a file to write")
    if not path.parent.is_dir():
        raise ConfigurationError(f"{path} cannot be written: {path.parent} is no directory")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ConfigurationError(f"{path} cannot be written: permission denied")
    return path


def _folder(path: Path) -> Path:
    """A folder that can be written, or made."""
    if path.exists() and not path.is_dir():
        raise ConfigurationError(f"{path} is no directory; name a folder to write")
    if not path.exists() and not path.parent.is_dir():
        raise ConfigurationError(f"{path} cannot be made: {path.parent} is no directory")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ConfigurationError(f"{path} cannot be written: permission denied")
    return path


def _for_json(path: Path) -> Path:
    """Where JSON goes, found out before any work; an argument that came to stand there is no file.

    Raises:
        ConfigurationError: it cannot be written, or has the name of an architecture or of weights.
    """
    if path == PRINTED:
        return path
    if path.suffix == ".safetensors" or _is_architecture(str(path)):
        raise ConfigurationError(
            f"--json would write to {path}: put --json last to print, or name another file after it"
        )
    return _writable(path)


def _is_architecture(name: str) -> bool:
    try:
        specs.find(name)
    except ConfigurationError:
        return False
    return True


def _write_json(path: Path, value: Any) -> None:
    """Write strict JSON, or print it: what is not a finite number becomes null."""
    if path == PRINTED:
        print(strict.text(value), end="")
    else:
        strict.write(path, value)


def _print_json(value: Any) -> None:
    _write_json(PRINTED, value)


if __name__ == "__main__":
    main()
