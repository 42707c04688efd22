# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that wait for their counterparts on other ports, in bounded memory."""

from __future__ import annotations

import numpy as np

from . import pdu

MAX_IMAGES = 1024
MAX_BYTES = 2**30

Held = dict[int, dict[str, tuple[np.ndarray | None, pdu.Meta]]]


def overdue(held: Held) -> list[int]:
    """The numbers that have waited longest, as many as must go to get under both limits.

    Parameters
    ----------
    held : dict
        Image number to port to (picture or None, metadata), in the order in which the first of each arrived.

    Returns
    -------
    list of int
        Image numbers, the oldest first.
    """
    sizes = {
        number: sum(image.nbytes for image, _ in panels.values() if image is not None)
        for number, panels in held.items()
    }
    total, out = sum(sizes.values()), []
    for number, size in sizes.items():
        if len(held) - len(out) <= MAX_IMAGES and total <= MAX_BYTES:
            break
        out.append(number)
        total -= size
    return out


class Gathering:
    """Brings together what belongs to one image but arrives on several ports, in whatever order.

    Parameters
    ----------
    needed : set of str
        Ports on which each image must have arrived.
    """

    def __init__(self, needed: set[str]):
        self.needed = needed
        self._held: Held = {}
        self._given_up: dict[int, set[str]] = {}

    def add(self, number: int, port: str, part: tuple[np.ndarray, pdu.Meta]) -> dict | None:
        """One part of image ``number``; all parts by port when it was the last, else None."""
        if number in self._given_up:
            self._count(number, port)
            return None
        held = self._held.setdefault(number, {})
        held[port] = part
        return self._held.pop(number) if held.keys() >= self.needed else None

    def waits(self, port: str) -> bool:
        """Whether an image that has arrived on this port waits for another one."""
        return any(port in parts for parts in self._held.values())

    def overdue(self) -> list[tuple[int, pdu.Meta]]:
        """Take out what has waited longest when there is too much: number and metadata of each."""
        return [(number, next(iter(self._held.pop(number).values()))[1]) for number in overdue(self._held)]

    def give_up(self, number: int, port: str) -> bool:
        """The part of ``number`` on ``port`` will not arrive; True the first time that is said of the image."""
        first = number not in self._given_up
        if first:
            self._given_up[number] = set(self._held.pop(number, {}))
            if len(self._given_up) > MAX_IMAGES:
                del self._given_up[next(iter(self._given_up))]
        self._count(number, port)
        return first

    def _count(self, number: int, port: str) -> None:
        """Forget the image when every port has spoken: the number is used again after 65,536 images."""
        self._given_up[number].add(port)
        if self._given_up[number] >= self.needed:
            del self._given_up[number]
