# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures from files and back: everything becomes uint8 RGB [H, W, 3]."""

from __future__ import annotations

import os
import secrets
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from ..errors import BadInput

MAX_PIXELS = 2**25
"""Larger pictures are refused before they are decoded."""

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm"}

_MARGIN = 8
_TALLEST_PANEL = 1024
_LOWEST_PANEL = 96
_WIDEST_PANEL = 4096


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
    folder = Path(path).expanduser()
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
    where = Path(path).expanduser()
    if where.is_file():
        return [where]
    if not where.is_dir():
        raise BadInput(f"there is no image or folder at {where}")
    files = sorted(f for f in where.iterdir() if f.suffix.lower() in SUFFIXES)
    if not files:
        raise BadInput(f"{where} holds no image ({', '.join(sorted(SUFFIXES))})")
    return files


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
        There is no such file, it is a folder, no picture, damaged, or has more than ``MAX_PIXELS`` pixels.
    """
    with _opened(path) as picture:
        picture = ImageOps.exif_transpose(picture)
        if picture.mode in ("I", "F") or picture.mode.startswith("I;"):
            return _deep_grey(picture, Path(path))
        if picture.has_transparency_data:
            picture = picture.convert("RGBA")
            picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
        return np.array(picture.convert("RGB"))


def load_mask(path: str | os.PathLike[str], height: int, width: int) -> np.ndarray:
    """Read a picture file as a mask, bool [height, width]: inside is what is neither black nor fully transparent.

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
        As ``load``, or the picture has another size, or is black all over.
    """
    with _opened(path) as picture:
        picture = ImageOps.exif_transpose(picture)
        if picture.size != (width, height):
            raise BadInput(
                f"the mask {path} is {picture.width} wide and {picture.height} high, but the image is {width} wide "
                f"and {height} high; make a mask of the image's size"
            )
        if picture.mode in ("1", "L", "F") or picture.mode.startswith("I"):
            mask = np.array(picture) != 0
        else:
            rgba = np.array(picture.convert("RGBA"))
            mask = rgba[..., :3].any(axis=2) & (rgba[..., 3] > 0)
    if not mask.any():
        raise BadInput(f"the mask {path} is black all over; mark the object in white")
    return mask


def save_png(path: str | os.PathLike[str], image: np.ndarray, text: Mapping[str, str] | None = None) -> None:
    """Write an image or a mask (white on black) as PNG; the file appears complete or not at all.

    ``text`` goes into tEXt chunks (iTXt where it is not Latin-1).

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
    path = Path(path)
    if image.dtype == bool and image.ndim == 2 and image.size:
        picture = Image.fromarray(np.where(image, np.uint8(255), np.uint8(0)))
    elif image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.size:
        picture = Image.fromarray(image)
    else:
        raise BadInput(f"an array {image.dtype} {list(image.shape)} is no image; give uint8 [H, W, 3] or bool [H, W]")
    chunks = PngInfo()
    for key, value in (text or {}).items():
        chunks.add_text(key, value)
    part = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
    try:
        try:
            with part.open("xb") as stream:
                picture.save(stream, "PNG", pnginfo=chunks)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise BadInput(
            f"{path} cannot be written ({error.strerror or error}); name a file in a folder that you may write to"
        ) from error


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
def _opened(path: str | os.PathLike[str]) -> Iterator[Image.Image]:
    """The decoded first frame of a picture file; whatever goes wrong becomes one sentence."""
    path = Path(path)
    try:
        with warnings.catch_warnings():
            # MAX_PIXELS is the limit here, and far below Pillow's own
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(path)
        with picture:
            pixels = picture.width * picture.height
            if pixels > MAX_PIXELS:
                raise BadInput(_too_large(path, f"{pixels:,}"))
            picture.load()
            yield picture
    except BadInput:
        raise
    except (FileNotFoundError, NotADirectoryError):
        raise BadInput(f"{path} does not exist; name a picture file") from None
    except PermissionError:
        raise BadInput(f"{path} may not be read; change its permissions") from None
    except IsADirectoryError:
        raise BadInput(f"{path} is a folder; name a picture file in it") from None
    except UnidentifiedImageError:
        raise BadInput(f"{path} is not a picture of a known format; convert it to PNG or JPEG") from None
    except Image.DecompressionBombError:
        raise BadInput(_too_large(path, "far more")) from None
    # Pillow's decoders raise almost anything on damaged files: SyntaxError, struct.error, IndexError, OSError
    except Exception as error:
        raise BadInput(f"{path} cannot be read ({error}); it may be damaged or cut short") from error


def _too_large(path: Path, pixels: str) -> str:
    return f"{path} has {pixels} pixels where at most {MAX_PIXELS:,} are taken; make it smaller"


def _deep_grey(picture: Image.Image, path: Path) -> np.ndarray:
    """Grey of more than 8 bits, taken for 16 bits, as uint8 [H, W, 3]."""
    values = np.array(picture)
    if picture.mode == "F" or values.min() < 0 or values.max() > 65535:
        raise BadInput(f"{path} holds numbers that are no 16-bit grey levels; convert it to an 8-bit or 16-bit PNG")
    grey = ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    if isinstance(clear := picture.info.get("transparency"), int):
        grey[values == clear] = 255
    return np.repeat(grey[..., None], 3, axis=2)
