# SPDX-License-Identifier: GPL-3.0-or-later
"""Scheme ``digital``: an image codec over standard coding and modulation, the conventional baseline."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .. import codec as codecs
from ..burst import ImageHeader, snr_field
from ..digital import MAX_MARGIN_DB, MAX_RATE, TABLE, USUAL_MARGIN_DB, Link, mcs_of
from ..errors import BadInput, Undecodable
from ..jscc.coder import MAX_PIXELS, check_source, refuse_importance
from .base import AUTO, BITS, USUAL_RATE, Conditions, Decoded, Part, ReceivedPart, Scheme, Transmission
from .options import Options, option

MCS_CHOSEN = "Auto (by the Es/N0)"
MCS_WORDS = {AUTO: MCS_CHOSEN} | {str(index): mcs.label for index, mcs in TABLE.items()}
CODEC_WORDS = {"avif": "AVIF", "jpeg2000": "JPEG 2000", "jpeg": "JPEG"}


def parse_mcs(value: str | int) -> int | None:
    """``auto`` is None, a number that MCS; BadInput for anything else, with the field ``mcs``."""
    if value == AUTO:
        return None
    try:
        return mcs_of(int(value)).index
    except BadInput as error:
        raise BadInput(f"is wrong: {error}", field="mcs") from None
    except ValueError:
        raise BadInput(f"{value} is not a number; give the index of an MCS, such as 4, or auto", field="mcs") from None


@dataclass(frozen=True)
class DigitalOptions(Options):
    """Options of scheme ``digital``.

    Attributes
    ----------
    codec : str
        One of ``semcom.codec.CODECS``.
    mcs : str
        Index of an MCS, or "auto".
    loss : float
        Share of the images that may be lost, where the MCS is chosen.
    margin : float
        By how much the SNR may be below what it is taken for where the MCS is chosen, dB.
    """

    codec: str = option(
        "avif", "image codec", label="Codec", choices=codecs.CODECS, words=CODEC_WORDS, live=True, several=True
    )
    mcs: str = option(
        AUTO,
        "modulation and coding scheme: 0 to 31 LDPC of 5G NR, 32 to 39 convolutional K=7 of 802.11, 48 to 52 uncoded, "
        "or auto, which takes the one that carries most at the SNR",
        label="MCS",
        words=MCS_WORDS,
        live=True,
        several=True,
    )
    loss: float = option(
        0.01, "share of the images that may be lost where the MCS is chosen", label="Loss", advanced=True
    )
    margin: float = option(
        USUAL_MARGIN_DB,
        "by how much the SNR may be below what it is taken for where the MCS is chosen",
        label="Margin",
        unit="dB",
        low=0,
        high=MAX_MARGIN_DB,
        advanced=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        parse_mcs(self.mcs)
        if not 0 < self.loss < 1:
            raise BadInput(f"must be between 0 and 1, got {self.loss:g}", field="loss")

    @property
    def mcs_index(self) -> int | None:
        """The MCS, or None where it is chosen."""
        return parse_mcs(self.mcs)


class Digital(Scheme):
    """As many bytes of AVIF, JPEG 2000 or JPEG as the channel uses carry, over LDPC and QAM."""

    name = "digital"
    code = 6
    title = "Digital (image codec, FEC, QAM)"
    reference = "3GPP TS 38.212 and 38.214; JPEG, JPEG 2000, AVIF"
    Options = DigitalOptions
    rates = (1e-6, MAX_RATE)
    carries = frozenset({BITS})
    max_pixels = MAX_PIXELS
    free_pixels = 12_500_000  # a photograph of a telephone, in however few bytes
    pixels_per_symbol = 64

    def label(self, options: DigitalOptions) -> str:
        """Codec and MCS, "avif/auto"."""
        return f"{options.codec}/{options.mcs}"

    def short_name(self, options: DigitalOptions) -> str:
        """As :meth:`label`, with an underscore."""
        return f"{options.codec}_{options.mcs}"

    def load(self, options: DigitalOptions) -> dict[str, str]:
        """No weights, but a Pillow that has the codec."""
        codecs.check_pillow(options.codec)
        return {}

    def adapts_to(self, options: DigitalOptions) -> frozenset[str]:
        """Everything that the link adapter reckons with, where the MCS is chosen."""
        return frozenset({"snr_db", "channel", "k_factor_db"} if options.mcs_index is None else ())

    def encode(
        self, image: np.ndarray, conditions: Conditions, options: DigitalOptions, importance: np.ndarray | None = None
    ) -> Transmission:
        """The best picture that fits; see :meth:`~.base.Scheme.encode`."""
        check_source(image, self.name, self.max_pixels)
        refuse_importance(self.name, importance)
        rate = conditions.rate or USUAL_RATE
        link = Link(rate, options.mcs_index, conditions.channel, options.loss, conditions.k_factor_db, options.margin)
        mcs, budget, bursts = link.plan(image.size, conditions.snr_db)
        height, width = image.shape[:2]
        if budget < 1:
            raise BadInput(
                f"at a rate of {link.rate:g} and MCS {mcs.index} not one byte of a {width}x{height} image can be sent; "
                "raise the rate or the MCS"
            )
        data = _coded(image.tobytes(), image.shape, options.codec, budget)
        header = ImageHeader(height, width, self.name, snr_enc=snr_field(conditions.snr_db))
        part = Part(data, mcs=mcs.index, bursts=bursts, room=budget - len(data))
        return Transmission((part,), header, {"bytes": len(data), "mcs": mcs.index, "budget": budget})

    def decoder(self, header: ImageHeader, variant: str) -> _PictureDecoder:
        """The codec is read from the bytes."""
        return _PictureDecoder(header)


class _PictureDecoder:
    """The decoder of scheme ``digital``."""

    def __init__(self, header: ImageHeader):
        self._header = header
        self._part: ReceivedPart | None = None

    def feed(self, part: ReceivedPart) -> Decoded:
        self._part = part
        return Decoded()

    def finish(self) -> Decoded:
        part, header = self._part, self._header
        if part is None:
            raise Undecodable("none of the picture's bytes arrived")
        try:
            decoded = codecs.decode(part.payload, header.height, header.width, part.intact)
        except BadInput as error:
            raise Undecodable(str(error)) from error
        return Decoded(image=decoded.image, about={"complete": int(decoded.complete)})


@lru_cache(maxsize=64)
def _coded(pixels: bytes, shape: tuple[int, ...], codec: str, budget: int) -> bytes:
    """A sweep returns to the same picture at the same MCS, and AVIF takes a second."""
    return codecs.encode(np.frombuffer(pixels, np.uint8).reshape(shape), codec, budget).data
