# SPDX-License-Identifier: GPL-3.0-or-later
"""ES-ISC Encoder: images into scenes, explainable semantics in few bytes."""

from __future__ import annotations

import pmt

from .. import digital, schemes
from ..schemes import Conditions
from ..segment.backends import DEFAULT
from . import pdu
from .live import live
from .worker import sending_block


class esisc_encoder(sending_block):
    """Caption, class map with boxes, boundaries and sub-images of each image, as a scene container.

    Parameters
    ----------
    prompts : str
        What the sub-images show, prompts separated by semicolons: ``class:NAME``, ``box:X0,Y0,X1,Y1``, ``point:X,Y``,
        ``mask:FILE``; none: the objects that the segmenter finds.
    budget : int
        Bytes of the whole scene.
    boundaries : bool
        Whether B-seg is sent, which needs the weights of SAM.
    sub_images : int
        How many at most.
    thumbnail : bool
        Whether a small picture of the whole image is sent in place of colours, B-seg and sub-images of objects.
    captioner : str
        "network", "composed", or another of :mod:`semcom.scene.caption.captioners`.
    codec : str
        Of the sub-images: "avif", "jpeg2000" or "jpeg".
    sam : str
        Which Segment Anything Model finds outlines and follows prompts, as of the SAM Segmenter.
    mcs_semantics, mcs_detail, mcs_sub_images : int
        MCS of text, A-seg and boxes; of colours and B-seg; of S-img.
    bursts : int
        Over how many bursts the first two parts are spread at least.

    Raises
    ------
    BadInput
        Settings that cannot be.

    Notes
    -----
    Ports: in ``image``; out ``bytes`` (with the key ``plan`` for the Digital Encoder, ``scheme``, ``caption`` and
    ``bytes_NAME`` for each section), ``failed`` and ``status``.
    """

    def __init__(
        self,
        prompts: str = "",
        budget: int = 5000,
        boundaries: bool = True,
        sub_images: int = 3,
        thumbnail: bool = False,
        captioner: str = "network",
        codec: str = "avif",
        mcs_semantics: int = 0,
        mcs_detail: int = 2,
        mcs_sub_images: int = 4,
        bursts: int = 4,
        sam: str = DEFAULT,
    ):
        sending_block.__init__(self, "ES-ISC Encoder", ["image"], ["bytes"])
        self._scheme = schemes.get("esisc")
        self._options = self._scheme.options(
            {
                "prompts": prompts,
                "budget": budget,
                "boundaries": boundaries,
                "sub_images": sub_images,
                "thumbnail": thumbnail,
                "captioner": captioner,
                "codec": codec,
                "mcs_semantics": mcs_semantics,
                "mcs_detail": mcs_detail,
                "mcs_sub_images": mcs_sub_images,
                "bursts": bursts,
                "sam": sam,
            }
        )

    @live
    def set_prompts(self, prompts: str) -> None:
        """Change the prompts while running; they hold from the next image on."""
        self._options = self._scheme.options({**vars(self._options), "prompts": prompts})

    @live
    def set_budget(self, budget: int) -> None:
        """Change the bytes of a scene while running."""
        self._options = self._scheme.options({**vars(self._options), "budget": budget})

    def load(self) -> dict[str, str]:
        """Find the weights now instead of with the first image; their file names and sha256."""
        return self._scheme.load(self._options)

    def work_on(self, port: str, msg: pmt.pmt_base, meta: pdu.Meta) -> None:
        """One image -> its scene."""
        sent = self._scheme.encode(pdu.to_image(msg), Conditions(), self._options)
        plan = [digital.ProtectedBytes(part.payload, digital.mcs_of(part.mcs), part.bursts) for part in sent.parts]
        keys = {"scheme": self._scheme.code, "height": sent.header.height, "width": sent.header.width}
        keys |= {"plan": digital.plan_text(plan)} | sent.about
        meta.pop("channels", None)
        self.publish("bytes", pdu.from_bytes(b"".join(part.data for part in plan), meta | keys))
