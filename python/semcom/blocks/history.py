# SPDX-License-Identifier: GPL-3.0-or-later
"""A figure over time, as GNU Radio's plots want it."""

from __future__ import annotations

from collections import deque

import numpy as np

SECONDS = 60
PER_SECOND = 10


class History:
    """What a figure was at each tenth of a second of the last minute.

    A plot of messages has an axis of time: pictures come as they come, so the last one's figure is held until the next.
    """

    def __init__(self) -> None:
        self._known: deque[tuple[float, float]] = deque()

    def add(self, value: float, now: float) -> np.ndarray:
        """One more figure.

        Parameters
        ----------
        value : float
            The figure of a picture; one that is not finite is left out.
        now : float
            When it came, in seconds; never less than the last one's.

        Returns
        -------
        float32 [n]
            ``PER_SECOND`` values a second from the first figure on, of ``SECONDS`` at most; the last one is the newest.
        """
        if np.isfinite(value):
            self._known.append((now, value))
        # the one that was held when the minute began stays
        while len(self._known) > 1 and self._known[1][0] <= now - SECONDS:
            self._known.popleft()
        if not self._known:
            return np.empty(0, np.float32)
        times, values = np.array(self._known).T
        n = min(int((now - times[0]) * PER_SECOND) + 1, SECONDS * PER_SECOND)
        held = np.searchsorted(times, now - np.arange(n)[::-1] / PER_SECOND, side="right") - 1
        return values[held.clip(0)].astype(np.float32)
