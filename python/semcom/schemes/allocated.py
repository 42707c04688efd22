# SPDX-License-Identifier: GPL-3.0-or-later
"""Schemes that send a cell map as bits and what it allocates as symbols.

The map is a part of its own that survives where the symbols still mean much. Where regions of different importance are
sent apart, the symbols of each are a part of their own behind it, the most important first: what is lost of one does
not touch the others, and of a region that is lost altogether the base is left, which is sent with the map.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from ..burst import ANALOGUE, BurstHeader, ImageHeader
from ..digital import ADAPTIVE, Mcs, fastest, message_loss, spans, spread
from ..errors import BadInput, Undecodable
from ..jscc.allocation import COEFFICIENTS, LAYERS, SKIPPED, TOGETHER, CellMap, importances_of
from ..jscc.coder import STRIDE, Coder, grid, symbol_count
from ..jscc.planning import MapCost
from ..jscc.symbols import ImageSymbols, ReceivedSymbols
from .base import BITS, SYMBOLS, Conditions, Decoded, Part, ReceivedPart, SymbolScheme, Transmission
from .options import Options, option

MAX_LOSS = 0.001  # of maps: without its map an image is lost, however well the symbols are received
# How far the SNR may be below what the encoder reckons with, dB, against that SNR. A joint coder is expected to degrade
# gently, which costs few channel uses where the SNR is high; where it is low, such a margin would cost more than a map
# is worth.
_MARGINS = ((4.0, 2.2), (7.0, 4.5), (10.0, 9.0))


@lru_cache(maxsize=256)
def _mcs(snr_db: float, channel: str, k_factor_db: float) -> Mcs:
    """The fastest MCS that survives with that margin, and the fading if the link fades; at least the most robust."""
    margin = float(np.interp(snr_db, *zip(*_MARGINS, strict=True)))
    depth = spread(channel)

    def survives(mcs: Mcs) -> bool:
        lost = message_loss(snr_db - margin, mcs)
        if channel != "awgn":
            lost = max(lost, message_loss(snr_db, mcs, channel=channel, depth=depth, k_factor_db=k_factor_db))
        return lost <= MAX_LOSS

    return fastest(ADAPTIVE, survives)


def map_cost(conditions: Conditions) -> MapCost:
    """What a map costs.

    Parameters
    ----------
    conditions : Conditions
        Of the link.

    Returns
    -------
    MapCost
        In channel uses, with padding.
    """
    mcs = _mcs(conditions.snr_db, conditions.channel, conditions.k_factor_db)
    depth = spread(conditions.channel)

    def uses(size: int) -> int:
        return sum(span.symbols for span in spans(size, mcs, depth))

    return MapCost(uses, mcs.efficiency)


def map_part(data: bytes, conditions: Conditions) -> Part:
    """The part that carries a map.

    Parameters
    ----------
    data : bytes
        The map.
    conditions : Conditions
        As of :func:`map_cost`.

    Returns
    -------
    Part
        Sent first.
    """
    mcs = _mcs(conditions.snr_db, conditions.channel, conditions.k_factor_db)
    return Part(data, 0, mcs.index, spread(conditions.channel))


class AllocatingCoder(Coder, Protocol):
    """A coder that can send a map of cells before its symbols."""

    def encode_adaptive(
        self,
        image: np.ndarray,
        cost: MapCost,
        *,
        rate: float | None = None,
        snr_db: float = 10.0,
        importance: np.ndarray | None = None,
        division: str = TOGETHER,
    ) -> tuple[bytes, list[ImageSymbols]]:
        """See :meth:`..jscc.softcast.SoftCast.encode_adaptive`."""

    def decode_adaptive(
        self, data: bytes, received: Sequence[ReceivedSymbols | None], header: ImageHeader, division: str = TOGETHER
    ) -> tuple[np.ndarray, CellMap]:
        """See :meth:`..jscc.softcast.SoftCast.decode_adaptive`."""

    def expected_error(self, data: bytes, noise_var: np.ndarray, header: ImageHeader) -> np.ndarray:
        """See :meth:`..jscc.softcast.SoftCast.expected_error`."""


@dataclass(frozen=True)
class LayeredOptions(Options):
    """Options of a scheme that can send regions apart.

    Attributes
    ----------
    layers : bool
        Whether it does.
    """

    layers: bool = option(
        False,
        "whether regions of different importance are parts of their own, the most important first, so that a lost "
        "burst of one does not touch the others",
        label="Regions apart",
        live=True,
    )


class AllocatedScheme(SymbolScheme):
    """A joint coder that sends a map of profiles and importance, and the coefficients that it allocates.

    Derived classes give :meth:`coder`.
    """

    takes_importance = True
    carries = frozenset({BITS, SYMBOLS})
    divided = LAYERS
    """How the symbols are divided into parts where regions are sent apart."""

    def coder(self, variant: str) -> AllocatingCoder:
        """See :meth:`~.base.SymbolScheme.coder`."""
        raise BadInput(f"scheme {self.name} has no coder")

    def apart(self, options: Any) -> bool:
        """Whether regions are sent apart."""
        return self.regions_apart or options.layers

    def adapts_to(self, options: Any) -> frozenset[str]:
        """What the map and its MCS reckon with."""
        return frozenset({"snr_db", "channel", "k_factor_db"})

    def encode(
        self, image: np.ndarray, conditions: Conditions, options: Any, importance: np.ndarray | None = None
    ) -> Transmission:
        """Map and symbols, or symbols alone where no map is worth its uses; see :meth:`~.base.Scheme.encode`."""
        data, sent = self.coder(self.variant(options)).encode_adaptive(
            image,
            map_cost(conditions),
            rate=conditions.rate,
            snr_db=conditions.snr_db,
            importance=importance,
            division=self.divided if self.apart(options) else TOGETHER,
        )
        symbols = [Part(each.symbols, 1 + number, scale=each.header.scale) for number, each in enumerate(sent)]
        if not data:
            return Transmission(tuple(symbols), sent[0].header)
        return Transmission((map_part(data, conditions), *symbols), sent[0].header, {"bytes": len(data)})

    def check_header(self, header: BurstHeader) -> None:
        """See :meth:`~.base.Scheme.check_header`: symbols, with a map before them or alone."""
        super().check_header(header)
        analogue = header.mcs == ANALOGUE
        if not (analogue if header.parts == 1 else analogue == (header.part > 0)):
            raise BadInput(
                f"part {header.part} of {header.parts} arrived; an image of {self.name} is a map and symbols, or "
                "symbols alone"
            )

    def symbols(self, header: ImageHeader, part: int, variant: str) -> int:
        """See :meth:`~.base.Scheme.symbols`; of regions that are sent apart, the upper limit."""
        return symbol_count(header)

    def part_length(self, header: BurstHeader, variant: str) -> int:
        """See :meth:`~.base.Scheme.part_length`; of regions that are sent apart, fragments are equally long."""
        if header.parts <= 2:
            return super().part_length(header, variant)
        rows, columns = grid(header.height, header.width)
        length, most = header.fragments * header.n_symbols, rows * columns * COEFFICIENTS // 2 + header.fragments
        if length > most:
            raise BadInput(
                f"a part of {length} symbols arrived of a {header.width}x{header.height} image, of {most} at most"
            )
        return length

    def decoder(self, header: ImageHeader, variant: str) -> _Decoder:
        """Waits for the map, where there is one."""
        return _Decoder(self.coder(variant), self.divided)


class _Decoder:
    """Waits for the map, where there is one."""

    def __init__(self, coder: AllocatingCoder, divided: str):
        self._coder, self._divided = coder, divided
        self._map: ReceivedPart | None = None
        self._symbols: dict[int, ReceivedPart] = {}

    def feed(self, part: ReceivedPart) -> Decoded:
        if part.noise_var is None:
            self._map = part
        else:
            self._symbols[part.index] = part
        return Decoded()

    def finish(self) -> Decoded:
        cells = self._map
        if not self._symbols:
            raise Undecodable("nothing of the image's symbols arrived")
        first = self._symbols[min(self._symbols)]
        if first.index == 0:
            image = self._coder.decode(first.payload, first.noise_var, first.header)
            return Decoded(image=image, error=self._error_of(b"", first))
        if cells is None or cells.intact < len(cells.payload):
            raise Undecodable("the map of the image did not arrive intact; without it the symbols cannot be read")
        count = max(first.parts - 1, 1)
        received = [self._received(number) for number in range(1, count + 1)]
        division = self._divided if count > 1 else TOGETHER
        try:
            image, known = self._coder.decode_adaptive(cells.payload, received, first.header, division)
        except BadInput as error:
            raise Undecodable(str(error)) from error
        views = {"labels_view": _drawn(known, first.header)} if known.importance.any() else {}
        missing = [number for number, part in enumerate(received) if part is None]
        skipped = known.importance == SKIPPED
        return Decoded(
            image=image,
            views=views,
            problems=_problems(known, missing),
            sent=_pixels(~skipped, known.cell, first.header) if skipped.any() else None,
            error=self._error_of(cells.payload, first) if count == 1 else None,
        )

    def _received(self, number: int) -> ReceivedSymbols | None:
        part = self._symbols.get(number)
        return None if part is None else ReceivedSymbols(part.payload, part.noise_var, part.header.scale)

    def _error_of(self, data: bytes, part: ReceivedPart) -> Callable[[], np.ndarray]:
        """Computed when it is asked for, which is seldom; the symbols are not kept for it."""
        coder, noise_var, header = self._coder, part.noise_var, part.header
        return lambda: _pixels(coder.expected_error(data, noise_var, header), STRIDE, header)


def _problems(cells: CellMap, missing: list[int]) -> tuple[str, ...]:
    """One sentence for each region of which nothing was received."""
    of_regions = importances_of(np.bincount(cells.importance.ravel(), minlength=SKIPPED + 1))
    return tuple(
        f"nothing arrived of region {number} of {len(of_regions)}, of importance 1/{1 << of_regions[number]}; only the "
        "base of the image shows there"
        for number in missing
    )


def _pixels(values: np.ndarray, side: int, header: ImageHeader) -> np.ndarray:
    """[H, W]: the value of the square of ``side`` pixels that each pixel lies in."""
    return values.repeat(side, 0).repeat(side, 1)[: header.height, : header.width]


def _drawn(cells: CellMap, header: ImageHeader) -> np.ndarray:
    """uint8 [H, W, 3]: what matters, from white to black, by a seventh for each halving; black is not sent."""
    grey = 255 - 255 * cells.importance.astype(np.int64) // SKIPPED
    return np.repeat(_pixels(grey.astype(np.uint8), cells.cell, header)[..., None], 3, axis=2)
