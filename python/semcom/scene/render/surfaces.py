# SPDX-License-Identifier: GPL-3.0-or-later
"""Smooth surfaces over segments of any shape, and the luma and colour differences that they are made of.

A surface is made of a few cosines over a segment's bounding box, orthonormal over the segment's own pixels, which both
ends know (Gilge, Engelhardt & Mehlan, "Coding of arbitrarily shaped image segments based on a generalized orthogonal
transform", Signal Processing: Image Communication, 1989).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...errors import BadInput
from ..model import DEGREES

_USUAL_SHARE = 0.02
_FINEST, _COARSEST = 3.0, 128.0
_PIXELS_PER_TERM = 4
_RIDGE = 1e-4


class Surface:
    """The functions that a segment's surface is made of, orthonormal over its n pixels.

    A segment of few pixels has fewer of them; the coefficients of the others are 0.

    Parameters
    ----------
    rows, columns : int64 [n]
        Where the segment's pixels are.
    shape : tuple of 2 int
        Height and width of the picture.
    """

    def __init__(self, rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> None:
        u, v = (np.pi * (ends - ends.min() + 0.5) / (np.ptp(ends) + 1) for ends in (columns, rows))
        highest = max(DEGREES)
        while highest and len(rows) < _PIXELS_PER_TERM * (highest + 1) * (highest + 2) // 2:
            highest -= 1
        across, down = (np.cos(np.arange(highest + 1)[:, None] * angle).astype(np.float32) for angle in (u, v))
        self._raw = np.stack([across[d - j] * down[j] for d in range(highest + 1) for j in range(d + 1)])
        # the ridge keeps functions small that are nearly the same on these pixels
        gram = (self._raw @ self._raw.T).astype(np.float64) / len(rows) + _RIDGE * np.eye(len(self._raw))
        gram[0, 0] = 1
        self._mixing = np.linalg.inv(np.linalg.cholesky(gram))
        self.share = len(rows) / (shape[0] * shape[1])

    def analyse(self, wanted: np.ndarray, terms: int) -> np.ndarray:
        """The coefficients of a plane's pixels.

        Parameters
        ----------
        wanted : float64 [n]
            The pixels.
        terms : int
            How many coefficients.

        Returns
        -------
        float64 [terms]
            Those beyond the surface's own are 0.
        """
        found = np.zeros(terms)
        used = min(terms, len(self._raw))
        found[:used] = self._mixing[:used, :used] @ (self._raw[:used] @ wanted.astype(np.float32)) / len(wanted)
        return found

    def draw(self, coefficients: np.ndarray) -> np.ndarray:
        """The pixels that ``analyse`` took apart.

        Parameters
        ----------
        coefficients : float64 [terms]
            What ``analyse`` gave.

        Returns
        -------
        float32 [n]
            The pixels.
        """
        used = min(len(coefficients), len(self._raw))
        return (coefficients[:used] @ self._mixing[:used, :used]).astype(np.float32) @ self._raw[:used]


def levels(step: int, share):
    """What 1 means in the coefficients of a segment, or of each, by its share of the picture: grey levels.

    Parameters
    ----------
    step : int
        Of ``Colours``.
    share : float or float64 [N]
        Of a segment, or of each, in the picture.

    Returns
    -------
    float or float64 [N]
        Grey levels.
    """
    return np.clip(step * np.sqrt(_USUAL_SHARE / np.maximum(share, 1e-9)), _FINEST, _COARSEST)


def segments_of(partition: np.ndarray) -> Iterator[tuple[int, tuple[np.ndarray, np.ndarray]]]:
    """The segments that there are.

    Parameters
    ----------
    partition : uint8 [H, W]
        Segments from 1.

    Returns
    -------
    iterator of (int, (int64 [n], int64 [n]))
        Row of the colours, and rows and columns of the pixels.
    """
    order = np.argsort(partition, axis=None, kind="stable")
    counts = np.bincount(partition.ravel())
    ends = np.cumsum(counts)
    for number in np.flatnonzero(counts):
        if number:
            yield int(number) - 1, np.divmod(order[ends[number] - counts[number] : ends[number]], partition.shape[1])


def to_planes(image: np.ndarray) -> np.ndarray:
    """Luma, 0 to 255, and colour differences, -128 to 128 (ITU-R BT.601, as in JPEG).

    Parameters
    ----------
    image : uint8 [H, W, 3]
        RGB.

    Returns
    -------
    float64 [H, W, 3]
        Luma, blue and red difference.
    """
    red, green, blue = np.moveaxis(image.astype(np.float64), 2, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return np.stack([luma, (blue - luma) / 1.772, (red - luma) / 1.402], axis=2)


def to_image(planes: np.ndarray) -> np.ndarray:
    """The inverse of ``to_planes``.

    Parameters
    ----------
    planes : float64 [H, W, 3]
        Luma, blue and red difference.

    Returns
    -------
    uint8 [H, W, 3]
        RGB.
    """
    luma, blue, red = np.moveaxis(planes, 2, 0)
    green = luma - (0.114 * 1.772 * blue + 0.299 * 1.402 * red) / 0.587
    return np.rint(np.stack([luma + 1.402 * red, green, luma + 1.772 * blue], axis=2)).clip(0, 255).astype(np.uint8)


def check_step(step: int) -> None:
    """Refuse a step of ``Colours`` that is out of range.

    Parameters
    ----------
    step : int
        1 to 255.

    Raises
    ------
    BadInput
        It is out of range.
    """
    if not 1 <= step <= 255:
        raise BadInput(f"the step of colours is 1 to 255, not {step}")
