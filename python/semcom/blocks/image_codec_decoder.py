# SPDX-License-Identifier: GPL-3.0-or-later
"""Image Codec Decoder: bytes from a digital link back into an image."""

from __future__ import annotations

import pmt

from .. import codec as codecs
from ..errors import BadInput
from ..schemes.digital import Digital
from . import pdu
from .worker import worker_block


class image_codec_decoder(worker_block):
    """Conventional source decoder; the mirror of image_codec_encoder, whose codec it reads from the bytes."""

    signal_ports = ("idle",)

    def __init__(self):
        """Make the block.

        Of a JPEG or JPEG 2000 image any beginning is a picture, less sharp; an AVIF image must be whole. When nothing
        can be decoded the failure is passed on, so that the sink acknowledges the image.

        Notes
        -----
        Ports: in ``bytes`` (u8vector PDUs with ``height`` and ``width``, and ``intact``, the number of leading bytes
        that are sound, unless all are), ``idle``; out ``image`` (with the metadata of the bytes and ``complete``, 1 or
        0), ``idle`` (what arrived there, after the images of all bytes that arrived before it), ``status``.
        """
        worker_block.__init__(self, "Image Codec Decoder", ["bytes", "idle"], ["image"])
        self.message_port_register_out(pmt.intern("idle"))

    def work_on(self, port: str, msg: pmt.pmt_base, meta: pdu.Meta) -> None:
        """The bytes of one image -> the image; or word that no more is to be expected."""
        if port == "idle":
            self.publish("idle", msg)
            return
        for name in ("height", "width"):
            if type(meta.get(name)) is not int:
                raise BadInput(
                    f"a bytes PDU arrived without the integer key {name}; feed it from an Image Codec Encoder"
                )
        if type(meta.get("intact", 0)) is not int:
            raise BadInput("a bytes PDU arrived whose intact is no integer")
        if meta.get("scheme", Digital.code) != Digital.code:
            raise BadInput("a bytes PDU arrived whose scheme is not digital; it belongs to another decoder")
        decoded = codecs.decode(pdu.to_bytes(msg), meta["height"], meta["width"], meta.get("intact"))
        self.publish(
            "image", pdu.from_image(decoded.image, meta | {"scheme": Digital.name, "complete": int(decoded.complete)})
        )
