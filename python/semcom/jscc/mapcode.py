# SPDX-License-Identifier: GPL-3.0-or-later
"""The cell map and the base in few bytes: each profile given those of four neighbours, by the range coder.

::

    CRC-16 | range coder: version (2 bits), side of a cell, whether there are profiles, whether there are importances,
             profiles in raster order, importances in raster order, base

The probability of a profile is log-linear in its neighbours, p(c | W, N, NW, NE) ~ 2^(a_Wc + b_Nc + c_NWc + d_NEc),
with integer exponents of 1/16 octave that were fitted to maps of photographs (``tools/map_contexts.py``), so that every
machine has the same. The CRC covers the size of the image, its channels and SNR as well: a map of another image is
noticed.
"""

from __future__ import annotations

import binascii
import json
import math
import struct
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..burst import ImageHeader
from ..entropy import Contexts, Decoder, Encoder
from ..errors import BadInput
from . import base
from .allocation import CELLS, SKIPPED, STEPS, CellMap, cell_grid
from .coder import grid

VERSION = 0
CRC_BYTES = 2
NEIGHBOURS = ((0, -1), (-1, 0), (-1, -1), (-1, 1))  # W, N, NW, NE: rows and columns from a cell
_VERSIONS = 4
_TABLE = Path(__file__).with_name("mapcode_contexts.json")
_OCTAVE = np.rint(2 ** (16 + np.arange(STEPS) / STEPS)).astype(np.int64)
_MAX_OCTAVES = 15  # by which one profile may be less likely than the likeliest
_STEP = 8  # of adaptation of the contexts of importances


@lru_cache(maxsize=1)
def exponents() -> dict[int, np.ndarray]:
    """What neighbours say of a profile.

    Returns
    -------
    dict of int to int32 [4, profiles + 1, profiles]
        Side of a cell -> exponents of each neighbour's profile, the last one standing for none, and each profile.
    """
    known = json.loads(_TABLE.read_text(encoding="utf-8"))["exponents"]
    return {cell: np.array(known[str(cell)], np.int32) for cell in CELLS}


def profiles() -> int:
    """How many profiles can be coded."""
    return exponents()[CELLS[0]].shape[-1]


def neighbours(profile: np.ndarray) -> list[np.ndarray]:
    """Profiles of the neighbours W, N, NW and NE of each cell, the number of profiles where there is none.

    Parameters
    ----------
    profile : uint8 [rows, columns]
        A map.

    Returns
    -------
    list of uint8 [rows, columns]
        One for each of ``NEIGHBOURS``.
    """
    rows, columns = profile.shape
    framed = np.pad(profile, ((1, 0), (1, 1)), constant_values=profiles())
    return [framed[1 + y : 1 + y + rows, 1 + x : 1 + x + columns] for y, x in NEIGHBOURS]


def _counts(exponent: np.ndarray) -> np.ndarray:
    """Int [..., profiles] exponents -> int64 of the same shape, in proportion to the probabilities; integers only."""
    below = np.maximum(exponent - exponent.max(axis=-1, keepdims=True), -STEPS * _MAX_OCTAVES)
    return _OCTAVE[below % STEPS] >> -(below // STEPS)


def bits(profile: np.ndarray, cell: int) -> float:
    """Ideal length of the profiles of a map.

    Parameters
    ----------
    profile : uint8 [rows, columns]
        The map.
    cell : int
        Side of its cells, pixels.

    Returns
    -------
    float
        In bits.
    """
    counts = _counts(_exponent_of(profile, cell))
    own = np.take_along_axis(counts, profile[..., None].astype(np.int64), axis=-1)[..., 0]
    return float(np.log2(counts.sum(axis=-1) / own).sum())


def _exponent_of(profile: np.ndarray, cell: int) -> np.ndarray:
    """int32 [rows, columns, profiles]: the exponents of every profile for each cell."""
    return sum(table[known] for table, known in zip(exponents()[cell], neighbours(profile), strict=True))


def encode(cells: CellMap, known: base.Base) -> bytes:
    """Map and base as bytes, without the CRC that :func:`sealed` puts in front.

    Parameters
    ----------
    cells : CellMap
        Of an image.
    known : Base
        Of the image.

    Returns
    -------
    bytes
        Its code.
    """
    coder = Encoder()
    _scan(coder, cells.profile.shape, cells)
    patches = known.values.shape[1:]
    base.scan(coder, patches, cells.kept(*patches), known)
    code = coder.finish()
    # a decoder takes what is much shorter than its probabilities for damaged; a run of profile 0 ends in zeros, which
    # are cut off
    return code + bytes(max(0, math.ceil(coder.bits / 8) - len(code)))


def sealed(code: bytes, header: ImageHeader) -> bytes:
    """The bytes of a map with the CRC that ties them to an image.

    Parameters
    ----------
    code : bytes
        Of :func:`encode`.
    header : ImageHeader
        Of the image.

    Returns
    -------
    bytes
        What is sent.
    """
    return _crc(code, header) + code


def decode(data: bytes, header: ImageHeader) -> tuple[CellMap, base.Base]:
    """Map and base of an image.

    Parameters
    ----------
    data : bytes
        Of :func:`sealed`.
    header : ImageHeader
        Of the image.

    Returns
    -------
    CellMap, Base
        As they were encoded.

    Raises
    ------
    BadInput
        The bytes are no map, or that of another image. Time and memory are bounded by the size of the image.
    """
    code = data[CRC_BYTES:]
    if data[:CRC_BYTES] != _crc(code, header):
        raise BadInput(
            f"the map of a {header.width}x{header.height} image is damaged or belongs to another: its CRC is wrong"
        )
    coder = Decoder(code)
    cells = _scan(coder, (header.height, header.width), None)
    patches = grid(header.height, header.width)
    known = base.scan(coder, patches, cells.kept(*patches), None)
    coder.finish()
    return cells, known


def _crc(code: bytes, header: ImageHeader) -> bytes:
    about = struct.pack(">HHHb", header.height, header.width, header.channels, header.snr_enc)
    return binascii.crc_hqx(about + code, 0).to_bytes(CRC_BYTES, "big")


def _scan(coder: Encoder | Decoder, shape: tuple[int, int], known: CellMap | None) -> CellMap:
    """Code ``known``, of which ``shape`` is that of the cells, or find out the map of an image of ``shape`` pixels."""
    version = coder.uniform(None if known is None else VERSION, _VERSIONS)
    if version != VERSION:
        raise BadInput(f"a map of version {version} arrived; this receiver reads version {VERSION}")
    cell = CELLS[coder.uniform(None if known is None else CELLS.index(known.cell), len(CELLS))]
    if known is None:
        shape = cell_grid(*shape, cell)
    profile, importance = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    if coder.uniform(None if known is None else int(known.profile.any()), 2):
        profile = _profiles(coder, shape, exponents()[cell], None if known is None else known.profile)
    if coder.uniform(None if known is None else int(known.importance.any()), 2):
        importance = _importances(coder, shape, None if known is None else known.importance)
    return CellMap(cell, profile, importance)


def _profiles(
    coder: Encoder | Decoder, shape: tuple[int, int], tables: np.ndarray, known: np.ndarray | None
) -> np.ndarray:
    west, north, northwest, northeast = tables
    columns, none = shape[1], tables.shape[-1]
    out = np.zeros(shape, np.uint8)
    above = [none] * (columns + 2)
    for y in range(shape[0]):
        # all but the neighbour to the west is known of the whole row
        at = np.array(above)
        exponent = north[at[1:-1]] + northwest[at[:-2]] + northeast[at[2:]]
        truth, of_row = None, None
        if known is not None:
            # and here that one as well
            truth = known[y].tolist()
            of_row = _counts(exponent + west[[none, *truth[:-1]]])
        row, left = [none], none
        for x in range(columns):
            counts = _counts(exponent[x] + west[left]) if of_row is None else of_row[x]
            left = coder.categorical(None if truth is None else truth[x], counts / counts.sum())
            row.append(left)
        out[y] = row[1:]
        above = [*row, none]
    return out


def _importances(coder: Encoder | Decoder, shape: tuple[int, int], known: np.ndarray | None) -> np.ndarray:
    contexts = Contexts(np.ones((6, 2), np.int64), _STEP)
    out = np.zeros(shape, np.uint8)
    above: list[int] | None = None
    for y in range(shape[0]):
        truth = None if known is None else known[y].tolist()
        row: list[int] = []
        for x in range(shape[1]):
            value = None if truth is None else truth[x]
            north = above[x] if above else row[x - 1] if x else 0
            west = row[x - 1] if x else north
            northeast = above[min(x + 1, shape[1] - 1)] if above else north
            pattern = (west != north) + 2 * (northeast != north)
            if coder.bit(None if value is None else int(value == west), pattern, contexts):
                row.append(west)
            elif west != north and coder.bit(
                None if value is None else int(value == north), 4 + (northeast != north), contexts
            ):
                row.append(north)
            else:
                row.append(coder.uniform(value, SKIPPED + 1))
        out[y] = row
        above = row
    return out
