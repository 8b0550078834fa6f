"""Metadata and slant of hand-made images with known answers, and of the whole sample."""

import numpy as np
import pytest

from shared import mnist, tasks
from shared.errors import ConfigurationError
from shared.specs import DIGITS, DIGITS_AND_SLANT, Task


def blank(count: int = 1) -> np.ndarray:
    return np.zeros((count, 28, 28, 1), np.uint8)


def bar(columns_per_row: float) -> np.ndarray:
    """A bar in the rows 8 to 18 that goes through (13, 13), and to the right further down."""
    image = blank()
    for row in range(8, 19):
        image[0, row, 13 + round(columns_per_row * (row - 13)), 0] = 255
    return image


@pytest.fixture(scope="module")
def sample() -> mnist.Dataset:
    return mnist.load("sample")


def feature(images: np.ndarray, name: str) -> float:
    return float(tasks.metadata(images)[0, tasks.METADATA.index(name)])


@pytest.mark.parametrize("lean", [0, 1, -1])
def test_slant_is_the_columns_to_the_right_a_row_downwards(lean: int) -> None:
    """So a digit that leans to the right as italics do, its top to the right, has slant below 0."""
    found = tasks.slant(bar(lean))
    assert found.shape == (1, 1)
    assert found.dtype == np.float32
    assert abs(found[0, 0] - lean) < 1e-6


def test_slant_of_a_thick_grey_bar_is_that_of_a_thin_one() -> None:
    image = np.maximum(bar(1), np.roll(bar(1), 1, axis=2)) // 3
    assert abs(tasks.slant(image)[0, 0] - 1) < 1e-6


def test_slant_does_not_depend_on_the_place() -> None:
    image = np.roll(bar(1), (3, -4), axis=(1, 2))
    assert abs(tasks.slant(image)[0, 0] - 1) < 1e-6


def test_mirrored_image_has_the_opposite_slant(sample: mnist.Dataset) -> None:
    images = sample.test.images
    found, mirrored = tasks.slant(images), tasks.slant(images[:, :, ::-1])
    assert np.abs(found).max() > 0.3
    np.testing.assert_allclose(mirrored, -found, atol=1e-5)


def test_upside_down_image_has_the_opposite_slant(sample: mnist.Dataset) -> None:
    images = sample.test.images
    np.testing.assert_allclose(tasks.slant(images[:, ::-1]), -tasks.slant(images), atol=1e-5)


def test_slant_without_height_is_0() -> None:
    pixel, row = blank(), blank()
    pixel[0, 3, 5] = 200
    row[0, 9, 4:20] = 255
    for image in (blank(), pixel, row):
        assert tasks.slant(image).tolist() == [[0.0]]


def test_metadata_of_an_empty_image() -> None:
    found = tasks.metadata(blank())
    assert found.tolist() == [[0, 0, 0.5, 0.5, 0, 0, 0, 0, 1, 1]]


def test_metadata_of_a_full_image() -> None:
    spread = np.sqrt((28**2 - 1) / 12) / 28  # a uniform distribution's
    wanted = [[1, 1, 0.5, 0.5, spread, spread, 1, 1, 1, 1]]
    np.testing.assert_allclose(tasks.metadata(np.full_like(blank(), 255)), wanted, rtol=1e-6)


def test_metadata_of_a_single_pixel() -> None:
    image = blank()
    image[0, 3, 9] = 51  # a fifth of full ink, in row 3 and column 9
    wanted = [[0.2 / 784, 0, 9 / 27, 3 / 27, 0, 0, 1 / 28, 1 / 28, 0, 0]]
    np.testing.assert_allclose(tasks.metadata(image), wanted, rtol=1e-6, atol=1e-7)


def test_metadata_of_a_rectangle() -> None:
    """4 rows by 10 columns in the left half, alike from top to bottom."""
    image = blank()
    image[0, 12:16, 2:12] = 255
    assert feature(image, "mean intensity") == pytest.approx(40 / 784)
    assert feature(image, "share of pixels above one half") == pytest.approx(40 / 784)
    assert feature(image, "centre of mass, x") == pytest.approx(6.5 / 27)
    assert feature(image, "centre of mass, y") == pytest.approx(13.5 / 27)
    assert feature(image, "spread, x") == pytest.approx(np.sqrt(99 / 12) / 28)
    assert feature(image, "spread, y") == pytest.approx(np.sqrt(15 / 12) / 28)
    assert feature(image, "width of the bounding box") == pytest.approx(10 / 28)
    assert feature(image, "height of the bounding box") == pytest.approx(4 / 28)
    assert feature(image, "left-right symmetry") == pytest.approx(0, abs=1e-6)
    assert feature(image, "top-bottom symmetry") == pytest.approx(1)


def test_images_need_not_be_square() -> None:
    image = np.zeros((1, 11, 5, 1), np.uint8)
    image[0, :, 1] = 255
    assert feature(image, "centre of mass, x") == pytest.approx(1 / 4)
    assert feature(image, "height of the bounding box") == pytest.approx(1)
    assert abs(tasks.slant(image)[0, 0]) < 1e-6


def test_the_whole_sample_is_finite_and_varied(sample: mnist.Dataset) -> None:
    for split, count in ((sample.train, 4000), (sample.test, 1000)):
        metadata, slant = tasks.metadata(split.images), tasks.slant(split.images)
        assert (metadata.shape, metadata.dtype) == ((count, len(tasks.METADATA)), np.float32)
        assert (slant.shape, slant.dtype) == ((count, 1), np.float32)
        assert np.isfinite(metadata).all()
        assert np.isfinite(slant).all()
        assert (metadata >= 0).all()
        assert (metadata <= 1).all()
        assert (metadata.std(axis=0) > 0.01).all()
        assert slant.std() > 0.1


def test_many_images_at_once_are_as_one_by_one(sample: mnist.Dataset) -> None:
    images = np.concatenate([sample.test.images[:60], blank()])
    for function in (tasks.metadata, tasks.slant):
        singly = np.concatenate([function(images[i : i + 1]) for i in range(61)])
        np.testing.assert_allclose(function(images), singly, rtol=1e-5, atol=1e-6)


def test_tasks_have_their_arrays(sample: mnist.Dataset) -> None:
    for task, inputs, targets in (
        (DIGITS, {"image"}, {"label"}),
        (DIGITS_AND_SLANT, {"image", "metadata"}, {"label", "slant"}),
    ):
        data = tasks.build(task, sample)
        assert (data.name, data.source) == ("sample", sample.source)
        for arrays, split in ((data.train, sample.train), (data.test, sample.test)):
            assert set(arrays) == inputs | targets
            assert {len(array) for array in arrays.values()} == {len(split.labels)}
            assert (arrays["label"] == split.labels).all()
            assert arrays["label"].dtype == np.int32
            assert all(arrays[n].dtype == np.float32 for n in arrays if n != "label")
            assert (arrays["image"] == mnist.normalise(split.images)).all()
            if task is DIGITS_AND_SLANT:
                assert (arrays["slant"] == tasks.slant(split.images)).all()
                assert (arrays["metadata"] == tasks.metadata(split.images)).all()
        assert {objective.target for objective in task.objectives} == targets


def test_an_unknown_task_is_named(sample: mnist.Dataset) -> None:
    task = Task("poetry", "", ())
    with pytest.raises(ConfigurationError, match="inputs are known for the task 'poetry'"):
        tasks.inputs(task, blank())
    with pytest.raises(ConfigurationError, match="targets are known for the task 'poetry'"):
        tasks.targets(task, sample.test)
