# SPDX-License-Identifier: GPL-3.0-or-later
"""Scheme ``softcast``: the closed-form floor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import BadInput
from ..jscc.coder import MAX_PIXELS, refuse_importance
from ..zoo import weights
from .allocated import AllocatedScheme, AllocatingCoder, LayeredOptions
from .base import Conditions, SymbolScheme, Transmission
from .options import option

ADAPTIVE, FIXED = "adaptive", "fixed"


@dataclass(frozen=True)
class SoftCastOptions(LayeredOptions):
    """Options of scheme ``softcast``.

    Attributes
    ----------
    layers : bool
        Whether regions are sent apart, with adaptive allocation.
    allocation : str
        "adaptive" or "fixed".
    """

    allocation: str = option(
        ADAPTIVE,
        "adaptive sends a small map and then the strongest coefficients of the whole image; fixed sends the same "
        "coefficients of every 16x16 pixels, without a map",
        label="Allocation",
        choices=(ADAPTIVE, FIXED),
        words={ADAPTIVE: "By what each area needs", FIXED: "The same everywhere"},
        live=True,
        several=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.layers and self.allocation == FIXED:
            raise BadInput(
                "need an adaptive allocation, which knows of regions; the fixed one does not", field="layers"
            )


class SoftCast(AllocatedScheme):
    """Pseudo-analogue coder in closed form: KLT, adaptive allocation, LMMSE receiver; k/n from 1/768 to 1/6."""

    name = "softcast"
    code = 0
    title = "SoftCast (closed form)"
    reference = "Jakubczak and Katabi, A Cross-Layer Design for Scalable Mobile Video, MobiCom 2011"
    Options = SoftCastOptions
    rates = (1 / 768, 1 / 6)
    trains_with = frozenset()
    closed_form = True
    max_pixels = MAX_PIXELS
    pixels_per_symbol = 256  # at the lowest rate

    def coder(self, variant: str) -> AllocatingCoder:
        """The one coder there is."""
        from ..jscc.softcast import softcast

        return softcast()

    def variants(self) -> dict[str, int]:
        """One, of the shipped transform."""
        return {"": weights.identifier([weights.sha256("softcast_klt")])}

    def label(self, options: SoftCastOptions) -> str:
        """Only the allocation that is not the usual one."""
        return "" if options.allocation == ADAPTIVE else options.allocation

    def adapts_to(self, options: SoftCastOptions) -> frozenset[str]:
        """What the map and its MCS reckon with."""
        return super().adapts_to(options) if options.allocation == ADAPTIVE else frozenset()

    def encode(
        self, image: np.ndarray, conditions: Conditions, options: SoftCastOptions, importance: np.ndarray | None = None
    ) -> Transmission:
        """Map and symbols, or symbols alone where no map is worth its uses; see :meth:`~.base.Scheme.encode`."""
        if options.allocation == FIXED:
            refuse_importance(f"{self.name} with fixed allocation", importance)
            return SymbolScheme.encode(self, image, conditions, options)
        return super().encode(image, conditions, options, importance)
