# SPDX-License-Identifier: GPL-3.0-or-later
"""ES-ISC Decoder: scenes into caption, class map and picture."""

from __future__ import annotations

from dataclasses import replace

import pmt

from .. import values
from ..burst import ImageHeader
from ..errors import BadInput
from ..scene.render.esrim import MAX_STRENGTH, USUAL_STRENGTH, checked_painter
from ..schemes import ReceivedPart
from ..schemes.esisc import EsIsc, SceneDecoder
from . import pdu
from .decoded import PORTS, VIEWS, publish_decoded
from .live import live
from .worker import worker_block

_MAX_HELD = 64  # scenes of which parts wait for the rest
_MAX_HELD_BYTES = 2**24


class esisc_decoder(worker_block):
    """Reads scene containers; each of their sections is published as soon as it is here."""

    signal_ports = ("idle",)

    def __init__(self, preview: bool = False, seed: int = 0, painter: str = "auto", strength: float = USUAL_STRENGTH):
        """Make the block.

        Connect both ``part`` and ``bytes`` of a Digital Decoder to ``bytes``: parts are used as they arrive, and the
        whole ends the scene. What is damaged is reported on ``status``, and the rest used.

        Parameters
        ----------
        preview : bool
            Whether a picture is made of what is here at every part.
        seed : int
            Of the synthetic texture and of what ES-RIM draws: another one gives another picture of the same scene.
        painter : str
            What refines the picture: "auto" for ES-RIM if its weights are here, a name of its weights, or "plain".
        strength : float
            How much it changes, from faithful, 0, to vivid, 2.

        Notes
        -----
        Ports: in ``bytes`` (u8vector), ``idle``; out ``text`` (u8vector, UTF-8), ``labels`` (labels PDU, of the
        picture's size, with ``classes`` and ``objects``, a line "NAME X0,Y0,X1,Y1" for each), ``segments`` (B-seg, the
        same), ``image`` (the picture, with ``caption``, ``sections`` and ``problems``), ``preview``, ``text_view``,
        ``labels_view`` and ``segments_view`` (text and maps drawn as pictures, as soon as they are here, and when the
        scene ends without them a picture that says so: one each for every scene), ``idle`` (what arrived there, after
        the pictures of all bytes that arrived before it), ``status``. When nothing of a scene arrived the failure is
        passed on at ``image`` and the views.
        """
        worker_block.__init__(self, "ES-ISC Decoder", ["bytes", "idle"], ["image", *VIEWS])
        for port in (*PORTS, "preview", "idle"):
            self.message_port_register_out(pmt.intern(port))
        self._preview = preview
        self.set_painter(painter)
        self.set_seed(seed)
        self.set_strength(strength)
        self._held: dict[int, SceneDecoder] = {}  # oldest first

    @live
    def set_painter(self, painter: str) -> None:
        """What refines the picture; it holds from the next scene on."""
        self._painter = checked_painter(values.text(painter, "painter"))

    @live
    def set_strength(self, strength: float) -> None:
        """How much ES-RIM changes, 0 to 2; it holds from the next scene on."""
        self._strength = values.number(strength, "strength", 0, MAX_STRENGTH)

    @live
    def set_seed(self, seed: int) -> None:
        """Of texture and of what ES-RIM draws; it holds from the next scene on."""
        self._seed = values.whole(seed, "seed", 0, 2**32 - 1)

    def work_on(self, port: str, msg: pmt.pmt_base, meta: pdu.Meta) -> None:
        """A part of a scene, or all of it; or word that no more is to be expected."""
        if port == "idle":
            self.publish("idle", msg)
            return
        if meta.get("scheme", EsIsc.code) != EsIsc.code:
            raise BadInput("a bytes PDU arrived whose scheme is not esisc; it belongs to another decoder")
        meta = meta | {"scheme": EsIsc.name}
        number, data = pdu.number_of(meta), pdu.to_bytes(msg)
        if "part" in meta:
            self._take_part(number, data, meta)
            return
        decoder = self._held.pop(number, None) or self._decoder(meta)
        decoder.replace(data)
        decoded = decoder.finish()
        publish_decoded(self, decoded, meta)
        self.publish("image", pdu.from_image(decoded.image, meta | decoded.about))

    def _decoder(self, meta: pdu.Meta) -> SceneDecoder:
        size = (meta.get(name, 1) for name in ("height", "width"))
        height, width = (value if type(value) is int and value > 0 else 1 for value in size)
        return SceneDecoder(height, width, self._preview, self._seed, self._painter, self._strength)

    def _take_part(self, number: int, data: bytes, meta: pdu.Meta) -> None:
        index = meta["part"]
        if type(index) is not int:
            raise BadInput("a bytes PDU arrived whose part is not an integer")
        decoder = self._held.get(number)
        if decoder is None or decoder.has(index):  # the number is in use again
            decoder = self._held[number] = self._decoder(meta)
        header = ImageHeader(1, 1, EsIsc.name)
        decoded = decoder.feed(ReceivedPart(index, data, header, intact=len(data)))
        while len(self._held) > _MAX_HELD or sum(held.held for held in self._held.values()) > _MAX_HELD_BYTES:
            del self._held[next(iter(self._held))]
        publish_decoded(self, replace(decoded, image=None), meta)
        if decoded.image is not None:
            self.publish("preview", pdu.from_image(decoded.image, meta))
