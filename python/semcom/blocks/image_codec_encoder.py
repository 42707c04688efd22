# SPDX-License-Identifier: GPL-3.0-or-later
"""Image Codec Encoder: an image into so many bytes, for a digital link."""

from __future__ import annotations

import pmt

from .. import codec as codecs
from .. import values
from ..errors import BadInput
from ..schemes.digital import Digital
from . import pdu
from .live import live
from .worker import sending_block

MAX_BUDGET = 2**31 - 1


class image_codec_encoder(sending_block):
    """Conventional source coder: the best JPEG, JPEG 2000 or AVIF picture in at most budget bytes."""

    def __init__(self, codec: str = "avif", budget: int = 0):
        """Make the block.

        Parameters
        ----------
        codec : str
            A key of ``semcom.codec.CODECS``: "jpeg", "jpeg2000" or "avif".
        budget : int
            Bytes for each image; 0: as many as the image's key ``budget`` says, which the block of a link sets.

        Raises
        ------
        BadInput
            A codec that there is not, or a negative budget.

        Notes
        -----
        Ports: in ``image``; out ``bytes`` (u8vector PDUs with the image's metadata less ``channels``, and ``height``,
        ``width``, ``scheme``, ``bytes``), ``failed`` (``image_id`` and ``error`` of an image that will not be sent:
        over a modem, connect it to the source's ``ack``), ``status``.
        """
        sending_block.__init__(self, "Image Codec Encoder", ["image"], ["bytes"])
        self.set_codec(codec)
        self.set_budget(budget)

    @live
    def set_codec(self, codec: str) -> None:
        """Change the codec while running."""
        codecs.check_codec(codec)
        self._codec = codec

    @live
    def set_budget(self, budget: int) -> None:
        """Change the bytes for each image while running; 0 for the image's own ``budget``."""
        known = values.whole(budget, "budget", -MAX_BUDGET, MAX_BUDGET)
        if known < 0:
            raise BadInput(f"a budget of {budget} bytes makes no sense; give 1 or more, or 0 for the image's own")
        self._budget = known

    def work_on(self, port: str, msg: pmt.pmt_base, meta: pdu.Meta) -> None:
        """One image -> its bytes."""
        budget = self._budget or meta.get("budget")
        if type(budget) is not int:
            raise BadInput("an image arrived without the integer key budget; set the budget at the Image Codec Encoder")
        image = pdu.to_image(msg)
        coded = codecs.encode(image, self._codec, budget)
        meta = {k: v for k, v in meta.items() if k != "channels"}
        meta |= {
            "height": image.shape[0],
            "width": image.shape[1],
            "scheme": Digital.code,
            "bytes": len(coded.data),
        }
        self.publish("bytes", pdu.from_bytes(coded.data, meta))
