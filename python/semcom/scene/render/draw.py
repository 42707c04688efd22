# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of a scene's parts, for people."""

from __future__ import annotations

import textwrap
from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ... import plain
from ...segment.boundaries import boundaries
from ...segment.classes import PALETTE, VOC
from ...segment.instances import SceneObject
from ..model import fraction, scaled_box

_INK, _PAPER, _GREY = (20, 20, 20), (255, 255, 255), (150, 150, 150)
_TEXT = 15  # height of letters, in pixels of a picture of 512
_MISSING = "has not arrived"
_MAX_SHOWN = 1000  # characters of a text
_LEAST_TEXT = 10

MAX_DRAWN = 2**21
"""Pixels of a drawing; of a larger picture it is drawn smaller."""


def class_map(
    labels: np.ndarray,
    objects: Sequence[SceneObject] = (),
    classes: Sequence[str] = VOC,
    height: int = 0,
    width: int = 0,
    legend: bool = True,
) -> np.ndarray:
    """The class map in VOC's colours, boxes with names upon it, and a legend below.

    Parameters
    ----------
    labels : uint8 [h, w]
        Class map.
    objects : sequence of SceneObject, optional
        Boxes in pixels of the image.
    classes : sequence of str, default ``VOC``
        Names of the labels.
    height, width : int, default 0
        Of the picture, those of ``labels`` unless given.
    legend : bool, default True
        Whether the colours are explained below; the picture is then higher.

    Returns
    -------
    uint8 [H, W, 3]
        RGB.
    """
    whole = height or labels.shape[0], width or labels.shape[1]
    height, width = fraction(*whole, MAX_DRAWN)
    picture = Image.fromarray(PALETTE[np.minimum(labels, len(PALETTE) - 1)]).resize((width, height), 0)
    draw, font = ImageDraw.Draw(picture), _font(max(height, width))
    for instance in objects:
        x0, y0, x1, y1 = scaled_box(instance.box, whole, height, width)
        colour = tuple(int(c) for c in PALETTE[instance.label])
        draw.rectangle((x0, y0, x1 - 1, y1 - 1), outline=_PAPER, width=max(1, max(height, width) // 256))
        name = classes[instance.label]
        left, top, right, bottom = draw.textbbox((x0 + 3, y0 + 2), name, font=font)
        draw.rectangle((left - 2, top - 1, right + 2, bottom + 1), fill=_INK, outline=colour)
        draw.text((x0 + 3, y0 + 2), name, fill=_PAPER, font=font)
    return _with_legend(picture, labels, classes, font) if legend else np.asarray(picture)


def _with_legend(picture: Image.Image, labels: np.ndarray, classes: Sequence[str], font) -> np.ndarray:
    counts = np.bincount(labels.ravel(), minlength=len(classes))
    line = round(font.size * 1.5)
    entries, x, y = [], line // 2, 0
    for label in np.argsort(-counts, kind="stable"):
        if not counts[label]:
            break
        text = f"{classes[label]} {100 * counts[label] / labels.size:.0f} %"
        length = round(font.getlength(text)) + 2 * line
        if entries and x + length > picture.width:
            x, y = line // 2, y + line
        entries.append((x, y, int(label), text))
        x += length
    canvas = Image.new("RGB", (picture.width, picture.height + y + line + line // 2), _PAPER)
    canvas.paste(picture)
    draw = ImageDraw.Draw(canvas)
    for x, row, label, text in entries:
        top = picture.height + row + line // 4
        side = line * 2 // 3
        draw.rectangle((x, top, x + side, top + side), fill=tuple(int(c) for c in PALETTE[label]), outline=_INK)
        draw.text((x + line, top + side // 2), text, fill=_INK, font=font, anchor="lm")
    return np.asarray(canvas)


def outlines(segments: np.ndarray, height: int = 0, width: int = 0) -> np.ndarray:
    """B-seg for people: the boundaries between segments, dark on white.

    Parameters
    ----------
    segments : uint8 [h, w]
        The segments.
    height, width : int, default 0
        Of the picture, those of ``segments`` unless given.

    Returns
    -------
    uint8 [H, W, 3]
        RGB.
    """
    height, width = fraction(height or segments.shape[0], width or segments.shape[1], MAX_DRAWN)
    full = np.asarray(Image.fromarray(segments).resize((width, height), 0))
    drawn = np.full((height, width, 3), 255, np.uint8)
    drawn[boundaries(full)] = _INK
    return drawn


def card(text: str | None, height: int, width: int) -> np.ndarray:
    """A text as a picture, as large as there is room for.

    Parameters
    ----------
    text : str or None
        None says that it has not arrived.
    height, width : int
        Of the picture in pixels.

    Returns
    -------
    uint8 [height, width, 3]
        RGB; smaller where that would be more than ``MAX_DRAWN`` pixels.
    """
    height, width = fraction(height, width, MAX_DRAWN)
    canvas = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(canvas)
    shown = plain.line(text or _MISSING, _MAX_SHOWN)

    def wrapped(size: int) -> tuple[ImageFont.FreeTypeFont, str]:
        font = ImageFont.load_default(size)
        return font, "\n".join(textwrap.wrap(shown, max(8, int(width * 0.86 / font.getlength("n")))))

    def is_too_large(size: int) -> bool:
        font, block = wrapped(size)
        left, top, right, bottom = draw.multiline_textbbox((0, 0), block, font=font, spacing=size // 3)
        return right - left > 0.9 * width or bottom - top > 0.9 * height

    # a narrow picture has thousands of sizes
    sizes = range(_LEAST_TEXT, max(12, width // 12) + 1)
    size = sizes[max(bisect_left(sizes, True, key=is_too_large) - 1, 0)]
    font, block = wrapped(size)
    draw.multiline_text((width / 2, height / 2), block, _INK if text else _GREY, font, "mm", size // 3, "center")
    return np.asarray(canvas)


def _font(side: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(max(10, round(_TEXT * side / 512)))
