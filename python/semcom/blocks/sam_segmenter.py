# SPDX-License-Identifier: GPL-3.0-or-later
"""SAM Segmenter: what the prompts point at, as a mask."""

from __future__ import annotations

import numpy as np
import pmt

from .. import values
from ..errors import BadInput, SemcomError
from ..segment import (
    ClassName,
    Everything,
    Prompt,
    Sam,
    cut_out,
    everything,
    overlay,
    parse_prompt,
    partition,
    split_prompts,
)  # fmt: skip
from ..segment.semantic import ClassSegmenter
from . import pdu
from .live import live
from .worker import worker_block

EMPTY = ("refuse", "send", "whole")
"""What becomes of an image in which nothing is found."""


class sam_segmenter(worker_block):
    """Segment Anything (Kirillov et al., 2023) on each image, by points, boxes, classes, or all that is in it.

    Parameters
    ----------
    prompts : str
        One prompt or several separated by semicolons: ``point:X,Y``, ``point:X,Y,0`` (outside),
        ``box:X0,Y0,X1,Y1``, ``mask:FILE``, ``class:NAME`` (of PASCAL VOC's) or ``everything``; pixels of the image.
        A semicolon in the name of a file is written with a backslash before it where a
        prompt would begin behind it.
    threads : int
        Of ONNX Runtime.
    empty : str
        What becomes of an image in which the prompts find nothing, of ``EMPTY``: "refuse" gives it up with a sentence,
        "send" lets it go on with an empty region (a masked image is black), and "whole" takes the whole image for the
        region. Nothing found is said on ``status`` in each case.
    levels : bool
        Each prompt is a region of its own, the first the most important: 255 in the mask, in each further one half as
        much. Points that lie outside belong to all of them.

    Attributes
    ----------
    found_nothing : int
        Images in which there was nothing of what the prompts mean.

    Raises
    ------
    BadInput
        A prompt that cannot be read, or another word for ``empty``.

    Notes
    -----
    Ports: in ``image``; out ``mask`` (u8, one channel, 0 outside and 255 inside, less in regions that count less),
    ``roi`` (the image, black outside the mask),
    ``overlay`` (the image with the mask tinted and outlined), ``segments`` (u8, one channel: the number of the segment
    that each pixel lies in, from 1, with the key ``segments`` for how many there are; only with the prompt
    ``everything``, which takes seconds for each image), ``status``. All carry the input's metadata, ``share``, the
    share of the image that the region covers, and ``score``, the predicted IoU, where SAM was asked.
    """

    def __init__(self, prompts: str = "point:0,0", threads: int = 2, empty: str = "refuse", levels: bool = False):
        worker_block.__init__(self, "SAM Segmenter", ["image"], ["mask", "roi", "overlay", "segments"])
        if empty not in EMPTY:
            raise BadInput(f"{empty} is not known; choose {', '.join(EMPTY)}", field="empty")
        self.set_prompts(prompts)
        self._empty, self._levels = empty, levels
        self.found_nothing = 0
        self._threads = threads
        self._sam: Sam | None = None
        self._classes: ClassSegmenter | None = None

    @live
    def set_prompts(self, prompts: str) -> None:
        """Change the prompts while running; they hold from the next image on."""
        parsed = [parse_prompt(part) for part in split_prompts(values.text(prompts, "prompts"))]
        if not parsed:
            raise BadInput("must be one prompt or more, such as point:220,150, got none", field="prompts")
        self._prompts = tuple(parsed)

    def load(self) -> dict[str, str]:
        """Load what the prompts need now instead of with the first image; the networks' file names and sha256."""
        return self._load_for(self._prompts)

    def _load_for(self, prompts: tuple[Prompt, ...]) -> dict[str, str]:
        if self._sam is None:
            self._sam = Sam(threads=self._threads)
        if not _has(prompts, ClassName):
            return self._sam.weights
        if self._classes is None:
            self._classes = ClassSegmenter(threads=self._threads)
        return self._sam.weights | self._classes.weights

    def work_on(self, port: str, msg: pmt.pmt_base, meta: pdu.Meta) -> None:
        """One image -> mask, ROI image and overlay, and segments if everything is asked for."""
        prompts = self._prompts  # others may be set while this image is worked on
        self._load_for(prompts)
        image = pdu.to_image(msg)
        embedding = self._sam.embed(image)
        labels = self._classes.segment(image) if _has(prompts, ClassName) else None
        parts = everything(self._sam, embedding) if _has(prompts, Everything) else None
        if self._levels:
            ranked, score = self._sam.rank(embedding, prompts, labels, parts)
        else:
            found = self._sam.segment(embedding, prompts, labels, parts)
            ranked, score = found.mask.astype(np.uint8) * 255, found.score
        if not ranked.any():
            ranked = self._nothing(ranked, meta, prompts)
        mask = ranked > 0
        meta = meta | {"share": float(mask.mean())} | ({} if score is None else {"score": float(score)})
        self.publish("mask", pdu.from_image(ranked, meta))
        self.publish("roi", pdu.from_image(cut_out(image, mask), meta))
        self.publish("overlay", pdu.from_image(overlay(image, mask), meta))
        if parts is not None:
            segments = partition([part.mask for part in parts], *image.shape[:2])
            self.publish("segments", pdu.from_image(segments, meta | {"segments": int(segments.max())}))

    def _nothing(self, mask: np.ndarray, meta: pdu.Meta, asked: tuple[Prompt, ...]) -> np.ndarray:
        """The region where the prompts found none; the image is given up by an error."""
        prompts = ", ".join(map(str, asked))
        self.found_nothing += 1
        if self._empty == "refuse":
            meta["share"] = 0.0  # the failure says so too
            raise SemcomError(f"nothing in the image is what the prompts mean ({prompts}); it is not sent")
        becomes = "the whole image is the region" if self._empty == "whole" else "the region is empty"
        self.report(str(meta.get("name", "")), f"nothing in the image is what the prompts mean ({prompts}); {becomes}")
        return np.full_like(mask, 255 if self._empty == "whole" else 0)


def _has(prompts: tuple[Prompt, ...], kind: type) -> bool:
    return any(isinstance(prompt, kind) for prompt in prompts)
