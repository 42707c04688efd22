# SPDX-License-Identifier: GPL-3.0-or-later
"""The finest setting of an encoder whose bytes just fit, in few calls."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


class DoesNotFit(Exception):
    """Even the coarsest setting takes more than the budget.

    Parameters
    ----------
    size : int
        Bytes that it takes.
    """

    def __init__(self, size: int):
        super().__init__(size)
        self.size = size


@dataclass(frozen=True)
class Growth:
    """How the size grows with the setting: its logarithm nearly as a line.

    Attributes
    ----------
    first : int
        Setting to begin with.
    slope : float
        Natural logarithm of the growth for one step, as a first guess.
    near : float
        This share of the budget is near enough to stop.
    """

    first: int
    slope: float
    near: float


def finest_within(
    encode: Callable[[int], T],
    budget: float,
    last: int,
    growth: Growth | None = None,
    size: Callable[[T], int] = len,
) -> tuple[T, int]:
    """What the largest setting makes that takes at most ``budget`` bytes, and the setting.

    Where it is known how the size grows, the secant through the two tightest settings finds it in few calls; where that
    keeps to one side, and where nothing is known, the middle is taken.

    Parameters
    ----------
    encode : callable
        Setting, 0 to ``last``, -> what is coded; more for a larger setting, by and large.
    budget : float
        Bytes.
    last : int
        Largest setting.
    growth : Growth, optional
        What is known of the size; for sizes above 0 and a budget above 0 only.
    size : callable
        What is coded -> the bytes that it takes.

    Returns
    -------
    found : object
        What ``encode`` made.
    setting : int
        Of it.

    Raises
    ------
    DoesNotFit
        Setting 0 takes more.
    """
    below, above = -1, last + 1  # the tightest settings known to fit and not to fit; the ends have no size
    sizes: dict[int, int] = {}
    best: tuple[T, int] | None = None
    slope = growth.slope if growth else 0.0
    setting = min(max(growth.first, 0), last) if growth else (below + above + 1) // 2
    while above - below > 1:
        made = encode(setting)
        taken = sizes[setting] = size(made)
        if taken <= budget:
            below, best = setting, (made, setting)
            if growth and taken >= growth.near * budget:
                break
        else:
            above = setting
            if setting == 0:
                raise DoesNotFit(taken)
        if growth is None:
            setting = (below + above + 1) // 2
            continue
        if below in sizes and above in sizes:
            slope = max((math.log(sizes[above]) - math.log(sizes[below])) / (above - below), 1e-6)
        # when the curve bends, the secant creeps up from one side
        known = below if below in sizes else above
        step = math.floor((math.log(budget) - math.log(sizes[known])) / slope)
        setting = (below + above) // 2 if len(sizes) > 5 else known + step
        setting = min(max(setting, below + 1), above - 1)
    assert best is not None  # the loop ends on a setting that fits, or raises
    return best
