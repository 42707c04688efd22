# SPDX-License-Identifier: GPL-3.0-or-later
"""JPEG 2000 (ITU-T T.800), 9-7 wavelet, quality layers first, so that any prefix is a picture.

Of the codestream only the packets are sent, behind two bytes: a check of height and width, 12 bits, and the number of
layers, 4 bits. Height, width and the settings of our encoder fix its headers, 118 bytes with its end; the receiver
writes them anew, so that no damage reaches them.
"""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image

from ..errors import BadInput, Missing
from .packets import whole_packets
from .search import DoesNotFit

HALF_IS_BETTER, HALF_MAY_BE = 0.0, 0.03  # bits for each pixel, as in .jpeg

LAYERS = (8, 3, 1)
"""Each layer ends where the stream has this fraction of its size: three cost 0.02 to 0.03 dB against one, five 0.05."""

_MIN_LAYER = 250  # bytes; what lies below is mostly packet headers
_MAX_LEVELS = 5
_COMMENT, _START_OF_TILE, _START_OF_DATA, _END = b"\xff\x64", b"\xff\x90", b"\xff\x93", b"\xff\xd9"

# Quantiser steps, exponent and mantissa, that OpenJPEG derives from the norms of the wavelets: of the lowest band by
# number of levels, and of the three bands of each level from the coarsest of five to the finest.
_LOWEST_STEP = (0x4000, 0x4824, 0x5F52, 0x6738, 0x6F20, 0x7720)
_STEPS = (
    (0x76F0, 0x76F0, 0x76C0), (0x6F00, 0x6F00, 0x6EE0), (0x6750, 0x6750, 0x6768), (0x5005, 0x5005, 0x5047),
    (0x57D3, 0x57D3, 0x5762),
)  # fmt: skip


def encode(picture: Image.Image, budget: int) -> tuple[bytes, float]:
    """The best stream of at most ``budget`` bytes, and its bits for each pixel.

    The encoder aims at a size by itself and misses it by a few bytes, or by 2 %: so it is asked again.

    Parameters
    ----------
    picture : PIL.Image.Image
        RGB.
    budget : int
        Bytes, at least 1.

    Returns
    -------
    bytes, float
        The stream and its bits for each pixel.

    Raises
    ------
    DoesNotFit
        The least it makes takes more.
    Missing
        The encoder writes other headers than the receiver will.
    """
    height, width = picture.height, picture.width
    pixels = height * width
    fractions = [f for f in LAYERS if budget >= f * _MIN_LAYER or f == 1]

    def stream(size: float) -> bytes:
        out = io.BytesIO()
        picture.save(
            out,
            "JPEG2000",
            no_jp2=True,
            irreversible=True,
            mct=1,
            progression="LRCP",
            num_resolutions=_levels(height, width) + 1,
            quality_mode="rates",
            quality_layers=[3 * pixels * f / size for f in fractions],
        )
        return _packets(out.getvalue(), height, width, len(fractions))

    best, smallest, size = b"", 0, float(budget + 144)  # with the headers
    for _ in range(6):
        data = stream(max(size, 1.0))
        if len(data) <= budget:
            best = max(best, data, key=len)
            if len(data) >= 0.995 * budget:
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
    return min(_MAX_LEVELS, min(height, width).bit_length() - 1)


def _headers(height: int, width: int, layers: int, length: int) -> bytes:
    """Everything in front of ``length`` bytes of packets."""
    levels = _levels(height, width)
    steps = [_LOWEST_STEP[levels], *(step for bands in _STEPS[_MAX_LEVELS - levels :] for step in bands)]
    return b"".join(
        [
            b"\xff\x4f",
            # SIZ: one tile as large as the picture, three components of 8 bits, none subsampled
            struct.pack(">HHHIIIIIIIIH", 0xFF51, 47, 0, width, height, 0, 0, width, height, 0, 0, 3) + b"\7\1\1" * 3,
            # COD: layers first, the colour transform, code-blocks of 64x64, the 9-7 wavelet
            struct.pack(">HHBBHB5B", 0xFF52, 12, 0, 0, layers, 1, levels, 4, 4, 0, 0),
            # QCD: a step for each band, two guard bits
            struct.pack(f">HHB{len(steps)}H", 0xFF5C, 3 + 2 * len(steps), 0x42, *steps),
            struct.pack(">2sHHIBB2s", _START_OF_TILE, 10, 0, length + 14, 0, 1, _START_OF_DATA),
        ]
    )


def _packets(data: bytes, height: int, width: int, layers: int) -> bytes:
    """What is sent of a codestream."""
    tile = data.index(_START_OF_TILE)
    comment = data.find(_COMMENT, 0, tile)  # in which the encoder names itself
    main = data[: comment if comment >= 0 else tile]
    packets = data[tile + 14 : -2]
    if main + data[tile : tile + 14] != _headers(height, width, layers, len(packets)) or not data.endswith(_END):
        raise Missing("this Pillow writes JPEG 2000 headers that the receiver does not know; run ./bootstrap build")
    return _prefix(height, width, layers) + packets


def _prefix(height: int, width: int, layers: int) -> bytes:
    """The two bytes in front of the packets."""
    check = zlib.crc32(struct.pack(">HH", height, width)) & 0xFFF
    return struct.pack(">H", check << 4 | layers)


def readable(data: bytes, height: int, width: int) -> tuple[bytes, bool]:
    """The codestream of a stream, whole or cut short, that a decoder can be given; and whether it is whole.

    It ends with the last whole packet: the decoder refuses a part of one.

    Parameters
    ----------
    data : bytes
        The stream, from its first byte on.
    height, width : int
        Of the picture in pixels.

    Returns
    -------
    bytes, bool
        A codestream, and whether nothing of it is missing.

    Raises
    ------
    BadInput
        It is of another size, or holds not one whole packet.
    """
    prefix, packets = data[:2], data[2:]
    layers = prefix[-1] & 15
    if prefix != _prefix(height, width, layers) or not layers:
        raise BadInput(
            f"the JPEG 2000 stream is not that of {width}x{height} pixels; it is damaged, or of another sender"
        )
    count, end = whole_packets(packets, height, width, _levels(height, width), layers)
    if not count:
        raise BadInput("the JPEG 2000 stream ends, or is damaged, before its first packet does; send the picture again")
    whole = end == len(packets) and count == layers * 3 * (_levels(height, width) + 1)
    return _headers(height, width, layers, end) + packets[:end] + _END, whole
