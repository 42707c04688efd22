# SPDX-License-Identifier: GPL-3.0-or-later
"""Modulation and coding schemes, numbered as the burst header's 6-bit ``mcs`` says them."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

from .. import values
from ..errors import BadInput

MODULATIONS = {1: "BPSK", 2: "QPSK", 4: "16-QAM", 6: "64-QAM", 8: "256-QAM"}


@dataclass(frozen=True)
class Mcs:
    """One modulation and coding scheme.

    Attributes
    ----------
    index : int
        0 to 63.
    bits : int
        Per symbol.
    code : str
        "ldpc" (5G NR), "cc" (convolutional, K = 7, 802.11) or "none".
    rate : int
        Of the code, in 2048ths: TS 38.214 gives 1024ths, and two of them with a half.
    """

    index: int
    bits: int
    code: str
    rate: int

    @property
    def efficiency(self) -> float:
        """Information bits per symbol, before CRC and tail bits."""
        return self.bits * self.rate / 2048

    @property
    def name(self) -> str:
        """For a person: ``QPSK LDPC 0.12``."""
        code = {"ldpc": f" LDPC {self.rate / 2048:.2f}", "cc": f" K=7 {self.rate / 2048:.2f}", "none": " uncoded"}
        return MODULATIONS[self.bits] + code[self.code]

    @property
    def label(self) -> str:
        """For a list: ``0: QPSK LDPC 0.12``."""
        return f"{self.index}: {self.name}"


# 3GPP TS 38.214, Table 5.1.3.1-2 (MCS index table 2, up to 256-QAM), target code rate x 1024
_NR = (
    (2, 120), (2, 193), (2, 308), (2, 449), (2, 602), (4, 378), (4, 434), (4, 490), (4, 553), (4, 616), (4, 658),
    (6, 466), (6, 517), (6, 567), (6, 616), (6, 666), (6, 719), (6, 772), (6, 822), (6, 873), (8, 682.5), (8, 711),
    (8, 754), (8, 797), (8, 841), (8, 885), (8, 916.5), (8, 948),
)  # fmt: skip
# 3GPP TS 38.214, Table 5.1.3.1-3 (low spectral efficiency): its rows below those above, but for two that lie close
_NR_LOW = ((2, 30), (2, 50), (2, 78), (2, 99))
# IEEE Std 802.11-2020, Table 17-4, in its order, with 64-QAM 1/2 of Table 19-27 left out
_WIFI = ((1, 1, 2), (1, 3, 4), (2, 1, 2), (2, 3, 4), (4, 1, 2), (4, 3, 4), (6, 2, 3), (6, 3, 4))
FIRST_CONVOLUTIONAL = 32
FIRST_UNCODED = 48

TABLE: dict[int, Mcs] = {
    **{i: Mcs(i, bits, "ldpc", round(2 * rate)) for i, (bits, rate) in enumerate(_NR + _NR_LOW)},
    **{
        FIRST_CONVOLUTIONAL + i: Mcs(FIRST_CONVOLUTIONAL + i, bits, "cc", 2048 * k // n)
        for i, (bits, k, n) in enumerate(_WIFI)
    },
    **{FIRST_UNCODED + i: Mcs(FIRST_UNCODED + i, bits, "none", 2048) for i, bits in enumerate(MODULATIONS)},
}
ADAPTIVE = tuple(TABLE[i] for i in range(len(_NR)))  # what the link adapter chooses from
LOW_RATE = tuple(TABLE[len(_NR) + i] for i in range(len(_NR_LOW)))  # for what may not be lost


def mcs_of(index: int) -> Mcs:
    """The scheme of an index; BadInput when there is none."""
    if not isinstance(index, Integral) or index not in TABLE:
        raise BadInput(
            f"there is no MCS {values.shown(index)}; choose 0 to {len(_NR + _NR_LOW) - 1} (LDPC of 5G NR), "
            f"{FIRST_CONVOLUTIONAL} to "
            f"{FIRST_CONVOLUTIONAL + len(_WIFI) - 1} (K = 7 convolutional) or {FIRST_UNCODED} to "
            f"{FIRST_UNCODED + len(MODULATIONS) - 1} (uncoded)"
        )
    return TABLE[index]
