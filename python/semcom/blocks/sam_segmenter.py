# SPDX-License-Identifier: GPL-3.0-or-later
"""SAM Segmenter: what the prompts point at, as a mask."""

from __future__ import annotations

import pmt

from ..segment import Sam, cut_out, overlay, parse_prompt
from . import pdu
from .worker import worker_block


class sam_segmenter(worker_block):
    """Segment Anything (Kirillov et al., 2023) on each image, with point and box prompts.

    Parameters
    ----------
    prompts : one prompt or several separated by semicolons: ``point:X,Y``, ``point:X,Y,0`` (outside),
    ``box:X0,Y0,X1,Y1`` or
        ``mask:FILE``; pixels of the image.
    threads : of ONNX Runtime.

    Ports: in ``image``; out ``mask`` (u8, 0 or 255, one channel), ``roi`` (the image, black outside the mask),
    ``overlay`` (the image
    with the mask tinted and outlined), ``status``. All carry the input's metadata and ``score``, the predicted IoU.

    Raises
    ------
    BadInput : a prompt that cannot be read.
    """

    def __init__(self, prompts: str = "point:0,0", threads: int = 2):
        worker_block.__init__(self, "SAM Segmenter", ["image"], ["mask", "roi", "overlay"])
        self.set_prompts(prompts)
        self._threads = threads
        self._sam: Sam | None = None

    def set_prompts(self, prompts: str) -> None:
        """Change the prompts while running; they hold from the next image on."""
        self._prompts = [parse_prompt(part.strip()) for part in prompts.split(";") if part.strip()]

    def load(self) -> dict[str, str]:
        """Load the networks now instead of with the first image; their file names and sha256."""
        if self._sam is None:
            self._sam = Sam(threads=self._threads)
        return self._sam.weights

    def work_on(self, port: str, msg: pmt.pmt_base, meta: pdu.Meta) -> None:
        """One image -> mask, ROI image and overlay."""
        self.load()
        image = pdu.to_image(msg)
        found = self._sam.segment(self._sam.embed(image), self._prompts)
        meta = meta | {"score": float(found.score)}
        self.publish("mask", pdu.from_image(found.mask.astype("uint8") * 255, meta))
        self.publish("roi", pdu.from_image(cut_out(image, found.mask), meta))
        self.publish("overlay", pdu.from_image(overlay(image, found.mask), meta))
