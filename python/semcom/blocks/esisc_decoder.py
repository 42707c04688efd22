# SPDX-License-Identifier: GPL-3.0-or-later
"""ES-ISC Decoder: scenes into caption, class map and picture."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pmt

from .. import jscc
from ..errors import BadInput
from ..scene import Decoded, Scene, at_size, decode_scene, draw, reconstruct
from . import pdu
from .worker import worker_block

_VIEWS = ("text_view", "labels_view", "segments_view")
_MOST_HELD = 64  # scenes of which parts wait for the rest
_MOST_HELD_BYTES = 2**24


@dataclass
class _Held:
    """Parts of a scene by the burst that each begins with, and what has been published of it."""

    parts: dict[int, bytes] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)


class esisc_decoder(worker_block):
    """Reads scene containers; each of their sections is published as soon as it is here.

    Connect both ``part`` and ``bytes`` of a Digital Decoder of scheme "esisc" to ``bytes``: parts are used as they
    come, and the whole ends the scene. What is damaged is told on ``status``, and the rest used.

    Parameters
    ----------
    preview : whether a picture is made of what there is at every part.
    seed : of the synthetic texture.

    Ports: in ``bytes`` (u8vector), ``idle``; out ``text`` (u8vector, UTF-8), ``labels`` (labels PDU, of the picture's
    size, with ``classes`` and ``objects``, a line "NAME X0,Y0,X1,Y1" for each), ``segments`` (B-seg, the same),
    ``image`` (the picture, with ``caption``, ``sections`` and ``problems``), ``preview``, ``text_view``,
    ``labels_view`` and ``segments_view`` (text and maps drawn as pictures, as soon as they are here, and when the scene
    ends without them a picture that says so: one each for every scene), ``idle`` (what came there, after the pictures
    of all bytes that came before it), ``status``. When nothing of a scene came the failure is passed on at ``image``
    and the views.
    """

    signal_ports = ("idle",)

    def __init__(self, preview: bool = False, seed: int = 0):
        worker_block.__init__(self, "ES-ISC Decoder", ["bytes", "idle"], ["image", *_VIEWS])
        for port in ("text", "labels", "segments", "preview", "idle"):
            self.message_port_register_out(pmt.intern(port))
        self._preview, self._seed = preview, seed
        self._held: dict[int, _Held] = {}  # oldest first

    def work_on(self, port: str, msg: pmt.pmt_base, meta: pdu.Meta) -> None:
        """A part of a scene, or all of it; or word that no more is to be expected."""
        if port == "idle":
            self.publish("idle", msg)
            return
        if meta.get("scheme", jscc.SCHEMES["esisc"]) != jscc.SCHEMES["esisc"]:
            raise BadInput("a bytes PDU came whose scheme is not esisc; it belongs to another decoder")
        number, data = pdu.number_of(meta), pdu.to_bytes(msg)
        if "part" in meta:
            self._take_part(number, data, meta)
            return
        held = self._held.pop(number, _Held())
        decoded = decode_scene(data)
        self._tell(decoded.scene, held, meta)
        for sentence in decoded.problems:
            self.report(str(meta.get("name", "")), sentence, None)
        scene = decoded.scene
        if not decoded.sections or not scene.height:
            raise BadInput("no section of the scene came sound")
        for view in _VIEWS:
            if view.removesuffix("_view") not in held.told:
                self._show(view, draw.card(None, scene.height, scene.width), meta)
        keys = {"sections": " ".join(section.name for section in decoded.sections), "problems": len(decoded.problems)}
        if scene.caption:
            keys["caption"] = scene.caption
        self.publish("image", pdu.from_image(reconstruct(scene, self._seed), meta | keys))

    def _take_part(self, number: int, data: bytes, meta: pdu.Meta) -> None:
        first = meta["part"]
        if type(first) is not int:
            raise BadInput("a bytes PDU came whose part is no integer")
        held = self._held.get(number)
        if held is None or first in held.parts:  # the number has come round again
            held = self._held[number] = _Held()
        held.parts[first] = data
        while len(self._held) > _MOST_HELD or self._bytes_held() > _MOST_HELD_BYTES:
            del self._held[next(iter(self._held))]
        decoded = self._decoded(held)
        self._tell(decoded.scene, held, meta)
        if self._preview and decoded.sections and decoded.scene.height:
            self.publish("preview", pdu.from_image(reconstruct(decoded.scene, self._seed), meta))

    def _bytes_held(self) -> int:
        return sum(len(part) for held in self._held.values() for part in held.parts.values())

    @staticmethod
    def _decoded(held: _Held) -> Decoded:
        return decode_scene(b"".join(held.parts[first] for first in sorted(held.parts)))

    def _tell(self, scene: Scene, held: _Held, meta: pdu.Meta) -> None:
        """Publish of text and maps what has not been."""
        if scene.caption and "text" not in held.told:
            held.told.add("text")
            self.publish("text", pdu.from_bytes(scene.caption.encode("utf-8"), meta))
            # of the size that the burst header tells: text may be all that there is
            height, width = (scene.height, scene.width) if scene.height else (meta["height"], meta["width"])
            self._show("text_view", draw.card(scene.caption, height, width), meta)
        if scene.labels is not None and "labels" not in held.told:
            held.told.add("labels")
            objects = "\n".join(
                f"{scene.classes[thing.label]} {','.join(map(str, thing.box))}" for thing in scene.objects or ()
            )
            keys = {"classes": " ".join(scene.classes), "objects": objects}
            self.publish("labels", pdu.from_image(_sized(scene.labels, scene), meta | keys))
            drawn = draw.class_map(scene.labels, scene.objects or (), scene.classes, scene.height, scene.width)
            self._show("labels_view", drawn, meta)
        if scene.segments is not None and "segments" not in held.told:
            held.told.add("segments")
            self.publish("segments", pdu.from_image(_sized(scene.segments, scene), meta))
            self._show("segments_view", draw.outlines(scene.segments, scene.height, scene.width), meta)

    def _show(self, port: str, drawn: np.ndarray, meta: pdu.Meta) -> None:
        self.publish(port, pdu.from_image(np.ascontiguousarray(drawn), meta))


def _sized(labels: np.ndarray, scene: Scene) -> np.ndarray:
    """A map at the size of the picture, its own if that is not known."""
    height, width = scene.height or labels.shape[0], scene.width or labels.shape[1]
    return at_size(labels, height, width)
