# SPDX-License-Identifier: GPL-3.0-or-later
"""Schemes, the ways to send an image: the registry, and one module for each.

Everything that a user can choose by name is a :class:`Scheme`, registered once; command, blocks, sweep and GNU Radio
Companion read the registry.
"""

from __future__ import annotations

from .base import (
    AUTO,
    BITS,
    SYMBOLS,
    USUAL_RATE,
    Conditions,
    Decoded,
    Decoder,
    Labels,
    Part,
    ReceivedPart,
    Scheme,
    SymbolScheme,
    Transmission,
)
from .options import Options, option
from .receive import USUAL_PIXELS, Image, Message, MessageReception, News, PartRead, Reception
from .region import TREATMENTS, Region, importance_of
from .registry import USUAL_SCHEME, get, load_decoder, name_of, names, of_code, register, schemes, trained
from .transmit import bursts

__all__ = [
    "AUTO",
    "BITS",
    "SYMBOLS",
    "TREATMENTS",
    "USUAL_PIXELS",
    "USUAL_RATE",
    "USUAL_SCHEME",
    "Conditions",
    "Decoded",
    "Decoder",
    "Image",
    "Labels",
    "Message",
    "MessageReception",
    "News",
    "Options",
    "Part",
    "PartRead",
    "ReceivedPart",
    "Reception",
    "Region",
    "Scheme",
    "SymbolScheme",
    "Transmission",
    "bursts",
    "get",
    "importance_of",
    "load_decoder",
    "name_of",
    "names",
    "of_code",
    "option",
    "register",
    "schemes",
    "trained",
]
