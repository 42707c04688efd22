# SPDX-License-Identifier: GPL-3.0-or-later
"""Digital Encoder: bytes into channel symbols by standard coding and modulation."""

from __future__ import annotations

import pmt

from .. import digital, jscc
from . import pdu
from .worker import sending_block


class digital_encoder(sending_block):
    """Code blocks with CRC-32, FEC, scrambling, modulation, interleaving; bursts of at most 4,096 symbols.

    Parameters
    ----------
    mcs : modulation and coding scheme of messages that do not say one themselves (key ``mcs``): 0 to 27 LDPC of 5G NR
        (3GPP TS 38.214, Table 5.1.3.1-2), 32 to 39 K = 7 convolutional (802.11), 48 to 52 uncoded.

    Ports: in ``bytes`` (u8vector; keys ``image_id``, ``height``, ``width`` and, if at hand, ``scheme``, ``mcs`` and
    ``snr_enc`` go into the burst header; ``parts``, a line such as "420@0x4,900@2x2,3600@4x1", has the first 420 bytes
    sent at MCS 0 in at least 4 bursts and so on, each part to be decoded without the others); out ``symbols``,
    ``failed`` (``image_id`` and ``error`` of what will not be sent), ``status``.

    Raises
    ------
    BadInput : there is no such MCS.
    """

    def __init__(self, mcs: int = 4):
        sending_block.__init__(self, "Digital Encoder", ["bytes"], ["symbols"])
        self.set_mcs(mcs)

    def set_mcs(self, mcs: int) -> None:
        """Change the MCS while running."""
        self._mcs = digital.mcs_of(mcs)

    def work_on(self, port: str, msg: pmt.pmt_base, meta: pdu.Meta) -> None:
        """One message -> its bursts."""
        message = pdu.to_bytes(msg)
        if "parts" in meta:
            parts = digital.planned(message, str(meta.pop("parts")))
        else:
            parts = [digital.Part(message, digital.mcs_of(meta["mcs"]) if "mcs" in meta else self._mcs)]
        sent = digital.part_bursts(parts, pdu.number_of(meta))
        header = {
            "scheme": jscc.SCHEMES["digital"],
            "height": 1,
            "width": 1,
            "snr_enc": 0,
        } | meta  # fmt: skip
        header |= {"fragments": len(sent)}
        for index, (span, symbols) in enumerate(sent):
            burst = {"fragment": index, "n_symbols": len(symbols), "rate": span.depth - 1, "scale": span.first}
            burst |= {"mcs": span.mcs.index}
            self.publish("symbols", pdu.from_symbols(symbols, header | burst))
