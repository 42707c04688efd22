# SPDX-License-Identifier: GPL-3.0-or-later
"""JPEG 2000: a bare codestream (ITU-T T.800), 9-7 wavelet, quality layers first, so that any prefix is a picture."""

from __future__ import annotations

import io
import struct

from PIL import Image

from ..errors import BadInput
from .packets import whole_packets
from .search import DoesNotFit

HALF_IS_BETTER, HALF_MAY_BE = 0.0, 0.03  # bits for each pixel, as in .jpeg

LAYERS = (16, 8, 4, 2, 1)
"""Each layer ends where the stream has this fraction of its size: five cost 0.06 dB against one."""

_LEAST_LAYER = 250  # bytes; what lies below is mostly headers
_MOST_LAYERS = 16
_MOST_LEVELS = 5
_COMMENT = b"\xff\x64"
_START_OF_TILE, _START_OF_DATA, _END = b"\xff\x90", b"\xff\x93", b"\xff\xd9"
_TILE_HEADER = 14  # bytes, with the marker that starts the data


def encode(picture: Image.Image, budget: int) -> tuple[bytes, float]:
    """The best stream of at most ``budget`` bytes, and its bits for each pixel.

    The encoder aims at a size by itself and misses it by a few bytes, or by 2 %: so it is asked again.

    Raises
    ------
    DoesNotFit : it takes more than that without a single bit of picture.
    """
    pixels = picture.width * picture.height
    fractions = [f for f in LAYERS if budget >= f * _LEAST_LAYER or f == 1]

    def stream(size: float) -> bytes:
        out = io.BytesIO()
        picture.save(
            out,
            "JPEG2000",
            no_jp2=True,
            irreversible=True,
            mct=1,
            progression="LRCP",
            num_resolutions=_levels(picture.height, picture.width) + 1,
            quality_mode="rates",
            quality_layers=[3 * pixels * f / size for f in fractions],
        )
        return _without_comment(out.getvalue())

    best, smallest, size = b"", 0, float(budget + 30)
    for _ in range(5):
        data = stream(max(size, 1.0))
        if len(data) <= budget:
            best = max(best, data, key=len)
            if len(data) >= 0.99 * budget:
                break
            size += 0.9 * (budget - len(data))
        else:
            smallest = min(smallest or len(data), len(data))
            size -= len(data) - budget + 4
    if not best:
        raise DoesNotFit(smallest)
    return best, 8 * len(best) / pixels


def _levels(height: int, width: int) -> int:
    """Wavelet levels: five, unless the picture is too small."""
    return min(_MOST_LEVELS, min(height, width).bit_length() - 1)


def _without_comment(data: bytes) -> bytes:
    """Less the 41 bytes in which the encoder names itself."""
    at = data.index(_COMMENT, 0, data.index(_START_OF_TILE))
    return data[:at] + data[at + 2 + int.from_bytes(data[at + 2 : at + 4], "big") :]


def readable(data: bytes, height: int, width: int) -> tuple[bytes, bool]:
    """What of a stream, whole or cut short, can be given to a decoder; and whether it is whole.

    Only what ``encode`` makes is let through. A stream that was cut short ends with its last whole packet.

    Raises
    ------
    BadInput : it is no such stream, or ends before its first packet.
    """
    levels = _levels(height, width)
    # SIZ: one tile as large as the picture, three components of 8 bits, none subsampled
    size = struct.pack(">HHIIIIIIIIH", 47, 0, width, height, 0, 0, width, height, 0, 0, 3) + b"\7\1\1" * 3
    # COD: the colour transform, code-blocks of 64x64, the 9-7 wavelet; between them the number of layers
    before, after = b"\xff\x52\x00\x0c\x00\x00", bytes([1, levels, 4, 4, 0, 0])
    # QCD: a step of 16 bits for each band
    steps = b"\xff\x5c" + struct.pack(">HB", 5 + 6 * levels, 0x42)
    start = 4 + len(size) + len(before) + 2 + len(after) + 2 + 5 + 6 * levels
    layers = int.from_bytes(data[len(size) + 10 : len(size) + 12], "big")
    head = b"\xff\x4f\xff\x51" + size + before + struct.pack(">H", layers) + after + steps
    tile = data[start : start + _TILE_HEADER]
    if len(tile) < _TILE_HEADER:
        raise BadInput("the JPEG 2000 stream ends within its headers; send the picture again")
    if (
        not data.startswith(head)
        or not 1 <= layers <= _MOST_LAYERS
        or not tile.startswith(_START_OF_TILE + b"\0\x0a\0\0")
        or not tile.endswith(b"\0\1" + _START_OF_DATA)
    ):
        raise BadInput(
            f"the headers of the JPEG 2000 stream are not those of a picture of {width}x{height} pixels; it is "
            "damaged, or of another sender"
        )
    length = int.from_bytes(tile[6:10], "big")
    if start + length + 2 == len(data) and data.endswith(_END):
        return data, True
    end = whole_packets(data, start + _TILE_HEADER, height, width, levels, layers)
    if end == start + _TILE_HEADER:
        raise BadInput("the JPEG 2000 stream ends before its first packet; send the picture again")
    cut = tile[:6] + struct.pack(">I", end - start) + tile[10:]
    return data[:start] + cut + data[start + _TILE_HEADER : end] + _END, False
