# SPDX-License-Identifier: GPL-3.0-or-later
"""Scheme ``semcom``: the project's own coder."""

from __future__ import annotations

from ..jscc.coder import Coder
from .networks import NetworkScheme


class Semcom(NetworkScheme):
    """One model for every SNR from -2 to 20 dB, k/n from 1/48 to 1/6, and importance."""

    name = "semcom"
    code = 7
    title = "semcom (adaptive)"
    reference = "this project"
    rates = (1 / 48, 1 / 6)
    trains_with = frozenset({"snr", "channels", "masks", "export"})
    takes_importance = True

    def coder(self, variant: str) -> Coder:
        """The networks of a variant."""
        from ..jscc.semcom import semcom

        return semcom(variant)
