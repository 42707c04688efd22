# SPDX-License-Identifier: GPL-3.0-or-later
"""A byte string as bursts: groups of bursts that are interleaved together, and what each burst's header says of them.

In the header of a burst that carries bytes, ``mcs`` is the modulation and coding scheme, ``rate`` the number of bursts
of its group less one, and ``scale`` the fragment that its group begins with; an analogue coder has other uses for these
two. All bursts of a group are equally long, so any one of them tells how the group is laid out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import BadInput
from ..jscc.symbols import MAX_FRAGMENT, MAX_FRAGMENTS, join, split
from . import group
from .mcs import Mcs

MOST_BURSTS = 256  # of one group
_SEED_BITS = 15


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


def span_for(size: int, mcs: Mcs, first: int = 0) -> Span:
    """The least group that carries ``size`` bytes; BadInput when one group cannot."""
    symbols = group.symbols_for(size, mcs)
    while True:
        depth = -(-symbols // MAX_FRAGMENT)
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


def spans(size: int, mcs: Mcs) -> list[Span]:
    """How a message of ``size`` bytes is grouped: one group where that is enough, several of equal shares if not."""
    count = -(-max(size, 1) // group.capacity(MOST_BURSTS * MAX_FRAGMENT, mcs))
    out, first = [], 0
    for i in range(count):
        out.append(span_for(share(size, count, i), mcs, first))
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
    groups = spans(len(message), mcs)
    out, at = [], 0
    for i, span in enumerate(groups):
        size = share(len(message), len(groups), i)
        symbols = group.encode(message[at : at + size], mcs, span.symbols, span.seed(image_id))
        out += [(span, part) for part in split(symbols)]
        at += size
    return out


def received(parts: dict[int, tuple[np.ndarray, np.ndarray]], span: Span, image_id: int = 0) -> group.Received:
    """What came of a group: ``parts`` maps the place of a burst in it to symbols and noise variances."""
    symbols, noise_var, _ = join(parts, span.depth, span.symbols)
    return group.decode(symbols, noise_var, span.mcs, span.seed(image_id))
