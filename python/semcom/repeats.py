# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences that are counted instead of printed again, however whoever makes them vary what stands in them."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable

MAX_SENTENCES = 64
"""How many different sentences are remembered; of those that were said before, the count begins anew."""
LINES = 16
"""Lines that are printed at once; later ones at the pace of ``LINES_A_SECOND``."""
LINES_A_SECOND = 2

# numbers with their signs, digits of hexadecimal ones, and what is quoted: a sender chooses them
_VARYING = re.compile(r"'[^']*'|\"[^\"]*\"|0x[0-9a-fA-F]+|[-+]?\d[\d.,]*(?:[eE][-+]?\d+)?")


def shape_of(sentence: str) -> str:
    """A sentence without what varies in it: the same for all sizes, numbers and quoted names.

    Parameters
    ----------
    sentence : str
        As it is said.

    Returns
    -------
    str
        With ``#`` in place of each number and each quoted text.
    """
    return _VARYING.sub("#", sentence)


def printed(times: int) -> bool:
    """Whether the log shows a sentence that was said so often: at 1, 2, 4, 8, ..."""
    return times & (times - 1) == 0


def with_times(sentence: str, times: int) -> str:
    """A sentence, and how often it was said where that is more than once."""
    return f"{sentence} ({times} times)" if times > 1 else sentence


class Repeats:
    """How often each sentence was said, of the ``MAX_SENTENCES`` that were said last, and whether it is printed again.

    Sentences that differ in numbers and quoted texts alone count as one. Who finds ever new ones is held to a pace.

    Parameters
    ----------
    clock : callable, optional
        Seconds, for the pace.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._times: dict[str, int] = {}  # by shape; the one that was said last is at the end
        self._clock, self._lines, self._since = clock, float(LINES), clock()
        self.left_out = 0
        """Sentences that were said and not printed."""

    def count(self, sentence: str) -> int:
        """Say it once more; how often it was said, this time included."""
        shape = shape_of(sentence)
        with self._lock:
            times = self._times.pop(shape, 0) + 1
            self._times[shape] = times
            if len(self._times) > MAX_SENTENCES:
                del self._times[next(iter(self._times))]
        return times

    def is_printed(self, times: int) -> bool:
        """Whether a sentence that was said so often is printed now."""
        with self._lock:
            now = self._clock()
            self._lines = min(LINES, self._lines + LINES_A_SECOND * (now - self._since))
            self._since = now
            shown = printed(times) and self._lines >= 1
            self._lines -= shown
            self.left_out += not shown
        return shown
