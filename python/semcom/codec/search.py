# SPDX-License-Identifier: GPL-3.0-or-later
"""The setting of an encoder whose bytes just fit, in few calls."""

from __future__ import annotations

import math
from collections.abc import Callable


class DoesNotFit(Exception):
    """Even the coarsest setting takes more than the budget: ``size`` bytes."""

    def __init__(self, size: int):
        super().__init__(size)
        self.size = size


def finest_within(
    encode: Callable[[int], bytes], budget: int, last: int, first: int, slope: float, near: float
) -> tuple[bytes, int]:
    """The bytes of the largest setting that takes at most ``budget`` bytes, and the setting.

    The logarithm of the size is close to linear in the setting, so the secant through the two tightest settings finds
    it; where that keeps to one side, the middle is taken.

    Parameters
    ----------
    encode : setting, 0 to ``last``, -> bytes; more for a larger setting, by and large.
    budget : bytes.
    last : largest setting.
    first : setting to begin with.
    slope : natural logarithm of the growth for one step, as a first guess.
    near : this share of the budget is near enough to stop.

    Raises
    ------
    DoesNotFit : setting 0 takes more.
    """
    below, above = (-1, 0.0), (last + 1, 0.0)  # setting and logarithm of its size; the ends have none
    best: tuple[bytes, int] | None = None
    setting, goal, calls = min(max(first, 0), last), math.log(budget), 0
    while above[0] - below[0] > 1:
        data = encode(setting)
        calls += 1
        size = math.log(len(data))
        if len(data) <= budget:
            below, best = (setting, size), (data, setting)
            if len(data) >= near * budget:
                break
        else:
            above = (setting, size)
            if setting == 0:
                raise DoesNotFit(len(data))
        if below[0] >= 0 and above[0] <= last:
            slope = max((above[1] - below[1]) / (above[0] - below[0]), 1e-6)
        # when the curve bends, the secant creeps up from one side
        known = below if below[0] >= 0 else above
        guess = (below[0] + above[0]) // 2 if calls > 5 else known[0] + math.floor((goal - known[1]) / slope)
        setting = min(max(guess, below[0] + 1), above[0] - 1)
    assert best is not None  # the loop ends on a setting that fits, or raises
    return best
