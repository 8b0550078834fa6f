"""Pictures of digits, from files to arrays like those that the networks are trained on.

For one digit MNIST's own preparation is followed, as LeCun, Cortes and Burges describe it on the
data set's page: a digit is scaled, keeping its proportions, until it just fits a box of 20 by 20
pixels, with the grey levels that antialiasing gives; the box is laid into 28 by 28 pixels so that
the digit's centre of mass comes to the middle. Several digits keep their layout, and are scaled
together until they are about as large. Ink is 255, paper 0.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from scipy import ndimage

from shared.data.tasks import CANVAS_SIDE
from shared.errors import DataError

SIDE, BOX = 28, 20  # pixels: an image's side, and the longer side of the digit in it
MIDDLE = SIDE // 2  # where MNIST's centres of mass are, to the nearest pixel, counted from 0
LARGEST_CANVAS = 256  # pixels: the longest side of a canvas that is taken as it is

# A canvas is not scaled further if its digits are so large: a U-Net trained on MNIST's reads
# them about as well, and at 15 or 27 it misses most.
_SMALLEST, _LARGEST = 17, 24
# Columns beside the digits of a strip: such as MNIST's have, or fewer where there is no room.
_WIDE_MARGIN, _NARROW_MARGIN = 8, 4
_WORKING_SIDE = 512  # larger pictures are shrunk to it first, which also averages noise out
_FAINTEST = 16  # grey levels, of 255, between paper and ink: with less there is nothing to see
_NOISE = 6  # ink differs from the paper by more than so many of its standard deviations
_EDGE = 0.25  # of the ink's full strength: what is fainter does not widen the digit's box


def load_digit(path: str | os.PathLike[str]) -> np.ndarray:
    """Read a picture of one digit, such as a PNG or JPEG file.

    An image of 28 by 28 pixels with a dark border is taken as it is. Any other is prepared as
    MNIST was: which side is the ink is told from the border, contrast is stretched, and the digit
    is cut out, scaled and centred. Transparent pixels count as white paper; a photograph is turned
    the way its camera was held.

    Args:
        path: The file.

    Returns:
        uint8 (28, 28, 1), light ink on black.

    Raises:
        DataError: there is no such file, it is not a whole image, it is absurdly large, or there
            is nothing on it.
    """
    image = _grey(_open(path))
    if image.size == (SIDE, SIDE) and _is_dark(image):
        return _as_it_is(image, path, "one digit")
    ink = _cut(*_ink(image, path, "one digit"))
    return _centre(_scaled(ink, BOX / max(ink.shape)))[..., None]


def load_canvas(path: str | os.PathLike[str], divisor: int) -> np.ndarray:
    """Read a picture of several digits that lie anywhere on it.

    An image with a dark border whose sides are divisible by `divisor` and at most `LARGEST_CANVAS`
    is taken as it is, if its digits are no higher than `SIDE`. Any other gets MNIST's ink and paper
    as in `load_digit`, but nothing is cut off or moved. If a side is longer than
    `shared.data.tasks.CANVAS_SIDE`, the longer one is shrunk to that; if digits are then not about
    as large as MNIST's, the picture is scaled until they are, to `LARGEST_CANVAS` at the most.
    Paper is added at the right and at the bottom until `divisor` divides both sides.

    Args:
        path: The file.
        divisor: What the network takes: `network.inputs["image"].divisor`.

    Returns:
        uint8 (H, W, 1), light ink on black.

    Raises:
        DataError: as for `load_digit`.
    """
    image = _grey(_open(path))
    fits = max(image.size) <= LARGEST_CANVAS and not any(side % divisor for side in image.size)
    if fits and _is_dark(image):
        canvas = _as_it_is(image, path, "digits")
        if _digit_size(canvas[..., 0] > 127, height_alone=True) <= SIDE:
            return canvas
    ink, seen = _ink(image, path, "digits")
    size = _digit_size(seen)
    factor = min(1, CANVAS_SIDE / max(ink.shape))
    if not _SMALLEST <= size * factor <= _LARGEST:
        factor = min(BOX / size, LARGEST_CANVAS / max(ink.shape))
    canvas = _scaled(ink, factor)
    below, beside = (-side % divisor for side in canvas.shape)
    return np.pad(canvas, ((0, below), (0, beside)))[..., None]


def load_strip(path: str | os.PathLike[str], max_columns: int) -> np.ndarray:
    """Read a picture of digits side by side, such as a number.

    An image of 28 rows with a dark border is taken as it is. In any other ink and paper are told
    apart as in `load_digit`; all ink together is cut out, and scaled so that a digit is 20 rows
    high. Its centre of mass comes to the middle of the 28 rows, and 4 to 8 columns to each side.

    Args:
        path: The file.
        max_columns: How many columns the network takes.

    Returns:
        uint8 (28, S), light ink on black; S is at most `max_columns`.

    Raises:
        DataError: as for `load_digit`; or the strip has too many columns.
    """
    image = _grey(_open(path))
    if image.height == SIDE and _is_dark(image):
        _check_columns(path, image.width, max_columns)
        return _as_it_is(image, path, "digits")[..., 0]
    ink, seen = _ink(image, path, "digits")
    digits = _cut(ink, seen)
    factor = min(BOX / _digit_size(seen, height_alone=True), SIDE / len(digits))
    width = _length(digits.shape[1], factor)
    _check_columns(path, width + 2 * _NARROW_MARGIN, max_columns)
    margin = min(_WIDE_MARGIN, (max_columns - width) // 2)
    digits = _scaled(digits, factor)
    above = _start(digits, axis=0)
    return np.pad(digits, ((above, SIDE - len(digits) - above), (margin, margin)))


def _check_columns(path: str | os.PathLike[str], columns: int, max_columns: int) -> None:
    if columns > max_columns:
        raise DataError(
            f"the strip on the image {os.fspath(path)} has {columns} columns at a height of "
            f"{SIDE}, and there may be {max_columns}: show fewer digits"
        )


def _blank(path: str | os.PathLike[str], what: str) -> DataError:
    return DataError(f"there is nothing on the image {os.fspath(path)}; it must show {what}")


def _open(path: str | os.PathLike[str]) -> Image.Image:
    """Decode a file, upright. Raises DataError."""
    name = os.fspath(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's on odd metadata: the pixels are what counts
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                image.load()
                with contextlib.suppress(Exception):  # damaged EXIF: the pixels as they are stored
                    return ImageOps.exif_transpose(image)
                return image
    except UnidentifiedImageError as error:
        raise DataError(f"{name} is not an image that can be read, such as PNG or JPEG") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        limit = (Image.MAX_IMAGE_PIXELS or 0) // 10**6
        raise DataError(f"the image {name} has more than {limit} million pixels") from error
    except FileNotFoundError as error:
        raise DataError(f"cannot read the image {name}: no such file") from error
    except Exception as error:  # a damaged file can make Pillow's decoders raise anything
        reason = getattr(error, "strerror", None) or f"it is damaged or cut short ({error})"
        raise DataError(f"cannot read the image {name}: {reason}") from error


def _grey(image: Image.Image) -> Image.Image:
    """Grey levels from 0 to 255."""
    if image.mode.startswith("I"):  # 16 bits a pixel, which Pillow's own conversion would clip
        return Image.fromarray(np.asarray(image, np.float32) / 256)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("L")


def _levels(image: Image.Image) -> np.ndarray:
    """Grey levels as float32 (H, W), 0 to 255."""
    return np.clip(np.asarray(image, np.float32), 0, 255)


def _is_dark(image: Image.Image) -> bool:
    """Whether the border is: then ink is light, as MNIST's."""
    return bool(np.median(_border(_levels(image))) < 128)


def _as_it_is(image: Image.Image, path: str | os.PathLike[str], what: str) -> np.ndarray:
    """uint8 (H, W, 1). Raises DataError if there is nothing on it, where `what` should be."""
    grey = _levels(image)
    if np.ptp(grey) < _FAINTEST:
        raise _blank(path, what)
    # Rounded down: 16-bit values that were made of bytes, in either way, become those bytes.
    return grey.astype(np.uint8)[..., None]


def _border(grey: np.ndarray) -> np.ndarray:
    """The pixels along the four sides."""
    return np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])


def _ink(
    image: Image.Image, path: str | os.PathLike[str], what: str
) -> tuple[np.ndarray, np.ndarray]:
    """0 for paper to 1 for full ink (H, W), and where ink is surely seen, bool (H, W).

    No side is longer than `_WORKING_SIDE`. Raises DataError if there is nothing on the image, where
    `what` should be.
    """
    image.thumbnail((_WORKING_SIDE, _WORKING_SIDE))
    grey = _levels(image)
    grey = grey - _slope(grey) - _slope(grey.T).T
    border = _border(grey)
    paper = np.median(border)
    noise = 1.4826 * np.median(np.abs(border - paper))  # a standard deviation, blind to outliers
    # Ink is on that side of the paper's grey which reaches farther: paper need not be white.
    ink = paper - grey if paper - grey.min() > grey.max() - paper else grey - paper
    full = ink.max()
    if full < max(_FAINTEST, _NOISE * noise):
        raise _blank(path, what)
    seen = ink > max(_EDGE * full, _NOISE * noise)
    # Noise must not look like faint ink.
    return np.clip((ink - 2 * noise) / (full - 2 * noise), 0, 1), seen


def _cut(ink: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The part of the ink that all that is surely seen just fits in."""
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _slope(grey: np.ndarray) -> np.ndarray:
    """How the paper's grey changes from top to bottom, (H, 1) around 0: light is seldom even."""
    drop = np.median(grey[-1]) - np.median(grey[0])
    if abs(drop) > np.ptp(grey) / 2:  # not the light: one of the two sides is mostly ink
        drop = 0
    return drop * np.linspace(-0.5, 0.5, len(grey), dtype=np.float32)[:, None]


def _scaled(ink: np.ndarray, factor: float) -> np.ndarray:
    """uint8: ink larger by that factor, keeping its proportions, the strongest of it 255."""
    height, width = (_length(side, factor) for side in ink.shape)
    scaled = Image.fromarray(ink).resize((width, height), Image.Resampling.BICUBIC)
    scaled = np.clip(np.asarray(scaled), 0, None)
    return np.rint(scaled * (255 / scaled.max())).astype(np.uint8)


def _length(side: int, factor: float) -> int:
    return max(1, round(side * factor))


def _digit_size(seen: np.ndarray, *, height_alone: bool = False) -> float:
    """How large digits are, told from ink, bool (H, W): their longer sides; 0 where there is none.

    The median of what is connected, pixel by pixel of the ink: so specks and the parts of a digit
    in pieces count for little. Where digits may touch beside each other their height says more.
    """
    labelled: Any = ndimage.label(seen, np.ones((3, 3)))
    parts: np.ndarray = labelled[0]
    sizes = [0]
    for height, width in ndimage.find_objects(parts):
        sides = height.stop - height.start, width.stop - width.start
        sizes.append(sides[0] if height_alone else max(sides))
    by_pixel = np.array(sizes)[parts[seen]]
    return float(np.median(by_pixel)) if len(by_pixel) else 0.0


def _centre(digit: np.ndarray) -> np.ndarray:
    """Lay a digit into an empty image, its centre of mass in the middle and none of it outside."""
    image = np.zeros((SIDE, SIDE), np.uint8)
    top, left = _start(digit, axis=0), _start(digit, axis=1)
    image[top : top + digit.shape[0], left : left + digit.shape[1]] = digit
    return image


def _start(digit: np.ndarray, axis: int) -> int:
    """Where along an axis of `SIDE` pixels the digit begins, if its centre is in the middle."""
    size = digit.shape[axis]
    mass = digit.sum(axis=1 - axis, dtype=np.float64)
    start = round(MIDDLE - float(mass @ np.arange(size) / mass.sum()))
    return min(max(start, 0), SIDE - size)
