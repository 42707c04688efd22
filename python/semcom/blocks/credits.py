# SPDX-License-Identifier: GPL-3.0-or-later
"""What is on its way between two blocks whose messages a third one hears in either order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable

MAX_OWED = 64
"""Of one key: that many may be taken before they are put. GNU Radio's schedulers are never so far apart."""


class Credits:
    """Charges what is put, each time with its own weight, until it is taken; and tells of what is left.

    What is put and what is taken is told by two threads, so that either may be first: what was taken before it is put
    is charged nothing. Of one key several may be under way, which are taken in the order in which they were put.

    Parameters
    ----------
    put, taken : callable
        Called with the weight of what is charged, and of what no longer is.
    """

    def __init__(self, put: Callable[[int], None], taken: Callable[[int], None]) -> None:
        self._lock = threading.Lock()
        self._charge, self._release = put, taken
        self._charged: dict[Hashable, deque[int]] = {}
        self._owed: dict[Hashable, int] = {}  # taken, and not put yet

    @property
    def under_way(self) -> int:
        """How many were put and not taken."""
        with self._lock:
            return sum(map(len, self._charged.values()))

    def put(self, key: Hashable, weight: int) -> None:
        """Something is under way.

        Parameters
        ----------
        key : hashable
            What it is told by when it is taken.
        weight : int
            What it is charged.
        """
        with self._lock:
            if key in self._owed:
                self._owed[key] -= 1
                if not self._owed[key]:
                    del self._owed[key]
                return
            self._charged.setdefault(key, deque()).append(weight)
            self._charge(weight)

    def taken(self, key: Hashable) -> None:
        """It is there.

        Parameters
        ----------
        key : hashable
            As it was put, or will be.
        """
        with self._lock:
            weights = self._charged.get(key)
            if weights is None:
                self._owed[key] = min(self._owed.get(key, 0) + 1, MAX_OWED)
                return
            weight = weights.popleft()
            if not weights:
                del self._charged[key]
            self._release(weight)
