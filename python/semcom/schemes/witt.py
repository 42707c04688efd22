# SPDX-License-Identifier: GPL-3.0-or-later
"""Scheme ``witt``: a Swin transformer trained with channel noise."""

from __future__ import annotations

from ..jscc.coder import Coder
from .networks import FixedRateScheme


class WITT(FixedRateScheme):
    """A Swin transformer trained with channel noise; k/n = 1/12. What ships is narrow, trained for minutes only."""

    name = "witt"
    code = 3
    title = "WITT (Swin transformer)"
    reference = "Yang et al., WITT: A Wireless Image Transmission Transformer, ICASSP 2023"
    rates = (1 / 12, 1 / 12)
    trains_with = frozenset({"snr", "masks", "export"})

    def coder(self, variant: str) -> Coder:
        """The networks of a variant."""
        from ..jscc.neural import latent_coder
        from ..jscc.tiles import Tiling

        # attention takes three kilobytes for a pixel
        return latent_coder(self.name, variant, Tiling(whole=400, core=14, margin=2))
