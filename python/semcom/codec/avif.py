# SPDX-License-Identifier: GPL-3.0-or-later
"""AVIF: one AV1 still picture, 4:4:4. Only the AV1 stream is sent; the receiver writes the file around it.

The file (ISO/IEC 23000-22) spends 275 bytes on what the height, the width and the stream itself say. All settings were
chosen by PSNR for each byte on photographs (benchmarks/codecs.py): at equal bytes 4:4:4 is 0.1 to 0.5 dB better than
4:2:0, and speed 5 a further 0.3 dB better than speed 6, in four times the time.
"""

from __future__ import annotations

import io
import math
import struct

from PIL import Image

from ..errors import BadInput
from .search import Growth, finest_within

HALF_IS_BETTER, HALF_MAY_BE = 0.03, 0.08  # bits for each pixel, as in .jpeg

SPEED = 6

_FINEST = 63  # quantisers of the encoder; libavif's 101 qualities are rounded to them
_SEQUENCE, _FRAME, _DELIMITER = 1, 6, 2  # types of open bitstream units (AV1 specification, 6.2.2)


def encode(picture: Image.Image, budget: int) -> tuple[bytes, float]:
    """The best stream of at most ``budget`` bytes, and its quality on libavif's scale, 0 to 100.

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
        Quality 0 takes more.
    """

    def stream(level: int) -> bytes:
        out = io.BytesIO()
        # one thread: the bytes depend on the number of threads
        picture.save(out, "AVIF", quality=_quality(level), speed=SPEED, subsampling="4:4:4", codec="aom", max_threads=1)
        data = out.getvalue()
        return data[data.index(b"mdat") + 4 :]

    bits = 8 * budget / (picture.width * picture.height)
    first = round(26 + 11 * math.log2(max(bits, 1e-3) / 0.5))
    data, level = finest_within(stream, budget, _FINEST, Growth(first, slope=0.06, near=0.98))
    return data, float(_quality(level))


def _quality(level: int) -> int:
    """The lowest quality that libavif rounds to quantiser 63 - level."""
    return math.ceil((100 * level - 50) / 63) if level else 0


def readable(data: bytes, height: int, width: int) -> tuple[bytes, bool]:
    """The file around a stream, which must be whole: a decoder of AV1 makes nothing of a part.

    Only what ``encode`` makes is let through: one frame of at most the next power of two above ``height`` x ``width``.

    Parameters
    ----------
    data : bytes
        The stream.
    height, width : int
        Of the picture in pixels.

    Returns
    -------
    bytes, bool
        An AVIF file, and that it is whole.

    Raises
    ------
    BadInput
        It is no such stream, or not all of it.
    """
    units = _units(data)
    if [kind for kind, _ in units if kind != _DELIMITER] != [_SEQUENCE, _FRAME]:
        raise BadInput("the bytes are no whole AVIF picture, of which a part is of no use; send it again")
    level = _check_sequence(next(payload for kind, payload in units if kind == _SEQUENCE), height, width)
    return _file(data, height, width, level), True


def _units(data: bytes) -> list[tuple[int, bytes]]:
    """Types and payloads of the stream's units; empty when they do not fill it."""
    units, at = [], 0
    while at < len(data) and len(units) < 4:
        # forbidden bit 0, no extension, size follows, reserved bit 0
        if data[at] & 0x87 != 0x02:
            return []
        kind, size, at = data[at] >> 3, 0, at + 1
        for shift in range(0, 28, 7):
            if at == len(data):
                return []
            byte, at = data[at], at + 1
            size |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
        units.append((kind, data[at : at + size]))
        at += size
    return units if at == len(data) else []


def _check_sequence(payload: bytes, height: int, width: int) -> int:
    """The level of a sequence header (AV1 specification, 5.5.1); the decoder allocates by what the header says."""
    bits = int.from_bytes(payload[:8].ljust(8, b"\0"), "big")
    left = 64

    def take(count: int) -> int:
        nonlocal left
        left -= count
        return bits >> left & (1 << count) - 1

    profile, still, reduced, level = take(3), take(1), take(1), take(5)
    widths, heights = take(4) + 1, take(4) + 1
    size = (take(widths) + 1, take(heights) + 1)
    # a frame may be as large as the bits allow
    roomy = widths > max(1, (width - 1).bit_length()) or heights > max(1, (height - 1).bit_length())
    if (profile, still, reduced) != (1, 1, 1) or size != (width, height) or roomy:
        raise BadInput(
            f"the sequence header of the AVIF stream is not that of {width}x{height} pixels in 4:4:4; it is damaged, "
            "or of another sender"
        )
    return level


def _box(kind: bytes, *content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + sum(map(len, content)), kind) + b"".join(content)


def _file(stream: bytes, height: int, width: int, level: int) -> bytes:
    """The least file that holds one AV1 picture, RGB as BT.601 in full range."""

    def meta(offset: int) -> bytes:
        none = bytes(4)  # version 0 and flags 0
        properties = _box(
            b"ipco",
            _box(b"ispe", none, struct.pack(">II", width, height)),
            _box(b"pixi", none, b"\x03\x08\x08\x08"),
            _box(b"av1C", bytes([0x81, 1 << 5 | level, 0, 0])),
            _box(b"colr", b"nclx", struct.pack(">HHHB", 1, 13, 6, 0x80)),
        )
        where = struct.pack(">BBHHHHII", 0x44, 0, 1, 1, 0, 1, offset, len(stream))
        uses = struct.pack(">IHB4B", 1, 1, 4, 1, 2, 0x83, 4)
        return _box(
            b"meta",
            none,
            _box(b"hdlr", none, bytes(4), b"pict", bytes(13)),
            _box(b"pitm", none, struct.pack(">H", 1)),
            _box(b"iloc", none, where),
            _box(b"iinf", none, struct.pack(">H", 1), _box(b"infe", b"\2\0\0\0\0\1\0\0", b"av01Color\0")),
            _box(b"iprp", properties, _box(b"ipma", none, uses)),
        )

    head = _box(b"ftyp", b"avif", bytes(4), b"avifmif1miafMA1A")
    offset = len(head) + len(meta(0)) + 8
    return head + meta(offset) + _box(b"mdat", stream)
