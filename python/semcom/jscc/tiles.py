# SPDX-License-Identifier: GPL-3.0-or-later
"""Large images through a decoder network piece by piece, so that memory is that of a piece and of the picture.

A network holds half a kilobyte and more for each pixel at once. Tiles are decoded with a margin, of which the outer
part is dropped and the inner part blended with the neighbours': of a network whose pixels see no further than the
margin the picture is the same, of others seams cannot be seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .coder import STRIDE


@dataclass(frozen=True)
class Tiling:
    """How an image is cut; all in positions of 16x16 pixels.

    Attributes
    ----------
    whole : int
        Of an image that is decoded at once.
    core : int
        Of a tile along each axis, without its margin.
    margin : int
        On each side of a tile; half of it is blended with the neighbour.
    """

    whole: int = 2**11
    core: int = 24
    margin: int = 4


USUAL = Tiling()

Decode = Callable[[slice, slice], np.ndarray]


def assembled(rows: int, columns: int, decode: Decode, tiling: Tiling = USUAL) -> np.ndarray:
    """The picture of a latent.

    Parameters
    ----------
    rows, columns : int
        Positions of the latent.
    decode : callable
        Rows and columns of positions to float32 [3, 16 rows, 16 columns], their picture.
    tiling : Tiling
        How the image is cut.

    Returns
    -------
    float32 [3, 16 rows, 16 columns]
        What ``decode`` gives of all positions, in one piece where they are few.
    """
    if rows * columns <= tiling.whole:
        return decode(slice(0, rows), slice(0, columns))
    picture = np.zeros((3, rows * STRIDE, columns * STRIDE), np.float32)
    for down, weight_down in tiles(rows, tiling):
        for across, weight_across in tiles(columns, tiling):
            piece = decode(down, across)
            piece *= weight_down[:, None] * weight_across
            picture[:, _pixels(down), _pixels(across)] += piece
    return picture


def _pixels(positions: slice) -> slice:
    return slice(positions.start * STRIDE, positions.stop * STRIDE)


def tiles(count: int, tiling: Tiling) -> Iterator[tuple[slice, np.ndarray]]:
    """The tiles along an axis.

    Parameters
    ----------
    count : int
        Positions.
    tiling : Tiling
        How they are cut.

    Yields
    ------
    slice, float32 [16 n]
        Positions of a tile, and how much each of their pixels counts; those of all tiles add up to 1.
    """
    margin, blended = tiling.margin, tiling.margin // 2
    edges = [*range(0, max(count - 2 * margin, 1), tiling.core), count]
    for first, last in pairwise(edges):
        begin, end = max(first - margin, 0), min(last + margin, count)
        at = (np.arange(begin * STRIDE, end * STRIDE, dtype=np.float32) + 0.5) / STRIDE
        weight = np.ones(len(at), np.float32)
        if first:
            weight = np.clip((at - first + blended) / (2 * blended), 0, 1)
        if last < count:
            weight = np.minimum(weight, np.clip((last + blended - at) / (2 * blended), 0, 1))
        yield slice(begin, end), weight
