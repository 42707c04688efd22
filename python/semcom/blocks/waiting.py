# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages that wait for a worker, in bounded memory."""

from __future__ import annotations

import queue
import threading

import pmt

from . import pdu

MAX_PICTURES = 32
"""Payloads that wait at a port, and the largest window of an Image Source."""
MAX_BYTES = 2**26
"""Bytes of payloads that wait at a port, where more than ``MIN_PICTURES`` do."""
MIN_PICTURES = 4
MAX_BURSTS = 2**14
"""Bursts that wait at a port: those of several large images, which arrive all at once where no modem is between."""
MAX_BURST_BYTES = 2**28
MAX_SMALL = 4096
"""Messages without much of a payload that wait in all."""
SMALL = 4096
"""Bytes of a payload that is not much."""

Item = tuple[str, pmt.pmt_base, int]


class Waiting:
    """A queue that refuses what it has no room for.

    Notes
    -----
    A file source never meets the limits: of its images no more are under way than ``MAX_PICTURES``.
    """

    def __init__(self) -> None:
        self._items: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._held: dict[str, list[int]] = {}  # port: messages and bytes; those of small ones are under ""

    def qsize(self) -> int:
        """How many wait."""
        return self._items.qsize()

    def put(self, item: tuple[str, pmt.pmt_base]) -> bool:
        """Take (port, message) in; False where there is no room for it."""
        port, msg = item
        size = pdu.payload_bytes(msg)
        with self._lock:
            held = self._held.setdefault(self._class(port, size), [0, 0])
            if size <= SMALL:
                full = held[0] >= MAX_SMALL + MAX_BURSTS * (port == "symbols")
            elif port == "symbols":
                full = held[0] >= MAX_BURSTS or held[1] + size > MAX_BURST_BYTES
            else:
                full = held[0] >= MAX_PICTURES or (held[0] >= MIN_PICTURES and held[1] + size > MAX_BYTES)
            if full:
                return False
            held[0] += 1
            held[1] += size
            # within the lock, so that the order of two ports is that of their messages
            self._items.put((port, msg, size))
        return True

    def get(self) -> tuple[str, pmt.pmt_base] | None:
        """The message that has waited longest, when there is one; None at the end."""
        item = self._items.get()
        if item is None:
            return None
        port, msg, size = item
        with self._lock:
            held = self._held[self._class(port, size)]
            held[0] -= 1
            held[1] -= size
        return port, msg

    def end(self) -> None:
        """Nothing follows."""
        self._items.put(None)

    @staticmethod
    def _class(port: str, size: int) -> str:
        return port if size > SMALL else ""
