# SPDX-License-Identifier: GPL-3.0-or-later
"""Scheme ``semcom``: the project's own coder."""

from __future__ import annotations

from dataclasses import dataclass

from .allocated import AllocatedScheme, AllocatingCoder, LayeredOptions
from .networks import NetworkOptions, NetworkScheme


@dataclass(frozen=True)
class SemcomOptions(LayeredOptions, NetworkOptions):
    """Options of scheme ``semcom``.

    Attributes
    ----------
    variant : str
        Of the weights; empty for the usual one.
    layers : bool
        Whether regions are sent apart.
    """


class Semcom(AllocatedScheme, NetworkScheme):
    """One model for every SNR from -2 to 20 dB, k/n from 1/48 to 1/6, and importance."""

    name = "semcom"
    code = 7
    title = "semcom (adaptive)"
    reference = "this project"
    Options = SemcomOptions
    rates = (1 / 48, 1 / 6)
    pixels_per_symbol = 32  # at the lowest rate, with half of it lost
    trains_with = frozenset({"snr", "channels", "masks", "export"})

    def coder(self, variant: str) -> AllocatingCoder:
        """The networks of a variant."""
        from ..jscc.semcom import semcom

        return semcom(variant)
