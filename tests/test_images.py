"""Pictures of digits: which come back bit for bit, which are prepared as MNIST was, and errors."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared import mnist
from shared.errors import DataError
from shared.images import load_digit, load_digits

DIGITS = mnist.load("sample").test.images
SEVEN = DIGITS[mnist.load("sample").test.labels == 7][0, ..., 0]


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
    result = load_digits(paths)
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, DIGITS, strict=True)


def test_no_paths_give_no_digits() -> None:
    assert load_digits([]).shape == (0, 28, 28, 1)
    assert load_digits([]).dtype == np.uint8


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P", "CMYK"])
def test_the_way_in_which_a_file_holds_grey_makes_no_difference(tmp_path: Path, mode: str) -> None:
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
    assert str(path) in sentence(lambda: load_digits([path]))


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
