"""Predicting with saved weights: which network they are for, and what it says of pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL.Image import Image
from rich.console import Console
from rich.table import Table

from shared import registry, specs, weights
from shared.data import mnist, tasks
from shared.errors import ConfigurationError, DataError
from shared.interface import Model
from shared.predict import draw, images

Row = dict[str, Any]

DRAWN = {"segmentation": "mask", "transcription": "attention"}
"""The tasks whose networks say more than a line can hold, and what is drawn of it."""


@dataclass(frozen=True)
class Saved:
    """Weights from a file, and the network and the task that they are for."""

    spec: specs.Spec
    task: specs.Task
    network: specs.Network
    arrays: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Predictions:
    """A row for each image, and what gave them.

    Every row has `image`, a path. A digit's has `digit` and `confidence`, a probability. A canvas's
    has the `digits` that are there, from the least, and for each the number of its `pixels` and
    their mean `confidence`; a strip's its `digits` as a text, how many `columns` it has, and
    whether the network `ended` it rather than ran out of tokens. Both have the path of a `picture`.
    That of an image which cannot be read has a `problem` instead, a sentence.
    """

    architecture: str
    backend: str
    task: str
    rows: list[Row]

    @property
    def problems(self) -> list[str]:
        """Why images could not be read, a sentence for each of them."""
        return [row["problem"] for row in self.rows if "problem" in row]


def read(path: Path, architecture: str | None = None) -> Saved:
    """Read weights and find out what they are for.

    Args:
        path: A safetensors file with canonical names. Files that `triptych train` wrote say what
            they are for; for others, PyTorch's own say, `architecture` must.
        architecture: Overrides what the file says.

    Raises:
        WeightsError: the file cannot be read.
        ConfigurationError: it is not known which network the weights are for, or that one is not
            trained on digits.
    """
    arrays, metadata = weights.read_network(path)
    name = metadata.get("architecture") if architecture is None else architecture
    if name is None:
        raise ConfigurationError(
            f"{path} does not say which architecture it is for; name it with --architecture"
        )
    spec = specs.find(str(name))
    task = spec.require_task()
    config = metadata.get("config") if architecture is None else None
    network = spec.configured(config if isinstance(config, dict) else {})
    if task.name in DRAWN and network.outputs["logits"].shape[-1] != tasks.BACKGROUND + 1:
        raise ConfigurationError(f"the weights in {path} are not for the ten digits")
    return Saved(spec, task, network, arrays)


def pictures(task: specs.Task, paths: Sequence[Path], directory: Path) -> list[Path]:
    """Where the picture for each image is to be written; none where nothing is drawn.

    Raises:
        ConfigurationError: two of them would be one file, or one would be written over an image.
    """
    if task.name not in DRAWN:
        return []
    outputs: dict[Path, Path] = {}
    for path in paths:
        output = directory / f"{path.stem}-{DRAWN[task.name]}.png"
        if output in outputs:
            raise ConfigurationError(
                f"the pictures for {outputs[output]} and {path} would both be {output}: "
                "give the images names of their own"
            )
        outputs[output] = path
    for output in outputs:
        if any(output.exists() and path.exists() and output.samefile(path) for path in paths):
            raise ConfigurationError(
                f"the picture {output} would be written over an image that is to be read: "
                "name another directory with --output-dir"
            )
    return list(outputs)


def predict(
    saved: Saved,
    paths: Sequence[Path],
    outputs: Sequence[Path],
    backend: str,
    variant: str = "tuned",
) -> Predictions:
    """What the network says of images, in files such as PNG and JPEG.

    All of them are read before the backend is loaded. One that cannot be read has a row that says
    why, unless there is no other.

    Args:
        saved: What `read` gave.
        paths: The images; see `shared.predict.images` for what they may look like.
        outputs: Where pictures are written: what `pictures` gave.
        backend: Which backend computes.
        variant: In which of its variants.

    Raises:
        DataError: no image can be read and fits the network, or a picture cannot be written.
        WeightsError: the weights do not fit the network.
        InputError: the network is configured for inputs of another kind than its task's.
    """
    read_image, tell = _VERBS[saved.task.name]
    rows: list[Row] = [{"image": str(path)} for path in paths]
    seen: dict[int, np.ndarray] = {}
    problems: list[DataError] = []
    for place, path in enumerate(paths):
        try:
            seen[place] = read_image(path, saved.network)
        except DataError as error:
            problems.append(error)
            rows[place]["problem"] = str(error)
    if not seen:
        raise problems[0]
    model = registry.load(backend).build(saved.network, seed=None, variant=variant)
    model.load_weights(saved.arrays)
    told = tell(model, saved.task, [*seen.values()])
    for place, (row, picture) in zip(seen, told, strict=True):
        rows[place] |= row
        if picture is not None:
            _save(picture, outputs[place])
            rows[place]["picture"] = str(outputs[place])
    return Predictions(saved.spec.name, backend, saved.task.name, rows)


def show(predictions: Predictions, console: Console) -> None:
    """Print the predictions as one table."""
    table = Table(
        title=f"{predictions.architecture} on {predictions.backend}", title_justify="left"
    )
    table.add_column("image", overflow="fold")
    kind = DRAWN.get(predictions.task)
    titles = {"mask": ("digit", "pixels", "confidence"), "attention": ("digits",)}
    for title in titles[kind] if kind else ("digit", "confidence"):
        table.add_column(title, justify="right")
    if predictions.problems:
        table.add_column("problem", overflow="fold")
    for row in predictions.rows:
        if "problem" in row:
            table.add_row(row["image"], *[""] * (len(table.columns) - 2), row["problem"])
        elif kind == "attention":
            table.add_row(row["image"], row["digits"] + ("" if row["ended"] else " (no end)"))
        elif kind == "mask":
            each = [row["digits"], row["pixels"], map("{:.1%}".format, row["confidence"])]
            columns = ["\n".join(map(str, values)) for values in each]
            table.add_row(row["image"], columns[0] or "none", *columns[1:])
        else:
            table.add_row(row["image"], str(row["digit"]), f"{row['confidence']:.1%}")
    console.print(table)


Told = Iterator[tuple[Row, Image | None]]
"""For each image a row, without the paths, and a picture, where one is drawn."""


def _read_digit(path: Path, _: specs.Network) -> np.ndarray:
    return images.load_digit(path)


def _tell_digits(model: Model, task: specs.Task, seen: Sequence[np.ndarray]) -> Told:
    digits = np.stack(seen)
    inputs = {"image": mnist.normalise(digits), "metadata": tasks.metadata(digits)}
    # In the batches that the task is scored in: some networks decide for a whole batch at once.
    for start in range(0, len(digits), task.evaluation_batch):
        batch = slice(start, start + task.evaluation_batch)
        classes, confidence = model.predict({n: inputs[n][batch] for n in model.network.inputs})
        for digit, probability in zip(classes, confidence, strict=True):
            yield {"digit": int(digit), "confidence": float(probability)}, None


def _read_canvas(path: Path, network: specs.Network) -> np.ndarray:
    return images.load_canvas(path, network.inputs["image"].divisor)


def _tell_canvases(model: Model, _: specs.Task, seen: Sequence[np.ndarray]) -> Told:
    for canvas in seen:  # one by one: each has a size of its own
        (mask,), (confidence,) = model.predict({"image": mnist.normalise(canvas[None])})
        digits = [int(digit) for digit in np.unique(mask) if digit != tasks.BACKGROUND]
        row = {
            "digits": digits,
            "pixels": [int((mask == digit).sum()) for digit in digits],
            "confidence": [float(confidence[mask == digit].mean()) for digit in digits],
        }
        yield row, draw.mask_picture(canvas, mask)


def _read_strip(path: Path, network: specs.Network) -> np.ndarray:
    return images.load_strip(path, network.inputs["columns"].shape[0])


def _tell_strips(model: Model, _: specs.Task, seen: Sequence[np.ndarray]) -> Told:
    most = model.network.inputs["columns"].shape[0]
    step = model.network.config["columns_per_step"]
    for strip in seen:
        length = strip.shape[1]
        padded = np.pad(strip, ((0, 0), (0, most - length)))[None]
        (tokens,), (attention,) = model.decode(tasks.columns(padded, np.array([length], np.int32)))
        ends = np.flatnonzero(tokens == specs.END)
        digits = [int(token) for token in (tokens[: ends[0]] if len(ends) else tokens)]
        row = {"digits": "".join(map(str, digits)), "columns": length, "ended": len(ends) > 0}
        yield row, draw.attention_picture(strip, length, digits, attention, step)


_VERBS: dict[
    str,
    tuple[
        Callable[[Path, specs.Network], np.ndarray],
        Callable[[Model, specs.Task, Sequence[np.ndarray]], Told],
    ],
] = {
    "digits": (_read_digit, _tell_digits),
    "digits_and_slant": (_read_digit, _tell_digits),
    "segmentation": (_read_canvas, _tell_canvases),
    "transcription": (_read_strip, _tell_strips),
}
"""How each task's images are read, and how it is told what the network says of them."""


def _save(picture: Image, path: Path) -> None:
    try:
        picture.save(path, "PNG")
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror or error}") from error
