# SPDX-License-Identifier: GPL-3.0-or-later
"""How the cell map of an allocation crosses the air: a part of bits that survives where the symbols still mean much."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..digital import ADAPTIVE, Mcs, message_loss, spans
from ..jscc.planning import MapCost
from .base import Conditions, Part

BURSTS, BURSTS_FADING = 4, 8  # over which a map is spread at least
MAX_LOSS = 0.001  # of maps: without its map an image is lost, however well the symbols are received
# How far the SNR may be below what the encoder reckons with, dB, against that SNR. A joint coder is expected to degrade
# gently, which costs few channel uses where the SNR is high; where it is low, such a margin would cost more than a map
# is worth.
_MARGIN_LOW, _MARGIN_HIGH = (4.0, 2.4), (10.0, 9.0)


@lru_cache(maxsize=256)
def _mcs(snr_db: float, channel: str, k_factor_db: float) -> Mcs:
    """The fastest MCS that survives with that margin, and the fading if the link fades; at least the most robust."""
    margin = float(np.interp(snr_db, *zip(_MARGIN_LOW, _MARGIN_HIGH, strict=True)))
    depth = bursts(channel)
    best = ADAPTIVE[0]
    for mcs in ADAPTIVE:
        lost = message_loss(snr_db - margin, mcs)
        if channel != "awgn":
            lost = max(lost, message_loss(snr_db, mcs, channel=channel, depth=depth, k_factor_db=k_factor_db))
        if lost <= MAX_LOSS and mcs.efficiency > best.efficiency:
            best = mcs
    return best


def bursts(channel: str) -> int:
    """Over how many bursts a map is spread at least."""
    return BURSTS if channel == "awgn" else BURSTS_FADING


def map_cost(conditions: Conditions) -> MapCost:
    """What a map costs.

    Parameters
    ----------
    conditions : Conditions
        Of the link.

    Returns
    -------
    MapCost
        In channel uses, with padding.
    """
    mcs = _mcs(conditions.snr_db, conditions.channel, conditions.k_factor_db)
    depth = bursts(conditions.channel)

    def uses(size: int) -> int:
        return sum(span.symbols for span in spans(size, mcs, depth))

    return MapCost(uses, mcs.efficiency)


def map_part(data: bytes, conditions: Conditions) -> Part:
    """The part that carries a map.

    Parameters
    ----------
    data : bytes
        The map.
    conditions : Conditions
        As of :func:`map_cost`.

    Returns
    -------
    Part
        Sent first.
    """
    mcs = _mcs(conditions.snr_db, conditions.channel, conditions.k_factor_db)
    return Part(data, 0, mcs.index, bursts(conditions.channel))
