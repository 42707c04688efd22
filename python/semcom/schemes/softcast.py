# SPDX-License-Identifier: GPL-3.0-or-later
"""Scheme ``softcast``: the closed-form floor."""

from __future__ import annotations

from ..jscc.coder import MAX_PIXELS, Coder
from ..zoo import weights
from .base import SymbolScheme


class SoftCast(SymbolScheme):
    """Pseudo-analogue coder in closed form: KLT, power allocation, LMMSE receiver; k/n from 1/768 to 1/6."""

    name = "softcast"
    code = 0
    title = "SoftCast (closed form)"
    reference = "Jakubczak and Katabi, A Cross-Layer Design for Scalable Mobile Video, MobiCom 2011"
    rates = (1 / 768, 1 / 6)
    trains_with = frozenset()
    closed_form = True
    max_pixels = MAX_PIXELS

    def coder(self, variant: str) -> Coder:
        """The one coder there is."""
        from ..jscc.softcast import softcast

        return softcast()

    def variants(self) -> dict[str, int]:
        """One, of the shipped transform."""
        return {"": weights.identifier([weights.sha256("softcast_klt")])}
