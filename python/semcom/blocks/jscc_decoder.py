# SPDX-License-Identifier: GPL-3.0-or-later
"""JSCC Decoder: channel symbols back into an image."""

from __future__ import annotations

from collections.abc import Callable

import pmt

from .. import jscc
from ..errors import BadInput
from . import pdu
from .reassembler import Pending, Place, reassembler


class jscc_decoder(reassembler):
    """Reassembles fragments and decodes; the mirror of :class:`jscc_encoder`.

    Every symbol is weighted by its noise variance; what is missing of an image counts as infinitely noisy. When an
    image is delivered, and what is dropped, is told at :class:`~.reassembler.reassembler`.

    Parameters
    ----------
    scheme : as at the encoder.
    snr_db : Es/N0 in dB that is assumed for PDUs that bring no ``noise_var`` (from GNU Radio's own channel blocks,
        say).
    variant : of the weights, as at the encoder.
    timeout : bursts of other images after which an incomplete image is delivered.
    taken : called when a symbols PDU has been dealt with; a Burst Demodulator counts them.

    Ports: in ``symbols``, ``flush``; out ``image``, ``status``, and ``idle``, sent when no burst at all came
    between two flushes, with the ``samples`` that the flush named. Keys added: ``snr_db`` (over the whole image, where
    the channel reported its energies), ``lost`` fragments, ``fragments``, ``payload_uses`` and ``air_uses`` (with
    pilots), complex channel uses.

    Raises
    ------
    BadInput : a scheme or SNR that cannot be, or a timeout below 1.
    """

    def __init__(
        self,
        scheme: str = "softcast",
        snr_db: float = 10.0,
        variant: str = "original",
        timeout: int = 4096,
        taken: Callable[[], None] | None = None,
    ):
        reassembler.__init__(self, "JSCC Decoder", "image", snr_db, timeout, taken)
        jscc.check_scheme(scheme)
        self._scheme, self._variant = scheme, variant

    def place(self, meta: pdu.Meta) -> Place:
        """By the header alone: all fragments of an image say the same but for their own number."""
        scheme = jscc.SCHEME_NAMES.get(meta["scheme"])
        if scheme != self._scheme:
            raise BadInput(f"a fragment of scheme {scheme} came to a decoder set to {self._scheme}")
        header = jscc.ImageHeader(meta["height"], meta["width"], scheme, meta["rate"], meta["scale"], meta["snr_enc"])
        jscc.check_header(header)
        total, index, fragments = jscc.symbol_count(header), meta["fragment"], meta["fragments"]
        if fragments != jscc.fragments_needed(total):
            raise BadInput(f"a fragment {index} of {fragments} does not fit a {header.width}x{header.height} image")
        return Place(header, None, jscc.fragment_length(total, fragments, index))

    def payload_uses(self, pending: Pending) -> int:
        """Known from the header."""
        return jscc.symbol_count(pending.image)

    def rebuild(self, pending: Pending, meta: pdu.Meta) -> pmt.pmt_base:
        """The picture."""
        header = pending.image
        symbols, noise_var, _ = jscc.join(pending.parts, pending.fragments, jscc.symbol_count(header))
        image = jscc.coder(self._scheme, self._variant).decode(symbols, noise_var, header)
        return pdu.from_image(image, meta | {"scheme": jscc.SCHEMES[self._scheme]})
