# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture into so many bytes, and back from what was received of them.

The first byte says what the others are: bits 3 and 2 the codec (0 JPEG, 1 JPEG 2000, 2 AVIF), bits 1 and 0 the
reduction (the picture was halved so many times), the others are 0. Height and width travel in the burst header.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, UnidentifiedImageError

from .. import values
from ..errors import BadInput, Missing
from ..image.io import rgb
from . import avif, jpeg, jpeg2000
from .search import DoesNotFit

MAX_SIDE = 32767  # the burst header counts pixels in 15 bits
MAX_PIXELS = 2**25
"""Larger pictures are refused, as in :mod:`..image.io`: a header must not make a receiver run out of memory."""

MAX_REDUCTION = 3

_CODECS = {"jpeg": jpeg, "jpeg2000": jpeg2000, "avif": avif}
_FORMATS = {"jpeg": "JPEG", "jpeg2000": "JPEG2000", "avif": "AVIF"}
CODECS = tuple(_CODECS)
_CHOICE = ", ".join(CODECS[:-1]) + " or " + CODECS[-1]


@dataclass(frozen=True)
class Coded:
    """A picture as bytes.

    Attributes
    ----------
    data : bytes
        The tag byte and the codec's stream.
    codec : str
        One of ``CODECS``.
    quality : float
        On the codec's own scale; bits for each pixel with JPEG 2000.
    reduction : int
        The picture was halved so many times before it was coded.
    """

    data: bytes
    codec: str
    quality: float
    reduction: int


@dataclass(frozen=True)
class Decoded:
    """A decoded picture.

    Attributes
    ----------
    image : uint8 [H, W, 3]
        RGB.
    complete : bool
        False when it was made from a part of its bytes.
    """

    image: np.ndarray
    complete: bool


def check_codec(codec: str) -> None:
    """Refuse a codec that there is not.

    Parameters
    ----------
    codec : str
        One of ``CODECS``.

    Raises
    ------
    BadInput
        There is no such codec.
    """
    if values.text(codec, "codec") not in _CODECS:
        raise BadInput(f"there is no codec {codec!r}; choose {_CHOICE}")


def check_pillow(codec: str) -> None:
    """Refuse a codec that this Pillow was built without.

    Parameters
    ----------
    codec : str
        One of ``CODECS``.

    Raises
    ------
    Missing
        As AVIF is in releases before 11.3, Debian 13's among them.
    """
    Image.init()
    if _FORMATS[codec] not in Image.OPEN or _FORMATS[codec] not in Image.SAVE:
        others = " or ".join(other for other in CODECS if other != codec)
        raise Missing(f"this Pillow has no {codec}; install pillow 11.3 or later, or choose {others}")


def encode(image: np.ndarray, codec: str, budget: int) -> Coded:
    """The best picture in at most ``budget`` bytes, the tag included.

    Where there are few bits for each pixel, the picture is also tried at 1/2, 1/4 and 1/8 of its size (Lanczos), and
    the one whose enlargement has the least squared error is sent.

    Parameters
    ----------
    image : uint8 [H, W, 3]
        RGB.
    codec : str
        One of ``CODECS``.
    budget : int
        Bytes.

    Returns
    -------
    Coded
        The picture.

    Raises
    ------
    BadInput
        No such picture or codec, or even 1/8 of the size takes more than the budget.
    Missing
        As :func:`check_pillow`.
    """
    check_codec(codec)
    check_pillow(codec)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise BadInput(f"the image must be uint8 [H,W,3], not {image.dtype} {list(image.shape)}")
    if isinstance(budget, bool) or not isinstance(budget, int | np.integer) or budget < 1:
        raise BadInput(f"a budget of {budget} bytes makes no sense; give 1 or more")
    height, width = image.shape[:2]
    _check_size(height, width)
    module, room = _CODECS[codec], max(int(budget) - 1, 1)
    found: list[Coded] = []
    needed = 0
    for reduction in range(MAX_REDUCTION + 1):
        rows, columns = _reduced(height, width, reduction)
        bits = 8 * room / (rows * columns)
        if reduction < MAX_REDUCTION and bits < module.HALF_IS_BETTER and min(rows, columns) > 1:
            continue
        picture = Image.fromarray(image)
        if reduction:
            picture = picture.resize((columns, rows), Image.Resampling.LANCZOS)
        try:
            stream, quality = module.encode(picture, room)
        except DoesNotFit as error:
            needed = min(needed or MAX_PIXELS, error.size + 1)
            continue
        if len(stream) < budget:  # not so with a budget of 1
            tag = CODECS.index(codec) << 2 | reduction
            found.append(Coded(bytes([tag]) + stream, codec, quality, reduction))
        if bits >= module.HALF_MAY_BE:
            break
    if not found:
        raise BadInput(
            f"the image takes {needed} bytes in {codec} even at an eighth of its size, and {budget} may be sent; raise "
            "the budget"
        )
    if len(found) == 1:
        return found[0]
    return min(found, key=lambda coded: _squared_error(coded, image))


def decode(data: bytes, height: int, width: int, intact: int | None = None) -> Decoded:
    """The picture that the bytes hold, or as much of it as the first ``intact`` bytes do.

    A part of a JPEG or JPEG 2000 picture is the whole of it, less sharp; a part of an AVIF picture is nothing.

    Parameters
    ----------
    data : bytes
        What ``encode`` made, whole or the beginning of it.
    height, width : int
        Of the picture in pixels, from the header of its burst.
    intact : int, optional
        So many leading bytes are sound; absent: all.

    Returns
    -------
    Decoded
        RGB, at the size of the picture.

    Raises
    ------
    BadInput
        The bytes cannot be decoded, or are a picture of another size.
    Missing
        As :func:`check_pillow`.
    """
    _check_size(height, width)
    if intact is not None and not 0 <= intact <= len(data):
        raise BadInput(f"{intact} bytes of {len(data)} cannot be sound; give 0 to {len(data)}")
    sound = bytes(data if intact is None else data[:intact])
    if len(sound) < 2:
        raise BadInput("nothing of the picture's bytes was received sound; send it again")
    number, reduction = sound[0] >> 2, sound[0] & 3
    if number >= len(CODECS):
        raise BadInput(
            f"the bytes begin with {sound[0]}, which names no codec; were they sent by an Image Codec Encoder?"
        )
    codec = CODECS[number]
    check_pillow(codec)
    rows, columns = _reduced(height, width, reduction)
    stream, whole = _CODECS[codec].readable(sound[1:], rows, columns)
    picture = _pixels(stream, codec, rows, columns)
    if reduction:
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    return Decoded(rgb(picture, f"the {codec} stream"), whole and len(sound) == len(data))


def _check_size(height: int, width: int) -> None:
    if min(height, width) < 1 or max(height, width) > MAX_SIDE or height * width > MAX_PIXELS:
        raise BadInput(
            f"an image of {width}x{height} pixels cannot be sent; its sides must be 1 to {MAX_SIDE} pixels, and at "
            f"most {MAX_PIXELS} in all"
        )


def _reduced(height: int, width: int, reduction: int) -> tuple[int, int]:
    return -(-height >> reduction), -(-width >> reduction)


def _pixels(stream: bytes, codec: str, height: int, width: int) -> Image.Image:
    """Decode a stream whose headers have been checked; the picture no longer needs it."""
    try:
        with Image.open(io.BytesIO(stream), formats=[_FORMATS[codec]]) as picture:
            if picture.size != (width, height) or picture.mode != "RGB":
                raise BadInput(f"the {codec} stream holds another picture than its headers say; send it again")
            picture.load()
            return picture
    except BadInput:
        raise
    except UnidentifiedImageError:
        raise BadInput(f"the {codec} stream is damaged in its headers; send the picture again") from None
    # Pillow's decoders raise almost anything on damaged streams: SyntaxError, struct.error, IndexError, OSError
    except Exception as error:
        raise BadInput(f"the {codec} stream is damaged ({error}); send the picture again") from error


def _squared_error(coded: Coded, image: np.ndarray) -> float:
    again = decode(coded.data, *image.shape[:2]).image
    return float(np.square(again.astype(np.float32) - image).sum(dtype=np.float64))
