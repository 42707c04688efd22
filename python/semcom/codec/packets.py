# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the packets of a JPEG 2000 codestream end (ITU-T T.800, Annex B), so that one cut short can be decoded.

The decoder refuses a stream that ends within a packet. Only streams of .jpeg2000 are read: one tile, layers first, one
precinct for each resolution, code-blocks of 64x64, one codeword segment in each.
"""

from __future__ import annotations

from dataclasses import dataclass, field

_BLOCK = 64
_COMPONENTS = 3
_MAX_BIT_PLANES = 40  # 8 bits, gains and guard bits make fewer than 20


class _Ended(Exception):
    """The bytes end, or cannot be a packet header."""


class _Bits:
    """The bits of a packet header: a byte of all ones is followed by one of seven bits (B.10.1)."""

    def __init__(self, data: bytes, at: int):
        self._data, self._at = data, at
        self._byte = self._left = 0

    def one(self) -> int:
        """The next bit."""
        if not self._left:
            if self._at >= len(self._data):
                raise _Ended
            self._left = 7 if self._byte == 0xFF else 8
            self._byte = self._data[self._at]
            self._at += 1
        self._left -= 1
        return self._byte >> self._left & 1

    def number(self, count: int) -> int:
        """``count`` bits, the most significant first."""
        value = 0
        for _ in range(count):
            value = value << 1 | self.one()
        return value

    def end(self) -> int:
        """Offset of the byte behind the header."""
        return self._at + (self._byte == 0xFF)


class _TagTree:
    """A quadtree of minima (B.10.2)."""

    def __init__(self, rows: int, columns: int):
        self._levels: list[tuple[int, list[int], list[bool]]] = []  # columns; lower bounds; whether they are met
        while True:
            self._levels.append((columns, [0] * (rows * columns), [False] * (rows * columns)))
            if rows * columns <= 1:
                break
            rows, columns = -(-rows // 2), -(-columns // 2)

    def below(self, row: int, column: int, threshold: int, bits: _Bits) -> bool:
        """Whether the leaf's value is less than ``threshold``; reads what it takes to know."""
        low = 0
        for depth in reversed(range(len(self._levels))):
            columns, bounds, met = self._levels[depth]
            node = (row >> depth) * columns + (column >> depth)
            low = max(low, bounds[node])
            while low < threshold and not met[node]:
                if bits.one():
                    met[node] = True
                else:
                    low += 1
            bounds[node] = low
        return met[node] and low < threshold


@dataclass
class _Band:
    """The code-blocks of one sub-band."""

    rows: int
    columns: int
    length_bits: dict[tuple[int, int], int] = field(default_factory=dict)  # of the blocks that have begun

    def __post_init__(self) -> None:
        self.inclusion = _TagTree(self.rows, self.columns)
        self.missing = _TagTree(self.rows, self.columns)


def whole_packets(data: bytes, height: int, width: int, levels: int, layers: int) -> tuple[int, int]:
    """How many packets lie within ``data`` as a whole, and where the last of them ends; the first begins at 0.

    Parameters
    ----------
    data : bytes
        Packets of a codestream.
    height, width : int
        Of the picture in pixels.
    levels : int
        Of the wavelet transform.
    layers : int
        Of quality.

    Returns
    -------
    int, int
        Number of whole packets, and the offset behind the last of them.
    """
    bands = [_bands(height, width, levels, r) for r in range(levels + 1) for _ in range(_COMPONENTS)]
    count = at = 0
    try:
        for layer in range(layers):
            for component in bands:
                end = _packet(data, at, component, layer)
                if end > len(data):
                    return count, at
                count, at = count + 1, end
    except _Ended:
        pass
    return count, at


def _bands(height: int, width: int, levels: int, resolution: int) -> list[_Band]:
    """The sub-bands that a resolution adds, less those without a sample."""

    def sides(side: int) -> tuple[int, int]:
        """Low-pass and high-pass samples."""
        depth = levels - resolution + 1 if resolution else levels
        low = -(-side >> depth)
        return low, (-(-side >> depth - 1) - low) if resolution else 0

    (low_h, high_h), (low_w, high_w) = sides(height), sides(width)
    pairs = [(low_h, high_w), (high_h, low_w), (high_h, high_w)] if resolution else [(low_h, low_w)]
    return [_Band(-(-h // _BLOCK), -(-w // _BLOCK)) for h, w in pairs if h and w]


def _packet(data: bytes, at: int, bands: list[_Band], layer: int) -> int:
    """Offset behind the packet at ``at``."""
    bits, body = _Bits(data, at), 0
    if bits.one():
        for band in bands:
            for row in range(band.rows):
                for column in range(band.columns):
                    body += _block(bits, band, row, column, layer)
    return bits.end() + body


def _block(bits: _Bits, band: _Band, row: int, column: int, layer: int) -> int:
    """Bytes that a code-block has in this packet."""
    begun = (row, column) in band.length_bits
    if begun:
        if not bits.one():
            return 0
    else:
        if not band.inclusion.below(row, column, layer + 1, bits):
            return 0
        planes = 1
        while not band.missing.below(row, column, planes, bits):
            planes += 1
            if planes > _MAX_BIT_PLANES:
                raise _Ended
        band.length_bits[row, column] = 3
    passes = _passes(bits)
    while bits.one():
        band.length_bits[row, column] += 1
    return bits.number(band.length_bits[row, column] + passes.bit_length() - 1)


def _passes(bits: _Bits) -> int:
    """Number of coding passes (table B.4)."""
    if not bits.one():
        return 1
    if not bits.one():
        return 2
    for count, base in ((2, 3), (5, 6), (7, 37)):
        value = bits.number(count)
        if value < (1 << count) - 1 or count == 7:
            return base + value
    raise _Ended
