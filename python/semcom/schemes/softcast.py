# SPDX-License-Identifier: GPL-3.0-or-later
"""Scheme ``softcast``: the closed-form floor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..burst import ANALOGUE, BurstHeader, ImageHeader
from ..errors import BadInput, Undecodable
from ..jscc.allocation import SKIPPED, CellMap
from ..jscc.coder import MAX_PIXELS, Coder, refuse_importance, symbol_count
from ..zoo import weights
from .allocated import map_cost, map_part
from .base import BITS, SYMBOLS, Conditions, Decoded, Part, ReceivedPart, SymbolScheme, Transmission
from .options import Options, option

if TYPE_CHECKING:
    from ..jscc import softcast

ADAPTIVE, FIXED = "adaptive", "fixed"


@dataclass(frozen=True)
class SoftCastOptions(Options):
    """Options of scheme ``softcast``.

    Attributes
    ----------
    allocation : str
        "adaptive" or "fixed".
    """

    allocation: str = option(
        ADAPTIVE,
        "adaptive sends a small map and then the strongest coefficients of the whole image; fixed sends the same "
        "coefficients of every 16x16 pixels, without a map",
        label="Allocation",
        choices=(ADAPTIVE, FIXED),
        live=True,
        several=True,
    )


class SoftCast(SymbolScheme):
    """Pseudo-analogue coder in closed form: KLT, adaptive allocation, LMMSE receiver; k/n from 1/768 to 1/6."""

    name = "softcast"
    code = 0
    title = "SoftCast (closed form)"
    reference = "Jakubczak and Katabi, A Cross-Layer Design for Scalable Mobile Video, MobiCom 2011"
    Options = SoftCastOptions
    takes_importance = True
    carries = frozenset({BITS, SYMBOLS})
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

    def label(self, options: SoftCastOptions) -> str:
        """Only the allocation that is not the usual one."""
        return "" if options.allocation == ADAPTIVE else options.allocation

    def adapts_to(self, options: SoftCastOptions) -> frozenset[str]:
        """What the map and its MCS reckon with."""
        return frozenset({"snr_db", "channel", "k_factor_db"} if options.allocation == ADAPTIVE else ())

    def encode(
        self, image: np.ndarray, conditions: Conditions, options: SoftCastOptions, importance: np.ndarray | None = None
    ) -> Transmission:
        """Map and symbols, or symbols alone where no map is worth its uses; see :meth:`~.base.Scheme.encode`."""
        if options.allocation == FIXED:
            refuse_importance(f"{self.name} with fixed allocation", importance)
            return super().encode(image, conditions, options)
        data, sent = self.coder("").encode_adaptive(
            image, map_cost(conditions), rate=conditions.rate, snr_db=conditions.snr_db, importance=importance
        )
        symbols = Part(sent.symbols, 1)
        if not data:
            return Transmission((symbols,), sent.header)
        return Transmission((map_part(data, conditions), symbols), sent.header, {"bytes": len(data)})

    def check_header(self, header: BurstHeader) -> None:
        """See :meth:`~.base.Scheme.check_header`: symbols, with a map before them or alone."""
        super().check_header(header)
        place = 0 if header.parts == 1 else 1 if header.mcs == ANALOGUE else 0
        if header.parts > 2 or header.part != place or (header.parts == 1 and header.mcs != ANALOGUE):
            raise BadInput(
                f"part {header.part} of {header.parts} arrived; an image of softcast is a map and symbols, or symbols"
            )

    def symbols(self, header: ImageHeader, part: int, variant: str) -> int:
        """See :meth:`~.base.Scheme.symbols`."""
        return symbol_count(header)

    def decoder(self, header: ImageHeader, variant: str) -> _Decoder:
        """Waits for the map, where there is one."""
        return _Decoder(self.coder(variant))


class _Decoder:
    """The decoder of scheme ``softcast``."""

    def __init__(self, coder: softcast.SoftCast):
        self._coder = coder
        self._map: ReceivedPart | None = None
        self._symbols: ReceivedPart | None = None

    def feed(self, part: ReceivedPart) -> Decoded:
        if part.noise_var is None:
            self._map = part
        else:
            self._symbols = part
        return Decoded()

    def finish(self) -> Decoded:
        cells, part = self._map, self._symbols
        if part is None:
            raise Undecodable("nothing of the image's symbols arrived")
        if part.index == 0:
            return Decoded(image=self._coder.decode(part.payload, part.noise_var, part.header))
        if cells is None or cells.intact < len(cells.payload):
            raise Undecodable("the map of the image did not arrive intact; without it the symbols cannot be read")
        try:
            image, known = self._coder.decode_adaptive(cells.payload, part.payload, part.noise_var, part.header)
        except BadInput as error:
            raise Undecodable(str(error)) from error
        views = {"labels_view": _drawn(known, *image.shape[:2])} if known.importance.any() else {}
        return Decoded(image=image, views=views)


def _drawn(cells: CellMap, height: int, width: int) -> np.ndarray:
    """uint8 [H, W, 3]: what matters, from white to black, by a seventh for each halving; black is not sent."""
    grey = 255 - 255 * cells.importance.astype(np.int64) // SKIPPED
    pixels = grey.astype(np.uint8).repeat(cells.cell, 0).repeat(cells.cell, 1)[:height, :width]
    return np.repeat(pixels[..., None], 3, axis=2)
