"""`triptych train`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from shared import specs
from shared.cli import checks, completing, printing
from shared.cli.arguments import option
from shared.cli.options import (
    DataDirectory,
    Device,
    Dtype,
    OneBackend,
    TrainingOptions,
    Variant,
    json_file,
)
from shared.cli.training import request


@dataclass(frozen=True)
class Options:
    """What is trained, and where its weights are written."""

    architecture: str = option(
        metavar="ARCHITECTURE",
        completer=completing.architectures,
        help="a name from `triptych list`",
    )
    json_path: Path | None = json_file("where to write the history")
    path: Path | None = option(
        "--output",
        "-o",
        type=Path,
        metavar="FILE",
        completer=completing.files(".safetensors"),
        help="the weights' file (default: ARCHITECTURE-BACKEND.safetensors)",
    )


def train(
    training: TrainingOptions,
    data_directory: DataDirectory,
    device: Device,
    variant: Variant,
    dtype: Dtype,
    backend: OneBackend,
    options: Options,
) -> int:
    """Train a network in one backend, and save its weights.

    The weights have PyTorch's names and layouts, whichever backend trained them.
    """
    spec = specs.find(options.architecture)
    from shared import caches, formats, weights, workers
    from shared.train import worker as training_process

    spec.require_task()
    panel = backend.checked()
    path = checks.writable_file(options.path or Path(f"{spec.name}-{panel}.safetensors"))
    history_path = checks.json_file(options.json_path) if options.json_path else None
    asked_for, _ = request(spec, training, data_directory, device, variant, dtype)
    caches.keep()
    alone = partial(training_process.train, look=False)
    with workers.Worker(panel, workers.environment(asked_for.variant), whole=False) as worker:
        run = worker.call(alone, panel, asked_for, None)
    history = run.history
    metadata = weights.metadata(
        spec.name,
        spec.network.plain_config(),
        panel,
        run.versions,
        device=asked_for.device,
        variant=asked_for.variant,
        dtype=asked_for.dtype,
        data=asked_for.data,
        history=history.to_dict(steps=False),
    )
    weights.write(path, run.trained, metadata)
    if history_path:
        more = {"history": history.to_dict(), "weights": str(path)}
        whole = {**metadata, **formats.stamp("history"), **more}
        printing.write_json(history_path, whole)
    if history_path == printing.PRINTED:
        return 0
    last = history.epochs[-1]
    for metric, value in last.test_scores.items():
        print(f"{specs.METRICS[metric]} {value:.2f} %, ", end="")
    print(f"test loss {last.test_loss:.4f}")
    print(f"weights written to {path}")
    return 0
