# SPDX-License-Identifier: GPL-3.0-or-later
"""Scheme ``samsc``: the CNN coder of the first paper."""

from __future__ import annotations

from ..jscc.coder import Coder
from .networks import FixedRateScheme


class SAMSC(FixedRateScheme):
    """3x512x512 -> 128x32x32 by convolutions, trained without channel noise; k/n = 1/12."""

    name = "samsc"
    code = 1
    title = "SAMSC (CNN)"
    reference = "Tariq et al., Segment Anything Meets Semantic Communication, 2023"
    rates = (1 / 12, 1 / 12)
    masked_variant = "masked"

    def coder(self, variant: str) -> Coder:
        """The networks of a variant."""
        from ..jscc.samsc import samsc

        return samsc(variant)
