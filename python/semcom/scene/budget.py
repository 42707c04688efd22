# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scene may take: bytes, or channel uses at the price of each section's MCS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from .. import digital
from .coding import container
from .coding.protection import LEVELS, Protection, protected
from .model import Scene


class Budget(Protocol):
    """What a scene may take."""

    def room(self, scene: Scene, kind: int) -> int:
        """Bytes that sections of a kind may still take beside all that ``scene`` has.

        Parameters
        ----------
        scene : Scene
            So far.
        kind : int
            Of sections, such as ``container.S_IMG``.

        Returns
        -------
        int
            Below 0 where it has too much already.
        """


@dataclass(frozen=True)
class ByteBudget:
    """So many bytes, whatever they are.

    Attributes
    ----------
    total : int
        Bytes of a scene.
    """

    total: int

    def room(self, scene: Scene, kind: int) -> int:
        """See :class:`Budget`."""
        return self.total - len(container.encode(scene))


@dataclass(frozen=True)
class UseBudget:
    """So many channel uses, of which a byte takes the more the better it is protected.

    Attributes
    ----------
    total : int
        Complex channel uses of all parts, without preambles, headers and pilots of the bursts.
    protection : Protection
        How well the sections are protected.
    """

    total: int
    protection: Protection

    def room(self, scene: Scene, kind: int) -> int:
        """See :class:`Budget`."""
        level = next(index for index, kinds in enumerate(LEVELS) if kind in kinds)
        sent = protected(scene, self.protection)
        others = sum(uses(part) for index, part in enumerate(sent) if part.data and index != level)
        part = sent[level]
        return digital.budget(max(0, self.total - others), part.mcs, part.bursts) - len(part.data)


def uses(part: digital.ProtectedBytes) -> int:
    """Channel uses of a part.

    Parameters
    ----------
    part : digital.ProtectedBytes
        As it is sent.

    Returns
    -------
    int
        Symbols, padding included.
    """
    return sum(span.symbols for span in digital.spans(len(part.data), part.mcs, part.bursts))
