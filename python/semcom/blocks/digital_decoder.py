# SPDX-License-Identifier: GPL-3.0-or-later
"""Digital Decoder: channel symbols back into bytes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import pmt

from .. import digital, jscc
from ..digital import group
from ..errors import BadInput
from ..jscc.symbols import MAX_FRAGMENT
from . import pdu
from .reassembler import LEAST_SHARE, Pending, Place, reassembler

PARTED = ("esisc",)  # schemes whose messages have parts that are of use by themselves


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

    Ports: in ``symbols``, ``flush``; out ``bytes``, ``part`` (of scheme "esisc", each part of a message as soon as all
    its bursts have come, with the key ``part``, the burst that it begins with), ``status``, ``idle`` (as of the JSCC
    Decoder). Keys added: ``intact`` (leading bytes without loss), ``groups`` (bursts and symbols of each,
    "4x1032,2x3800"), ``blocks`` and ``blocks_lost`` (code blocks), ``bytes``, ``mcs``, and those of the JSCC Decoder. A
    message of which no byte was received is passed on with an ``error`` key.

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
        self.message_port_register_out(pmt.intern("part"))
        if scheme in PARTED:
            # the caption is worth having however much else was lost
            self.least_share = 0.0

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

    def arrived(self, pending: Pending, index: int) -> None:
        """Publish a part whose bursts are all here, if parts have a use by themselves."""
        span = pending.bursts[index]
        if self._scheme not in PARTED or not all(
            i in pending.bursts for i in range(span.first, span.first + span.depth)
        ):
            return
        parts = self._parts(pending).get(span, {})
        if len(parts) < LEAST_SHARE * span.depth:
            return
        try:
            came = self._decoded(pending, span, parts)
        except BadInput:  # told when the message is delivered
            return
        if came.blocks_lost < came.blocks:
            keys = {"part": span.first, "intact": came.intact, "mcs": span.mcs.index, "bytes": len(came.data)}
            self.publish("part", pdu.from_bytes(came.data, pending.meta | self._keys() | keys))

    def rebuild(self, pending: Pending, meta: pdu.Meta) -> pmt.pmt_base:
        """The message, whatever of it could be decoded."""
        groups = self._parts(pending)
        message, intact, blocks, lost, at = bytearray(), None, 0, 0, 0
        for span in sorted(groups, key=lambda span: span.first):
            if span.first != at and intact is None:
                intact = len(message)  # a group of which nothing came
            at = span.first + span.depth
            if len(groups[span]) < LEAST_SHARE * span.depth:
                intact = len(message) if intact is None else intact
                continue
            came = self._decoded(pending, span, groups[span])
            if came.holes and intact is None:
                intact = len(message) + came.intact
            message += came.data
            blocks += came.blocks
            lost += came.blocks_lost
        if at < pending.fragments and intact is None:
            intact = len(message)
        if blocks == lost:
            raise BadInput(f"none of the {blocks} code blocks could be decoded; the channel was too bad for the MCS")
        keys = {"mcs": min(groups, key=lambda span: span.first).mcs.index, "blocks": blocks, "blocks_lost": lost}
        keys |= {"intact": len(message) if intact is None else intact, "bytes": len(message)}
        keys["groups"] = ",".join(f"{span.depth}x{span.length}" for span in set(pending.bursts.values()))
        return pdu.from_bytes(bytes(message), meta | self._keys() | keys)

    def _keys(self) -> pdu.Meta:
        return {"scheme": jscc.SCHEMES[self._scheme]}

    @staticmethod
    def _parts(pending: Pending) -> dict[digital.Span, dict]:
        """What came, by group and place in it."""
        groups: dict[digital.Span, dict] = defaultdict(dict)
        for index, part in pending.parts.items():
            span = pending.bursts[index]
            groups[span][index - span.first] = part
        return groups

    def _decoded(self, pending: Pending, span: digital.Span, parts: dict) -> group.Received:
        """A group, decoded once however often it is asked for."""
        known = pending.decoded.get(span)
        if known is None or known[0] != len(parts):
            known = pending.decoded[span] = len(parts), digital.received(parts, span, pending.number)
        return known[1]
