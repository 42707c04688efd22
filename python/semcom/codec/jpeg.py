# SPDX-License-Identifier: GPL-3.0-or-later
"""JPEG: progressive, optimised Huffman tables, 4:2:0, the quantisation tables of Annex K (ITU-T T.81)."""

from __future__ import annotations

import io
import math
import re

from PIL import Image

from ..errors import BadInput
from .search import Growth, finest_within

# At these bits for each pixel of the picture: below the first, half the size is always better; above the second, never
# (benchmarks/codecs.py --reductions).
HALF_IS_BETTER, HALF_MAY_BE = 0.17, 0.5

_STEPS = 10  # settings for one step of libjpeg's quality: whole ones are 7 % of the bytes apart at the coarse end
_MAX_SEGMENTS = 64  # our encoder makes about 25, with 10 scans; each scan of a large picture takes its time
_MAX_SCANS = 10

# Annex K, in rows
_LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
    87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
_CHROMINANCE = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99,
    99, 99, 99, *[99] * 32,
)  # fmt: skip

_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
_APP0, _DQT, _SOF2, _DHT, _SOS = 0xE0, 0xDB, 0xC2, 0xC4, 0xDA
_MARKER = re.compile(rb"\xff+[^\x00\xff]")


def encode(picture: Image.Image, budget: int) -> tuple[bytes, float]:
    """The best stream of at most ``budget`` bytes, and its quality on libjpeg's scale, 1 to 100.

    Parameters
    ----------
    picture : PIL.Image.Image
        RGB.
    budget : int
        Bytes, at least 1.

    Returns
    -------
    bytes, float
        The stream and its quality.

    Raises
    ------
    DoesNotFit
        Quality 1 takes more.
    """

    def stream(setting: int) -> bytes:
        out = io.BytesIO()
        tables = _tables(1 + setting / _STEPS)
        picture.save(out, "JPEG", qtables=tables, subsampling="4:2:0", progressive=True, optimize=True)
        return out.getvalue()

    bits = 8 * budget / (picture.width * picture.height)
    first = _STEPS * round(30 * bits)  # a photograph of 1 bit a pixel has a quality of about 35
    data, setting = finest_within(stream, budget, 99 * _STEPS, Growth(first, slope=0.005, near=0.995))
    return data, 1 + setting / _STEPS


def _tables(quality: float) -> list[list[int]]:
    """Annex K scaled as libjpeg does, for qualities that need not be whole."""
    percent = 5000 / quality if quality < 50 else 200 - 2 * quality
    return [[min(max(math.floor((v * percent + 50) / 100), 1), 255) for v in t] for t in (_LUMINANCE, _CHROMINANCE)]


def readable(data: bytes, height: int, width: int) -> tuple[bytes, bool]:
    """What of a stream, whole or cut short, can be given to a decoder; and whether it is whole.

    Only what ``encode`` makes is let through: one progressive picture of ``height`` x ``width`` pixels.

    Parameters
    ----------
    data : bytes
        The stream, from its first byte on.
    height, width : int
        Of the picture in pixels.

    Returns
    -------
    bytes, bool
        A JPEG file, and whether nothing of it is missing.

    Raises
    ------
    BadInput
        It is no such stream, or ends before its first scan.
    """
    if not data.startswith(_SOI):
        raise BadInput("the bytes are no JPEG stream; were they sent by an Image Codec Encoder?")
    at, scans, framed = 2, 0, False
    for _ in range(_MAX_SEGMENTS):
        if data[at : at + 2] == _EOI:
            if not scans:
                break
            return data[: at + 2], True
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if end > len(data) or end < at + 4 or data[at] != 0xFF or data[at + 1] not in (_APP0, _DQT, _SOF2, _DHT, _SOS):
            break
        kind = data[at + 1]
        if kind == _SOF2:
            _check_frame(data[at + 4 : end], height, width)
            framed = True
        elif kind == _SOS:
            if not framed or scans == _MAX_SCANS:
                break
            scans += 1
            following = _MARKER.search(data, end)
            end = following.end() - 2 if following else len(data)
        at = end
    if not scans:
        raise BadInput("the JPEG stream ends, or is damaged, before its first scan; send the picture again")
    return data[:at] + _EOI, False


def _check_frame(frame: bytes, height: int, width: int) -> None:
    """Refuse a frame header that ``encode`` does not write; by it the decoder allocates."""
    size = (int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big"))
    # 8 bits, three components: 2x2, 1x1 and 1x1 samples, with table 0 and twice table 1
    expected = bytes([3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1])
    if size != (height, width) or frame[:1] != b"\x08" or frame[5:] != expected:
        raise BadInput(
            f"the frame header of the JPEG stream is not that of {width}x{height} pixels in 4:2:0; it is damaged, or "
            "of another sender"
        )
