# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing together what belongs to one image but comes on several ports."""

from __future__ import annotations

from typing import Any


class Gathering:
    """Holds the parts of images until all of one are there, in whatever order they come.

    Parameters
    ----------
    needed : names of the ports that each image must have come on.
    """

    def __init__(self, needed: set[str]):
        self.needed = needed
        self._held: dict[int, dict[str, Any]] = {}
        self._given_up: dict[int, set[str]] = {}

    def add(self, number: int, port: str, value: Any) -> dict[str, Any] | None:
        """One part of image ``number``; all parts by port when it was the last, else None."""
        if number in self._given_up:
            self._count(number, port)
            return None
        held = self._held.setdefault(number, {})
        held[port] = value
        return self._held.pop(number) if held.keys() >= self.needed else None

    def give_up(self, number: int, port: str) -> bool:
        """The part of ``number`` on ``port`` will not come; True the first time that is said of the image."""
        first = number not in self._given_up
        if first:
            self._given_up[number] = set(self._held.pop(number, {}))
        self._count(number, port)
        return first

    def _count(self, number: int, port: str) -> None:
        """Forget the image when every port has spoken: the number comes again after 65,536 images."""
        self._given_up[number].add(port)
        if self._given_up[number] >= self.needed:
            del self._given_up[number]
