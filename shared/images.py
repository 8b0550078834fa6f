"""Pictures of digits, from files to arrays like MNIST's.

MNIST's own preparation is followed, as LeCun, Cortes and Burges describe it on the data set's
page: a digit is scaled, keeping its proportions, until it just fits a box of 20 by 20 pixels, with
the grey levels that antialiasing gives; the box is laid into 28 by 28 pixels so that the digit's
centre of mass comes to the middle. Ink is 255, paper 0.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterable

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from shared.errors import DataError

SIDE, BOX = 28, 20  # pixels: an image's side, and the longer side of the digit in it
MIDDLE = SIDE // 2  # where MNIST's centres of mass are, to the nearest pixel, counted from 0

_WORKING_SIDE = 512  # larger pictures are shrunk to it first, which also averages noise out
_FAINTEST = 16  # grey levels, of 255, between paper and ink: with less there is nothing to see
_NOISE = 6  # ink differs from the paper by more than so many of its standard deviations
_EDGE = 0.25  # of the ink's full strength: what is fainter does not widen the digit's box


def load_digits(paths: Iterable[str | os.PathLike[str]]) -> np.ndarray:
    """Read several pictures, each as `load_digit` does: uint8 (N, 28, 28, 1)."""
    return np.array([load_digit(path) for path in paths], np.uint8).reshape(-1, SIDE, SIDE, 1)


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
    grey = _grey(_open(path))
    if grey.shape == (SIDE, SIDE) and np.median(_border(grey)) < 128:
        if np.ptp(grey) < _FAINTEST:
            raise _blank(path)
        # Rounded down: 16-bit values that were made of bytes, in either way, become those bytes.
        return grey.astype(np.uint8)[..., None]
    ink = _ink(grey)
    if ink is None:
        raise _blank(path)
    return _centre(_fit(ink))[..., None]


def _blank(path: str | os.PathLike[str]) -> DataError:
    return DataError(f"there is nothing on the image {os.fspath(path)}; it must show one digit")


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


def _grey(image: Image.Image) -> np.ndarray:
    """Grey levels float32 (H, W), 0 to 255, no side longer than `_WORKING_SIDE`."""
    if image.mode.startswith("I"):  # 16 bits a pixel, which Pillow's own conversion would clip
        image = Image.fromarray(np.asarray(image, np.float32) / 256)
    else:
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = image.convert("L")
    image.thumbnail((_WORKING_SIDE, _WORKING_SIDE))
    return np.clip(np.asarray(image, np.float32), 0, 255)


def _border(grey: np.ndarray) -> np.ndarray:
    """The pixels along the four sides."""
    return np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])


def _ink(grey: np.ndarray) -> np.ndarray | None:
    """The digit alone: 0 for paper to 1 for full ink, cut to the digit; None if there is none."""
    grey = grey - _slope(grey) - _slope(grey.T).T
    border = _border(grey)
    paper = np.median(border)
    noise = 1.4826 * np.median(np.abs(border - paper))  # a standard deviation, blind to outliers
    # Ink is on that side of the paper's grey which reaches farther: paper need not be white.
    ink = paper - grey if paper - grey.min() > grey.max() - paper else grey - paper
    full = ink.max()
    if full < max(_FAINTEST, _NOISE * noise):
        return None
    seen = ink > max(_EDGE * full, _NOISE * noise)
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    digit = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    # Noise that is left in the box must not look like faint ink.
    return np.clip((digit - 2 * noise) / (full - 2 * noise), 0, 1)


def _slope(grey: np.ndarray) -> np.ndarray:
    """How the paper's grey changes from top to bottom, (H, 1) around 0: light is seldom even."""
    drop = np.median(grey[-1]) - np.median(grey[0])
    if abs(drop) > np.ptp(grey) / 2:  # not the light: one of the two sides is mostly ink
        drop = 0
    return drop * np.linspace(-0.5, 0.5, len(grey), dtype=np.float32)[:, None]


def _fit(ink: np.ndarray) -> np.ndarray:
    """Scale a digit so that its longer side is `BOX` pixels and its strongest ink 255."""
    height, width = (max(1, round(side * BOX / max(ink.shape))) for side in ink.shape)
    scaled = Image.fromarray(ink).resize((width, height), Image.Resampling.BICUBIC)
    digit = np.clip(np.asarray(scaled), 0, None)
    return np.rint(digit * (255 / digit.max())).astype(np.uint8)


def _centre(digit: np.ndarray) -> np.ndarray:
    """Lay a digit into an empty image, its centre of mass in the middle and none of it outside."""
    image = np.zeros((SIDE, SIDE), np.uint8)
    corner = []
    for axis, size in enumerate(digit.shape):
        mass = digit.sum(axis=1 - axis, dtype=np.float64)
        start = round(MIDDLE - float(mass @ np.arange(size) / mass.sum()))
        corner.append(min(max(start, 0), SIDE - size))
    top, left = corner
    image[top : top + digit.shape[0], left : left + digit.shape[1]] = digit
    return image
