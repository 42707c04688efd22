# SPDX-License-Identifier: GPL-3.0-or-later
"""Digital Decoder: channel symbols back into bytes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import pmt

from .. import digital, jscc
from ..errors import BadInput
from ..jscc.symbols import MAX_FRAGMENT
from . import pdu
from .reassembler import LEAST_SHARE, Pending, Place, reassembler


class digital_decoder(reassembler):
    """Gathers bursts and decodes them; the mirror of :class:`digital_encoder`.

    The MCS is read from each burst's header. When a message is delivered, and what is dropped, is told at
    :class:`~.reassembler.reassembler`. Code blocks whose CRC-32 is wrong are zeros in the message.

    Parameters
    ----------
    scheme : "digital", or another that carries bytes ("esisc").
    snr_db : Es/N0 in dB that is assumed for PDUs that bring no ``noise_var``.
    timeout : bursts of other messages after which an incomplete one is delivered.
    taken : as of the JSCC Decoder.

    Ports: in ``symbols``, ``flush``; out ``bytes``, ``status``, ``idle`` (as of the JSCC Decoder). Keys added:
    ``intact`` (leading bytes without loss), ``blocks`` and ``blocks_lost`` (code blocks), ``bytes``, ``mcs``, and
    those of the JSCC Decoder. A message of which no byte was received is passed on with an ``error`` key.

    Raises
    ------
    BadInput : a scheme that carries no bytes, an SNR that cannot be, or a timeout below 1.
    """

    def __init__(
        self,
        scheme: str = "digital",
        snr_db: float = 10.0,
        timeout: int = 4096,
        taken: Callable[[], None] | None = None,
    ):
        reassembler.__init__(self, "Digital Decoder", "bytes", snr_db, timeout, taken)
        if scheme not in ("digital", "esisc"):
            raise BadInput(f"scheme {scheme} carries no bytes; choose digital or esisc")
        self._scheme = scheme

    def place(self, meta: pdu.Meta) -> Place:
        """By what all bursts of a message have in common, and its group."""
        scheme = jscc.SCHEME_NAMES.get(meta["scheme"])
        if scheme != self._scheme:
            raise BadInput(f"a fragment of scheme {scheme} came to a decoder set to {self._scheme}")
        values = {name: meta.get(name) for name in ("mcs", "n_symbols")}
        for name, value in values.items():
            if type(value) is not int:
                raise BadInput(f"a symbols PDU came without {name}; feed it from a Digital Encoder or a burst receiver")
        length = values["n_symbols"]
        if not 1 <= length <= MAX_FRAGMENT:
            raise BadInput(f"a symbols PDU came that says it has {length} symbols; a burst has 1 to {MAX_FRAGMENT}")
        span = digital.Span(meta["scale"], meta["rate"] + 1, length, digital.mcs_of(values["mcs"]))
        index, fragments = meta["fragment"], meta["fragments"]
        if not span.first <= index < span.first + span.depth <= fragments:
            raise BadInput(f"a fragment {index} of {fragments} does not belong to a group of {span.depth} from "
                           f"{span.first}")  # fmt: skip
        return Place((meta["height"], meta["width"]), span, length)

    def payload_uses(self, pending: Pending) -> int:
        """Of the groups that are known of."""
        return sum(span.symbols for span in set(pending.bursts.values()))

    def rebuild(self, pending: Pending, meta: pdu.Meta) -> pmt.pmt_base:
        """The message, whatever of it could be decoded."""
        groups: dict[digital.Span, dict] = defaultdict(dict)
        for index, part in pending.parts.items():
            span = pending.bursts[index]
            groups[span][index - span.first] = part
        message, intact, blocks, lost, at = bytearray(), None, 0, 0, 0
        for span in sorted(groups, key=lambda span: span.first):
            if span.first != at and intact is None:
                intact = len(message)  # a group of which nothing came
            at = span.first + span.depth
            if len(groups[span]) < LEAST_SHARE * span.depth:
                intact = len(message) if intact is None else intact
                continue
            came = digital.received(groups[span], span, pending.number)
            if came.holes and intact is None:
                intact = len(message) + came.intact
            message += came.data
            blocks += came.blocks
            lost += came.blocks_lost
        if at < pending.fragments and intact is None:
            intact = len(message)
        if blocks == lost:
            raise BadInput(f"none of the {blocks} code blocks could be decoded; the channel was too bad for the MCS")
        mcs = next(iter(groups)).mcs.index
        keys = {"scheme": jscc.SCHEMES[self._scheme], "mcs": mcs, "blocks": blocks, "blocks_lost": lost}
        keys |= {"intact": len(message) if intact is None else intact, "bytes": len(message)}
        return pdu.from_bytes(bytes(message), meta | keys)
