# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes to symbols and back: CRC, code blocks, FEC, scrambling, modulation.

A *group* is what is coded and interleaved together: a byte string of up to 16 MB that goes out as 1 to 256 bursts of
equal length at one MCS. It is cut into code blocks of equal size, each with a CRC-32 of its own, so that what a fade
takes away is known block by block. How a group is cut follows from its number of symbols and its MCS alone, both of
which every burst header tells.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..errors import BadInput
from .kernels import conv_code, kernels
from .mcs import Mcs

CRC_BYTES = 4
LENGTH_BYTES = 3  # of the byte string, in front of it
NOTE_BYTES = 1  # length of a note, between it and the byte string
MAX_BYTES = 2**24 - 1
# Largest block of the LDPC base graphs, TS 38.212 section 5.2.2; at low rates graph 2 is the better one (7.2.2).
_MAX_BLOCK = 8448 // 8
_MAX_BLOCK_LOW_RATE = 3840 // 8
_LOW_RATE = 512  # 1/4 in 2048ths
_TAIL_BITS = 6
_PUNCTURING = {1024: 2, 1365: 3, 1536: 4}  # code rate in 2048ths -> of conv_code


@dataclass(frozen=True)
class Layout:
    """How the symbols of a group are shared out.

    Attributes
    ----------
    symbols : int
        Of the whole group.
    blocks : int
        Code blocks.
    block_symbols : int
        Symbols of each.
    block_bytes : int
        Bytes of each, with its CRC.
    """

    symbols: int
    blocks: int
    block_symbols: int
    block_bytes: int

    @property
    def capacity(self) -> int:
        """Bytes of a message that fit; under 1 when nothing does."""
        return self.blocks * (self.block_bytes - CRC_BYTES) - LENGTH_BYTES


def layout(symbols: int, mcs: Mcs) -> Layout:
    """The layout of a group of so many symbols in all."""
    largest = _MAX_BLOCK_LOW_RATE if mcs.rate <= _LOW_RATE else _MAX_BLOCK
    tail = _TAIL_BITS if mcs.code == "cc" else 0
    # as few blocks as can be: longer codes are better codes
    blocks = max(1, _block_bytes(symbols, mcs, tail) // largest)
    while _block_bytes(symbols // blocks, mcs, tail) > largest:
        blocks += 1
    block_symbols = symbols // blocks
    return Layout(symbols, blocks, block_symbols, max(0, _block_bytes(block_symbols, mcs, tail)))


def _block_bytes(symbols: int, mcs: Mcs, tail: int) -> int:
    return (symbols * mcs.bits * mcs.rate // 2048 - tail) // 8


def capacity(symbols: int, mcs: Mcs) -> int:
    """Bytes that a group of so many symbols carries, 0 at least."""
    return max(0, layout(symbols, mcs).capacity)


def symbols_for(size: int, mcs: Mcs) -> int:
    """The least number of symbols whose group carries ``size`` bytes."""
    if not 0 <= size <= MAX_BYTES:
        raise BadInput(f"a message of {size} bytes cannot be sent at once; it must have at most {MAX_BYTES}")
    low, high = 0, 64
    while layout(high, mcs).capacity < size:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if layout(middle, mcs).capacity >= size else (middle, high)
    return high


@dataclass(frozen=True)
class Received:
    """What arrived of a group.

    Attributes
    ----------
    data : bytes
        The byte string, zeros where a block was lost.
    holes : tuple of (int, int)
        Byte ranges [start, end) of ``data`` that were lost.
    blocks, blocks_lost : int
        Numbers of code blocks.
    note : bytes
        What was sent in the padding, where it arrived without loss.
    """

    data: bytes
    holes: tuple[tuple[int, int], ...]
    blocks: int
    blocks_lost: int
    note: bytes = b""

    @property
    def intact(self) -> int:
        """Leading bytes that are all there."""
        return self.holes[0][0] if self.holes else len(self.data)


def encode(message: bytes, mcs: Mcs, symbols: int, seed: int, note: bytes = b"") -> np.ndarray:
    """A byte string as symbols.

    Parameters
    ----------
    message : bytes
        At most as many as the group carries.
    mcs : Mcs
        At which they are sent.
    symbols : int
        Of the group, at least ``symbols_for(len(message), mcs)``.
    seed : int
        Of the scrambler, 31 bits; the receiver must use the same.
    note : bytes
        At most 255 that go into the padding behind the message; it must have room for them and their length.

    Returns
    -------
    complex64 [symbols]
        Of average power 1.

    Raises
    ------
    BadInput
        The message does not fit.
    """
    plan = layout(symbols, mcs)
    if len(message) > plan.capacity:
        raise BadInput(f"{len(message)} bytes do not fit into {symbols} symbols at MCS {mcs.index}, "
                       f"which carry {max(0, plan.capacity)}")  # fmt: skip
    framed = len(message).to_bytes(LENGTH_BYTES, "big") + message
    if note:
        framed += bytes([len(note)]) + note
    share = plan.block_bytes - CRC_BYTES
    framed = framed.ljust(plan.blocks * share, b"\0")
    blocks = [framed[i * share : (i + 1) * share] for i in range(plan.blocks)]
    checked = b"".join(block + zlib.crc32(block).to_bytes(CRC_BYTES, "big") for block in blocks)
    info = np.unpackbits(np.frombuffer(checked, np.uint8)).reshape(plan.blocks, -1)
    coded = np.zeros(symbols * mcs.bits, np.uint8)
    rows = coded[: plan.blocks * plan.block_symbols * mcs.bits].reshape(plan.blocks, -1)
    if mcs.code == "none":
        rows[:, : info.shape[1]] = info
    else:
        rows[:] = _code(plan, mcs).encode(info)
    return _modulation(mcs.bits).map(coded ^ _scrambler(seed, len(coded)))


def decode(symbols: np.ndarray, noise_var: np.ndarray, mcs: Mcs, seed: int) -> Received:
    """What could be read of a group.

    Parameters
    ----------
    symbols : complex64 [n]
        Equalised.
    noise_var : float32 [n]
        Noise variance of each symbol, infinite where lost.
    mcs : Mcs
        At which they were sent.
    seed : int
        Of the scrambler, 31 bits.

    Returns
    -------
    Received
        The byte string, and what of it was lost.
    """
    plan = layout(len(symbols), mcs)
    if plan.capacity < 0:
        raise BadInput(f"a group of {len(symbols)} symbols is too short for MCS {mcs.index}")
    used = plan.blocks * plan.block_symbols
    llr = _modulation(mcs.bits).demap(symbols[:used], noise_var[:used])
    llr *= 1 - 2 * _scrambler(seed, len(symbols) * mcs.bits)[: len(llr)].astype(np.float32)
    llr = llr.reshape(plan.blocks, -1)
    if mcs.code == "none":
        info = (llr[:, : plan.block_bytes * 8] > 0).astype(np.uint8)
    elif mcs.code == "cc":
        info = _code(plan, mcs).decode(llr)
    else:
        info, _ = _code(plan, mcs).decode(llr)
    share = plan.block_bytes - CRC_BYTES
    parts, good = [], []
    for row in np.packbits(info, axis=1):
        part = row.tobytes()
        sound = zlib.crc32(part[:share]).to_bytes(CRC_BYTES, "big") == part[share:]
        parts.append(part[:share] if sound else bytes(share))
        good.append(sound)
    framed = b"".join(parts)
    length = plan.capacity
    if all(good[: -(-LENGTH_BYTES // share)]):
        length = min(length, int.from_bytes(framed[:LENGTH_BYTES], "big"))
    ranges = []
    for i, sound in enumerate(good):
        start, end = max(0, i * share - LENGTH_BYTES), min(length, (i + 1) * share - LENGTH_BYTES)
        if not sound and (start < end or i == 0):
            ranges.append((start, max(start, end)))
    end = LENGTH_BYTES + length
    note = framed[end + NOTE_BYTES : end + NOTE_BYTES + framed[end]] if end < len(framed) else b""
    last = end + NOTE_BYTES + len(note)
    if not all(good[: -(-last // share)]):
        note = b""
    return Received(framed[LENGTH_BYTES:end], tuple(ranges), plan.blocks, good.count(False), note)


@lru_cache(maxsize=8)
def _modulation(bits: int):
    return kernels().modulation(bits)


@lru_cache(maxsize=64)
def _ldpc(info_bits: int, coded_bits: int, bits: int):
    return kernels().nr_ldpc(info_bits, coded_bits, bits)


def _code(plan: Layout, mcs: Mcs):
    coded = plan.block_symbols * mcs.bits
    if mcs.code == "ldpc":
        return _ldpc(plan.block_bytes * 8, coded, mcs.bits)
    # holds the state of a decoder, so it is not shared between threads
    return conv_code(plan.block_bytes * 8, coded, _PUNCTURING[mcs.rate])


@lru_cache(maxsize=8)
def _scrambler(seed: int, length: int) -> np.ndarray:
    sequence = kernels().gold_sequence(seed, length)
    sequence.flags.writeable = False
    return sequence
