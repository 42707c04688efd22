# SPDX-License-Identifier: GPL-3.0-or-later
"""JSCC Encoder: an image straight into channel symbols, by any scheme."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pmt

from .. import keys, schemes, values
from ..burst import Seal
from ..errors import BadInput
from ..schemes import USUAL_SCHEME, Conditions, Scheme
from ..schemes.update import Updates
from . import pdu
from .encoding import encoding_block
from .held import Gathering
from .live import live


class jscc_encoder(encoding_block):
    """Source and channel coding in one: each image becomes bursts of at most 4,096 symbols of average power 1."""

    def __init__(
        self,
        scheme: str | Scheme = USUAL_SCHEME,
        rate: float = 0.0,
        snr_db: float = 10.0,
        variant: str = "",
        use_mask: bool = False,
        background: float = 0.1,
        options: Mapping[str, Any] | None = None,
        channel: str = "awgn",
        transmission: int = -1,
        key: str = "",
    ):
        """Make the block.

        Parameters
        ----------
        scheme : str or Scheme
            A name of the registry, ``onnx:ENC.onnx,DEC.onnx``, or a scheme of your own.
        rate : float
            k/n, complex channel uses per real source value, for schemes that can choose; 0 for the scheme's own.
        snr_db : float
            Es/N0 that the encoder reckons with, in dB.
        variant : str
            Of the weights, where the scheme has several; empty for the usual one.
        use_mask : bool
            The mask of each image arrives as well, and says what matters (for schemes that take importance): 255 most,
            less of it less, 0 as ``background`` says. Several regions may so count by different amounts.
        background : float
            Importance of the pixels outside the mask, from 0 (nothing) to 1 (as much as inside).
        options : mapping, optional
            Further options of the scheme, by name.
        channel : str
            "awgn", "rayleigh" or "rician": fading of each burst that a choice of MCS reckons with.
        transmission : int
            Number of this run in the headers, 0 to 255, by which receivers tell two senders apart; -1 draws one.
        key : str
            Key file with which bursts are sealed, see :class:`~..burst.Seal`; empty for none.

        Raises
        ------
        BadInput
            A scheme, option, rate, SNR, importance or key file that cannot be.

        Notes
        -----
        An image that arrives again with the key ``update``, as a SAM Segmenter sends it when it is prompted anew, is
        sent as far as its mask is new: see :class:`~..schemes.update.Updates`. Without ``use_mask`` it is sent as any
        other.

        Ports: in ``image``, ``mask``; out ``symbols`` (PDUs with the keys of ``gnuradio/semcom/pdu.h``), ``bytes``
        (what is sent, where all of it is bits, for a decoder of one's own transmissions), ``failed`` (``image_id`` and
        ``error`` of an image that will not be sent: over a modem, connect it to the source's ``ack``), ``status``.
        """
        encoding_block.__init__(self, "JSCC Encoder", ["image", "mask"], ["symbols"])
        self.message_port_register_out(pmt.intern("bytes"))
        self._scheme = schemes.get(scheme)
        if use_mask and not self._scheme.takes_importance:
            able = ", ".join(s.name for s in schemes.schemes().values() if s.takes_importance)
            raise BadInput(
                f"{self._scheme.name} treats all pixels alike; choose scheme {able} to weigh a region of interest"
            )
        given = dict(options or {}) | ({"variant": variant} if variant else {})
        self._options = self._scheme.options(given)
        self._conditions = Conditions(channel=channel)
        if not -1 <= transmission <= 255:
            raise BadInput(f"must be 0 to 255, or -1 to draw one, got {transmission}", field="transmission")
        self._transmission = secrets.randbelow(256) if transmission < 0 else transmission
        self._seal = Seal(keys.read(key)) if key else None
        self._gathering = Gathering({"image", "mask"} if use_mask else {"image"})
        self.last_port = "mask" if use_mask else "image"
        self._updates = Updates()
        self.set_rate(rate)
        self.set_snr_db(snr_db)
        self.set_background(background)

    @live
    def set_background(self, background: float) -> None:
        """Change the importance outside the mask while running."""
        self._background = values.number(background, "background", 0, 1)

    @live
    def set_options(self, **options: Any) -> None:
        """Change options of the scheme while running; they hold from the next image on.

        Raises
        ------
        BadInput
            An option or value that cannot be; the last good ones stay.
        """
        self._options = self._scheme.options({**vars(self._options), **options})

    def pass_failure(self, port: str, msg: pmt.pmt_base) -> None:
        """Given up upstream."""
        meta = pdu.meta_of(msg)
        if port in self._gathering.needed and self._gathering.give_up(pdu.number_of(meta), port):
            encoding_block.pass_failure(self, port, msg)

    def work_on(self, port: str, msg: pmt.pmt_base, meta: pdu.Meta) -> None:
        """One image, with its mask where it needs one -> its bursts."""
        if port not in self._gathering.needed:
            return
        held = self._gathering.add(pdu.number_of(meta), port, (pdu.to_image(msg), meta))
        for _, known in self._gathering.overdue():
            self.report(known.get("name", ""), "given up: its mask never arrived")
            self.fail(known, "its mask never arrived")
        if held is None:
            return
        (image, meta), importance, conditions = held["image"], None, self._conditions
        number = pdu.number_of(meta)
        if "mask" in held:
            mask = held["mask"][0]
            importance = schemes.importance_of(mask, self._background)
            if meta.get("update"):
                fresh = self._updates.fresh(number, mask > 0)
                if not fresh.any():
                    self.report(str(meta.get("name", "")), "all of the region was sent before; nothing is sent again")
                    return
                importance = fresh.astype(np.float32)
                conditions = replace(conditions, rate=self._updates.rate(conditions.rate, fresh, self._scheme.rates))
            else:
                self._updates.sent_whole(number)
        sent = self._scheme.encode(image, conditions, self._options, importance)
        name = str(meta.get("name", ""))
        bursts = schemes.bursts(sent, self._scheme, name, number, self._transmission, self._seal)
        passed = {k: v for k, v in meta.items() if k != "channels"} | {"bursts": len(bursts)}
        if all(part.kind == schemes.BITS for part in sent.parts):
            data = b"".join(part.payload for part in sent.parts)
            keys = {"scheme": self._scheme.code, "height": sent.header.height, "width": sent.header.width}
            self.publish("bytes", pdu.from_bytes(data, passed | sent.about | keys))
        for header, symbols in bursts:
            self.publish("symbols", pdu.from_symbols(symbols, passed | header.fields()))
