# SPDX-License-Identifier: GPL-3.0-or-later
"""What a link carries: from channel uses per source value to an MCS and a number of bytes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from ..errors import BadInput
from . import adapter
from .mcs import Mcs, mcs_of
from .message import MAX_BURSTS, budget, span_within

MAX_RATE = 1.0  # channel uses per source value


class Plan(NamedTuple):
    """How an image is sent.

    Attributes
    ----------
    mcs : Mcs
        At which.
    budget : int
        Bytes that it may have.
    bursts : int
        Over how many it is spread at least, however many of the bytes it takes: what the choice of the MCS counted on.
    """

    mcs: Mcs
    budget: int
    bursts: int


@dataclass(frozen=True)
class Link:
    """Rate, MCS and channel of a link that sends byte strings.

    Attributes
    ----------
    rate : float
        k/n, complex channel uses per real source value.
    mcs : int or None
        Index, or None for the one that the link adapter chooses.
    channel : str
        "awgn", "rayleigh" or "rician", what the adapter reckons with.
    loss : float
        Share of the messages that the adapter lets be lost.
    k_factor_db : float
        Rician K, dB.
    margin_db : float
        By how much the SNR may be below what it is taken for, dB.
    """

    rate: float = 1 / 12
    mcs: int | None = None
    channel: str = "awgn"
    loss: float = adapter.USUAL_LOSS
    k_factor_db: float = 10.0
    margin_db: float = adapter.USUAL_MARGIN_DB

    def __post_init__(self) -> None:
        if not 0 < self.rate <= MAX_RATE:
            raise BadInput(f"a rate of {self.rate:g} is out of range; choose k/n above 0 and up to 1, such as 1/12")
        if not 0 < self.loss < 1:
            raise BadInput(f"a loss of {self.loss:g} is no share; choose one between 0 and 1, such as 0.01")
        if not 0 <= self.margin_db <= adapter.MAX_MARGIN_DB:
            raise BadInput(
                f"a margin of {self.margin_db:g} dB makes no sense; choose 0 to {adapter.MAX_MARGIN_DB:g} dB"
            )
        if self.channel not in adapter.CHANNELS:
            raise BadInput(f"the link adapter knows no channel {self.channel}; choose {', '.join(adapter.CHANNELS)}")
        if self.mcs is not None:
            mcs_of(self.mcs)

    def plan(self, source_values: int, snr_db: float) -> Plan:
        """For an image of so many real values (3 a pixel) that is sent at Es/N0 ``snr_db``."""
        symbols = math.floor(source_values * self.rate + 1e-6)
        if self.mcs is not None:
            mcs = mcs_of(self.mcs)
        else:
            mcs = _chosen(snr_db - self.margin_db, symbols, self.loss, self.channel, self.k_factor_db)
        fades = self.channel != "awgn"
        return Plan(mcs, budget(symbols, mcs), min(MAX_BURSTS, span_within(symbols, mcs).depth) if fades else 1)


@lru_cache(maxsize=1024)
def _chosen(snr_db: float, symbols: int, loss: float, channel: str, k_factor_db: float) -> Mcs:
    return adapter.choose(snr_db, max(1, symbols), loss=loss, channel=channel, k_factor_db=k_factor_db)
