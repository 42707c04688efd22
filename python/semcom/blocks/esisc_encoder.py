# SPDX-License-Identifier: GPL-3.0-or-later
"""ES-ISC Encoder: images into scenes, explainable semantics in few bytes."""

from __future__ import annotations

from dataclasses import replace

import pmt

from .. import digital, jscc
from ..scene import EncoderSettings, Protection, SemanticEncoder, parts, sections, sizes
from . import pdu
from .worker import sending_block


class esisc_encoder(sending_block):
    """Caption, class map with boxes, boundaries and sub-images of each image, as a scene container.

    Parameters
    ----------
    prompts : what the sub-images show, prompts separated by semicolons: ``class:NAME``, ``box:X0,Y0,X1,Y1``,
        ``point:X,Y``, ``mask:FILE``; none: the objects that the segmenter finds.
    budget : bytes of the whole scene.
    boundaries : whether B-seg is sent, which needs the weights of SAM.
    sub_images : how many at most.
    captioner : "composed", or one of :mod:`semcom.scene.caption.captioners`.
    codec : of the sub-images: "avif", "jpeg2000" or "jpeg".
    mcs_semantics, mcs_detail, mcs_sub_images : MCS of text, A-seg and boxes; of colours and B-seg; of S-img.
    bursts : over how many bursts the first two parts are spread at least.

    Ports: in ``image``; out ``bytes`` (with the key ``parts`` for the Digital Encoder, ``scheme``, ``caption`` and
    ``bytes_NAME`` for each section), ``failed`` and ``status``.

    Raises
    ------
    BadInput : settings that cannot be.
    """

    def __init__(
        self,
        prompts: str = "",
        budget: int = 5000,
        boundaries: bool = True,
        sub_images: int = 3,
        captioner: str = "composed",
        codec: str = "avif",
        mcs_semantics: int = 0,
        mcs_detail: int = 2,
        mcs_sub_images: int = 4,
        bursts: int = 4,
    ):
        sending_block.__init__(self, "ES-ISC Encoder", ["image"], ["bytes"])
        self._protection = Protection(mcs_semantics, mcs_detail, mcs_sub_images, bursts)
        self._encoder: SemanticEncoder | None = None
        self._settings = EncoderSettings(
            budget=budget,
            prompts=_split(prompts),
            captioner=captioner,
            boundaries=boundaries,
            sub_images=sub_images,
            codec=codec,
        )

    def set_prompts(self, prompts: str) -> None:
        """Change the prompts while running; they hold from the next image on."""
        self._change(prompts=_split(prompts))

    def set_budget(self, budget: int) -> None:
        """Change the bytes of a scene while running."""
        self._change(budget=budget)

    def _change(self, **settings) -> None:
        self._settings = replace(self._settings, **settings)  # what cannot be is refused, and the old ones stay
        self._encoder = None

    def load(self) -> dict[str, str]:
        """Find the weights now instead of with the first image; their file names and sha256."""
        if self._encoder is None:
            self._encoder = SemanticEncoder(self._settings)
        return self._encoder.weights

    def work_on(self, port: str, msg: pmt.pmt_base, meta: pdu.Meta) -> None:
        """One image -> its scene."""
        self.load()
        scene = self._encoder.encode(pdu.to_image(msg))
        plan = parts(scene, self._protection)
        data = b"".join(part.data for part in plan)
        keys = {"scheme": jscc.SCHEMES["esisc"], "height": scene.height, "width": scene.width, "bytes": len(data)}
        keys |= {"parts": digital.plan_text(plan), "caption": scene.caption or ""}
        keys |= {f"bytes_{name}": size for name, size in sizes(sections(scene)).items()}
        meta.pop("channels", None)
        self.publish("bytes", pdu.from_bytes(data, meta | keys))


def _split(prompts: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in prompts.split(";") if part.strip())
