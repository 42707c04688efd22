# SPDX-License-Identifier: GPL-3.0-or-later
"""JSCC Encoder: an image straight into channel symbols."""

from __future__ import annotations

import numpy as np
import pmt

from .. import jscc
from ..errors import BadInput
from . import pdu
from .held import Gathering
from .worker import sending_block


class jscc_encoder(sending_block):
    """Joint source-channel encoder; each image becomes fragments of at most 4,096 symbols of average power 1.

    Parameters
    ----------
    scheme : a key of ``semcom.jscc.AVAILABLE``, such as "softcast", "samsc" or "semcom".
    rate : k/n, complex channel uses per real source value, for schemes that can choose; 0 for the scheme's own (1/12).
    snr_db : Es/N0 that the encoder is told, in dB.
    variant : of the weights: "original", of ``samsc`` also "masked", or one's own; the decoder must use the same.
    use_mask : the mask of each image comes in as well, and says what matters ("semcom" only).
    background : importance of the pixels outside the mask, from 0 (nothing) to 1 (as much as inside).

    Ports: in ``image``, ``mask``; out ``symbols`` (PDUs with the keys of ``gnuradio/semcom/pdu.h``), ``failed``
    (``image_id`` and ``error`` of an image that will not be sent: over a modem, connect it to the source's ``ack``),
    ``status``.

    Raises
    ------
    BadInput : a scheme, rate, SNR or importance that cannot be.
    """

    def __init__(
        self,
        scheme: str = "softcast",
        rate: float = 0.0,
        snr_db: float = 10.0,
        variant: str = "original",
        use_mask: bool = False,
        background: float = 0.1,
    ):
        sending_block.__init__(self, "JSCC Encoder", ["image", "mask"], ["symbols"])
        jscc.check_scheme(scheme)
        if use_mask and scheme != "semcom":
            raise BadInput(f"{scheme} treats all pixels alike; choose scheme semcom to weigh a region of interest")
        self._scheme, self._variant = scheme, variant
        self._gathering = Gathering({"image", "mask"} if use_mask else {"image"})
        self.set_rate(rate)
        self.set_snr_db(snr_db)
        self.set_background(background)

    def set_background(self, background: float) -> None:
        """Change the importance outside the mask while running."""
        if not 0 <= background <= 1:
            raise BadInput(f"an importance of {background:g} is out of range; choose 0 to 1")
        self._background = background

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
        meta = pdu.meta_of(msg)
        if port in self._gathering.needed and self._gathering.give_up(pdu.number_of(meta), port):
            sending_block.pass_failure(self, port, msg)

    def work_on(self, port: str, msg: pmt.pmt_base, meta: pdu.Meta) -> None:
        """One image, with its mask where it needs one -> its fragments."""
        if port not in self._gathering.needed:
            return
        held = self._gathering.add(pdu.number_of(meta), port, (pdu.to_image(msg), meta))
        for _, known in self._gathering.overdue():
            self.report(known.get("name", ""), "given up: its mask never came")
            self.fail(known, "its mask never came")
        if held is None:
            return
        (image, meta), importance = held["image"], None
        if "mask" in held:
            importance = np.where(held["mask"][0] > 0, 1.0, self._background)
        coder = jscc.coder(self._scheme, self._variant)
        sent = coder.encode(image, rate=self._rate, snr_db=self._snr_db, importance=importance)
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
