# SPDX-License-Identifier: GPL-3.0-or-later
"""A transmission as bursts: the one way from parts to what is modulated."""

from __future__ import annotations

import numpy as np

from ..burst import ANALOGUE, MAX_PARTS, BurstHeader, split
from ..digital import ProtectedBytes, mcs_of, part_bursts
from ..errors import BadInput
from .base import BITS, Part, Scheme, Transmission

MAX_NAME = 255  # bytes of an image's name


def bursts(
    sent: Transmission, scheme: Scheme, name: str = "", image_id: int = 0, transmission: int = 0
) -> list[tuple[BurstHeader, np.ndarray]]:
    """The bursts of all parts, in the order in which they are sent.

    Parameters
    ----------
    sent : Transmission
        What a scheme made of an image.
    scheme : Scheme
        The one that made it.
    name : str
        Of the image; it travels in the first part that carries bits, where there is room.
    image_id : int
        0 to 65535.
    transmission : int
        0 to 255, the same during a sender's run.

    Returns
    -------
    list of (BurstHeader, complex64 [n])
        Symbols of average power 1.

    Raises
    ------
    BadInput
        No parts or too many, a part of another kind than the scheme carries, or more fragments than a header counts.
    """
    if not 1 <= len(sent.parts) <= MAX_PARTS:
        raise BadInput(f"scheme {scheme.name} made {len(sent.parts)} parts; a transmission has 1 to {MAX_PARTS}")
    note = _note(name)
    out: list[tuple[BurstHeader, np.ndarray]] = []
    for index, part in sorted(enumerate(sent.parts), key=lambda item: item[1].priority):
        if part.kind not in scheme.carries:
            raise BadInput(f"scheme {scheme.name} made a part of {part.kind}, which it does not say it carries")
        common = {
            "transmission": transmission, "image_id": image_id, "part": index, "parts": len(sent.parts),
            "scheme": scheme.code, "height": sent.header.height, "width": sent.header.width,
            "snr_enc": sent.header.snr_enc, "weights_id": sent.header.weights_id,
        }  # fmt: skip
        if part.kind == BITS:
            out += _bits(part, common, note)
            note = b""
        else:
            out += _symbols(part, common, sent)
    return out


def _bits(part: Part, common: dict[str, int], note: bytes) -> list[tuple[BurstHeader, np.ndarray]]:
    protected = ProtectedBytes(part.payload, mcs_of(part.mcs), part.bursts, note, part.room)
    made = part_bursts(protected, common["image_id"], common["part"])
    return [
        (
            BurstHeader(
                **common,
                fragment=index,
                fragments=len(made),
                rate=span.depth - 1,
                scale=span.first,
                mcs=span.mcs.index,
                n_symbols=len(symbols),
            ),
            symbols,
        )
        for index, (span, symbols) in enumerate(made)
    ]


def _symbols(part: Part, common: dict[str, int], sent: Transmission) -> list[tuple[BurstHeader, np.ndarray]]:
    fragments = split(np.ascontiguousarray(part.payload, np.complex64))
    return [
        (
            BurstHeader(
                **common,
                fragment=index,
                fragments=len(fragments),
                rate=sent.header.rate,
                scale=sent.header.scale if part.scale is None else part.scale,
                mcs=ANALOGUE,
                n_symbols=len(symbols),
            ),
            symbols,
        )
        for index, symbols in enumerate(fragments)
    ]


def _note(name: str) -> bytes:
    """A name in UTF-8, cut at a whole character."""
    return name.encode("utf-8", "replace")[:MAX_NAME].decode("utf-8", "ignore").encode()
