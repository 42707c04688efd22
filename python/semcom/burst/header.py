# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields of a burst's header in Python; ``gnuradio/semcom/burst_header.h`` packs them for the air."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .. import values
from ..errors import BadInput
from .fragments import MAX_FRAGMENT

MAX_SIDE = 32767  # the burst header counts the sides of an image in 15 bits
MAX_PARTS = 8
MAX_SNR_DB = 300  # the powers of ten of larger ones are no floating-point numbers any more
ANALOGUE = 63  # the mcs of symbols that a joint coder made, which are not bits in any modulation
SEAL_SYMBOLS = 128  # of a seal, beside those of the fragment

# lowest and highest value of each field, and what a PDU that lacks it means; None: it must be there
_FIELDS: dict[str, tuple[int, int, int | None]] = {
    "transmission": (0, 255, 0),
    "image_id": (0, 65535, 0),
    "part": (0, MAX_PARTS - 1, 0),
    "parts": (1, MAX_PARTS, 1),
    "fragment": (0, 4094, None),
    "fragments": (1, 4095, None),
    "scheme": (0, 255, None),
    "height": (1, MAX_SIDE, None),
    "width": (1, MAX_SIDE, None),
    "rate": (0, 255, None),
    "scale": (0, 65535, None),
    "snr_enc": (-128, 127, None),
    "mcs": (0, 63, ANALOGUE),
    "weights_id": (0, 255, 0),
    "n_symbols": (1, MAX_FRAGMENT + SEAL_SYMBOLS, None),
    "sealed": (0, 1, 0),
}


@dataclass(frozen=True)
class BurstHeader:
    """What the header of one burst says.

    Attributes
    ----------
    transmission : int
        Random number of the sender's run, 0..255: tells two senders apart.
    image_id : int
        Number of the image, 0..65535.
    part, parts : int
        Which part of the image's transmission this is, and how many there are; 1 to 8.
    fragment, fragments : int
        Which fragment of the part this burst carries, and how many there are; 1 to 4095.
    scheme : int
        Code of the scheme, 0..255.
    height, width : int
        Of the image, pixels.
    rate : int
        Of symbols: latent channels sent per position, less one. Of bits: bursts of the group, less one.
    scale : int
        Of symbols: logarithmic code of the power scale. Of bits: the fragment that the group begins with.
    snr_enc : int
        Es/N0 that the encoder assumed, dB.
    mcs : int
        Modulation and coding scheme, 0..62; ``ANALOGUE`` of symbols.
    weights_id : int
        Identifier of the weights, 1..255; 0 where nothing is said of them.
    n_symbols : int
        Symbols of this burst, 1..4096; with those of its seal 129..4224.
    sealed : int
        1 when the symbols are sealed with a key, see :class:`~.seal.Seal`.
    """

    transmission: int
    image_id: int
    part: int
    parts: int
    fragment: int
    fragments: int
    scheme: int
    height: int
    width: int
    rate: int
    scale: int
    snr_enc: int
    mcs: int
    weights_id: int
    n_symbols: int
    sealed: int = 0

    @classmethod
    def of(cls, meta: Mapping[str, Any]) -> BurstHeader:
        """The header that the metadata of a symbols PDU hold.

        Raises
        ------
        BadInput
            A field is missing, is not an integer, or is out of range.
        """
        values = {}
        for name, (low, high, absent) in _FIELDS.items():
            value = meta.get(name, absent)
            if value is None:
                raise BadInput(f"a symbols PDU arrived without {name}; feed it from an encoder or a burst receiver")
            if type(value) is not int or not low <= value <= high:
                raise BadInput(f"a symbols PDU arrived whose {name} is not an integer from {low} to {high}")
            values[name] = value
        header = cls(**values)
        if not 1 <= header.payload <= MAX_FRAGMENT:
            kind = "sealed burst" if header.sealed else "burst"
            raise BadInput(f"a symbols PDU arrived that says it is a {kind} of {header.n_symbols} symbols")
        if header.fragment >= header.fragments or header.part >= header.parts:
            raise BadInput(
                f"a symbols PDU arrived that says it is fragment {header.fragment} of {header.fragments} of part "
                f"{header.part} of {header.parts}"
            )
        return header

    @property
    def payload(self) -> int:
        """Symbols of the fragment, without those of a seal."""
        return self.n_symbols - self.sealed * SEAL_SYMBOLS

    def fields(self) -> dict[str, int]:
        """Name and value of every field, in the order of the header."""
        return asdict(self)


@dataclass(frozen=True)
class ImageHeader:
    """What a coder needs to know of an image to decode it.

    Attributes
    ----------
    height, width : int
        Of the image, pixels.
    scheme : str
        Name in the registry.
    rate : int
        Ordered prefix of latent channels that was sent, less one (0 means one channel).
    scale : int
        Code of the factor that the sender divided the latent by.
    snr_enc : int
        Es/N0 in dB that the encoder reckoned with.
    weights_id : int
        Identifier of the weights that made the symbols; 0 where nothing is said of them.
    """

    height: int
    width: int
    scheme: str
    rate: int = 0
    scale: int = 0
    snr_enc: int = 0
    weights_id: int = 0

    @property
    def channels(self) -> int:
        """Latent channels sent per patch position."""
        return self.rate + 1


def check_size(height: int, width: int, scheme: str, max_pixels: int) -> None:
    """Refuse an image whose sides the burst header cannot carry, or that takes more memory than one image may."""
    if min(height, width) < 1 or max(height, width) > MAX_SIDE:
        raise BadInput(f"an image of {width}x{height} pixels cannot be sent; its sides must be 1 to {MAX_SIDE} pixels")
    if height * width > max_pixels:
        raise BadInput(
            f"an image of {width}x{height} pixels cannot be sent by {scheme}, which takes {max_pixels} pixels; "
            "scale it down"
        )


def snr_field(snr_db: float) -> int:
    """Es/N0 in dB as the header's i8; BadInput when it is no number of decibels."""
    return int(np.clip(round(values.number(snr_db, "snr_db", -MAX_SNR_DB, MAX_SNR_DB)), -128, 127))
