# SPDX-License-Identifier: GPL-3.0-or-later
"""The last scene of many, gathered part by part."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import BadInput
from .coding.container import MAX_BYTES

MAX_PARTS = 64


@dataclass(frozen=True)
class Gathered:
    """What is here of a scene.

    Attributes
    ----------
    number : int
        Of the image.
    data : bytes
        The container, as far as it has arrived.
    whole : bool
        Whether all of it that was sent is here, so that what it lacks was not sent.
    """

    number: int
    data: bytes
    whole: bool


class LastScene:
    """Parts and whole containers in, the last scene out; whatever arrives, one scene of bounded size is held."""

    def __init__(self) -> None:
        self._number: int | None = None
        self._parts: dict[int, bytes] = {}
        self._ended = False

    def add_part(self, number: int, index: int, data: bytes) -> Gathered:
        """A part of a scene; one of another scene, or one that is here already, begins a new scene.

        Parameters
        ----------
        number : int
            Of the image.
        index : int
            Of the part.
        data : bytes
            The part.

        Returns
        -------
        Gathered
            What is here of its scene.

        Raises
        ------
        BadInput
            A part that no scene has, or that makes it too long.
        """
        if not 0 <= index < MAX_PARTS:
            raise BadInput(f"a part of a scene has a number from 0 to {MAX_PARTS - 1}, not {index}")
        if self._ended or number != self._number or index in self._parts:
            self._begin(number)
        self._check_length(sum(map(len, self._parts.values())) + len(data))
        self._parts[index] = data
        return Gathered(number, b"".join(self._parts[each] for each in sorted(self._parts)), False)

    def add_whole(self, number: int, data: bytes, whole: bool) -> Gathered:
        """A container, which replaces the parts of its scene and ends it.

        Parameters
        ----------
        number : int
            Of the image.
        data : bytes
            The container.
        whole : bool
            Whether nothing of it was lost on the way.

        Returns
        -------
        Gathered
            The scene.

        Raises
        ------
        BadInput
            It is too long.
        """
        self._check_length(len(data))
        self._begin(number)
        self._ended = True
        return Gathered(number, data, whole)

    def _begin(self, number: int) -> None:
        self._number, self._parts, self._ended = number, {}, False

    @staticmethod
    def _check_length(length: int) -> None:
        if length > MAX_BYTES:
            raise BadInput(f"a scene of {length} bytes is too long to be shown; at most {MAX_BYTES} are")
