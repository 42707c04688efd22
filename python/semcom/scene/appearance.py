# SPDX-License-Identifier: GPL-3.0-or-later
"""How the segments of an image look, measured by the encoder: their colours at any step, or within so many bytes."""

from __future__ import annotations

import numpy as np

from ..codec.search import DoesNotFit, finest_within
from ..errors import BadInput
from .coding import colours
from .model import (
    COLUMNS,
    FIRST_COLUMN,
    MAX_LEVEL,
    MAX_TEXTURE,
    MEAN_STEP,
    TERMS,
    TEXTURE_COLUMN,
    TEXTURE_STEP,
    USUAL_STEP,
    Colours,
)
from .render.surfaces import Surface, check_step, levels, segments_of, to_planes

_DEADZONE = 0.4
_STEPS = tuple(sorted({round(2 * 1.18**i) for i in range(30)}, reverse=True))  # 243 to 2


class Appearance:
    """How the segments of an image look, before it is decided how finely that is sent.

    Parameters
    ----------
    image : uint8 [H, W, 3]
        RGB.
    partition : uint8 [H, W]
        Segments from 1, as of ``segment.partition``; pixels of 0 are left out.

    Raises
    ------
    BadInput
        Sizes that differ.
    """

    def __init__(self, image: np.ndarray, partition: np.ndarray) -> None:
        if image.shape != (*partition.shape, 3):
            raise BadInput(
                f"a partition of {partition.shape} does not fit an image {list(image.shape)}; cut this image"
            )
        planes = to_planes(image)
        self._count = int(partition.max())
        self._shares = np.zeros(self._count)
        self._coefficients = [np.zeros((self._count, terms)) for terms in TERMS]
        self._power = np.zeros(self._count)  # of luma
        for row, pixels in segments_of(partition):
            wanted = planes[pixels]
            surface = Surface(*pixels, partition.shape)
            self._shares[row] = surface.share
            self._power[row] = np.mean(wanted[:, 0] ** 2)
            for channel, terms in enumerate(TERMS):
                self._coefficients[channel][row] = surface.analyse(wanted[:, channel], terms)

    def quantised(self, step: int = USUAL_STEP) -> Colours:
        """The segments' colours; a higher ``step`` of ``Colours`` is coarser.

        Parameters
        ----------
        step : int, default ``USUAL_STEP``
            Of ``Colours``, 1 to 255.

        Returns
        -------
        Colours
            Row n - 1 is of segment n.

        Raises
        ------
        BadInput
            A step out of range.
        """
        check_step(step)
        values = np.zeros((self._count, COLUMNS), np.uint8)
        sizes_of_one = levels(step, self._shares)[:, None]
        for channel, found in enumerate(self._coefficients):
            values[:, channel] = np.rint(found[:, 0] / MEAN_STEP) + (16 if channel else 0)
            sizes = np.floor(np.abs(found[:, 1:]) / sizes_of_one + _DEADZONE).clip(0, MAX_LEVEL // 2)
            below = (found[:, 1:] < 0) & (sizes > 0)
            values[:, FIRST_COLUMN[channel] : FIRST_COLUMN[channel + 1]] = 2 * sizes - below
            if not channel:
                # the functions are orthonormal: what is not drawn is the power less that of the coefficients
                drawn = found[:, 0] ** 2 + np.sum(np.where(sizes > 0, found[:, 1:] ** 2, 0), axis=1)
                rest = np.sqrt(np.maximum(self._power - drawn, 0))
                values[:, TEXTURE_COLUMN] = np.minimum(np.rint(rest / TEXTURE_STEP), MAX_TEXTURE)
        values[self._shares == 0] = 0
        return Colours(values, step)


def measure(image: np.ndarray, partition: np.ndarray, step: int = USUAL_STEP) -> Colours:
    """The segments' colours at one step; see ``Appearance``.

    Parameters
    ----------
    image : uint8 [H, W, 3]
        RGB.
    partition : uint8 [H, W]
        Segments from 1; pixels of 0 are left out.
    step : int, default ``USUAL_STEP``
        Of ``Colours``, 1 to 255.

    Returns
    -------
    Colours
        Row n - 1 is of segment n.

    Raises
    ------
    BadInput
        Sizes that differ, or a step out of range.
    """
    return Appearance(image, partition).quantised(step)


def finest_colours(look: Appearance, budget: int) -> tuple[Colours, int] | None:
    """The finest colours that take no more than ``budget`` bytes, and what they take; None when none do.

    Parameters
    ----------
    look : Appearance
        Of the segments.
    budget : int
        Bytes.

    Returns
    -------
    (Colours, int) or None
        The colours and their bytes.
    """

    def at(setting: int) -> tuple[Colours, int]:
        found = look.quantised(_STEPS[setting])
        if len(found.values) > colours.MAX_SEGMENTS:
            raise BadInput(f"{len(found.values)} segments have colours; at most {colours.MAX_SEGMENTS} can be sent")
        return found, colours.size(found)

    try:
        return finest_within(at, budget, len(_STEPS) - 1, size=lambda found: found[1])[0]
    except DoesNotFit:
        return None
