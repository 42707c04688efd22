# SPDX-License-Identifier: GPL-3.0-or-later
"""A byte string as bursts: groups of bursts that are interleaved together, and what each burst's header says of them.

In the header of a burst that carries bytes, ``mcs`` is the modulation and coding scheme, ``rate`` the number of bursts
of its group less one, and ``scale`` the fragment that its group begins with; an analogue coder has other uses for these
two. All bursts of a group are equally long, so any one of them tells how the group is laid out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import BadInput
from ..jscc.symbols import MAX_FRAGMENT, MAX_FRAGMENTS, join, split
from . import group
from .mcs import Mcs, mcs_of

MOST_BURSTS = 256  # of one group
_SEED_BITS = 15
_PIECE = re.compile(r"(\d{1,9})@(\d{1,3})x(\d{1,4})")


@dataclass(frozen=True)
class Span:
    """The bursts of a group: fragments ``first`` to ``first + depth - 1`` of the message, ``length`` symbols each."""

    first: int
    depth: int
    length: int
    mcs: Mcs

    @property
    def symbols(self) -> int:
        """Of the whole group."""
        return self.depth * self.length

    def seed(self, image_id: int) -> int:
        """Of the scrambler: c_init as TS 38.211 section 7.3.1.1 makes it of RNTI and cell identity."""
        return image_id << _SEED_BITS | self.first


@dataclass(frozen=True)
class Part:
    """Bytes that are protected alike: ``data`` at ``mcs``, spread over ``bursts`` bursts at least."""

    data: bytes
    mcs: Mcs
    bursts: int = 1


def plan_text(parts: Sequence[Part]) -> str:
    """How a message is shared out, in one line: ``BYTES@MCSxBURSTS``, separated by commas."""
    return ",".join(f"{len(part.data)}@{part.mcs.index}x{part.bursts}" for part in parts)


def planned(message: bytes, text: str) -> list[Part]:
    """The parts of ``message`` that a line of :func:`plan_text` tells; BadInput when it is none, or does not fit."""
    out, at = [], 0
    for piece in text.split(","):
        found = _PIECE.fullmatch(piece)
        if not found:
            raise BadInput(f"a plan of parts {text!r} is not understood; write BYTES@MCSxBURSTS, separated by commas")
        size, mcs, bursts = map(int, found.groups())
        out.append(Part(message[at : at + size], mcs_of(mcs), bursts))
        at += size
    if at != len(message):
        raise BadInput(f"a plan of parts {text!r} is of {at} bytes, and the message has {len(message)}")
    return out


def span_for(size: int, mcs: Mcs, first: int = 0, least: int = 1) -> Span:
    """The least group that carries ``size`` bytes in at least ``least`` bursts; BadInput when one group cannot."""
    symbols = group.symbols_for(size, mcs)
    while True:
        depth = max(least, -(-symbols // MAX_FRAGMENT))
        length = -(-symbols // depth)
        if group.capacity(depth * length, mcs) >= size:
            break
        # a few symbols more than needed, so that all bursts are equal, may mean one more block
        symbols += 1
    if depth > MOST_BURSTS:
        raise BadInput(f"{size} bytes need {depth} bursts at MCS {mcs.index}, more than the {MOST_BURSTS} of a group")
    return Span(first, depth, length, mcs)


def span_within(symbols: int, mcs: Mcs) -> Span:
    """The largest group that takes no more than ``symbols`` channel uses."""
    depth = max(1, -(-symbols // MAX_FRAGMENT))
    return Span(0, depth, max(1, symbols // depth), mcs)


def budget(symbols: int, mcs: Mcs) -> int:
    """Bytes that a message of no more than ``symbols`` channel uses carries."""
    most = MOST_BURSTS * MAX_FRAGMENT
    whole, rest = divmod(symbols, most)
    full = group.capacity(most, mcs)
    return whole * full + (group.capacity(span_within(rest, mcs).symbols, mcs) if rest else 0)


def spans(size: int, mcs: Mcs, first: int = 0, least: int = 1) -> list[Span]:
    """How ``size`` bytes are grouped from burst ``first`` on: one group where that is enough, several of equal shares
    if not, of at least ``least`` bursts each."""
    count = -(-max(size, 1) // group.capacity(MOST_BURSTS * MAX_FRAGMENT, mcs))
    out = []
    for i in range(count):
        out.append(span_for(share(size, count, i), mcs, first, least))
        first += out[-1].depth
    if first > MAX_FRAGMENTS:
        raise BadInput(f"{size} bytes need {first} bursts at MCS {mcs.index}, more than the {MAX_FRAGMENTS} that the "
                       "header counts; send fewer bytes or choose a higher MCS")  # fmt: skip
    return out


def share(size: int, count: int, index: int) -> int:
    """Bytes of part ``index`` of ``count`` equal ones."""
    return (size * (index + 1)) // count - (size * index) // count


def bursts(message: bytes, mcs: Mcs, image_id: int = 0) -> list[tuple[Span, np.ndarray]]:
    """A byte string -> for each burst, in order, its group and its symbols complex64 of average power 1.

    image_id : 16 bits; scrambles, so the receiver must know it (the burst header says it).
    """
    return part_bursts([Part(message, mcs)], image_id)


def part_bursts(parts: Sequence[Part], image_id: int = 0) -> list[tuple[Span, np.ndarray]]:
    """As :func:`bursts`, of parts that are protected unequally; each part is decoded without the others.

    Raises
    ------
    BadInput : no parts, or more bursts than the header counts.
    """
    if not parts:
        raise BadInput("a message of no parts cannot be sent; give at least one")
    out: list[tuple[Span, np.ndarray]] = []
    for part in parts:
        if not 1 <= part.bursts <= MOST_BURSTS:
            raise BadInput(f"a part cannot be spread over {part.bursts} bursts; choose 1 to {MOST_BURSTS}")
        groups, at = spans(len(part.data), part.mcs, len(out), part.bursts), 0
        for i, span in enumerate(groups):
            size = share(len(part.data), len(groups), i)
            symbols = group.encode(part.data[at : at + size], part.mcs, span.symbols, span.seed(image_id))
            out += [(span, burst) for burst in split(symbols, span.depth)]
            at += size
    return out


def received(parts: dict[int, tuple[np.ndarray, np.ndarray]], span: Span, image_id: int = 0) -> group.Received:
    """What came of a group: ``parts`` maps the place of a burst in it to symbols and noise variances."""
    symbols, noise_var, _ = join(parts, span.depth, span.symbols)
    return group.decode(symbols, noise_var, span.mcs, span.seed(image_id))
