# SPDX-License-Identifier: GPL-3.0-or-later
"""What every target uses: values that nobody expects, properties that must hold, and a stand-in for ports."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pmt
from gnuradio.semcom.blocks.base import message_block
from gnuradio.semcom.errors import SemcomError

HANG = 600  # seconds of the clock on the wall that one iteration may take, however busy the machine
SLOW = 25  # seconds of processor time that one input may take
INTEGERS = [
    -(2**63), -(2**31), -1, 0, 1, 2, 15, 16, 17, 127, 128, 255, 256, 4094, 4095, 4096, 4097, 32767, 32768, 65535,
    65536, 2**31, 2**62, 2**63 - 1,
]  # fmt: skip
REALS = [float("nan"), float("inf"), -float("inf"), 0.0, -1.0, 1e-320, 1e30, 1e308, -1e308]


class Broken(AssertionError):
    """A property that must hold for every input does not."""


def require(holds: bool, sentence: str) -> None:
    """End the run when a property does not hold."""
    if not holds:
        raise Broken(sentence)


def picture(height: int, width: int, seed: int) -> np.ndarray:
    """uint8 [height,width,3] with some structure."""
    rng = np.random.default_rng(seed)
    tile = rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)
    return np.tile(tile, (-(-height // 16), -(-width // 16), 1))[:height, :width].copy()


def odd_pmt(rng: random.Random) -> pmt.pmt_base:
    """A value of a type that nobody expects."""
    return rng.choice(
        [
            lambda: pmt.PMT_NIL,
            lambda: pmt.PMT_T,
            lambda: pmt.from_double(rng.choice(REALS)),
            lambda: pmt.from_long(rng.choice(INTEGERS)),
            lambda: pmt.from_uint64(2**64 - 1),
            lambda: pmt.from_complex(1j),
            lambda: pmt.intern(rng.choice(["", "x", "../../x", "a" * 300, "nul\0l", "\N{SNOWMAN}"])),
            lambda: pmt.init_f32vector(3, [1.0, float("nan"), -1.0]),
            lambda: pmt.init_u8vector(2, [1, 2]),
            lambda: pmt.make_tuple(pmt.from_long(1), pmt.PMT_NIL),
            lambda: pmt.make_vector(3, pmt.PMT_NIL),
            lambda: pmt.cons(pmt.from_long(1), pmt.from_long(2)),
            lambda: pmt.dict_add(pmt.make_dict(), pmt.from_long(1), pmt.make_dict()),
        ]
    )()


def odd_floats(rng: random.Random, n: int) -> np.ndarray:
    """float32 [n] of which some are none."""
    values = np.full(n, rng.choice([0.0, 0.1, 1e-30, 1e30, 3e38]), np.float32)
    for _ in range(rng.randrange(4) if n else 0):
        values[rng.randrange(n)] = np.float32(rng.choice([float("nan"), float("inf"), -float("inf"), -1.0, 3e38]))
    return values


class Probe:
    """Stands in for the ports of a block: what it publishes, and what it reports."""

    def __init__(self, block: message_block):
        self.out: list[tuple[str, pmt.pmt_base]] = []
        self.errors: list[Exception] = []
        self.sentences: list[str] = []
        block.publish = lambda port, msg: self.out.append((port, msg))
        block.report = self._report

    def _report(self, name: str, sentence: str, error: Exception | None = None) -> None:
        self.sentences.append(sentence)
        if error is not None:
            # anything else is a mistake of ours that the block's last net has caught
            if not isinstance(error, SemcomError | ValueError):
                raise Broken(f"{type(error).__name__} instead of a sentence: {error}") from error
            self.errors.append(error)

    def clear(self) -> None:
        """Forget what was published and reported."""
        self.out.clear()
        self.errors.clear()
        self.sentences.clear()


def allocating(function: Callable, *arguments: Any) -> tuple[Any, int]:
    """What one call returns, and the most bytes that it had allocated at once."""
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    result = function(*arguments)
    return result, tracemalloc.get_traced_memory()[1] - before
