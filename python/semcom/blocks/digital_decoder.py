# SPDX-License-Identifier: GPL-3.0-or-later
"""Digital Decoder: channel symbols back into bytes."""

from __future__ import annotations

from collections.abc import Callable

import pmt

from .. import keys
from ..burst import USUAL_TIMEOUT
from ..schemes import AUTO, MessageReception, PartRead
from . import pdu
from .receiving import receiving_block


class digital_decoder(receiving_block):
    """Gathers bursts and decodes them; the mirror of digital_encoder."""

    def __init__(
        self,
        scheme: str = AUTO,
        snr_db: float = 10.0,
        timeout: int = USUAL_TIMEOUT,
        taken: Callable[[], None] | None = None,
        key: str = "",
    ):
        """Make the block.

        The MCS is read from each burst's header. When a message is delivered, and what is dropped, is described at
        :class:`~..burst.Reassembly`. Code blocks whose CRC-32 is wrong are zeros in the message.

        Parameters
        ----------
        scheme : str
            "auto", or the only scheme whose messages are read ("digital", "esisc").
        snr_db : float
            Es/N0 in dB that is assumed for PDUs that bring no ``noise_var``.
        timeout : int
            Bursts of other messages after which an incomplete one is delivered.
        taken : callable, optional
            As of the JSCC Decoder.
        key : str
            As of the JSCC Decoder.

        Raises
        ------
        BadInput
            A scheme that carries no bytes, an SNR or key file that cannot be, or a timeout below 1.

        Notes
        -----
        Ports: in ``symbols``, ``flush``; out ``bytes``, ``part`` (each part of a message as soon as all its bursts have
        arrived, with the keys ``part`` and ``parts``), ``status``, ``idle`` (as of the JSCC Decoder). Keys added:
        ``intact`` (leading bytes without loss), ``groups`` (bursts and symbols of each, "4x1032,2x3800"), ``blocks``
        and ``blocks_lost`` (code blocks), ``bytes``, ``mcs``, and those of the JSCC Decoder. A message of which no byte
        was received is passed on with an ``error`` key.
        """
        reception = MessageReception(scheme, timeout, snr_db, keys.given(key))
        receiving_block.__init__(self, "Digital Decoder", ["bytes"], reception, taken)
        self.message_port_register_out(pmt.intern("part"))

    def deliver(self, report: object) -> None:
        """A part, or a message."""
        if isinstance(report, PartRead):
            if report.meta["parts"] > 1:
                self.publish("part", pdu.from_bytes(report.data, report.meta))
        elif report.data is None:
            self.fail(report.meta, report.error)
        else:
            self.publish("bytes", pdu.from_bytes(report.data, report.meta))
