"""Pictures of what a network says of a picture, to be looked at: masks and attention.

The ten colours are told apart also by eyes that lack one of the three kinds of cones. They were
searched for so that the two most alike differ most in CIELAB, as such eyes see them by Machado,
Oliveira and Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency"
(2009).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]

PALETTE: tuple[Colour, ...] = (
    (40, 124, 248),  # blue
    (249, 236, 69),  # yellow
    (190, 29, 166),  # magenta
    (13, 232, 220),  # cyan
    (250, 133, 146),  # salmon
    (35, 132, 4),  # green
    (221, 251, 208),  # ivory
    (157, 85, 124),  # mauve
    (195, 170, 42),  # ochre
    (116, 119, 81),  # olive
)
"""The colours of the digits 0 to 9 in a mask."""

SHEET: Colour = (27, 30, 36)
"""What is around the panels and the writing."""

PAPER: Colour = (0, 0, 0)
"""A mask's pixels that belong to no digit."""

HEAT: tuple[Colour, ...] = (
    (6, 6, 20),
    (62, 15, 96),
    (150, 38, 98),
    (227, 89, 51),
    (251, 180, 56),
    (253, 252, 191),
)
"""The colours of attention, evenly spaced from none to a row's largest; each is brighter."""

MARGIN, GAP = 16, 12  # pixels around everything, and between panels
TITLE = 26  # the height of a line of writing
SWATCH = 20  # the side of a legend's square
LABELS = 44  # the width of the column that says what a row of attention is
ROW = 30  # the height of a row of attention; the last `_SEAM` pixels are left free
_SEAM = 2
_ENTRY = 56  # from one digit of a legend to the next
_WRITING: Colour = (214, 218, 226)


def mask_picture(canvas: np.ndarray, mask: np.ndarray) -> Image.Image:
    """A canvas and its mask side by side, enlarged, with a legend of the digits that occur.

    Args:
        canvas: uint8 (H, W, 1), light ink on black.
        mask: integers (H, W): a digit from 0 to 9, or anything else where there is none.

    Returns:
        RGB. The canvas begins at (`MARGIN`, `MARGIN` + `TITLE`), the mask `GAP` to the right of it,
        and a pixel of theirs is a square of `mask_scale` of theirs.
    """
    height, width = mask.shape
    scale = mask_scale(height, width)
    digits = [digit for digit in range(10) if (mask == digit).any()]
    beside = 2 * width * scale + GAP
    legend = max(len(digits), 1) * _ENTRY
    top = MARGIN + TITLE
    picture, draw = _sheet(
        max(beside, legend) + 2 * MARGIN, top + height * scale + GAP + SWATCH + MARGIN
    )
    colours = np.array([*PALETTE, PAPER], np.uint8)
    coloured = colours[np.where((mask >= 0) & (mask < 10), mask, 10)]  # (H, W, 3)
    left = MARGIN
    for title, panel in (("image", np.repeat(canvas, 3, axis=2)), ("mask", coloured)):
        _write(draw, (left, MARGIN + TITLE // 2 - 4), title)
        picture.paste(_enlarged(panel, scale), (left, top))
        left += width * scale + GAP
    below = top + height * scale + GAP
    for place, digit in enumerate(digits):
        left = MARGIN + place * _ENTRY
        draw.rectangle((left, below, left + SWATCH - 1, below + SWATCH - 1), PALETTE[digit])
        _write(draw, (left + SWATCH + 8, below + SWATCH // 2), str(digit))
    if not digits:
        _write(draw, (MARGIN, below + SWATCH // 2), "no digit")
    return picture


def mask_scale(height: int, width: int) -> int:
    """How many pixels of `mask_picture` a canvas's pixel is high and wide."""
    return max(2, 384 // max(height, width))


def attention_picture(
    strip: np.ndarray,
    length: int,
    digits: Sequence[int],
    attention: np.ndarray,
    columns_per_step: int,
) -> Image.Image:
    """A strip, enlarged, and below it where each token was read from, column under column.

    Args:
        strip: uint8 (28, S), light ink on black.
        length: How many of its columns count; the others are not drawn.
        digits: What was written before the end.
        attention: (T, S'), at least 0: a row for each digit and, if T is more, for the end; rows
            after that are not drawn. Each row's largest weight has the last colour of `HEAT`.
        columns_per_step: How many columns a weight is for.

    Returns:
        RGB. The strip begins at (`MARGIN` + `LABELS`, `MARGIN`), the first row `GAP` below it; rows
        are `ROW` pixels apart, and a column is as wide as a strip's pixel: `attention_scale`.
    """
    scale = attention_scale(length)
    labels = [*map(str, digits), "end"][: len(attention)]
    left, below = MARGIN + LABELS, MARGIN + len(strip) * scale + GAP
    picture, draw = _sheet(left + length * scale + MARGIN, below + len(labels) * ROW + MARGIN)
    ink = np.repeat(strip[:, :length, None], 3, axis=2)
    picture.paste(_enlarged(ink, scale), (left, MARGIN))
    for place, label in enumerate(labels):
        weights = np.repeat(attention[place], columns_per_step)[:length]
        band = _enlarged(_heat(weights)[None], scale).resize((length * scale, ROW - _SEAM))
        picture.paste(band, (left, below + place * ROW))
        _write(draw, (MARGIN, below + place * ROW + (ROW - _SEAM) // 2), label)
    return picture


def attention_scale(length: int) -> int:
    """How many pixels of `attention_picture` a strip's pixel is high and wide."""
    return min(6, max(2, 1200 // length))


def _heat(weights: np.ndarray) -> np.ndarray:
    """Colours uint8 (S, 3) for weights (S,), the largest of which has the last one."""
    share = weights / max(float(weights.max()), np.finfo(np.float32).tiny)
    at = share * (len(HEAT) - 1)
    channels = [np.interp(at, range(len(HEAT)), channel) for channel in zip(*HEAT, strict=True)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def _sheet(width: int, height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    picture = Image.new("RGB", (width, height), SHEET)
    return picture, ImageDraw.Draw(picture)


def _enlarged(pixels: np.ndarray, scale: int) -> Image.Image:
    """uint8 (H, W, 3), each pixel a square of `scale`."""
    height, width = pixels.shape[:2]
    size = (width * scale, height * scale)
    return Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST)


def _write(draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str) -> None:
    """Write from the left, its middle at that height."""
    draw.text(place, text, _WRITING, ImageFont.load_default(18), anchor="lm")
