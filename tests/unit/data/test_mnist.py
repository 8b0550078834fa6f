"""The MNIST loader's arrays: the sample's, the full sets' where they are, normalised ones."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from shared.data import download, files, mnist
from shared.errors import ConfigurationError, InputError
from tests.idx_files import FULL_FOLDER, FULL_NAMES, require_full

ROOT = Path(mnist.__file__).parents[2]


def test_the_sample_has_the_promised_shapes_and_types() -> None:
    data = mnist.load("sample", download=False)
    assert (data.name, data.source) == ("sample", "the embedded sample")
    for split, count in ((data.train, 4000), (data.test, 1000)):
        assert split.images.shape == (count, 28, 28, 1)
        assert split.images.dtype == np.uint8
        assert split.labels.shape == (count,)
        assert split.labels.dtype == np.int32
        assert split.images.flags.writeable  # PyTorch warns of arrays that are not
        assert np.bincount(split.labels).tolist() == [count // 10] * 10


def test_the_sample_is_shuffled_and_has_no_image_twice() -> None:
    data = mnist.load("sample")
    images = np.concatenate([data.train.images, data.test.images])
    assert len({image.tobytes() for image in images}) == 5000
    for split in (data.train, data.test):
        first = np.bincount(split.labels[: len(split.labels) // 4], minlength=10)
        assert first.min() > 0.5 * first.mean()


def test_normalise_equals_the_formula_for_every_pixel_value() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    result = mnist.normalise(pixels)
    assert result.dtype == np.float32
    assert result.shape == pixels.shape
    expected = (pixels / 255 - 0.1307) / 0.3081
    np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-7)


def test_normalise_refuses_images_that_are_not_bytes() -> None:
    with pytest.raises(InputError, match="float64; they must be uint8"):
        mnist.normalise(np.zeros((1, 28, 28, 1)))


@pytest.mark.parametrize("name", FULL_NAMES)
def test_the_full_set_loads_whole(name: str) -> None:
    require_full(name)
    data = mnist.load(name, FULL_FOLDER, download=False)
    assert data.train.images.shape == (60_000, 28, 28, 1)
    assert data.test.images.shape == (10_000, 28, 28, 1)
    assert all(check.ok for check in files.verify(name, FULL_FOLDER))


def test_the_sample_is_part_of_the_full_training_set() -> None:
    require_full("mnist")
    full = mnist.load("mnist", FULL_FOLDER, download=False)
    labels = {
        image.tobytes(): label
        for image, label in zip(full.train.images, full.train.labels, strict=True)
    }
    sample = mnist.load("sample")
    for split in (sample.train, sample.test):
        for image, label in zip(split.images, split.labels, strict=True):
            assert labels[image.tobytes()] == label


@pytest.mark.parametrize("call", [mnist.load, files.verify, download.download])
def test_an_unknown_name_is_told_with_those_that_exist(call: Callable[[str], object]) -> None:
    with pytest.raises(ConfigurationError, match="'cifar'; there are sample, mnist, fashion_mnist"):
        call("cifar")


def test_the_loader_imports_no_framework() -> None:
    script = (
        "import sys; from shared.data import batches, mnist; data = mnist.load('sample');"
        "mnist.normalise(data.train.images);"
        "list(batches.batches({'x': data.train.images}, 100));"
        "frameworks = {'torch', 'torchvision', 'jax', 'flax', 'tensorflow', 'keras'};"
        "print(sorted(frameworks & set(sys.modules)))"
    )
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (result.returncode, result.stdout.strip()) == (0, "[]"), result.stderr
