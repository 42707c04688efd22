# SPDX-License-Identifier: GPL-3.0-or-later
"""A part that carries bytes as bursts: groups of bursts that are interleaved together.

In the header of a burst that carries bytes, ``mcs`` is the modulation and coding scheme, ``rate`` the number of bursts
of its group less one, and ``scale`` the fragment of the part that its group begins with; a joint coder has other uses
for these two. All bursts of a group are equally long, so any one of them tells how the group is laid out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..burst import MAX_FRAGMENT, MAX_FRAGMENTS, Group, PartBursts, join, split
from ..errors import BadInput
from . import group
from .mcs import Mcs, mcs_of

MAX_BURSTS = 256  # of one group
_PART_BITS, _FIRST_BITS = 3, 12
_PIECE = re.compile(r"(\d{1,9})@(\d{1,3})x(\d{1,4})")


@dataclass(frozen=True)
class Span:
    """The bursts of a group: fragments ``first`` to ``first + depth - 1`` of the part.

    Attributes
    ----------
    first : int
        Fragment of the part that the group begins with.
    depth : int
        Number of bursts.
    length : int
        Symbols of each burst.
    mcs : Mcs
        Of all of them.
    """

    first: int
    depth: int
    length: int
    mcs: Mcs

    @property
    def symbols(self) -> int:
        """Of the whole group."""
        return self.depth * self.length

    def seed(self, image_id: int, part: int = 0) -> int:
        """Of the scrambler: c_init as TS 38.211 section 7.3.1.1 makes it of RNTI and cell identity."""
        return (image_id << _PART_BITS | part) << _FIRST_BITS | self.first

    @classmethod
    def of(cls, group: Group) -> Span:
        """The span of a group that was received; BadInput when there is no such MCS."""
        return cls(group.first, group.depth, group.total // group.depth, mcs_of(group.mcs))


@dataclass(frozen=True)
class ProtectedBytes:
    """A part of a message: bytes that are protected alike, and decoded without the other parts.

    Attributes
    ----------
    data : bytes
        What is protected.
    mcs : Mcs
        At which it is sent.
    bursts : int
        Over how many bursts it is spread at least, 1 to 256.
    note : bytes
        At most 255 further bytes, carried only where they fit behind the data; see ``room``.
    room : int
        By how many bytes the part may grow for the note; a note that fits into the padding needs none.
    """

    data: bytes
    mcs: Mcs
    bursts: int = 1
    note: bytes = b""
    room: int = 0


@dataclass(frozen=True)
class Message:
    """What could be read of a part.

    Attributes
    ----------
    data : bytes
        Zeros where a code block was lost.
    intact : int
        Leading bytes without loss.
    blocks, blocks_lost : int
        Code blocks, and those whose CRC was wrong.
    note : bytes
        The further bytes, where they arrived.
    """

    data: bytes
    intact: int
    blocks: int
    blocks_lost: int
    note: bytes = b""


def plan_text(parts: Sequence[ProtectedBytes]) -> str:
    """How a message is shared out, in one line: ``BYTES@MCSxBURSTS``, separated by commas."""
    return ",".join(f"{len(part.data)}@{part.mcs.index}x{part.bursts}" for part in parts)


def planned(message: bytes, text: str) -> list[ProtectedBytes]:
    """The parts of ``message`` that a line of :func:`plan_text` tells; BadInput when it is not one, or does not fit."""
    out, at = [], 0
    for piece in text.split(","):
        found = _PIECE.fullmatch(piece)
        if not found:
            raise BadInput(f"a plan of parts {text!r} is not understood; write BYTES@MCSxBURSTS, separated by commas")
        size, mcs, bursts = map(int, found.groups())
        out.append(ProtectedBytes(message[at : at + size], mcs_of(mcs), bursts))
        at += size
    if at != len(message):
        raise BadInput(f"a plan of parts {text!r} is of {at} bytes, and the message has {len(message)}")
    return out


def span_for(size: int, mcs: Mcs, first: int = 0, least: int = 1) -> Span:
    """The shortest group that carries ``size`` bytes in at least ``least`` bursts; BadInput when one group cannot."""
    symbols = group.symbols_for(size, mcs)
    while True:
        depth = max(least, -(-symbols // MAX_FRAGMENT))
        length = -(-symbols // depth)
        if group.capacity(depth * length, mcs) >= size:
            break
        # a few symbols more than needed, so that all bursts are equal, may mean one more block
        symbols += 1
    if depth > MAX_BURSTS:
        raise BadInput(f"{size} bytes need {depth} bursts at MCS {mcs.index}, more than the {MAX_BURSTS} of a group")
    return Span(first, depth, length, mcs)


def span_within(symbols: int, mcs: Mcs, least: int = 1) -> Span:
    """The largest group of at least ``least`` bursts that takes no more than ``symbols`` channel uses."""
    depth = max(least, -(-symbols // MAX_FRAGMENT))
    return Span(0, depth, max(1, symbols // depth), mcs)


def budget(symbols: int, mcs: Mcs, least: int = 1) -> int:
    """Bytes that a message of no more than ``symbols`` channel uses, in at least ``least`` bursts, carries."""
    most = MAX_BURSTS * MAX_FRAGMENT
    whole, rest = divmod(symbols, most)
    full = group.capacity(most, mcs)
    return whole * full + (group.capacity(span_within(rest, mcs, least).symbols, mcs) if rest >= least else 0)


def spans(size: int, mcs: Mcs, least: int = 1) -> list[Span]:
    """How the bytes of a part are grouped.

    Returns
    -------
    list of Span
        One group where that is enough, several of equal shares if not, of at least ``least`` bursts each.

    Raises
    ------
    BadInput
        More bursts than the header counts.
    """
    count = -(-max(size, 1) // group.capacity(MAX_BURSTS * MAX_FRAGMENT, mcs))
    out: list[Span] = []
    first = 0
    for i in range(count):
        out.append(span_for(share(size, count, i), mcs, first, least))
        first += out[-1].depth
    if first > MAX_FRAGMENTS:
        raise BadInput(
            f"{size} bytes need {first} bursts at MCS {mcs.index}, more than the {MAX_FRAGMENTS} that the "
            "header counts; send fewer bytes or choose a higher MCS"
        )
    return out


def share(size: int, count: int, index: int) -> int:
    """Bytes of part ``index`` of ``count`` equal ones."""
    return (size * (index + 1)) // count - (size * index) // count


def bursts(message: bytes, mcs: Mcs, image_id: int = 0) -> list[tuple[Span, np.ndarray]]:
    """The bursts of one part of bytes at an MCS; see :func:`part_bursts`."""
    return part_bursts(ProtectedBytes(message, mcs), image_id)


def part_bursts(sent: ProtectedBytes, image_id: int = 0, part: int = 0) -> list[tuple[Span, np.ndarray]]:
    """The bursts of a part.

    Parameters
    ----------
    sent : ProtectedBytes
        The part.
    image_id, part : int
        16 and 3 bits; they scramble, so the receiver must know them (the burst header says them).

    Returns
    -------
    list of (Span, complex64 [n])
        For each burst, in order, its group and its symbols of average power 1.

    Raises
    ------
    BadInput
        A number of bursts out of range, or more bursts than the header counts.
    """
    if not 1 <= sent.bursts <= MAX_BURSTS:
        raise BadInput(f"a part cannot be spread over {sent.bursts} bursts; choose 1 to {MAX_BURSTS}")
    groups = spans(len(sent.data), sent.mcs, sent.bursts)
    note = b""
    if sent.note and len(groups) == 1:
        with_note = len(sent.data) + group.NOTE_BYTES + len(sent.note)
        if with_note <= group.capacity(groups[0].symbols, sent.mcs):
            note = sent.note
        elif with_note <= len(sent.data) + sent.room:
            groups, note = spans(with_note, sent.mcs, sent.bursts), sent.note
    if len(groups) > 1:
        note = b""
    out: list[tuple[Span, np.ndarray]] = []
    at = 0
    for i, span in enumerate(groups):
        size = share(len(sent.data), len(groups), i)
        data = sent.data[at : at + size]
        symbols = group.encode(data, sent.mcs, span.symbols, span.seed(image_id, part), note)
        out += [(span, burst) for burst in split(symbols, span.depth)]
        at += size
    return out


def received(
    fragments: dict[int, tuple[np.ndarray, np.ndarray]], span: Span, image_id: int = 0, part: int = 0
) -> group.Received:
    """What arrived of a group.

    Parameters
    ----------
    fragments : dict of int to (complex64 [n], float32 [n])
        Place of a burst in the group to its symbols and noise variances.
    span : Span
        The group.
    image_id, part : int
        16 and 3 bits, as they were sent.

    Returns
    -------
    group.Received
        The byte string, and what of it was lost.
    """
    symbols, noise_var, _ = join(fragments, span.depth, span.symbols)
    return group.decode(symbols, noise_var, span.mcs, span.seed(image_id, part))


def read_part(part: PartBursts, min_share: float) -> Message:
    """All groups of a part, decoded.

    Parameters
    ----------
    part : PartBursts
        What arrived.
    min_share : float
        A group of which a smaller share of the bursts arrived is not decoded.

    Returns
    -------
    Message
        The bytes, and what of them was lost.
    """
    header = part.header
    data, note, intact, blocks, lost, at = bytearray(), b"", None, 0, 0, 0
    for known, fragments in part.groups:
        if known.first != at and intact is None:
            intact = len(data)  # a group of which nothing arrived
        at = known.first + known.depth
        if len(fragments) < max(1, min_share * known.depth):
            intact = len(data) if intact is None else intact
            continue
        found = received(fragments, Span.of(known), header.image_id, header.part)
        if found.holes and intact is None:
            intact = len(data) + found.intact
        data += found.data
        blocks += found.blocks
        lost += found.blocks_lost
        note = note or found.note
    if at < header.fragments and intact is None:
        intact = len(data)
    return Message(bytes(data), len(data) if intact is None else intact, blocks, lost, note)
