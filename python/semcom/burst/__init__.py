# SPDX-License-Identifier: GPL-3.0-or-later
"""What crosses the air: header, parts, fragments, interleaving and reassembly, NumPy in and out."""

from __future__ import annotations

from .fragments import (
    MAX_FRAGMENT,
    MAX_FRAGMENTS,
    fragment_length,
    fragments_needed,
    interleaver,
    join,
    split,
)
from .header import ANALOGUE, MAX_PARTS, MAX_SIDE, SEAL_SYMBOLS, BurstHeader, ImageHeader, check_size, snr_field
from .reassembly import (
    MIN_SHARE,
    USUAL_TIMEOUT,
    Delivery,
    Dropped,
    Event,
    Fragment,
    Group,
    Idle,
    PartArrived,
    PartBursts,
    Place,
    Reassembly,
    Refusal,
)
from .seal import Seal

__all__ = [
    "ANALOGUE",
    "MAX_FRAGMENT",
    "MAX_FRAGMENTS",
    "MAX_PARTS",
    "MAX_SIDE",
    "MIN_SHARE",
    "SEAL_SYMBOLS",
    "USUAL_TIMEOUT",
    "BurstHeader",
    "Delivery",
    "Dropped",
    "Event",
    "Fragment",
    "Group",
    "Idle",
    "ImageHeader",
    "PartArrived",
    "PartBursts",
    "Place",
    "Reassembly",
    "Refusal",
    "Seal",
    "check_size",
    "fragment_length",
    "fragments_needed",
    "interleaver",
    "join",
    "snr_field",
    "split",
]
