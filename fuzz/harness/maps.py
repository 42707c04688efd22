# SPDX-License-Identifier: GPL-3.0-or-later
"""Cell maps that are cut, turned over, or made by hand to lie with a sound CRC, and the pictures made with them.

A map is read or refused in a sentence; whatever is read is a map of the image, allocates no more coefficients than are
sent, and makes a picture of the right size of any symbols.
"""

from __future__ import annotations

import random

import numpy as np
from gnuradio.semcom.burst import ImageHeader, fragments_needed
from gnuradio.semcom.errors import BadInput
from gnuradio.semcom.jscc import base, mapcode, symbol_count
from gnuradio.semcom.jscc.allocation import (
    CELLS,
    LAYERS,
    REGIONS,
    SKIPPED,
    TOGETHER,
    Allocation,
    CellMap,
    cell_grid,
    tables,
)
from gnuradio.semcom.jscc.coder import grid
from gnuradio.semcom.jscc.softcast import softcast
from gnuradio.semcom.jscc.symbols import ReceivedSymbols

from .common import allocating, odd_floats, require

SIZES = [(1, 1), (16, 16), (64, 80), (17, 700), (1, 4096), (160, 192), (300, 33)]
MAX_PATCHES_DRAWN = 256
PER_PATCH, FIXED = 64 * 1024, 2**24  # bytes that one image may take


class Maps:
    """One map, spoilt in another way each time."""

    def __init__(self, seed: int):
        self.rng = random.Random(seed)
        self.spent = 0
        self.coder = softcast()
        data, header = self._honest((16, 16))
        symbols = np.zeros(symbol_count(header), np.complex64)  # what the first picture loads is not what a map takes
        heard = ReceivedSymbols(symbols, np.ones(len(symbols), np.float32), header.scale)
        self.coder.decode_adaptive(data, [heard], header)

    def _honest(self, size: tuple[int, int]) -> tuple[bytes, ImageHeader]:
        rng = np.random.default_rng(self.rng.randrange(2**32))
        cell = self.rng.choice(CELLS)
        shape = cell_grid(*size, cell)
        profile = rng.integers(0, self.rng.choice([1, 2, tables().profiles]), shape).astype(np.uint8)
        importance = rng.integers(0, self.rng.choice([1, 2, SKIPPED + 1]), shape).astype(np.uint8)
        rate = self.rng.choice([0, 1, 30, 127, 255])
        header = ImageHeader(*size, "softcast", rate, 32768, self.rng.randrange(-128, 128))
        cells = CellMap(cell, profile, importance)
        kept = cells.kept(*grid(*size))
        octave, most = self.rng.choice(base.OCTAVES), self.rng.choice([0, 3, base.LIMIT])
        first = rng.integers(-most, most + 1, (self.rng.choice(base.COUNTS), *kept.shape)) * 2.0**octave
        known = base.rounded(first.astype(np.float32), octave, kept)
        return mapcode.sealed(mapcode.encode(cells, known), header), header

    def step(self) -> bool:
        """One map; whether it was read."""
        rng = self.rng
        data, header = self._honest(rng.choice(SIZES))
        code = bytearray(data[mapcode.CRC_BYTES :])
        for _ in range(rng.choice([0, 1, 1, 3])):
            kind = rng.randrange(5)
            if kind == 0:
                code += rng.randbytes(rng.choice([1, 8, 9, 400]))
            elif kind == 1 and code:
                code[rng.randrange(len(code))] ^= 1 << rng.randrange(8)
            elif kind == 2 and code:
                del code[rng.randrange(len(code)) :]
            elif kind == 3:
                code = bytearray(rng.randbytes(rng.choice([0, 1, 5, 100, 2000])))
            elif code:
                code[0] = rng.randrange(256)
        spoilt = bytes(code)
        data = mapcode.sealed(spoilt, header) if rng.random() < 0.9 else data[: mapcode.CRC_BYTES] + spoilt
        if rng.random() < 0.05:
            data = data[: rng.randrange(4)]
        try:
            (cells, known), spent = allocating(mapcode.decode, data, header)
        except BadInput as error:
            require("\n" not in str(error) and len(str(error)) < 300, f"no sentence: {error}")
            return False
        self.spent = max(self.spent, spent)
        self._use(cells, known, data, header)
        return True

    def _use(self, cells: CellMap, known: base.Base, data: bytes, header: ImageHeader) -> None:
        again, same = mapcode.decode(mapcode.sealed(mapcode.encode(cells, known), header), header)
        require(
            again.cell == cells.cell
            and np.array_equal(again.profile, cells.profile)
            and np.array_equal(again.importance, cells.importance)
            and np.array_equal(same.values, known.values),
            "a map that was read is another one when it is sent again",
        )
        profile, importance = cells.patches(header.height, header.width, tables().profiles)
        size, division = 2 * symbol_count(header), self.rng.choice([TOGETHER, LAYERS, REGIONS])
        known_to_both = tables().based(known), profile, importance, size, header.snr_enc
        allocation = Allocation(*known_to_both, division)
        require(0 <= allocation.sent <= allocation.size, "more coefficients are allocated than are sent")
        require(
            sum(allocation.parts) <= size // 2 + SKIPPED + fragments_needed(size // 2), "parts hold more than is sent"
        )
        require(len(np.unique(allocation.position)) == allocation.sent, "two coefficients have one place")
        require(bool(np.isfinite(allocation.amplitude).all()), "an amplitude is no number")
        if profile.size > MAX_PATCHES_DRAWN:
            return
        heard = [self._heard(length) if self.rng.random() < 0.8 else None for length in allocation.parts]
        (image, _), spent = allocating(self.coder.decode_adaptive, data, heard, header, division)
        require(image.shape == (header.height, header.width, 3), "the picture has another size")
        self.spent = max(self.spent, spent)
        require(spent < FIXED + PER_PATCH * profile.size, f"{spent} bytes were allocated for {profile.size} patches")

    def _heard(self, length: int) -> ReceivedSymbols:
        noise_var = np.abs(np.nan_to_num(odd_floats(self.rng, length), nan=np.inf, posinf=np.inf))
        symbols = np.resize(np.array([1 + 1j, -3, 0.5j], np.complex64), length)
        return ReceivedSymbols(symbols, noise_var, self.rng.randrange(65536))
