# SPDX-License-Identifier: GPL-3.0-or-later
"""JSCC Encoder: an image straight into channel symbols."""

from __future__ import annotations

import pmt

from .. import jscc
from . import pdu
from .worker import worker_block


class jscc_encoder(worker_block):
    """Joint source-channel encoder; each image becomes fragments of at most 4,096 symbols of average power 1.

    Parameters
    ----------
    scheme : "softcast" or "samsc".
    rate : k/n, complex channel uses per real source value, for schemes that can choose; 0 for the scheme's own (1/12).
    snr_db : Es/N0 that the encoder is told, in dB.
    variant : weights of ``samsc``: "original" or "masked"; the decoder must use the same.

    Ports: in ``image``; out ``symbols`` (PDUs with the keys of ``gnuradio/semcom/pdu.h``), ``failed`` (``image_id``
    and ``error`` of an image that
    will not be sent: over a modem, connect it to the source's ``ack``), ``status``.

    Raises
    ------
    BadInput : a scheme, rate or SNR that cannot be.
    """

    def __init__(self, scheme: str = "softcast", rate: float = 0.0, snr_db: float = 10.0, variant: str = "original"):
        worker_block.__init__(self, "JSCC Encoder", ["image"], ["symbols"])
        self.message_port_register_out(pmt.intern("failed"))
        jscc.check_scheme(scheme)
        self._scheme, self._variant = scheme, variant
        self.set_rate(rate)
        self.set_snr_db(snr_db)

    def set_rate(self, rate: float) -> None:
        """Change k/n while running; 0 for the scheme's own."""
        if rate:
            jscc.channels_for(rate)
        self._rate = rate or None

    def set_snr_db(self, snr_db: float) -> None:
        """Change the Es/N0 the encoder is told, in dB, while running."""
        jscc.snr_field(snr_db)
        self._snr_db = snr_db

    def pass_failure(self, port: str, msg: pmt.pmt_base) -> None:
        """Given up upstream."""
        worker_block.pass_failure(self, port, msg)
        meta = pdu.meta_of(msg)
        self.publish("failed", pdu.message({k: meta[k] for k in ("image_id", "error") if k in meta}))

    def fail(self, meta: pdu.Meta, sentence: str) -> None:
        """Given up here."""
        worker_block.fail(self, meta, sentence)
        self.publish("failed", pdu.message({"image_id": meta.get("image_id", 0), "error": sentence}))

    def work_on(self, port: str, msg: pmt.pmt_base, meta: pdu.Meta) -> None:
        """One image -> its fragments."""
        coder = jscc.coder(self._scheme, self._variant)
        sent = coder.encode(pdu.to_image(msg), rate=self._rate, snr_db=self._snr_db)
        header = sent.header
        parts = jscc.split(sent.symbols)
        meta = {k: v for k, v in meta.items() if k != "channels"}
        meta |= {
            "scheme": jscc.SCHEMES[header.scheme],
            "height": header.height,
            "width": header.width,
            "rate": header.rate,
            "scale": header.scale,
            "snr_enc": header.snr_enc,
            "fragments": len(parts),
        }
        for index, part in enumerate(parts):
            self.publish("symbols", pdu.from_symbols(part, meta | {"fragment": index, "n_symbols": len(part)}))
