# SPDX-License-Identifier: GPL-3.0-or-later
"""SAM Segmenter: what the prompts point at, as a mask."""

from __future__ import annotations

import pmt

from ..segment import ClassName, Everything, Sam, cut_out, everything, overlay, parse_prompt, partition
from ..segment.semantic import ClassSegmenter
from . import pdu
from .worker import worker_block


class sam_segmenter(worker_block):
    """Segment Anything (Kirillov et al., 2023) on each image, by points, boxes, classes, or all that is in it.

    Parameters
    ----------
    prompts : str
        One prompt or several separated by semicolons: ``point:X,Y``, ``point:X,Y,0`` (outside),
        ``box:X0,Y0,X1,Y1``, ``mask:FILE``, ``class:NAME`` (of PASCAL VOC's) or ``everything``; pixels of the image.
    threads : int
        Of ONNX Runtime.

    Raises
    ------
    BadInput
        A prompt that cannot be read.

    Notes
    -----
    Ports: in ``image``; out ``mask`` (u8, 0 or 255, one channel), ``roi`` (the image, black outside the mask),
    ``overlay`` (the image with the mask tinted and outlined), ``segments`` (u8, one channel: the number of the segment
    that each pixel lies in, from 1, with the key ``segments`` for how many there are; only with the prompt
    ``everything``, which takes seconds for each image), ``status``. All carry the input's metadata and ``score``, the
    predicted IoU.
    """

    def __init__(self, prompts: str = "point:0,0", threads: int = 2):
        worker_block.__init__(self, "SAM Segmenter", ["image"], ["mask", "roi", "overlay", "segments"])
        self.set_prompts(prompts)
        self._threads = threads
        self._sam: Sam | None = None
        self._classes: ClassSegmenter | None = None

    def set_prompts(self, prompts: str) -> None:
        """Change the prompts while running; they hold from the next image on."""
        self._prompts = [parse_prompt(part.strip()) for part in prompts.split(";") if part.strip()]

    def load(self) -> dict[str, str]:
        """Load what the prompts need now instead of with the first image; the networks' file names and sha256."""
        if self._sam is None:
            self._sam = Sam(threads=self._threads)
        if not self._asks(ClassName):
            return self._sam.weights
        if self._classes is None:
            self._classes = ClassSegmenter(threads=self._threads)
        return self._sam.weights | self._classes.weights

    def _asks(self, kind: type) -> bool:
        return any(isinstance(prompt, kind) for prompt in self._prompts)

    def work_on(self, port: str, msg: pmt.pmt_base, meta: pdu.Meta) -> None:
        """One image -> mask, ROI image and overlay, and segments if everything is asked for."""
        self.load()
        image = pdu.to_image(msg)
        embedding = self._sam.embed(image)
        labels = self._classes.segment(image) if self._asks(ClassName) else None
        parts = everything(self._sam, embedding) if self._asks(Everything) else None
        found = self._sam.segment(embedding, self._prompts, labels, parts)
        meta = meta | {"score": float(found.score)}
        self.publish("mask", pdu.from_image(found.mask.astype("uint8") * 255, meta))
        self.publish("roi", pdu.from_image(cut_out(image, found.mask), meta))
        self.publish("overlay", pdu.from_image(overlay(image, found.mask), meta))
        if parts is not None:
            segments = partition([part.mask for part in parts], *image.shape[:2])
            self.publish("segments", pdu.from_image(segments, meta | {"segments": int(segments.max())}))
