# SPDX-License-Identifier: GPL-3.0-or-later
"""A transmission as bursts: the one way from parts to what is modulated."""

from __future__ import annotations

import numpy as np

from ..burst import ANALOGUE, MAX_PARTS, BurstHeader, Seal, split
from ..digital import ProtectedBytes, mcs_of, part_bursts
from ..errors import BadInput
from .base import BITS, Part, Scheme, Transmission

MAX_NAME = 255  # bytes of an image's name

Burst = tuple[BurstHeader, np.ndarray]


def bursts(
    sent: Transmission,
    scheme: Scheme,
    name: str = "",
    image_id: int = 0,
    transmission: int = 0,
    seal: Seal | None = None,
) -> list[Burst]:
    """The bursts of all parts, in the order in which they are sent.

    Part follows on part, but those of bits that are spread over several bursts go out from the beginning to the end of
    the transmission, so that a fade that is longer than a burst does not take them.

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
    seal : Seal, optional
        Seals each burst.

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
    spread: list[list[Burst]] = []
    row: list[Burst] = []
    for index, part in sorted(enumerate(sent.parts), key=lambda item: item[1].priority):
        if part.kind not in scheme.carries:
            raise BadInput(f"scheme {scheme.name} made a part of {part.kind}, which it does not say it carries")
        common = {
            "transmission": transmission, "image_id": image_id, "part": index, "parts": len(sent.parts),
            "scheme": scheme.code, "height": sent.header.height, "width": sent.header.width,
            "snr_enc": sent.header.snr_enc, "weights_id": sent.header.weights_id,
        }  # fmt: skip
        if part.kind == BITS:
            made = _bits(part, common, note)
            note = b""
        else:
            made = _symbols(part, common, sent)
        if part.kind == BITS and part.bursts > 1:
            spread.append(made)
        else:
            row += made
    made = _in_turns(spread, row)
    return made if seal is None else [seal.closed(*burst) for burst in made]


def _in_turns(spread: list[list[Burst]], row: list[Burst]) -> list[Burst]:
    """Each list of ``spread`` evenly from beginning to end, the first of them outermost; ``row`` between them."""
    timed = [((i + 0.5) / len(row), burst) for i, burst in enumerate(row)]
    for made in spread:
        timed += [(i / max(1, len(made) - 1), burst) for i, burst in enumerate(made)]
    # the last fragment of the last part tells modems that the image is over
    return [burst for _, burst in sorted(timed, key=lambda item: (_is_last(item[1][0]), item[0]))]


def _is_last(header: BurstHeader) -> bool:
    return header.part + 1 == header.parts and header.fragment + 1 == header.fragments


def _bits(part: Part, common: dict[str, int], note: bytes) -> list[Burst]:
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


def _symbols(part: Part, common: dict[str, int], sent: Transmission) -> list[Burst]:
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
