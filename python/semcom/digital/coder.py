# SPDX-License-Identifier: GPL-3.0-or-later
"""Scheme ``digital``: an image codec over standard coding and modulation, with the face of a joint coder."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .. import codec as codecs
from ..errors import BadInput, Undecodable
from ..jscc.coder import check_source, refuse_importance, snr_field
from ..jscc.symbols import ImageHeader, ImageSymbols
from . import group
from .link import Link
from .mcs import mcs_of
from .message import Span, span_for

AUTO = "auto"
DEFAULT_VARIANT = "avif/auto"
USUAL_RATE = 1 / 12


def parse_mcs(text: str) -> int | None:
    """``auto`` -> None, a number -> that MCS; BadInput for anything else."""
    if text == AUTO:
        return None
    try:
        return mcs_of(int(text)).index
    except ValueError as error:
        raise (
            error
            if isinstance(error, BadInput)
            else BadInput(f"--mcs {text} is no number; give the index of an MCS, such as 4, or auto")
        ) from None


def parse_variant(variant: str) -> tuple[str, int | None]:
    """``avif/auto`` -> codec and MCS, None for the one that the link adapter chooses."""
    codec, _, mcs = variant.partition("/")
    codecs.check_codec(codec)
    return codec, parse_mcs(mcs or AUTO)


class DigitalCoder:
    """As many bytes of AVIF, JPEG 2000 or JPEG as the channel uses carry, as one group of bursts.

    Parameters
    ----------
    codec : a key of ``semcom.codec.CODECS``.
    mcs : index, or None to have it chosen for the SNR that ``encode`` is told.
    channel : what the link adapter reckons with: "awgn", "rayleigh" or "rician".
    k_factor_db : Rician K.

    ``header.mcs`` says the modulation and coding scheme; ``header.rate`` is the number of bursts less one.
    """

    name = "digital"

    def __init__(self, codec: str = "avif", mcs: int | None = None, channel: str = "awgn", k_factor_db: float = 10.0):
        codecs.check_codec(codec)
        self.weights: dict[str, str] = {}
        self.adapts_to_snr = mcs is None
        self._codec = codec
        self._mcs, self._channel, self._k_factor_db = mcs, channel, k_factor_db

    def encode(
        self,
        image: np.ndarray,
        *,
        rate: float | None = None,
        snr_db: float = 10.0,
        importance: np.ndarray | None = None,
    ) -> ImageSymbols:
        """uint8 RGB [H,W,3] -> symbols; ``rate`` k/n, 1/12 unless told."""
        check_source(image, self.name)
        refuse_importance(self.name, importance)
        link = Link(rate or USUAL_RATE, self._mcs, self._channel, k_factor_db=self._k_factor_db)
        mcs, budget = link.plan(image.size, snr_db)
        if budget < 1:
            raise BadInput(
                f"at a rate of {link.rate:g} and MCS {mcs.index} not one byte of a {image.shape[1]}x{image.shape[0]} "
                "image can be sent; raise the rate or the MCS"
            )
        data = _coded(image.tobytes(), image.shape, self._codec, budget)
        span = span_for(len(data), mcs)
        symbols = group.encode(data, mcs, span.symbols, span.seed(0))
        height, width = image.shape[:2]
        header = ImageHeader(height, width, self.name, span.depth - 1, 0, snr_field(snr_db), mcs.index)
        return ImageSymbols(symbols, header)

    def decode(self, symbols: np.ndarray, noise_var: np.ndarray, header: ImageHeader) -> np.ndarray:
        """complex64 [n] and float32 [n] noise variance (inf where lost) -> uint8 RGB [H,W,3].

        Raises
        ------
        Undecodable : nothing of the picture could be had.
        """
        depth = header.rate + 1
        span = Span(0, depth, len(symbols) // depth, mcs_of(header.mcs))
        came = group.decode(symbols, noise_var, span.mcs, span.seed(0))
        try:
            return codecs.decode(came.data, header.height, header.width, came.intact).image
        except BadInput as error:
            raise Undecodable(str(error)) from error


@lru_cache(maxsize=64)
def _coded(pixels: bytes, shape: tuple[int, ...], codec: str, budget: int) -> bytes:
    """A sweep comes back to the same picture at the same MCS, and AVIF takes a second."""
    return codecs.encode(np.frombuffer(pixels, np.uint8).reshape(shape), codec, budget).data


@lru_cache(maxsize=16)
def digital_coder(variant: str = DEFAULT_VARIANT, channel: str = "awgn", k_factor_db: float = 10.0) -> DigitalCoder:
    """The coder of a variant, such as ``avif/auto`` or ``jpeg/4``."""
    return DigitalCoder(*parse_variant(variant), channel, k_factor_db)
