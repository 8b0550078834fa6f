"""What the verbs that train ask for, made of their options."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from shared import specs
from shared.choosing import check_seed
from shared.cli.options import DataDirectory, Device, Dtype, TrainingOptions, Variant
from shared.errors import DownloadError

if TYPE_CHECKING:
    from shared.data.mnist import Dataset
    from shared.train.worker import Request


def request(
    spec: specs.Spec,
    training: TrainingOptions,
    data_directory: DataDirectory,
    device: Device,
    variant: Variant,
    dtype: Dtype,
) -> tuple[Request, str]:
    """What a training is to do, and where its data come from."""
    from shared.data import tasks
    from shared.train import loop
    from shared.train.worker import Request

    preset = None if training.preset is None else spec.preset(training.preset)
    settings = training.changed(preset.settings if preset else spec.settings)
    seed = check_seed(training.seed)
    computed = (device.checked(), variant.checked(), dtype.checked())
    directory = data_directory.data_dir
    loaded = dataset(training.data, directory)
    examples = tasks.examples(spec.require_task(), len(loaded.train.labels))
    loop.check_batch(settings, examples)
    if preset:
        settings = preset.scheduled(settings, examples)
    where = str(directory) if directory else None
    return Request(spec.name, loaded.name, where, settings, seed, *computed), loaded.source


def dataset(name: str, directory: Path | None) -> Dataset:
    """A data set; where MNIST cannot be had, the sample of it, with a notice."""
    from shared.data import mnist

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
