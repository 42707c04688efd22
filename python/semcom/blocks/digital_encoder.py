# SPDX-License-Identifier: GPL-3.0-or-later
"""Digital Encoder: bytes into channel symbols by standard coding and modulation."""

from __future__ import annotations

import secrets

import pmt

from .. import digital, keys, schemes
from ..burst import ImageHeader, Seal
from ..errors import BadInput
from ..schemes import Part, Transmission
from . import pdu
from .live import live
from .worker import sending_block


class digital_encoder(sending_block):
    """Code blocks with CRC-32, FEC, scrambling, modulation, interleaving; bursts of at most 4,096 symbols."""

    def __init__(self, mcs: int = 4, key: str = ""):
        """Make the block.

        Parameters
        ----------
        mcs : int
            Modulation and coding scheme of messages that do not say one themselves (key ``mcs``): 0 to 27 LDPC of 5G NR
            (3GPP TS 38.214, Table 5.1.3.1-2), 28 to 31 low rates of it (Table 5.1.3.1-3), 32 to 39 K = 7 convolutional
            (802.11), 48 to 52 uncoded.
        key : str
            Key file with which bursts are sealed, see :class:`~..burst.Seal`; empty for none.

        Raises
        ------
        BadInput
            There is no such MCS, or no such key file.

        Notes
        -----
        Ports: in ``bytes`` (u8vector; keys ``image_id``, ``height``, ``width`` and, if at hand, ``scheme``, ``mcs`` and
        ``snr_enc`` go into the burst header; ``bursts`` is over how many it is spread at least; ``plan``, a line such
        as "420@0x4,900@2x2,3600@4x1", has the first 420 bytes sent at MCS 0 in at least 4 bursts and so on, each part
        to be decoded without the others); out ``symbols``, ``failed`` (``image_id`` and ``error`` of what will not be
        sent), ``status``.
        """
        sending_block.__init__(self, "Digital Encoder", ["bytes"], ["symbols"])
        self._transmission = secrets.randbelow(256)
        self._seal = Seal(keys.read(key)) if key else None
        self.set_mcs(mcs)

    @live
    def set_mcs(self, mcs: int) -> None:
        """Change the MCS while running."""
        self._mcs = digital.mcs_of(mcs)

    def work_on(self, port: str, msg: pmt.pmt_base, meta: pdu.Meta) -> None:
        """One message -> its bursts."""
        message = pdu.to_bytes(msg)
        if "plan" in meta:
            planned = digital.planned(message, str(meta.pop("plan")))
        else:
            mcs = digital.mcs_of(meta["mcs"]) if "mcs" in meta else self._mcs
            planned = [digital.ProtectedBytes(message, mcs, _whole(meta, "bursts", 1))]
        parts = tuple(Part(part.data, index, part.mcs.index, part.bursts) for index, part in enumerate(planned))
        scheme = schemes.of_code(_whole(meta, "scheme", schemes.get("digital").code))
        if scheme is None or schemes.BITS not in scheme.carries:
            raise BadInput("a bytes PDU arrived whose scheme carries no bytes; leave the key out, or give 5 or 6")
        header = ImageHeader(*(_whole(meta, name, 1) for name in ("height", "width")), scheme.name)
        header = ImageHeader(header.height, header.width, scheme.name, snr_enc=_whole(meta, "snr_enc", 0))
        sent = Transmission(parts, header)
        name = str(meta.get("name", ""))
        made = schemes.bursts(sent, scheme, name, pdu.number_of(meta), self._transmission, self._seal)
        for burst, symbols in made:
            self.publish("symbols", pdu.from_symbols(symbols, meta | burst.fields()))


def _whole(meta: pdu.Meta, name: str, absent: int) -> int:
    """A key that goes into the burst header."""
    value = meta.get(name, absent)
    if type(value) is not int:
        raise BadInput(f"a bytes PDU arrived whose {name} is not an integer")
    return value
