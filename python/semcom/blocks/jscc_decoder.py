# SPDX-License-Identifier: GPL-3.0-or-later
"""JSCC Decoder: channel symbols back into an image, of whatever scheme they are."""

from __future__ import annotations

from collections.abc import Callable

import pmt

from .. import keys
from ..burst import USUAL_TIMEOUT
from ..schemes import AUTO, USUAL_PIXELS, News, PartRead, Reception, Scheme
from . import pdu
from .decoded import PORTS, VIEWS, publish_decoded
from .receiving import receiving_block


class jscc_decoder(receiving_block):
    """Reassembles bursts and decodes them; the mirror of jscc_encoder."""

    def __init__(
        self,
        scheme: str | Scheme = AUTO,
        snr_db: float = 10.0,
        variant: str = AUTO,
        timeout: int = USUAL_TIMEOUT,
        taken: Callable[[], None] | None = None,
        max_pixels: int = USUAL_PIXELS,
        key: str = "",
    ):
        """Make the block.

        The header of each burst says what it is: scheme, part, rate, MCS, and an identifier of the weights. When an
        image is delivered, and what is dropped, is described at :class:`~..burst.Reassembly`. An image of a scheme or
        of weights that are not here, or not the ones asked for, is given up with one sentence.

        Parameters
        ----------
        scheme : str or Scheme
            "auto", or the only one that is decoded.
        snr_db : float
            Es/N0 in dB that is assumed for PDUs without ``noise_var`` (from GNU Radio's own channel blocks, say).
        variant : str
            "auto", or the only weights that are used.
        timeout : int
            Bursts of other images after which an incomplete image is delivered.
        taken : callable, optional
            Called when a symbols PDU has been dealt with; a Burst Demodulator counts them.
        max_pixels : int
            Larger images are refused with one sentence, by what the header of a burst says.
        key : str
            Key file: bursts that are not sealed with it are dropped. Empty for none.

        Raises
        ------
        BadInput
            A scheme, SNR or key file that cannot be, or a timeout or ``max_pixels`` below 1.

        Notes
        -----
        Ports: in ``symbols``, ``flush``; out ``image``, ``text`` (u8vector, UTF-8), ``labels`` (labels PDU with
        ``classes`` and ``objects``, a line "NAME X0,Y0,X1,Y1" for each), ``segments``, ``part`` (bytes of each part
        that carries bits, as soon as it is here, with ``part``, ``parts`` and ``intact``), ``text_view``,
        ``labels_view`` and ``segments_view`` (text and maps as pictures), ``status``, and ``idle``, sent when no burst
        at all arrived between two flushes, with the ``samples`` that the flush named. Keys added: ``scheme``,
        ``snr_db`` (over the whole image, where the channel reported its energies), ``lost`` fragments, ``fragments``,
        ``payload_uses`` and ``air_uses`` (with pilots) in complex channel uses, and ``name`` where it crossed the air.
        """
        reception = Reception(scheme, variant, timeout, snr_db, max_pixels, keys.given(key))
        receiving_block.__init__(self, "JSCC Decoder", ["image"], reception, taken)
        for port in (*PORTS, *VIEWS, "part"):
            self.message_port_register_out(pmt.intern(port))

    def deliver(self, report: object) -> None:
        """A part, news of an image, or the image."""
        if isinstance(report, PartRead):
            self.publish("part", pdu.from_bytes(report.data, report.meta))
            return
        name = str(report.meta.get("name", ""))
        if isinstance(report, News):
            publish_decoded(self, report.decoded, report.meta)
        elif report.decoded is None:
            if report.failure is not None:
                self.report(name, report.error, report.failure if self.logs_failures else None)
            failure = pdu.failure(report.meta, report.error)
            for port in ("image", *report.views):
                self.publish(port, failure)
        else:
            publish_decoded(self, report.decoded, report.meta)
            self.publish("image", pdu.from_image(report.decoded.image, report.meta))
