"""Metadata and slant of hand-made images with known answers, and of the whole sample."""

import numpy as np
import pytest

from shared import boundary, specs
from shared.data import mnist, tasks
from shared.errors import ConfigurationError
from shared.specs import DIGITS, DIGITS_AND_SLANT, SEGMENTATION, TRANSCRIPTION, Task


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
    slants = tasks.slant(bar(lean))
    assert slants.shape == (1, 1)
    assert slants.dtype == np.float32
    assert abs(slants[0, 0] - lean) < 1e-6


def test_slant_of_a_thick_grey_bar_is_that_of_a_thin_one() -> None:
    image = np.maximum(bar(1), np.roll(bar(1), 1, axis=2)) // 3
    assert abs(tasks.slant(image)[0, 0] - 1) < 1e-6


def test_slant_does_not_depend_on_the_place() -> None:
    image = np.roll(bar(1), (3, -4), axis=(1, 2))
    assert abs(tasks.slant(image)[0, 0] - 1) < 1e-6


def test_mirrored_image_has_the_opposite_slant(sample: mnist.Dataset) -> None:
    images = sample.test.images
    slants, mirrored = tasks.slant(images), tasks.slant(images[:, :, ::-1])
    assert np.abs(slants).max() > 0.3
    np.testing.assert_allclose(mirrored, -slants, atol=1e-5)


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
    values = tasks.metadata(blank())
    assert values.tolist() == [[0, 0, 0.5, 0.5, 0, 0, 0, 0, 1, 1]]


def test_metadata_of_a_full_image() -> None:
    spread = np.sqrt((28**2 - 1) / 12) / 28  # a uniform distribution's
    expected = [[1, 1, 0.5, 0.5, spread, spread, 1, 1, 1, 1]]
    np.testing.assert_allclose(tasks.metadata(np.full_like(blank(), 255)), expected, rtol=1e-6)


def test_metadata_of_a_single_pixel() -> None:
    image = blank()
    image[0, 3, 9] = 51  # a fifth of full ink, in row 3 and column 9
    expected = [[0.2 / 784, 0, 9 / 27, 3 / 27, 0, 0, 1 / 28, 1 / 28, 0, 0]]
    np.testing.assert_allclose(tasks.metadata(image), expected, rtol=1e-6, atol=1e-7)


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
    with pytest.raises(ConfigurationError) as caught:
        tasks.build(Task("poetry", "", ()), sample)
    assert str(caught.value) == (
        "there is no task 'poetry'; there are digits, digits_and_slant, segmentation, transcription"
    )


# --- scenes: several digits in one example ------------------------------------------------------


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def numbered() -> mnist.Split:
    """Digits that can be told apart anywhere: all ink of digit i has the value 128 + i."""
    images = np.zeros((120, 28, 28, 1), np.uint8)
    images[:, 4:24, 6:22] = (128 + np.arange(120))[:, None, None, None]
    return mnist.Split(images, (np.arange(120) % 10).astype(np.int32))


def test_canvases_hold_two_to_four_whole_digits_each_in_its_cell(numbered: mnist.Split) -> None:
    images, masks = tasks.canvases(numbered, random())
    assert (images.shape, images.dtype) == ((30, 64, 64, 1), np.uint8)
    assert (masks.shape, masks.dtype) == ((30, 64, 64), np.int32)
    seen, held = [], []
    for image, mask in zip(images[..., 0], masks, strict=True):
        digits = [int(value) - 128 for value in np.unique(image) if value]
        held.append(len(digits))
        seen += digits
        cells = set()
        for digit in digits:
            rows, columns = np.nonzero(image == 128 + digit)
            assert len(rows) == 20 * 16  # not cut, and nothing over it
            assert set(mask[rows, columns]) == {digit % 10}
            cells.add((rows.min() // 32, columns.min() // 32))
            assert {*(rows // 32)} == {rows.min() // 32}
            assert {*(columns // 32)} == {columns.min() // 32}
        assert len(cells) == len(digits)
        assert (mask[image == 0] == tasks.BACKGROUND).all()
    assert len(seen) == len(set(seen)), "a digit is in two places"
    assert set(held) == {2, 3, 4}
    assert len({tuple(np.argwhere(image)[0]) for image in images[..., 0]}) > 10  # places vary


def test_faint_ink_is_background() -> None:
    images = np.full((4, 28, 28, 1), 127, np.uint8)
    images[:, 10] = 128
    _, masks = tasks.canvases(mnist.Split(images, np.full(4, 7, np.int32)), random())
    assert (masks == 7).sum() in (2 * 28, 3 * 28, 4 * 28)
    assert set(np.unique(masks)) == {7, tasks.BACKGROUND}


def test_strips_hold_their_digits_in_order(numbered: mnist.Split) -> None:
    images, length, digits = tasks.strips(numbered, random())
    assert (images.shape, images.dtype) == ((20, 28, tasks.STRIP_COLUMNS), np.uint8)
    assert (length.dtype, digits.dtype) == (np.int32, np.int32)
    seen, gaps = [], []
    for image, long, labels in zip(images, length, digits, strict=True):
        values = [value for value in np.unique(image) if value]
        places = sorted((np.nonzero(image == value)[1].min(), int(value) - 128) for value in values)
        held = labels[labels != tasks.UNCOUNTED]
        assert [digit % 10 for _, digit in places] == held.tolist()
        assert (labels[len(held) :] == tasks.UNCOUNTED).all()
        assert 3 <= len(held) <= 6
        assert places[0][0] == 6  # the first margin
        assert long == places[-1][0] - 6 + 28
        assert not image[:, long:].any()
        gaps += np.diff([start for start, _ in places]).tolist()
        seen += [digit for _, digit in places]
    assert len(seen) == len(set(seen)), "a digit is in two places"
    assert set(gaps) == set(range(22, 29))


def test_margins_that_overlap_hide_no_ink() -> None:
    images = np.full((6, 28, 28, 1), 9, np.uint8)
    strips, length, _ = tasks.strips(mnist.Split(images, np.zeros(6, np.int32)), random())
    assert (strips[0, :, : length[0]] == 9).all()


def test_columns_are_normalised_pixels(numbered: mnist.Split) -> None:
    images, length, _ = tasks.strips(numbered, random())
    arrays = tasks.columns(images, length)
    assert arrays["columns"].shape == (20, tasks.STRIP_COLUMNS, 28)
    assert arrays["columns"].dtype == np.float32
    assert (arrays["columns"][3, 50] == mnist.normalise(images[3, :, 50])).all()
    assert (arrays["length"] == length).all()


def test_tokens_tell_the_digits_before_and_ask_for_the_next() -> None:
    end, start, none = specs.END, specs.START, tasks.UNCOUNTED
    arrays = tasks.tokens(np.array([[3, 1, 4, none], [1, 5, 9, 2]]))
    assert arrays["tokens"].tolist() == [[start, 3, 1, 4, end], [start, 1, 5, 9, 2]]
    assert arrays["following"].tolist() == [[3, 1, 4, end, none], [1, 5, 9, 2, end]]
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.int32)}


@pytest.mark.parametrize("task", [SEGMENTATION, TRANSCRIPTION], ids=lambda task: task.name)
def test_scenes_are_a_function_of_the_seed(sample: mnist.Dataset, task: Task) -> None:
    one, two, other = (tasks.build(task, sample, seed=seed) for seed in (0, 0, 1))
    for a, b, c in ((one.train, two.train, other.train), (one.test, two.test, other.test)):
        assert a.keys() == b.keys() == c.keys()
        assert all((a[name] == b[name]).all() for name in a)
        assert any((a[name] != c[name]).any() for name in a)
    for arrays, split in ((one.train, sample.train), (one.test, sample.test)):
        lengths = {len(array) for array in arrays.values()}
        assert lengths == {tasks.examples(task, len(split.labels))}
    assert {o.target for o in task.objectives} <= set(one.train)


@pytest.mark.parametrize("name", ["unet", "seq2seq"])
def test_scenes_are_what_their_network_takes(sample: mnist.Dataset, name: str) -> None:
    spec = specs.find(name)
    data = tasks.build(spec.require_task(), sample)
    inputs = {n: data.train[n] for n in spec.network.inputs}
    checked = boundary.check_inputs(spec.network, inputs, "float32")
    assert all(array is original for array, original in zip(checked, inputs.values(), strict=True))


def test_test_scenes_are_made_of_test_digits() -> None:
    """Training digits are all 200, test digits all 100: no scene has both."""
    splits = [
        mnist.Split(np.full((60, 28, 28, 1), ink, np.uint8), np.zeros(60, np.int32))
        for ink in (200, 100)
    ]
    data = mnist.Dataset("made", splits[0], splits[1], "here")
    for task, name in ((SEGMENTATION, "image"), (TRANSCRIPTION, "columns")):
        built = tasks.build(task, data)
        for arrays, ink in ((built.train, 200), (built.test, 100)):
            expected = mnist.normalise(np.array([0, ink], np.uint8))
            assert set(np.unique(arrays[name])) == set(expected)
