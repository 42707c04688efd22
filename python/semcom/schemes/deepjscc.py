# SPDX-License-Identifier: GPL-3.0-or-later
"""Scheme ``deepjscc``: a CNN coder trained with channel noise."""

from __future__ import annotations

from ..jscc.coder import Coder
from .networks import FixedRateScheme


class DeepJSCC(FixedRateScheme):
    """A CNN coder trained with channel noise; k/n = 1/12."""

    name = "deepjscc"
    code = 2
    title = "DeepJSCC (CNN)"
    reference = "Bourtsoulatze et al., Deep Joint Source-Channel Coding for Wireless Image Transmission, 2019"
    rates = (1 / 12, 1 / 12)
    trains_with = frozenset({"snr", "masks", "export"})

    def coder(self, variant: str) -> Coder:
        """The networks of a variant."""
        from ..jscc.neural import latent_coder

        return latent_coder(self.name, variant)
