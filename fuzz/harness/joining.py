# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts for split and join."""

from __future__ import annotations

import random

import numpy as np
from gnuradio.semcom import burst

from .common import allocating, odd_floats, require


class Join:
    """Parts of all lengths, missing, surplus and not finite."""

    def __init__(self, seed: int):
        self.rng = random.Random(seed)
        self.spent = 0

    def step(self) -> bool:
        """One join; whether nothing was lost."""
        rng = self.rng
        total = rng.choice([1, 2, 4095, 4096, 4097, rng.randrange(1, 30000)])
        fragments = burst.fragments_needed(total) if rng.random() < 0.7 else rng.randrange(1, 60)
        symbols = (np.arange(total) % 7 - 3 + 1j).astype(np.complex64)
        if fragments == burst.fragments_needed(total):
            cut = burst.split(symbols)
            back, _, lost = burst.join({i: (c, np.ones(len(c), "f4")) for i, c in enumerate(cut)}, fragments, total)
            require(lost == 0 and np.array_equal(back, symbols), "join does not undo split")
        parts, good = {}, 0
        for index in range(fragments):
            length = burst.fragment_length(total, fragments, index)
            kind = rng.randrange(6)
            if kind == 0:
                continue
            n = rng.choice([0, length + 1, 4096, 2 * length]) if kind == 1 else length
            values = odd_floats(rng, n) * np.complex64(1 + 1j) if kind == 2 else np.ones(n, np.complex64)
            parts[index] = (values.astype(np.complex64), odd_floats(rng, n))
            good += n == length
        if rng.random() < 0.2:
            parts[fragments + rng.randrange(3)] = (np.ones(1, np.complex64), np.ones(1, np.float32))
        (out, noise_var, lost), spent = allocating(burst.join, parts, fragments, total)
        self.spent = max(self.spent, spent)
        require(lost == fragments - good, "join miscounts what is lost")
        require(len(out) == total and bool(np.isfinite(out).all()), "join hands on what is no number")
        require(bool((noise_var >= 0).all()), "join hands on a noise variance that is none")
        return lost == 0
