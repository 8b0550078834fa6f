"""Pictures of masks and attention: every pixel of a panel, what a legend holds, and the colours."""

import numpy as np
import pytest
from PIL import Image

from shared.predict import draw
from shared.predict.draw import GAP, HEAT, LABELS, MARGIN, PALETTE, PAPER, ROW, SHEET, SWATCH, TITLE

# Machado, Oliveira and Fernandes (2009): how a colour in linear sRGB is seen without the long, the
# middle or the short waves' cones.
EYES = {
    "all cones": np.eye(3),
    "no long": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "no middle": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "no short": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}


def lab(colours: list[tuple[int, int, int]], eye: np.ndarray) -> np.ndarray:
    """CIELAB (N, 3) of colours as an eye sees them, for the white of sRGB."""
    share = np.array(colours) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    xyz = np.clip(linear @ eye.T, 0, 1) @ to_xyz.T / to_xyz.sum(axis=1)
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.stack(
        [116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1
    )


def pixels(picture: Image.Image) -> np.ndarray:
    assert picture.mode == "RGB"
    return np.asarray(picture)


def panel(
    picture: Image.Image, left: int, top: int, shape: tuple[int, int], scale: int
) -> np.ndarray:
    """What a panel shows, (H, W, 3): each of its squares must be of one colour."""
    height, width = shape
    part = pixels(picture)[top : top + height * scale, left : left + width * scale]
    assert part.shape == (height * scale, width * scale, 3)
    squares = part.reshape(height, scale, width, scale, 3)
    assert (squares == squares[:, :1, :, :1]).all()
    return squares[:, 0, :, 0]


def colours(part: np.ndarray) -> set[tuple[int, ...]]:
    return {tuple(map(int, colour)) for colour in part.reshape(-1, 3)}


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


# Colours


@pytest.mark.parametrize("eye", EYES)
def test_the_digits_colours_are_told_apart_by_every_eye_and_from_paper(eye: str) -> None:
    seen = lab([*PALETTE, PAPER, SHEET], EYES[eye])
    apart = np.linalg.norm(seen[:, None] - seen, axis=-1)
    digits = apart[:10, :10] + 1000 * np.eye(10)
    assert digits.min() > 20
    assert apart[:10, 10:].min() > 30


def test_more_attention_is_brighter() -> None:
    for eye in EYES.values():
        lightness = lab(list(HEAT), eye)[:, 0]
        assert (np.diff(lightness) > 8).all()


# Masks


@pytest.mark.parametrize("shape", [(64, 64), (24, 40), (256, 8)], ids=str)
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_canvas_and_mask_are_side_by_side_pixel_by_pixel(
    shape: tuple[int, int], dtype: type
) -> None:
    height, width = shape
    canvas = noise(height, width, 1)
    mask: np.ndarray = np.random.default_rng(1).integers(-4, 14, shape).astype(dtype)
    picture = draw.mask_picture(canvas, mask)
    scale = draw.mask_scale(height, width)
    assert scale >= 2
    left, top = MARGIN, MARGIN + TITLE
    shown = panel(picture, left, top, shape, scale)
    np.testing.assert_array_equal(shown, np.repeat(canvas, 3, axis=2), strict=True)
    shown = panel(picture, left + width * scale + GAP, top, shape, scale)
    for value in range(-4, 14):
        colour = PALETTE[value] if 0 <= value < 10 else PAPER
        assert colours(shown[mask == value]) == {colour}
    assert picture.height == top + height * scale + GAP + SWATCH + MARGIN
    assert picture.width >= 2 * (width * scale + MARGIN) + GAP


def test_a_picture_of_a_usual_canvas_is_as_wide_as_its_panels() -> None:
    picture = draw.mask_picture(noise(64, 64, 1), np.full((64, 64), 10))
    assert picture.size == (
        2 * 384 + GAP + 2 * MARGIN,
        MARGIN + TITLE + 384 + GAP + SWATCH + MARGIN,
    )


def legend(picture: Image.Image) -> np.ndarray:
    """What is below the panels."""
    return pixels(picture)[-SWATCH - MARGIN : -MARGIN]


@pytest.mark.parametrize("digits", [(4,), (0, 9), (7, 3, 5), range(10)], ids=str)
@pytest.mark.parametrize("shape", [(8, 8), (64, 64), (256, 8)], ids=str)
def test_the_legend_has_the_digits_that_occur_in_their_order(
    digits: tuple[int, ...], shape: tuple[int, int]
) -> None:
    mask = np.full(shape, 10)
    for place, digit in enumerate(digits):
        mask.flat[place] = digit
    part = legend(draw.mask_picture(noise(*shape, 1), mask))
    lefts = []
    for digit, colour in enumerate(PALETTE):
        at = np.argwhere((part == colour).all(axis=-1))
        if digit not in digits:
            assert not len(at)
            continue
        assert (np.ptp(at, axis=0) + 1 == SWATCH).all()
        assert len(at) == SWATCH**2
        lefts.append(at[:, 1].min())
        beside = part[:, lefts[-1] + SWATCH : lefts[-1] + SWATCH + 25]
        assert beside.max() > 180  # the digit is written there
    assert lefts == sorted(lefts)
    assert (part[:, -MARGIN:] == SHEET).all()  # nothing is cut off at the right


def test_legends_differ_by_what_is_written() -> None:
    parts = []
    for digit in (3, 8):
        mask = np.full((64, 64), 10)
        mask[5, 5] = digit
        part = legend(draw.mask_picture(noise(64, 64, 1), mask)).copy()
        part[(part == PALETTE[digit]).all(axis=-1)] = 0
        parts.append(part)
    assert (parts[0] != parts[1]).any()


def test_a_mask_without_digits_says_so() -> None:
    part = legend(draw.mask_picture(noise(64, 64, 1), np.full((64, 64), 10)))
    assert not colours(part) & set(PALETTE)
    assert part.max() > 180


# Attention


def band(picture: Image.Image, place: int, length: int) -> np.ndarray:
    """The colours (S, 3) of a row of attention, one for each column of the strip."""
    scale = draw.attention_scale(length)
    left = MARGIN + LABELS
    top = MARGIN + 28 * scale + GAP + place * ROW
    part = pixels(picture)[top : top + ROW - 2, left : left + length * scale]
    assert (part == part[:1]).all()
    columns = part[0].reshape(length, scale, 3)
    assert (columns == columns[:, :1]).all()
    return columns[:, 0]


def one_hot(tokens: int, steps: int, at: list[int]) -> np.ndarray:
    attention = np.zeros((tokens, steps), np.float32)
    attention[range(tokens), at] = 1
    return attention


@pytest.mark.parametrize(("step", "length"), [(4, 24), (4, 22), (3, 17), (1, 168), (4, 1000)])
def test_weights_are_under_the_columns_that_they_are_for(step: int, length: int) -> None:
    steps = -(-length // step) + 2  # the strip was padded
    last = (length - 1) // step
    at = [0, 1, last // 2, last]
    strip = noise(28, steps * step)
    picture = draw.attention_picture(strip, length, [3, 0, 9], one_hot(4, steps, at), step)
    scale = draw.attention_scale(length)
    shown = panel(picture, MARGIN + LABELS, MARGIN, (28, length), scale)
    np.testing.assert_array_equal(shown, np.repeat(strip[:, :length, None], 3, axis=2), strict=True)
    for place, hot in enumerate(at):
        bright = (band(picture, place, length) == HEAT[-1]).all(axis=-1)
        expected = np.arange(length) // step == hot
        np.testing.assert_array_equal(bright, expected)
        assert colours(band(picture, place, length)[~expected]) <= {HEAT[0]}
    right = pixels(picture)[:, -MARGIN:]
    assert (right == SHEET).all()
    assert picture.width == MARGIN + LABELS + length * scale + MARGIN


def test_each_row_is_scaled_by_its_own_largest_weight() -> None:
    attention = np.array([[0.5, 0.25, 0], [0.01, 0.002, 0.005], [0, 0, 0]])
    picture = draw.attention_picture(noise(28, 12), 12, [1, 2], attention, 4)
    rows = [band(picture, place, 12)[::4] for place in range(3)]
    assert [tuple(row) for row in rows[0][[0, 2]]] == [HEAT[-1], HEAT[0]]
    assert tuple(rows[1][0]) == HEAT[-1]
    assert tuple(rows[1][1]) == HEAT[1]  # a fifth of the largest, of five parts
    np.testing.assert_array_equal(rows[0][1], rows[1][2])  # both a half
    between = (np.array(HEAT[2]) + HEAT[3]) / 2
    np.testing.assert_allclose(rows[0][1], between, atol=0.5)
    assert colours(rows[2]) == {HEAT[0]}


@pytest.mark.parametrize(
    ("digits", "tokens", "rows"),
    [([3, 0, 9], 7, 4), ([3, 0, 9], 4, 4), ([1, 2, 3, 4], 4, 4), ([], 7, 1)],
    ids=str,
)
def test_there_is_a_row_for_each_digit_and_the_end(
    digits: list[int], tokens: int, rows: int
) -> None:
    picture = draw.attention_picture(
        noise(28, 40), 40, digits, one_hot(tokens, 10, [0] * tokens), 4
    )
    top = MARGIN + 28 * draw.attention_scale(40) + GAP
    assert picture.height == top + rows * ROW + MARGIN
    labels = pixels(picture)[top:, : MARGIN + LABELS]
    for place in range(rows):
        assert labels[place * ROW : (place + 1) * ROW].max() > 180
    assert (labels[rows * ROW :] == SHEET).all()


def test_labels_are_the_digits_and_the_end() -> None:
    def labels(digits: list[int], tokens: int) -> list[np.ndarray]:
        shown = draw.attention_picture(noise(28, 40), 40, digits, np.ones((tokens, 10)), 4)
        part = pixels(shown)[MARGIN + 28 * 6 + GAP :, : MARGIN + LABELS]
        return [part[i * ROW : (i + 1) * ROW] for i in range(tokens)]

    seven, five, end = labels([7, 5], 3)
    assert (seven != five).any()
    written = [(part != SHEET).any(axis=(0, 2)).sum() for part in (seven, end)]
    assert written[1] > 2 * written[0]  # columns with ink
    np.testing.assert_array_equal(labels([5, 7], 2)[1], seven)
    np.testing.assert_array_equal(labels([], 1)[0], end)
