# SPDX-License-Identifier: GPL-3.0-or-later
"""Standard digital coding and modulation: byte strings to bursts of symbols and back, NumPy in and out."""

from __future__ import annotations

from .adapter import (
    BURSTS,
    BURSTS_FADING,
    CHANNELS,
    MAX_MARGIN_DB,
    USUAL_MARGIN_DB,
    block_error_rate,
    choose,
    effective_snr_db,
    fastest,
    message_loss,
    spread,
)
from .link import MAX_RATE, Link, Plan
from .mcs import ADAPTIVE, LOW_RATE, TABLE, Mcs, mcs_of
from .message import (
    Message,
    ProtectedBytes,
    Span,
    budget,
    bursts,
    part_bursts,
    plan_text,
    planned,
    read_part,
    received,
    span_for,
    span_within,
    spans,
)

__all__ = [
    "ADAPTIVE",
    "BURSTS",
    "BURSTS_FADING",
    "CHANNELS",
    "LOW_RATE",
    "MAX_MARGIN_DB",
    "MAX_RATE",
    "TABLE",
    "USUAL_MARGIN_DB",
    "Link",
    "Mcs",
    "Message",
    "Plan",
    "ProtectedBytes",
    "Span",
    "block_error_rate",
    "budget",
    "bursts",
    "choose",
    "effective_snr_db",
    "fastest",
    "mcs_of",
    "message_loss",
    "part_bursts",
    "plan_text",
    "planned",
    "read_part",
    "received",
    "span_for",
    "span_within",
    "spans",
    "spread",
]
