"""`triptych predict`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from shared.choosing import choose
from shared.cli import checks, completing, printing
from shared.cli.arguments import option
from shared.cli.options import Output, Variant
from shared.errors import ConfigurationError
from shared.panels import PANELS

SAFETENSORS = ".safetensors"


@dataclass(frozen=True)
class Options:
    """The pictures, and what reads them."""

    weights: Path = option(
        type=Path,
        metavar="WEIGHTS",
        completer=completing.files(SAFETENSORS),
        help="a file that `triptych train` wrote",
    )
    images: list[Path] = option(
        type=Path,
        nargs="+",
        metavar="IMAGE",
        completer=completing.files(".png", ".jpg", ".jpeg"),
        help="PNG or JPEG files",
    )
    backend: str | None = option(
        "--backend",
        completer=completing.words(completing.backends),
        help="torch, flax or keras (default: the first installed)",
    )
    architecture: str | None = option(
        "--architecture",
        completer=completing.architectures,
        help="what the weights are for, where the file does not say",
    )
    output_dir: Path = option(
        "--output-dir",
        type=Path,
        default=Path(),
        metavar="DIR",
        completer=completing.folders,
        help="where masks and attention are drawn (default: the current directory)",
    )


def predict(variant: Variant, output: Output, options: Options) -> int:
    """Say which digits pictures show, with weights that were saved.

    Most networks read one digit. A U-Net finds the digits on an image and draws IMAGE-mask.png, a
    Seq2Seq reads digits side by side and draws IMAGE-attention.png. Exits with 2 when a picture
    cannot be read; the others are answered.
    """
    backend = options.backend
    if backend is not None:
        choose("backend", backend, PANELS)
    from shared import caches
    from shared.predict import prediction

    _check_order(options)
    saved = prediction.read(options.weights, options.architecture)
    pictures = prediction.pictures(saved.task, options.images, options.output_dir)
    for path in pictures:
        checks.writable_file(path)
    caches.keep()
    backend = backend or _first_installed()
    predicted = prediction.predict(saved, options.images, pictures, backend, variant.checked())
    if output.as_json:
        printing.print_json(predicted.rows)
    else:
        prediction.show(predicted, printing.console())
        for row in predicted.rows:
            if "picture" in row:
                print(f"written to {row['picture']}")
    for problem in predicted.problems:
        print(f"triptych: {problem}", file=sys.stderr)
    return 2 if predicted.problems else 0


def _check_order(options: Options) -> None:
    """Refuse weights among the images: a picture stands in their place."""
    swapped = [path for path in options.images if path.suffix == SAFETENSORS]
    if swapped and options.weights.suffix != SAFETENSORS:
        raise ConfigurationError(
            f"{options.weights} is no safetensors file, and {swapped[0]} is no image: WEIGHTS come "
            "before IMAGE"
        )


def _first_installed() -> str:
    """The first backend that can be used here."""
    from shared import registry

    installed = registry.installed()
    if not installed:
        how = registry.how_to_install(next(iter(PANELS)))
        raise ConfigurationError(f"no backend is installed; install one {how}")
    return installed[0]
