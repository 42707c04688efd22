# SPDX-License-Identifier: GPL-3.0-or-later
"""What encoders of images have in common: a scheme, its options, and the link that they reckon with."""

from __future__ import annotations

from dataclasses import replace

from .. import values
from ..burst import snr_field
from ..schemes import Conditions, Options, Scheme
from .live import live
from .worker import sending_block


class encoding_block(sending_block):
    """A sender that encodes by a scheme; whoever derives from it sets these before it sets rate and SNR."""

    _scheme: Scheme
    _options: Options
    _conditions: Conditions

    @live
    def set_rate(self, rate: float) -> None:
        """Change k/n while running; 0 for the scheme's own."""
        rate = values.number(rate, "rate", 0)
        self._scheme.check_limits(rate or None)
        self._conditions = replace(self._conditions, rate=rate or None)

    @live
    def set_snr_db(self, snr_db: float) -> None:
        """Change the Es/N0 that the encoder reckons with, in dB, while running."""
        snr_field(snr_db)
        self._conditions = replace(self._conditions, snr_db=snr_db)

    def load(self) -> dict[str, str]:
        """Load the weights now instead of with the first image; their file names and sha256."""
        return self._scheme.load(self._options)
