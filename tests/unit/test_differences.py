"""How differences are measured."""

import numpy as np
import pytest

from shared import differences

RANDOM = np.random.default_rng(0)


def test_difference_is_relative_to_the_largest_value() -> None:
    a = np.array([0.0, -4.0, 2.0])
    assert differences.difference(a, a + np.array([0.0, 0.0, 0.5])) == 0.125
    assert differences.difference(a, a.copy()) == 0.0


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.ones((2, 1)), np.ones((2, 2)), "shapes"),
        (np.ones(2), np.ones((1, 2)), "shapes"),
        (np.ones(2), np.ones(2, np.float32), "dtypes"),
        (np.ones(0), np.ones(0), "no values"),
        (np.array([np.nan]), np.array([np.nan]), "not finite"),
        (np.array([1.0]), np.array([np.inf]), "not finite"),
        (np.array([np.inf]), np.array([np.inf]), "not finite"),
    ],
)
def test_difference_refuses_what_cannot_be_compared(
    a: np.ndarray, b: np.ndarray, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        differences.difference(a, b)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.ones((2, 1)), np.ones((2, 2)), "shapes"),
        (np.ones((2, 2)), np.ones((2, 2), np.float32), "dtypes"),
        (np.ones((2, 0)), np.ones((2, 0)), "no values"),
        (np.ones((0, 2)), np.ones((0, 2)), "no values"),
        (np.array([[np.nan, 1.0]]), np.array([[np.nan, 1.0]]), "not finite"),
        (np.array([[1.0], [1.0]]), np.array([[1.0], [np.inf]]), "not finite"),
    ],
)
def test_rows_refuse_what_cannot_be_compared(a: np.ndarray, b: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        differences.row_difference(a, b)
    assert differences.row_gap(a, b) == float("inf") or message == "dtypes"


def test_a_large_row_does_not_hide_what_is_wrong_with_a_small_one() -> None:
    a = np.array([[1e6, -3e5], [1e-7, 2e-8]])
    b = a * np.array([[1.0], [2.0]])
    assert differences.difference(a, b) < 1.01e-13  # less than float64's rounding may be
    assert differences.row_difference(a, b) == pytest.approx(1e-10 * 1.024)
    assert differences.row_difference(a, b) > differences.TOLERANCES["float64"]


def test_a_row_is_held_to_its_own_largest_value() -> None:
    a = np.array([[[8.0, 4.0], [0.5, 0.25]]])
    assert differences.row_difference(a, a + np.array([[[0.0, 0.0], [0.0, 0.125]]])) == 0.25
    assert differences.row_difference(a, a + np.array([[[0.0, 1.0], [0.0, 0.0]]])) == 0.125
    assert differences.row_difference(a[0, 0], a[0, 0] + np.array([0.0, 1.0])) == 0.125


def test_what_cancels_is_as_exact_as_what_it_is_made_of() -> None:
    """Two large values leave a small one of each other, and their rounding."""
    large = np.array([[1.0, 2.0], [3.0, 4.0]])
    left = np.concatenate([large, np.array([[1e-16, 0.0]])])
    other = np.concatenate([large, np.array([[-2e-16, 0.0]])])
    assert differences.row_difference(left, other) < differences.TOLERANCES["float64"]


def test_rows_of_zeros_differ_from_anything_else() -> None:
    zeros = np.zeros((2, 2))
    assert differences.row_difference(zeros, zeros) == 0
    assert differences.row_difference(zeros, zeros + 1e-300) == float("inf")
    one = np.array([[1.0, 1.0], [0.0, 0.0]])
    assert differences.row_difference(one, one + np.array([[0.0], [1e-3]])) == 1.024
    assert differences.row_difference(np.array(2.0), np.array(2.5)) == 0.25


def test_rows_never_differ_by_less_than_the_whole() -> None:
    for seed in range(20):
        random = np.random.default_rng(seed)
        a = random.normal(size=(3, 4, 5)) * 10.0 ** random.integers(-8, 8, (3, 4, 1))
        b = a + random.normal(size=a.shape) * 1e-9
        assert differences.row_difference(a, b) >= differences.difference(a, b)


def test_only_pictures_have_windows_in_which_a_maximum_may_be_another_one() -> None:
    rows = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert differences.kinks(rows, rows[:, ::-1].copy()) is None
    pictures = rows.reshape(1, 2, 2, 1)
    assert differences.kinks(pictures, pictures[:, ::-1].copy()) is not None


def test_difference_from_zero_is_not_small() -> None:
    assert differences.difference(np.zeros(2), np.zeros(2)) == 0
    assert differences.difference(np.zeros(2), np.array([0, 1e-300])) == float("inf")


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8, bool])
def test_whole_numbers_are_equal_or_as_far_apart_as_can_be(dtype: type) -> None:
    a: np.ndarray = np.array([0, 1, 1], dtype)
    assert differences.gap(a, a.copy()) == 0
    assert differences.gap(a, np.array([0, 1, 0], dtype)) == float("inf")
    assert differences.gap(a, a[:2]) == float("inf")
    assert differences.gap(a, a[None]) == float("inf")


def test_a_gap_is_the_difference_whatever_the_dtypes() -> None:
    a = np.array([0.0, -4.0, 2.0])
    other = np.array([0.0, -4.0, 2.5])
    assert differences.gap(a, other) == differences.difference(a, other) == 0.125
    assert differences.gap(a, other.astype(np.float32)) == 0.125
    assert differences.gap(a.astype(np.float32), other) == 0.125
    assert differences.gap(a, np.array([0, -4, 2], np.int32)) == 0
    assert differences.gap(np.array([0, -4, 2], np.int32), other) == 0.125
    third = np.array([1 / 3])
    assert 1e-9 < differences.gap(third, third.astype(np.float32)) < 1e-7


@pytest.mark.parametrize(
    "other",
    [
        np.ones(2),
        np.ones((1, 3)),
        np.ones(0),
        np.array([1, 1, np.nan]),
        np.array([1, 1, np.inf]),
        np.ones(2, np.float32),
    ],
    ids=["shorter", "one more axis", "empty", "nan", "infinite", "another dtype too"],
)
def test_a_gap_that_cannot_be_small_is_infinite(other: np.ndarray) -> None:
    a = np.ones(3)
    assert differences.gap(a, other) == float("inf")
    assert differences.gap(other, a) == float("inf")
    if other.size == 0 or not np.isfinite(other).all():
        assert differences.gap(other, other.copy()) == float("inf")


def test_the_largest_gap_is_that_of_the_worst_array() -> None:
    a = {"x": np.array([1.0, 2.0]), "y": np.array([4.0]), "n": np.array([3, 4])}
    assert differences.largest_gap(a, {name: array.copy() for name, array in a.items()}) == 0
    assert differences.largest_gap(a, dict(reversed(a.items()))) == 0
    changed = {**a, "x": np.array([1.0, 2.5]), "y": np.array([6.0])}
    assert differences.largest_gap(a, changed) == 0.5
    assert differences.largest_gap(a, {**a, "n": np.array([3, 5])}) == float("inf")
    assert differences.largest_gap(a, {**a, "y": np.array([np.nan])}) == float("inf")


def test_arrays_that_are_not_there_are_as_far_apart_as_can_be() -> None:
    a = {"x": np.ones(2), "y": np.ones(3)}
    assert differences.largest_gap({}, {}) == float("inf")
    assert differences.largest_gap(a, {}) == differences.largest_gap({}, a) == float("inf")
    assert differences.largest_gap(a, {"x": a["x"]}) == float("inf")
    assert differences.largest_gap({"x": a["x"]}, a) == float("inf")
    assert differences.largest_gap(a, {"x": a["x"], "z": a["y"]}) == float("inf")


def test_rounding_of_a_dtype_explains_so_much() -> None:
    assert differences.most_by_rounding("bfloat16") == 16 * 2**-8
    assert differences.most_by_rounding("float64") == 1e-12


def test_unequal_sees_one_bit_names_and_dtypes() -> None:
    a = {"x": np.array([1.0, 2.0]), "y": np.array([-0.0])}
    assert differences.unequal(a, {name: array.copy() for name, array in a.items()}) == []
    assert differences.unequal(a, {**a, "x": np.nextafter(a["x"], 3)}) == ["x"]
    assert differences.unequal(a, {**a, "y": np.array([0.0])}) == ["y"]
    assert differences.unequal(a, {"x": a["x"]}) == ["y"]
    assert differences.unequal(a, {**a, "z": a["x"]}) == ["z"]
    assert differences.unequal(a, {**a, "x": a["x"].astype(np.float32)}) == ["x"]


def test_bitwise_equal_is_no_numeric_equality() -> None:
    zero = np.zeros(2, np.float32)
    assert differences.bitwise_equal(zero, zero.copy())
    for other in (-zero, zero.astype(np.float64), zero[:1], zero[None]):
        assert not differences.bitwise_equal(zero, other)


def test_kinks_are_found_in_signs_and_in_windows() -> None:
    a = RANDOM.normal(size=(1, 4, 4, 2)) + 10
    assert differences.kinks(a, a.copy()) is None
    b = a.copy()
    b[0, 0, 0, 1], b[0, 0, 1, 1] = a[0, :2, :2, 1].max() + 1, a[0, :2, :2, 1].max() + 2
    a[0, 0, 0, 1], a[0, 0, 1, 1] = b[0, 0, 1, 1], b[0, 0, 0, 1]
    kink = differences.kinks(a, b)
    assert kink is not None
    assert kink[0] == "the window [0, 0, 0, 1]"


def test_sketches_see_every_value_and_measure_the_distance() -> None:
    a = RANDOM.normal(size=(30, 40))
    track = differences.sketch(a)[None]
    assert differences.sketch_difference(track, track.copy()) == [0.0]
    for index in [(0, 0), (17, 3), (29, 39)]:
        b = a.copy()
        b[index] += 1e-9
        (distance,) = differences.sketch_difference(track, differences.sketch(b)[None])
        assert distance == pytest.approx(1e-9 / np.linalg.norm(a), rel=1e-3)
    noise = 1e-6 * RANDOM.normal(size=a.shape)
    (distance,) = differences.sketch_difference(track, differences.sketch(a + noise)[None])
    expected = np.linalg.norm(noise) / np.linalg.norm(a)
    assert expected / 4 < distance < expected * 4


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.ones((3, 9)), np.ones((2, 9)), "shapes"),
        (np.ones((0, 9)), np.ones((0, 9)), "no values"),
        (np.ones((1, 9)), np.full((1, 9), np.nan), "not finite"),
    ],
)
def test_sketches_that_cannot_be_compared_are_refused(
    a: np.ndarray, b: np.ndarray, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        differences.sketch_difference(a, b)


def test_a_difference_from_nothing_is_not_small() -> None:
    zeros, some = np.zeros((1, 9)), np.full((1, 9), 1e-150)
    assert differences.sketch_difference(zeros, zeros) == [0.0]
    assert differences.sketch_difference(zeros, some) == [np.inf]


def test_unpadded_takes_borders_of_zeros_alone_away() -> None:
    image = RANDOM.normal(size=(2, 5, 6, 3))
    for pads in (((1, 1), (1, 1)), ((0, 1), (0, 1)), ((2, 0), (0, 0))):
        padded = np.pad(image, ((0, 0), *pads, (0, 0)))
        a, b, offset = differences.unpadded(padded, image)
        assert (a == image).all()
        assert (b == image).all()
        assert offset == (pads[0][0], pads[1][0])
        other, same, _ = differences.unpadded(image, padded)
        assert (other == image).all()
        assert (same == image).all()
    dark = np.pad(image, ((0, 0), (1, 1), (2, 0), (0, 0)))  # zeros that are the image's own
    a, _, offset = differences.unpadded(np.pad(dark, ((0, 0), (1, 1), (0, 2), (0, 0))), dark)
    assert (a == dark).all()
    assert offset == (1, 0)
    several: list[tuple[tuple[int, int], ...]] = [((2, 1),), ((0, 1), (2, 0), (1, 1))]
    for sides in several:
        inner = RANDOM.normal(size=(2, *(3, 4, 5)[: len(sides)], 3))
        padded = np.pad(inner, ((0, 0), *sides, (0, 0)))
        assert (differences.unpadded(padded, inner)[0] == inner).all()
        assert differences.unpadded(inner, padded)[2] == tuple(before for before, _ in sides)
    border = np.pad(image, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=1)
    a, _, offset = differences.unpadded(border, image)
    assert offset is None
    assert a.shape == border.shape


def test_a_sketch_has_its_norm_compared_too() -> None:
    one = np.stack([differences.sketch(np.ones(9)), differences.sketch(np.ones(9))])
    other = one.copy()
    other[1, -1] *= 1e3
    steps = differences.sketch_difference(one, other)
    assert steps[0] == 0
    assert steps[1] > 100
