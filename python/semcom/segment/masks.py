# SPDX-License-Identifier: GPL-3.0-or-later
"""What SAM makes of an image and of a prompt, and the square frame that its networks draw on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

SIDE = 1024
"""Side of the square frame that the encoder sees, in pixels."""

GRID = SIDE // 4
"""Side of the square on which the decoder draws its masks."""

_STRIP = 512
"""Rows of a mask that are enlarged at once."""


@dataclass(frozen=True)
class Embedding:
    """What an encoder made of one image.

    Attributes
    ----------
    features : float32 [1, 256, 64, 64]
        What the decoder draws from.
    height, width : int
        Of the image in pixels.
    details : tuple of numpy.ndarray, optional
        What else the decoder of this encoder takes, in the order in which the encoder gives it.
    covered : (int, int), optional
        Rows and columns of the encoder's frame that the image covers; by default those of ``sides``.
    """

    features: np.ndarray
    height: int
    width: int
    details: tuple[np.ndarray, ...] = ()
    covered: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        if self.covered == (0, 0):
            object.__setattr__(self, "covered", sides(self.height, self.width))


@dataclass(frozen=True)
class Segmentation:
    """A mask, and how far it is to be trusted.

    Attributes
    ----------
    mask : bool [H, W]
        True inside.
    score : float or None
        The IoU that the decoder itself expects, 0 to 1; None where it was not asked.
    """

    mask: np.ndarray
    score: float | None


@dataclass(frozen=True)
class Candidates:
    """What a single point may mean, as far as it is likely enough.

    SAM thinks of three: a part, a larger part and the whole. ``h`` and ``w`` are those of the network's own 256x256
    grid as far as the image covers it; see ``enlarged``.

    Attributes
    ----------
    logits : float32 [n, h, w]
        Of a mask where above 0.
    scores : float32 [n]
        The IoU that the decoder expects of each.
    """

    logits: np.ndarray
    scores: np.ndarray


def enlarged(logits: np.ndarray, height: int, width: int, covered: tuple[int, int] | None = None) -> np.ndarray:
    """A mask at the size of its image: bilinear to the frame, cut, and bilinear to the image, as SAM does it.

    Parameters
    ----------
    logits : float32 [h, w]
        On the decoder's grid, or as much of it as the image covers.
    height, width : int
        Of the image in pixels.
    covered : (int, int), optional
        Rows and columns of the frame that the image covers; by default those of ``sides``.

    Returns
    -------
    bool [height, width]
        True inside.
    """
    rows, columns = covered or sides(height, width)
    down = _weights(height, rows, logits.shape[0])
    across = logits @ _weights(width, columns, logits.shape[1]).T
    mask = np.empty((height, width), bool)
    for top in range(0, height, _STRIP):  # a large image has no room for all its logits
        np.greater(down[top : top + _STRIP] @ across, 0, out=mask[top : top + _STRIP])
    return mask


@lru_cache(maxsize=8)
def _weights(count: int, covered: int, grid: int) -> np.ndarray:
    """What each of ``count`` pixels takes of the grid's, float32 [count, grid], by way of those of the frame."""
    middle = _between(count, covered, covered / count)
    weights = np.zeros((count, grid), np.float32)
    rows = np.arange(count)
    for index, share in middle:
        for inner, part in _between(covered, grid, GRID / SIDE):
            np.add.at(weights, (rows, inner[index]), share * part[index])
    return weights


def _between(count: int, of: int, step: float) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """The two of ``of`` values, ``step`` apart, that each of ``count`` lies between, and their shares."""
    place = np.maximum((np.arange(count) + 0.5) * step - 0.5, 0)
    low = np.minimum(place.astype(np.int64), of - 1)
    share = (place - low).astype(np.float32)
    return (low, 1 - share), (np.minimum(low + 1, of - 1), share)


def sides(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of the encoder's frame that the image covers: its longest side takes all.

    Parameters
    ----------
    height, width : int
        Of the image in pixels.

    Returns
    -------
    int, int
        Rows and columns.
    """
    scale = SIDE / max(height, width)
    return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))
