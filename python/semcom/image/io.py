# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures from files and back: everything becomes uint8 RGB [H, W, 3]."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from .. import files, plain
from ..errors import BadInput

MAX_PIXELS = 2**25
"""Larger pictures are refused before they are decoded."""

MAX_BYTES = 2**28 + 2**20
"""Larger files are refused: 8 bytes for each of ``MAX_PIXELS``, and their metadata."""

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "PPM", "AVIF", "JPEG2000")
"""Pillow's names of the formats that are read, whatever a file is called: some others start programs."""

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm"}

_STRIP = 2**20  # pixels that are converted at a time
_EFFORT = 4  # of zlib: the usual 6 takes two and a half times as long for a photograph and saves 4 %
_MARGIN = 8
_TALLEST_PANEL = 1024
_LOWEST_PANEL = 96
_WIDEST_PANEL = 4096


def check_rgb(image: np.ndarray, taker: str) -> None:
    """Refuse what is no RGB image.

    Parameters
    ----------
    image : numpy.ndarray
        To be uint8 [H, W, 3], of one pixel or more.
    taker : str
        What the sentence begins with, such as "SAM takes".

    Raises
    ------
    BadInput
        It is something else.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise BadInput(f"{taker} an RGB image uint8 [H, W, 3], not {image.dtype} {list(image.shape)}")


def made_folder(path: str) -> Path | None:
    """The folder, made if it is not there; None for an empty name.

    Parameters
    ----------
    path : str
        Name of a folder; ``~`` is the home folder.

    Returns
    -------
    Path or None
        The folder.

    Raises
    ------
    BadInput
        It cannot be made.
    """
    if not path:
        return None
    folder = files.named(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"the folder {folder} cannot be made: {error.strerror}") from None
    return folder


def listed(path: str | os.PathLike[str]) -> list[Path]:
    """The picture files of a folder in name order, or the one file that is named; nothing is opened.

    Parameters
    ----------
    path : str or os.PathLike[str]
        A folder or a file.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    BadInput
        There is no such file or folder, or the folder holds no picture.
    """
    where = files.named(path)
    if where.is_file():
        return [where]
    if not where.is_dir():
        raise BadInput(f"there is no image or folder at {where}")
    found = sorted(file for file in where.iterdir() if file.suffix.lower() in SUFFIXES)
    if not found:
        raise BadInput(f"{where} holds no image ({', '.join(sorted(SUFFIXES))})")
    return found


def load(path: str | os.PathLike[str]) -> np.ndarray:
    """Read a picture file as uint8 RGB [H, W, 3].

    Grey, palette and CMYK pictures are converted, 16-bit grey is scaled so that 65535 becomes 255, what is transparent
    lies on white, the orientation in the EXIF data is applied, and of an animation the first frame is taken. Of 16-bit
    colour, Pillow keeps the upper 8 bits.

    Parameters
    ----------
    path : str or os.PathLike[str]
        Name of the file.

    Returns
    -------
    uint8 [H, W, 3]
        The picture, RGB.

    Raises
    ------
    BadInput
        There is no such file, it is a folder, a pipe, a device, no picture, damaged, or has more than ``MAX_PIXELS``
        pixels.
    """
    with opened(path) as picture:
        ImageOps.exif_transpose(picture, in_place=True)
        return rgb(picture, str(files.named(path)))


def load_mask(path: str | os.PathLike[str], height: int, width: int) -> np.ndarray:
    """Read a picture file as a mask, bool [height, width].

    Where some pixels are transparent, the opaque ones lie inside. Otherwise brightness decides. Shades up to white are
    those of a drawing, with soft edges or traces of compression: what is half white or brighter lies inside. A picture
    without anything so bright holds labels or colours: all but black lies inside. White beside labels, and its colour
    in PASCAL VOC's palette, is VOC's void border, and lies outside.

    Parameters
    ----------
    path : str or os.PathLike[str]
        Name of the file.
    height, width : int
        Of the image that the mask belongs to, in pixels.

    Returns
    -------
    bool [height, width]
        True inside.

    Raises
    ------
    BadInput
        As ``load``, or the picture has another size, or nothing of it lies inside.
    """
    with opened(path) as picture:
        ImageOps.exif_transpose(picture, in_place=True)
        if picture.size != (width, height):
            raise BadInput(
                f"the mask {path} is {picture.width} wide and {picture.height} high, but the image is {width} wide "
                f"and {height} high; make a mask of the image's size"
            )
        if picture.mode in ("1", "F") or picture.mode.startswith("I"):
            # a drawing of 16 bits is as bright as its brightest pixel
            values = np.array(picture, np.float64)
            mask = _of_shades(values * (255 / max(values.max(), 1)) if values.max() > 255 else values)
        else:
            mask = _of_colours(np.array(picture.convert("RGBA")))
    if not mask.any():
        raise BadInput(f"the mask {path} is black all over; mark the object in white")
    return mask


_HALF = 128
_TRACE = 32
_VOID = (224, 224, 192)


def _of_colours(rgba: np.ndarray) -> np.ndarray:
    """Inside of uint8 [H, W, 4]."""
    opaque = rgba[..., 3] >= _HALF
    if opaque.any() and not opaque.all():
        return opaque
    colours = rgba[..., :3]
    brightest = colours.max(axis=2)
    if np.array_equal(brightest, colours.min(axis=2)):
        return _of_shades(brightest)
    # a colour stands for a label, however dark it is; compression leaves traces of colours around them
    return (brightest >= min(_TRACE, int(brightest.max()))) & (colours != _VOID).any(axis=2)


def _of_shades(grey: np.ndarray) -> np.ndarray:
    """Inside of levels from 0 to 255, [H, W]."""
    drawn = grey[grey < 255]
    labels = drawn.max(initial=0) < _HALF
    if labels and drawn.any():
        return (grey > 0) & (grey < 255)
    return grey >= _HALF if grey.max() >= _HALF else grey > 0


def save_png(path: str | os.PathLike[str], image: np.ndarray, text: Mapping[str, str] | None = None) -> None:
    """Write an image or a mask (white on black) as PNG; the file appears complete or not at all.

    Parameters
    ----------
    path : str or os.PathLike[str]
        Name of the file.
    image : uint8 [H, W, 3] or bool [H, W]
        The image, RGB, or the mask.
    text : mapping of str to str, optional
        Goes into tEXt chunks (iTXt where it is not Latin-1).

    Raises
    ------
    BadInput
        The array is no image, or the file cannot be written there.
    """
    files.replace(path, png(image, text))


def png(image: np.ndarray, text: Mapping[str, str] | None = None) -> Callable[[IO[bytes]], None]:
    """What writes an image or a mask (white on black) as PNG into a binary stream.

    Parameters
    ----------
    image : uint8 [H, W, 3] or bool [H, W]
        The image, RGB, or the mask.
    text : mapping of str to str, optional
        Goes into tEXt chunks (iTXt where it is not Latin-1).

    Returns
    -------
    callable
        Takes the stream.

    Raises
    ------
    BadInput
        The array is no image.
    """
    if image.dtype == bool and image.ndim == 2 and image.size:
        picture = Image.fromarray(np.where(image, np.uint8(255), np.uint8(0)))
    elif image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.size:
        picture = Image.fromarray(image)
    else:
        raise BadInput(f"an array {image.dtype} {list(image.shape)} is no image; give uint8 [H, W, 3] or bool [H, W]")
    chunks = PngInfo()
    for key, value in (text or {}).items():
        chunks.add_text(plain.text(key), plain.text(value))
    return lambda stream: picture.save(stream, "PNG", pnginfo=chunks, compress_level=_EFFORT)


def side_by_side(panels: Sequence[tuple[str, np.ndarray]]) -> np.ndarray:
    """Images next to one another on white, all of one height, each under its title.

    Parameters
    ----------
    panels : sequence of (str, numpy.ndarray)
        Title and image, uint8 [H, W, 3] or bool [H, W], of any size.

    Returns
    -------
    uint8 [H', W', 3]
        The panels get the height of the tallest one, within 96 to 1024 pixels, unless that would make one wider than
        4096 pixels.
    """
    if not panels:
        raise BadInput("a montage needs at least one panel")
    pictures = [Image.fromarray(image).convert("RGB") for _, image in panels]
    height = min(max(max(p.height for p in pictures), _LOWEST_PANEL), _TALLEST_PANEL)
    pictures = [p.resize(_panel_size(p, height), _filter(p, height)) for p in pictures]
    font = ImageFont.load_default(size=min(max(height // 20, 12), 32))
    titles = [title for title, _ in panels]
    widths = [max(p.width, round(font.getlength(t))) for p, t in zip(pictures, titles, strict=True)]
    ascent, descent = font.getmetrics()
    bar = ascent + descent + _MARGIN

    montage = Image.new("RGB", (sum(widths) + _MARGIN * (len(widths) + 1), bar + height + 2 * _MARGIN), "white")
    draw = ImageDraw.Draw(montage)
    left = _MARGIN
    for picture, title, width in zip(pictures, titles, widths, strict=True):
        draw.text((left + width / 2, _MARGIN), title, fill="black", font=font, anchor="ma")
        montage.paste(picture, (left + (width - picture.width) // 2, bar + _MARGIN))
        left += width + _MARGIN
    return np.array(montage)


def _panel_size(picture: Image.Image, height: int) -> tuple[int, int]:
    width = max(1, round(picture.width * height / picture.height))
    if width <= _WIDEST_PANEL:
        return width, height
    return _WIDEST_PANEL, max(1, round(picture.height * _WIDEST_PANEL / picture.width))


def _filter(picture: Image.Image, height: int) -> Image.Resampling:
    # a few enlarged pixels are looked at one by one
    return Image.Resampling.NEAREST if height >= 4 * picture.height else Image.Resampling.LANCZOS


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[Image.Image]:
    """The first frame of a picture file, decoded, as it is stored.

    Parameters
    ----------
    path : str or os.PathLike[str]
        Name of the file.

    Yields
    ------
    PIL.Image.Image
        The picture.

    Raises
    ------
    BadInput
        As ``load``.
    """
    where = files.named(path)
    with files.opened(path, MAX_BYTES, "a picture file") as stream, decoded(stream, str(where)) as picture:
        yield picture


@contextmanager
def decoded(stream: IO[bytes], name: str) -> Iterator[Image.Image]:
    """The first frame of a picture, decoded after its size is known.

    Parameters
    ----------
    stream : binary stream
        The encoded picture.
    name : str
        What the sentences call it.

    Yields
    ------
    PIL.Image.Image
        The picture.

    Raises
    ------
    BadInput
        It is no picture, damaged, or has more than ``MAX_PIXELS`` pixels.
    """
    try:
        with warnings.catch_warnings():
            # what Pillow thinks of damaged metadata nobody needs to know, and MAX_PIXELS is far below its own limit
            warnings.simplefilter("ignore")
            Image.init()
            # Pillow before 11.3 has no AVIF
            with Image.open(stream, formats=[name for name in FORMATS if name in Image.OPEN]) as picture:
                pixels = picture.width * picture.height
                if pixels > MAX_PIXELS:
                    raise BadInput(_too_large(name, f"{pixels:,}"))
                picture.load()
                yield picture
    except BadInput:
        raise
    except UnidentifiedImageError:
        raise BadInput(f"{name} is not a picture of a known format; convert it to PNG or JPEG") from None
    except Image.DecompressionBombError:
        raise BadInput(_too_large(name, "far more")) from None
    # Pillow's decoders raise almost anything on damaged files: SyntaxError, struct.error, IndexError, OSError
    except Exception as error:
        raise BadInput(f"{name} cannot be read ({error}); it may be damaged or cut short") from error


def _too_large(name: str, pixels: str) -> str:
    return f"{name} has {pixels} pixels where at most {MAX_PIXELS:,} are taken; make it smaller"


def rgb(picture: Image.Image, name: str) -> np.ndarray:
    """The pixels of a decoded picture.

    They are converted a strip at a time: Pillow's conversions copy, and every copy of a picture of ``MAX_PIXELS`` takes
    128 MiB.

    Parameters
    ----------
    picture : PIL.Image.Image
        Of any mode.
    name : str
        What the sentences call it.

    Returns
    -------
    uint8 [H, W, 3]
        See :func:`load`.

    Raises
    ------
    BadInput
        Its numbers are no levels.
    """
    out = np.empty((picture.height, picture.width, 3), np.uint8)
    rows = max(1, _STRIP // picture.width)
    for top in range(0, picture.height, rows):
        strip = picture.crop((0, top, picture.width, min(top + rows, picture.height)))
        out[top : top + rows] = _rgb(strip, name)
    return out


def _rgb(picture: Image.Image, name: str) -> np.ndarray:
    """uint8, of one value or three for each pixel."""
    if picture.mode in ("I", "F") or picture.mode.startswith("I;"):
        return _deep_grey(picture, name)
    if picture.has_transparency_data:
        picture = _on_white(picture)
    return np.asarray(picture if picture.mode == "RGB" else picture.convert("RGB"))


def _on_white(picture: Image.Image) -> Image.Image:
    """RGB of what is transparent."""
    layer = picture if picture.mode == "RGBA" else picture.convert("RGBA")
    ground = Image.new("RGB", layer.size, "white")
    ground.paste(layer, mask=layer)
    return ground


def _deep_grey(picture: Image.Image, name: str) -> np.ndarray:
    """Grey of more than 8 bits, taken for 16 bits, as uint8 [H, W, 1]."""
    values = np.array(picture)
    if picture.mode == "F" or values.min() < 0 or values.max() > 65535:
        raise BadInput(f"{name} holds numbers that are no 16-bit grey levels; convert it to an 8-bit or 16-bit PNG")
    grey = ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    if isinstance(clear := picture.info.get("transparency"), int):
        grey[values == clear] = 255
    return grey[..., None]
