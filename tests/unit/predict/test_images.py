"""Pictures of digits: which come back bit for bit, which are prepared as MNIST was, and errors.

Of one digit, of several anywhere on a canvas, and of several side by side in a strip.
"""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared.data import mnist, tasks
from shared.errors import DataError
from shared.predict.images import load_canvas, load_digit, load_strip

SAMPLE = mnist.load("sample").test
DIGITS = SAMPLE.images
SEVEN = DIGITS[SAMPLE.labels == 7][0, ..., 0]
CANVASES = tasks.canvases(SAMPLE, np.random.default_rng(0))[0]
STRIPS = [
    strip[:, :length]
    for strip, length, _ in zip(*tasks.strips(SAMPLE, np.random.default_rng(0)), strict=True)
]
LONGEST = tasks.STRIP_COLUMNS


def picture(digit: np.ndarray, *, scale: int = 10, paper: int = 225, ink: int = 20) -> np.ndarray:
    """A digit (28, 28) as dark ink on grey paper, in squares of `scale` pixels: float."""
    strength = np.kron(digit / 255, np.ones((scale, scale)))
    return paper + (ink - paper) * strength


def store(path: Path, pixels: np.ndarray, quality: int = 90) -> Path:
    Image.fromarray(np.rint(np.clip(pixels, 0, 255)).astype(np.uint8)).save(path, quality=quality)
    return path


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel().astype(float), b.ravel().astype(float))[0, 1])


def likeness(result: np.ndarray, digit: np.ndarray) -> float:
    """The correlation of two images, where the one may be a pixel off in any direction.

    MNIST's centring rounds to whole pixels, so a tiny change of a digit can move it by one.
    """
    assert result.shape == (28, 28, 1)
    assert result.dtype == np.uint8
    shifts = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    return max(correlation(np.roll(result[..., 0], shift, (0, 1)), digit) for shift in shifts)


def sentence(call: Callable[[], object]) -> str:
    """The sentence of the DataError that a call raises, and no warning beside it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DataError) as caught:
            call()
    text = str(caught.value)
    assert "\n" not in text
    return text


# Taken as they are


def test_digits_of_mnist_come_back_bit_for_bit(tmp_path: Path) -> None:
    paths = [store(tmp_path / f"{i}.png", digit[..., 0]) for i, digit in enumerate(DIGITS)]
    result = np.stack([load_digit(path) for path in paths])
    np.testing.assert_array_equal(result, DIGITS, strict=True)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P", "CMYK"])
def test_how_a_file_holds_grey_makes_no_difference(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("digit.tiff" if mode == "CMYK" else "digit.png")
    Image.fromarray(SEVEN).convert(mode).save(path)
    with Image.open(path) as stored:
        assert stored.mode == mode
    np.testing.assert_array_equal(load_digit(path)[..., 0], SEVEN, strict=True)


def test_black_and_white_images_are_taken_as_they_are(tmp_path: Path) -> None:
    Image.fromarray(SEVEN > 127).save(tmp_path / "digit.png")
    with Image.open(tmp_path / "digit.png") as stored:
        assert stored.mode == "1"
    expected = np.where(SEVEN > 127, 255, 0).astype(np.uint8)
    np.testing.assert_array_equal(load_digit(tmp_path / "digit.png")[..., 0], expected, strict=True)


def test_the_border_need_not_be_quite_black(tmp_path: Path) -> None:
    dim = np.maximum(SEVEN, 40)
    result = load_digit(store(tmp_path / "digit.png", dim))
    np.testing.assert_array_equal(result[..., 0], dim, strict=True)


@pytest.mark.parametrize("factor", [256, 257])
def test_16_bit_values_are_scaled_and_not_clipped(tmp_path: Path, factor: int) -> None:
    Image.fromarray(SEVEN.astype(np.uint16) * factor).save(tmp_path / "digit.png")
    with Image.open(tmp_path / "digit.png") as stored:
        assert stored.mode.startswith("I")
    np.testing.assert_array_equal(load_digit(tmp_path / "digit.png")[..., 0], SEVEN, strict=True)


# Prepared as MNIST was


@pytest.mark.parametrize(
    ("paper", "ink"), [(225, 20), (255, 0), (170, 90), (110, 10), (40, 230)], ids=str
)
def test_large_noisy_pictures_come_back_like_their_digits(
    tmp_path: Path, paper: int, ink: int
) -> None:
    random = np.random.default_rng(0)
    likenesses, centred = [], 0
    for digit in DIGITS[:50, ..., 0]:
        pixels = picture(digit, paper=paper, ink=ink) + random.normal(0, 5, (280, 280))
        result = load_digit(store(tmp_path / "digit.jpg", pixels, quality=60))
        likenesses.append(likeness(result, digit))
        centred += correlation(result, digit) > 0.9
    assert len(likenesses) == 50
    assert min(likenesses) > 0.9
    assert centred >= 40


def test_a_dark_digit_of_mnists_own_size_is_inverted(tmp_path: Path) -> None:
    result = load_digit(store(tmp_path / "digit.png", 255 - SEVEN))
    assert likeness(result, SEVEN) > 0.99


def test_a_small_digit_on_a_large_sheet_in_slanting_light(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    sheet = np.full((1500, 1100), 215.0)
    sheet[900:1180, 150:430] = picture(SEVEN, paper=215, ink=30)
    sheet += np.linspace(-40, 30, 1100) + np.linspace(20, -20, 1500)[:, None]
    path = store(tmp_path / "sheet.jpg", sheet + random.normal(0, 5, sheet.shape), quality=70)
    assert likeness(load_digit(path), SEVEN) > 0.9


def test_specks_on_a_large_picture_are_no_ink(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    pixels = picture(SEVEN, scale=100)
    pixels[tuple(random.integers(0, 2800, (2, 100)))] = 20
    assert likeness(load_digit(store(tmp_path / "digit.png", pixels)), SEVEN) > 0.95


def test_noise_inside_a_digit_is_no_faint_ink(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    pixels = np.full((200, 200), 180.0)
    pixels[20:180, 20:180] = 90
    pixels[50:150, 50:150] = 180  # the hole of a square 0
    pixels += random.normal(0, 8, pixels.shape)
    result = load_digit(store(tmp_path / "zero.png", pixels))[..., 0]
    assert result.max() == 255
    assert result[10:18, 10:18].mean() < 2


def test_an_edge_full_of_ink_is_not_taken_for_a_shadow(tmp_path: Path) -> None:
    pixels = np.full((100, 80), 230)
    pixels[:15] = pixels[:, 40:55] = 30  # something like a 7, cut out without a margin
    tight = load_digit(store(tmp_path / "tight.png", pixels))
    roomy = load_digit(store(tmp_path / "roomy.png", np.pad(pixels, 40, constant_values=230)))
    assert likeness(tight, roomy[..., 0]) > 0.99


def test_a_digit_that_fills_its_picture(tmp_path: Path) -> None:
    rows, columns = np.nonzero(SEVEN)
    tight = SEVEN[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    for turned in (tight, tight.T):
        large = np.zeros((28, 28))
        large[: turned.shape[0], : turned.shape[1]] = turned
        pixels = picture(turned, scale=8)
        assert likeness(load_digit(store(tmp_path / "tight.png", pixels)), centred(large)) > 0.9


def centred(digit: np.ndarray) -> np.ndarray:
    """A digit (28, 28) moved by whole pixels, so that its centre of mass is at 14, 14."""
    shift = [round(14 - float(axis)) for axis in centre_of_mass(digit)]
    return np.roll(digit, shift, (0, 1))


def centre_of_mass(digit: np.ndarray) -> tuple[float, float]:
    positions = np.arange(28)
    total = digit.sum(dtype=np.float64)
    return float(digit.sum(1) @ positions / total), float(digit.sum(0) @ positions / total)


def test_the_result_has_mnists_size_place_and_contrast(tmp_path: Path) -> None:
    pixels = np.full((300, 200), 240)
    pixels[40:240, 50:60] = 100  # an L: its mass is far from the middle of its box
    pixels[230:240, 50:150] = 100
    result = load_digit(store(tmp_path / "shape.png", pixels))[..., 0]
    rows, columns = np.nonzero(result.max(axis=1))[0], np.nonzero(result.max(axis=0))[0]
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (20, 10)  # the box's 200 to 100
    assert result.max() == 255
    assert np.median(result) == 0
    np.testing.assert_allclose(centre_of_mass(result), 14, atol=0.5)


def test_a_digit_is_never_cut_off_by_its_centring(tmp_path: Path) -> None:
    pixels = np.full((200, 200), 255)
    pixels[20:40, 20:180] = 0  # nearly all ink is at the top
    pixels[40:180, 20:23] = 200
    pixels[177:180, 20:30] = 0
    result = load_digit(store(tmp_path / "shape.png", pixels))[..., 0]
    rows = np.nonzero(result.max(axis=1))[0]
    assert np.ptp(rows) + 1 == 20
    assert rows.max() == 27


def test_transparent_pixels_are_white_paper(tmp_path: Path) -> None:
    alpha = np.kron(SEVEN, np.ones((10, 10))).astype(np.uint8)
    layers = np.zeros((280, 280, 4), np.uint8)  # black everywhere: only the transparency shows it
    layers[..., 3] = alpha
    Image.fromarray(layers).save(tmp_path / "digit.png")
    assert likeness(load_digit(tmp_path / "digit.png"), SEVEN) > 0.95


def test_a_palettes_transparent_colour_is_white_paper(tmp_path: Path) -> None:
    drawn = np.kron(SEVEN, np.ones((10, 10))) > 127
    image = Image.fromarray(drawn.astype(np.uint8)).convert("P")
    image.putpalette([0, 0, 0, 0, 0, 160])  # black, transparent; and blue
    image.save(tmp_path / "digit.png", transparency=0)
    with Image.open(tmp_path / "digit.png") as stored:
        assert stored.mode == "P"
    assert likeness(load_digit(tmp_path / "digit.png"), np.where(SEVEN > 127, 255, 0)) > 0.95


# The number that a camera writes, and how the stored pixels must be turned to stand upright.
TURNS = {3: (0, 2), 6: (0, -1), 8: (0, 1), 2: (1, 0)}


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("scale", [1, 10])
def test_photographs_are_turned_upright(tmp_path: Path, orientation: int, scale: int) -> None:
    mirrored, quarters = TURNS[orientation]
    upright = SEVEN if scale == 1 else picture(SEVEN, scale=scale)
    stored = np.rot90(np.fliplr(upright) if mirrored else upright, -quarters)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.ascontiguousarray(stored).astype(np.uint8))
    image.save(tmp_path / "photo.png", exif=exif)
    assert likeness(load_digit(tmp_path / "photo.png"), SEVEN) > 0.95


# Errors


def test_no_such_file(tmp_path: Path) -> None:
    path = tmp_path / "digit.png"
    assert sentence(lambda: load_digit(path)) == f"cannot read the image {path}: no such file"


def test_a_directory_is_no_image(tmp_path: Path) -> None:
    text = sentence(lambda: load_digit(tmp_path))
    assert text == f"cannot read the image {tmp_path}: Is a directory"


@pytest.mark.parametrize("contents", [b"", b"seven", b"\x89PNG\r\n\x1a\n"], ids=repr)
def test_a_file_that_is_no_image(tmp_path: Path, contents: bytes) -> None:
    path = tmp_path / "digit.png"
    path.write_bytes(contents)
    text = sentence(lambda: load_digit(path))
    assert text == f"{path} is not an image that can be read, such as PNG or JPEG"


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_an_image_that_is_cut_short(tmp_path: Path, suffix: str) -> None:
    path = store(tmp_path / f"digit.{suffix}", picture(SEVEN))
    path.write_bytes(path.read_bytes()[:-400])
    text = sentence(lambda: load_digit(path))
    assert text.startswith(f"cannot read the image {path}: it is damaged or cut short")


def test_an_image_with_a_damaged_part(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (400, 400))  # too much for one chunk
    path = store(tmp_path / "digit.png", noise)
    first, second, *rest = path.read_bytes().split(b"IDAT", maxsplit=2)
    path.write_bytes(b"IDAT".join([first, second]) + b"\x00DAT" + b"".join(rest))
    text = sentence(lambda: load_digit(path))
    assert text.startswith(f"cannot read the image {path}: it is damaged or cut short")


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("side", [28, 200])
def test_a_blank_image(tmp_path: Path, level: int, side: int) -> None:
    path = store(tmp_path / "blank.png", np.full((side, side), level))
    text = sentence(lambda: load_digit(path))
    assert text == f"there is nothing on the image {path}; it must show one digit"


def test_noise_and_slanting_light_are_no_digit(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    pixels = random.normal(200, 6, (400, 300)) + np.linspace(0, 40, 300)
    path = store(tmp_path / "blank.jpg", pixels, quality=80)
    assert "nothing on the image" in sentence(lambda: load_digit(path))


@pytest.mark.parametrize("factor", [0.6, 0.4])  # Pillow warns above its limit, fails above twice it
def test_an_absurdly_large_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factor: float
) -> None:
    path = store(tmp_path / "digit.png", picture(SEVEN, scale=100))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", int(2800 * 2800 * factor))
    millions = int(2800 * 2800 * factor / 1e6)
    text = sentence(lambda: load_digit(path))
    assert text == f"the image {path} has more than {millions} million pixels"


# A header that ends early, and a directory of five entries that has none.
@pytest.mark.parametrize("damaged", [b"MM\0*\0\0\0", b"MM\0*\0\0\0\x08\0\x05\x01"], ids=repr)
def test_damaged_metadata_is_passed_over_without_a_warning(tmp_path: Path, damaged: bytes) -> None:
    image = Image.fromarray(SEVEN).convert("P")
    image.save(tmp_path / "digit.png", transparency=bytes([255] * 256), exif=b"Exif\0\0" + damaged)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        result = load_digit(tmp_path / "digit.png")
    assert not seen
    np.testing.assert_array_equal(result[..., 0], SEVEN, strict=True)


# Canvases


def test_canvases_of_the_task_come_back_bit_for_bit(tmp_path: Path) -> None:
    for canvas in CANVASES:
        result = load_canvas(store(tmp_path / "canvas.png", canvas[..., 0]), 8)
        np.testing.assert_array_equal(result, canvas, strict=True)


@pytest.mark.parametrize("factor", [256, 257])
def test_a_canvas_of_16_bits_comes_back_bit_for_bit(tmp_path: Path, factor: int) -> None:
    path = tmp_path / "canvas.png"
    Image.fromarray(CANVASES[0, ..., 0].astype(np.uint16) * factor).save(path)
    np.testing.assert_array_equal(load_canvas(path, 8), CANVASES[0], strict=True)


def test_a_canvas_of_many_digits_is_taken_as_it_is(tmp_path: Path) -> None:
    many = np.concatenate(
        [np.concatenate(row, axis=1) for row in CANVASES[:12].reshape(3, 4, 64, 64)]
    )
    many = many // 2 + 40  # its contrast is left alone, too
    path = store(tmp_path / "canvas.png", many)
    assert many.shape == (192, 256)
    np.testing.assert_array_equal(load_canvas(path, 64)[..., 0], many, strict=True)


def same_layout(result: np.ndarray, canvas: np.ndarray) -> float:
    """The correlation with a canvas (64, 64, 1), all of which the result must be."""
    assert result.shape == canvas.shape
    assert result.dtype == np.uint8
    assert result.max() == 255
    return correlation(result, canvas)


@pytest.mark.parametrize(
    ("paper", "ink"), [(225, 20), (255, 0), (170, 90), (110, 10), (40, 230)], ids=str
)
def test_large_noisy_pictures_come_back_like_their_canvases(
    tmp_path: Path, paper: int, ink: int
) -> None:
    random = np.random.default_rng(0)
    for canvas in CANVASES[:20]:
        pixels = picture(canvas[..., 0], scale=9, paper=paper, ink=ink)
        pixels += random.normal(0, 5, pixels.shape)
        path = store(tmp_path / "canvas.jpg", pixels, quality=60)
        assert same_layout(load_canvas(path, 8), canvas) > 0.97


def test_a_dark_canvas_of_its_own_size_is_inverted_bit_for_bit(tmp_path: Path) -> None:
    path = store(tmp_path / "canvas.png", 255 - CANVASES[0, ..., 0])
    assert (CANVASES[0] == 255).any()
    np.testing.assert_array_equal(load_canvas(path, 8), CANVASES[0], strict=True)


@pytest.mark.parametrize("scale", [3, 4, 8])
def test_light_digits_that_are_too_large_are_not_taken_as_they_are(
    tmp_path: Path, scale: int
) -> None:
    pixels = picture(CANVASES[1, ..., 0], scale=scale, paper=0, ink=255)
    path = store(tmp_path / "canvas.png", pixels)
    assert same_layout(load_canvas(path, 8), CANVASES[1]) > 0.97


@pytest.mark.parametrize("divisor", [1, 8, 16, 128])
@pytest.mark.parametrize("inverted", [False, True])
def test_paper_is_added_at_the_right_and_at_the_bottom(
    tmp_path: Path, divisor: int, inverted: bool
) -> None:
    canvas = np.zeros((37, 61), np.uint8)
    canvas[3:31, 2:30] = SEVEN
    canvas[9:37, 33:61] = SEVEN
    path = store(tmp_path / "canvas.png", 255 - canvas if inverted else canvas)
    result = load_canvas(path, divisor)[..., 0]
    shape = {1: (37, 61), 8: (40, 64), 16: (48, 64), 128: (128, 128)}[divisor]
    assert result.shape == shape
    np.testing.assert_array_equal(result[:37, :61], canvas)
    assert result.sum() == canvas.sum()


def bounds(ink: np.ndarray) -> tuple[int, int, int, int]:
    """The first and last row and column with half of full ink."""
    rows, columns = np.nonzero(ink > 127)
    return int(rows.min()), int(rows.max()), int(columns.min()), int(columns.max())


@pytest.mark.parametrize("room", [900, 1200])
def test_digits_far_apart_on_a_sheet_keep_their_size_and_place(tmp_path: Path, room: int) -> None:
    random = np.random.default_rng(0)
    sheet = np.full((280 + room, 280 + room), 210.0)
    sheet[:280, :280] = sheet[-280:, -280:] = picture(SEVEN, paper=210, ink=40)
    sheet += np.linspace(-20, 20, len(sheet)) + random.normal(0, 4, sheet.shape)
    path = store(tmp_path / "sheet.jpg", sheet, quality=80)
    result = load_canvas(path, 8)[..., 0]
    first, last = result[:28, :28], result[-36:, -36:]
    assert bounds(SEVEN)[1] - bounds(SEVEN)[0] == 19
    for part in (first, last):
        top, bottom, _, _ = bounds(part)
        assert abs(bottom - top - 19) <= 1
    assert likeness(first[..., None], SEVEN) > 0.9
    assert len(result) - (280 + room) / 10 in range(9)
    assert result.sum() == pytest.approx(2 * SEVEN.sum(dtype=float), rel=0.25)


def test_a_canvas_is_never_larger_than_it_may_be(tmp_path: Path) -> None:
    sheet = np.full((500, 480), 255)
    sheet[200:204, 100:104] = sheet[300:304, 100:104] = 0
    result = load_canvas(store(tmp_path / "sheet.png", sheet), 8)
    assert result.shape == (256, 248, 1)


def test_parts_of_a_digit_specks_and_touching_digits_do_not_change_the_size(
    tmp_path: Path,
) -> None:
    digit = np.zeros((28, 28), np.uint8)
    digit[4:24, 8:11] = digit[4:24, 17:20] = digit[4:7, 8:20] = digit[21:24, 8:20] = 255  # a 0
    broken = digit.copy()
    broken[12:14] = 0
    sheet = np.zeros((60, 100), np.uint8)
    sheet[:28, :28] = broken
    for row, column in ((0, 30), (0, 60), (18, 60), (30, 0), (30, 30)):  # the second touches below
        place = sheet[row : row + 28, column : column + 28]
        np.maximum(place, digit, out=place)
    sheet[56::2, 2:98:7] = 255
    path = store(tmp_path / "sheet.png", picture(sheet, scale=5, paper=250, ink=10))
    result = load_canvas(path, 4)[..., 0]
    assert result.shape == (60, 100)
    assert correlation(result, sheet) > 0.95


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("side", [64, 200])
def test_a_blank_canvas(tmp_path: Path, level: int, side: int) -> None:
    path = store(tmp_path / "blank.png", np.full((side, side), level))
    text = sentence(lambda: load_canvas(path, 8))
    assert text == f"there is nothing on the image {path}; it must show digits"


def test_a_canvas_of_faint_specks_is_taken_as_it_is(tmp_path: Path) -> None:
    pixels = np.zeros((64, 64))
    pixels[5, 5] = 100
    path = store(tmp_path / "canvas.png", pixels)
    np.testing.assert_array_equal(load_canvas(path, 8)[..., 0], pixels)


# Strips


def test_strips_of_the_task_come_back_bit_for_bit(tmp_path: Path) -> None:
    for strip in STRIPS:
        result = load_strip(store(tmp_path / "strip.png", strip), LONGEST)
        np.testing.assert_array_equal(result, strip, strict=True)


def aligned(result: np.ndarray, strip: np.ndarray) -> float:
    """The correlation of two strips, where the one may be moved to where it fits best."""
    assert result.shape[0] == 28
    assert result.dtype == np.uint8
    wide = max(result.shape[1], strip.shape[1]) + 20
    a, b = (np.pad(s, ((0, 0), (0, wide - s.shape[1]))) for s in (result, strip))
    moves = [(y, x) for y in (-2, -1, 0, 1, 2) for x in range(-10, 11)]
    return max(correlation(np.roll(a, move, (0, 1)), b) for move in moves)


@pytest.mark.parametrize(("paper", "ink"), [(225, 20), (170, 90), (40, 230)], ids=str)
@pytest.mark.parametrize("room", [0, 150])
def test_large_noisy_pictures_come_back_like_their_strips(
    tmp_path: Path, paper: int, ink: int, room: int
) -> None:
    random = np.random.default_rng(0)
    fits = []
    for strip in STRIPS[:20]:
        pixels = picture(strip, scale=9, paper=paper, ink=ink)
        pixels = np.pad(pixels, room, constant_values=paper)
        pixels += random.normal(0, 5, pixels.shape)
        path = store(tmp_path / "strip.jpg", pixels, quality=70)
        fits.append(aligned(load_strip(path, LONGEST), strip))
    assert np.median(fits) > 0.85
    assert min(fits) > 0.6


def bars(*heights: int, gap: int = 12, scale: int = 5) -> np.ndarray:
    """Dark bars on white, 6 wide, whose middles are on one line; a margin of 10 around all."""
    columns = [np.zeros((60, gap))]
    for height in heights:
        bar = np.zeros((60, 6 + gap))
        bar[30 - height // 2 : 30 - height // 2 + height, :6] = 255
        columns.append(bar)
    return picture(np.concatenate(columns, axis=1), scale=scale, paper=255, ink=0)


def test_digits_are_20_rows_high_and_have_8_columns_beside_them(tmp_path: Path) -> None:
    result = load_strip(store(tmp_path / "strip.png", bars(20, 20, 20)), LONGEST)
    assert bounds(result) == (4, 23, 8, 8 + 6 + 12 + 6 + 12 + 6 - 1)
    assert result.shape == (28, 8 + 42 + 8)
    assert result[6:22, 9:13].min() > 240
    assert not result[:, :8].any()
    assert not result[:, -8:].any()


@pytest.mark.parametrize("scale", [1, 3, 11])
def test_the_size_of_the_picture_makes_no_difference(tmp_path: Path, scale: int) -> None:
    result = load_strip(store(tmp_path / "strip.png", bars(20, 20, scale=scale)), LONGEST)
    top, bottom, left, right = bounds(result)
    assert (top, bottom, left, right) == (4, 23, 8, 8 + 24 - 1)


def test_most_of_the_ink_says_how_high_digits_are(tmp_path: Path) -> None:
    result = load_strip(store(tmp_path / "strip.png", bars(20, 24, 20, 5, 20)), LONGEST)
    assert bounds(result)[:2] == (2, 25)
    first = result[:, 8:14]
    assert bounds(first)[:2] == (4, 23)


def test_digits_of_a_strip_that_touch_each_other_are_as_high(tmp_path: Path) -> None:
    sheet = 255 - bars(20, 20, 20, 20, scale=1)
    sheet[30, 12:72] = 255  # through all of them
    result = load_strip(
        store(tmp_path / "strip.png", 255 - np.kron(sheet, np.ones((4, 4)))), LONGEST
    )
    assert bounds(result)[:2] == (4, 23)


def test_nothing_of_a_strip_is_cut_off_where_it_slants(tmp_path: Path) -> None:
    sheet = np.zeros((90, 100))
    for place in range(4):
        sheet[20 * place : 20 * place + 20, 20 * place + 8 : 20 * place + 14] = 255
    path = store(tmp_path / "strip.png", picture(sheet, scale=4, paper=255, ink=0))
    result = load_strip(path, LONGEST)
    assert bounds(result)[:2] == (0, 27)
    assert result.shape == (28, 8 + round(66 * 28 / 80) + 8)


def test_a_margin_is_narrower_where_there_is_no_room(tmp_path: Path) -> None:
    path = store(tmp_path / "strip.png", bars(20, 20, 20))  # 42 columns of ink
    assert [load_strip(path, most).shape[1] for most in (58, 57, 55, 51, 50)] == [
        58,
        56,
        54,
        50,
        50,
    ]
    assert bounds(load_strip(path, 50))[2:] == (4, 45)
    text = sentence(lambda: load_strip(path, 49))
    assert text == (
        f"the strip on the image {path} has 50 columns at a height of 28, and there may be 49: "
        "show fewer digits"
    )


def test_a_strip_of_28_rows_that_is_too_long(tmp_path: Path) -> None:
    strip = np.concatenate([STRIPS[0]] * 8, axis=1)
    path = store(tmp_path / "strip.png", strip)
    assert strip.shape[1] > 512
    assert f"has {strip.shape[1]} columns" in sentence(lambda: load_strip(path, LONGEST))
    np.testing.assert_array_equal(load_strip(path, strip.shape[1]), strip)


def test_a_dark_strip_of_28_rows_is_prepared(tmp_path: Path) -> None:
    pixels = np.full((28, 60), 250)
    pixels[7:21, 20:24] = pixels[7:21, 36:40] = 30
    result = load_strip(store(tmp_path / "strip.png", pixels), LONGEST)
    assert bounds(result)[:2] == (4, 23)
    assert result.shape == (28, 8 + round(20 * 20 / 14) + 8)


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("height", [28, 90])
def test_a_blank_strip(tmp_path: Path, level: int, height: int) -> None:
    path = store(tmp_path / "blank.png", np.full((height, 150), level))
    text = sentence(lambda: load_strip(path, LONGEST))
    assert text == f"there is nothing on the image {path}; it must show digits"


# What all three have in common


LOADERS = {
    "digit": load_digit,
    "canvas": lambda path: load_canvas(path, 8),
    "strip": lambda path: load_strip(path, LONGEST),
}


@pytest.mark.parametrize("kind", ["canvas", "strip"])
@pytest.mark.parametrize("orientation", TURNS)
def test_photographs_of_several_digits_are_turned_upright(
    tmp_path: Path, kind: str, orientation: int
) -> None:
    mirrored, quarters = TURNS[orientation]
    upright = picture(CANVASES[0, ..., 0] if kind == "canvas" else STRIPS[0], scale=4)
    stored = np.rot90(np.fliplr(upright) if mirrored else upright, -quarters)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.ascontiguousarray(stored).astype(np.uint8))
    image.save(tmp_path / "photo.png", exif=exif)
    expected = LOADERS[kind](store(tmp_path / "upright.png", np.floor(upright)))
    np.testing.assert_array_equal(LOADERS[kind](tmp_path / "photo.png"), expected)


@pytest.mark.parametrize("kind", ["canvas", "strip"])
def test_transparent_pixels_around_several_digits_are_white_paper(
    tmp_path: Path, kind: str
) -> None:
    drawn = np.kron(CANVASES[0, ..., 0] if kind == "canvas" else STRIPS[0], np.ones((4, 4)))
    layers = np.zeros((*drawn.shape, 4), np.uint8)
    layers[..., 3] = drawn
    Image.fromarray(layers).save(tmp_path / "clear.png")
    white = store(tmp_path / "white.png", 255 - drawn)
    expected = LOADERS[kind](white)
    np.testing.assert_array_equal(LOADERS[kind](tmp_path / "clear.png"), expected)


@pytest.mark.parametrize("kind", LOADERS)
def test_noise_alone_and_files_that_cannot_be_read(tmp_path: Path, kind: str) -> None:
    load = LOADERS[kind]
    random = np.random.default_rng(0)
    noisy = store(tmp_path / "noise.png", random.normal(200, 6, (300, 400)))
    assert "nothing on the image" in sentence(lambda: load(noisy))
    none = tmp_path / "none.png"
    assert sentence(lambda: load(none)) == f"cannot read the image {none}: no such file"
    cut = store(tmp_path / "cut.png", picture(SEVEN))
    cut.write_bytes(cut.read_bytes()[:-400])
    assert "damaged or cut short" in sentence(lambda: load(cut))
