# SPDX-License-Identifier: GPL-3.0-or-later
"""A region of an image that was sent before, sent again and sharper: what of it is new, and at what rate."""

from __future__ import annotations

import numpy as np

from .base import USUAL_RATE

SHARPER = 4.0
"""Channel uses of a pixel of an update, beside those of a pixel of the whole image."""
MAX_RATE = 1 / 3
"""k/n within a region: more coefficients than that no coder has."""


class Updates:
    """What was sent of the regions of the last image.

    Of a region that grows, what is new is sent; what leaves a region was sent, and stays sharp. The very region that
    was asked for last is sent again: whoever asks twice did not get it.
    """

    def __init__(self) -> None:
        self._number: int | None = None
        self._sharp: np.ndarray | None = None
        self._region: np.ndarray | None = None

    def sent_whole(self, number: int) -> None:
        """Image ``number`` is sent, all of it; nothing of it is sharp by an update."""
        self._number, self._sharp, self._region = number, None, None

    def fresh(self, number: int, region: np.ndarray) -> np.ndarray:
        """What of a region is to be sent now; from then on it counts as sent.

        Parameters
        ----------
        number : int
            Of the image.
        region : bool [H, W]
            What is wanted sharper.

        Returns
        -------
        bool [H, W]
            Possibly empty.
        """
        if self._number != number or self._sharp is None or self._sharp.shape != region.shape:
            self._sharp = np.zeros_like(region)
        elif np.array_equal(self._region, region):
            return region
        fresh = region & ~self._sharp
        self._number, self._sharp, self._region = number, self._sharp | region, region
        return fresh

    @staticmethod
    def rate(whole: float | None, fresh: np.ndarray, limits: tuple[float, float] | None) -> float:
        """k/n of an update, over all pixels of the image.

        Parameters
        ----------
        whole : float or None
            k/n of the image; None for the usual one.
        fresh : bool [H, W]
            What is sent.
        limits : tuple of float or None
            Lowest and highest k/n of the scheme.

        Returns
        -------
        float
            ``SHARPER`` times that of the image within the region, as far as the scheme goes.
        """
        usual = whole or USUAL_RATE
        low, high = limits or (0.0, 1.0)
        return float(np.clip(min(SHARPER * usual, MAX_RATE) * fresh.mean(), low, min(usual, high)))
