# SPDX-License-Identifier: GPL-3.0-or-later
"""Constellation points of 5G NR for those who map symbols themselves."""

from __future__ import annotations

import numpy as np

from ..errors import BadInput
from .kernels import kernels

BITS = {"bpsk": 1, "qpsk": 2, "16qam": 4, "64qam": 6, "256qam": 8}


def constellation_points(modulation: str) -> list[complex]:
    """The points of 3GPP TS 38.211 section 5.1 in the order of their labels, first bit on top; average power 1.

    For GNU Radio's ``digital.chunks_to_symbols_bc`` and ``digital.constellation_calcdist``, in front of which
    ``blocks.repack_bits_bb(1, bits, "", False, gr.GR_MSB_FIRST)`` makes labels of bits.

    Parameters
    ----------
    modulation : str
        "bpsk", "qpsk", "16qam", "64qam" or "256qam".

    Returns
    -------
    list of complex
        As many as there are labels.
    """
    if modulation not in BITS:
        raise BadInput(f"there is no modulation {modulation}; choose {', '.join(BITS)}")
    bits = BITS[modulation]
    labels = np.arange(2**bits, dtype=np.uint8)[:, None] >> np.arange(bits - 1, -1, -1, dtype=np.uint8) & 1
    return kernels().modulation(bits).map(labels.reshape(-1)).tolist()
