# SPDX-License-Identifier: GPL-3.0-or-later
"""The base of an image: its strongest coefficients, coarsely, as bits beside the map.

A linear coder gives a coefficient one channel use, however much stronger than the noise it is; its error falls with the
first power of the SNR. As bits it may take several, and falls exponentially. So the first coefficients of every patch,
which are far stronger than the rest, are rounded and sent with the map, which must arrive anyway; what rounding leaves
is sent as symbols. This is hybrid digital-analogue coding (Skoglund, Phamdo and Alajaji, "Hybrid digital-analog
source-channel coding for bandwidth compression/expansion", IEEE Transactions on Information Theory, 2006), with
bandwidth expansion for the few coefficients that are worth it.

Rounded coefficients are coded patch by patch, given their neighbours: those that vary slowly over the image are
predicted from them, of the others neighbours say only how large they may be. All tables are integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..entropy import Decoder, Encoder, Table
from ..errors import BadInput

COUNTS = (0, 1, 3, 6)  # coefficients of a patch that may have a base
OCTAVES = (-2, -1, 0, 1)  # of the step
MOST = max(COUNTS)
LIMIT = 255  # multiples of a step, on either side of 0
PREDICTED = frozenset({0, 1, 4})  # brightness and two colours; the others are slopes
_LEVEL_OF_TWELFTH = -57  # 16 log2(1/12), rounded
_LARGE = 24  # differences beyond this are told by an escape
_BINS = np.repeat(np.arange(12), (1, 1, 1, 1, 2, 2, 3, 4, 7, 10, 16, 1))  # of activity, the last for all beyond
# 256 times the ratio by which the next larger difference is less likely, by activity; tools/base_contexts.py
_RATIOS = {
    True: (61, 77, 88, 111, 135, 158, 175, 192, 206, 218, 228, 235),
    False: (29, 67, 93, 116, 143, 165, 181, 196, 208, 219, 226, 235),
}
# the best on photographs, by channels and SNR in dB: count and octave; as the ratios
_CHANNELS, _SNRS = (32, 64, 128, 256), (-2, 1, 4, 7, 10, 13, 20)
_SUITED = (
    ((1, 1), (1, 1), (3, 1), (3, 1), (1, 1), (1, 1), (1, 1)),
    ((1, 1), (3, 0), (6, 0), (6, 0), (1, 1), (1, 1), (1, 1)),
    ((3, 0), (6, -1), (6, -1), (6, -1), (6, 0), (3, 0), (3, 0)),
    ((6, 0), (6, -1), (6, -2), (6, -2), (6, -1), (6, -1), (6, -1)),
)


@dataclass(frozen=True, eq=False)
class Base:
    """Rounded coefficients.

    Attributes
    ----------
    octave : int
        The step is 2 to its power.
    values : int32 [count, rows, columns]
        Of each patch, multiples of the step.
    """

    octave: int
    values: np.ndarray

    @classmethod
    def none(cls, rows: int, columns: int) -> Base:
        """Of no coefficient."""
        return cls(OCTAVES[0], np.zeros((0, rows, columns), np.int32))

    @property
    def count(self) -> int:
        """Coefficients of a patch that have a base."""
        return len(self.values)

    @property
    def level(self) -> int:
        """The variance that it leaves, as a level of :class:`.allocation.Tables`."""
        return 32 * self.octave + _LEVEL_OF_TWELFTH

    def coefficients(self) -> np.ndarray:
        """float32 [patches, count]."""
        patches = self.values.shape[1] * self.values.shape[2]
        return self.values.reshape(self.count, patches).T.astype(np.float32) * np.float32(2.0**self.octave)


def suited(channels: int, snr_db: float) -> tuple[int, int]:
    """How many coefficients, and which octave, gain most on photographs.

    Parameters
    ----------
    channels : int
        Real values that a patch may take on average, map and base included.
    snr_db : float
        Es/N0, dB.

    Returns
    -------
    int, int
        Of ``COUNTS`` and ``OCTAVES``.
    """
    row = int(np.abs(np.log2(np.array(_CHANNELS) / channels)).argmin())
    column = int(np.abs(np.array(_SNRS) - snr_db).argmin())
    return _SUITED[row][column]


def rounded(first: np.ndarray, octave: int, kept: np.ndarray) -> Base:
    """The base of an image.

    Parameters
    ----------
    first : float32 [count, rows, columns]
        The first coefficients of each patch.
    octave : int
        Of the step.
    kept : bool [rows, columns]
        False where nothing is sent, and the base is 0.

    Returns
    -------
    Base
        Within ``LIMIT``.
    """
    values = np.clip(np.rint(first / np.float32(2.0**octave)), -LIMIT, LIMIT).astype(np.int32)
    return Base(octave, values * kept)


@lru_cache(maxsize=1)
def _tables() -> dict[bool, list[Table]]:
    """Of differences -24 to 24 and the escape, for each activity."""
    found: dict[bool, list[Table]] = {}
    for slow, ratios in _RATIOS.items():
        found[slow] = []
        for ratio in ratios:
            falling = [1 << 20]
            for _ in range(_LARGE):
                falling.append(max(1, falling[-1] * ratio >> 8))
            escape = max(1, falling[-1] * ratio // (256 - ratio))
            found[slow].append(Table([*falling[:0:-1], *falling, 2 * escape]))
    return found


def scan(coder: Encoder | Decoder, shape: tuple[int, int], kept: np.ndarray, known: Base | None) -> Base:
    """Code ``known``, or find out the base of an image.

    Parameters
    ----------
    coder : Encoder or Decoder
        Of the stream.
    shape : tuple of 2 int
        Rows and columns of patches.
    kept : bool [rows, columns]
        False where nothing is sent.
    known : Base or None
        None for a decoder.

    Returns
    -------
    Base
        As it was encoded.

    Raises
    ------
    BadInput
        The stream is none of a base.
    """
    count = COUNTS[coder.uniform(None if known is None else COUNTS.index(known.count), len(COUNTS))]
    if not count:
        return Base.none(*shape)
    octave = OCTAVES[coder.uniform(None if known is None else OCTAVES.index(known.octave), len(OCTAVES))]
    where = kept.tolist()
    planes = []
    for number in range(count):
        truth = None if known is None else known.values[number].tolist()
        planes.append(_plane(coder, where, number in PREDICTED, truth))
    return Base(octave, np.array(planes, np.int32).reshape(count, *shape) * kept)


def _plane(
    coder: Encoder | Decoder, kept: list[list[bool]], slow: bool, truth: list[list[int]] | None
) -> list[list[int]]:
    """One coefficient of all patches, where nothing is sent what it is predicted to be, for the sake of the others.

    A coefficient that varies slowly is predicted by the median edge detector of JPEG-LS, and how much its neighbours
    differ tells how likely a difference is; another one is predicted to be 0, and how large its neighbours are tells.
    """
    # several thousand times an image, in Python
    tables, bins, last = _tables()[slow], _BINS.tolist(), len(_BINS) - 1
    out: list[list[int]] = []
    above: list[int] = []
    for y, sent_of_row in enumerate(kept):
        row: list[int] = []
        known = None if truth is None else truth[y]
        right, west = len(sent_of_row) - 1, 0
        for x, sent in enumerate(sent_of_row):
            if above:
                north = above[x]
                if not x:
                    west = north
                northwest = above[x - 1] if x else north
                northeast = above[x + 1] if x < right else north
            else:
                north = northwest = northeast = west
            value = 0
            if slow:
                low, high = (west, north) if west < north else (north, west)
                value = west + north - northwest
                value = low if value < low else min(value, high)
            if sent:
                if slow:
                    total = abs(west - northwest) + abs(northwest - north) + abs(north - northeast)
                else:
                    total = abs(west) + abs(north) + abs(northeast)
                difference = None if known is None else known[x] - value
                value += _difference(coder, tables[bins[total if total < last else last]], difference)
                if not -LIMIT <= value <= LIMIT:
                    raise BadInput("the base of an image goes beyond what an encoder makes")
            row.append(value)
            west = value
        out.append(row)
        above = row
    return out


def _difference(coder: Encoder | Decoder, table: Table, known: int | None) -> int:
    large = None if known is None else abs(known) > _LARGE
    symbol = None if known is None else 2 * _LARGE + 1 if large else known + _LARGE
    symbol = coder.drawn(symbol, table)
    if symbol <= 2 * _LARGE:
        return symbol - _LARGE
    beyond = coder.uniform(None if known is None else known + 2 * LIMIT, 4 * LIMIT + 1)
    return beyond - 2 * LIMIT
