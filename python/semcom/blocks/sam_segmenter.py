# SPDX-License-Identifier: GPL-3.0-or-later
"""SAM Segmenter: what the prompts point at, as a mask."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pmt

from .. import values
from ..errors import BadInput, SemcomError
from ..segment import (
    ClassName,
    Embedding,
    Everything,
    Prompt,
    Sam,
    Segmentation,
    cut_out,
    everything,
    join_prompts,
    overlay,
    parse_prompt,
    partition,
    split_prompts,
    validate,
)  # fmt: skip
from ..segment.backends import DEFAULT, checked
from ..segment.semantic import ClassSegmenter
from . import pdu
from .live import live
from .prompting import KEY, prompts_of
from .worker import worker_block

EMPTY = ("refuse", "send", "whole")
"""What becomes of an image in which nothing is found."""

MAX_KNOWN = 4
"""Pictures of which is kept what the networks made of them."""
MAX_MASKS = 2**26
"""Bytes of masks that are kept of one picture."""


@dataclass(eq=False)
class _Known:
    """What the networks made of a picture, as far as they were asked."""

    embedding: Embedding
    labels: np.ndarray | None = None
    found: Sequence[Segmentation] | None = None


@dataclass(eq=False)
class _Last:
    """The last image, its metadata as they arrived, and whether it was segmented and sent on."""

    image: np.ndarray
    meta: pdu.Meta
    has_left: bool = False


class sam_segmenter(worker_block):
    """Segment Anything on each image, by points, boxes, masks, classes, or all that is in it."""

    signal_ports = ("prompts",)

    def __init__(
        self,
        prompts: str = "point:0,0",
        threads: int = 2,
        empty: str = "refuse",
        levels: bool = False,
        sam: str = DEFAULT,
        provider: str = "cpu",
    ):
        """Make the block.

        What the encoder made of the last ``MAX_KNOWN`` pictures is kept, so that a picture that arrives again, or is
        prompted anew, takes the time of a prompt only. A message on ``prompts`` holds from now on, as
        :meth:`set_prompts`, and the last image is segmented again with it: all outputs carry it once more, with the key
        ``update``. A JSCC Encoder sends of such an image what is new in its region. Of prompts that arrive faster than
        they can be answered the newest are.

        Parameters
        ----------
        prompts : str
            One prompt or several separated by semicolons: ``point:X,Y``, ``point:X,Y,0`` (outside),
            ``box:X0,Y0,X1,Y1``, ``mask:FILE``, ``class:NAME`` (of PASCAL VOC's) or ``everything``; pixels of the image.
            A semicolon in the name of a file is written with a backslash before it where a
            prompt would begin behind it. Empty: none yet; until some arrive, the whole image is the region.
        threads : int
            Of ONNX Runtime.
        empty : str
            What becomes of an image in which the prompts find nothing, of ``EMPTY``: "refuse" gives it up with a
            sentence, "send" lets it go on with an empty region (a masked image is black), and "whole" takes the whole
            image for the region. Nothing found is said on ``status`` in each case.
        levels : bool
            Each prompt is a region of its own, the first the most important: 255 in the mask, in each further one half
            as much. Points that lie outside belong to all of them.
        sam : str
            Which Segment Anything Model: one of ``segment.backends.NAMES``, the file of a published checkpoint, or
            ``ENCODER.onnx,DECODER.onnx``.
        provider : str
            What it runs on, "cpu" or "cuda".

        Attributes
        ----------
        found_nothing : int
            Images in which there was nothing of what the prompts mean.

        Raises
        ------
        BadInput
            A prompt that cannot be read, another word for ``empty``, or a model that is not known.

        Notes
        -----
        Ports: in ``image``, ``prompts`` (see :func:`~.prompting.prompts_of`); out ``image`` (as it arrived, for what
        needs it together with its mask), ``mask`` (u8, one channel, 0 outside and 255 inside, less in regions that
        count less), ``roi`` (the image, black outside the mask), ``overlay`` (the image with the mask tinted and
        outlined), ``segments`` (u8, one channel: the number of the segment that each pixel lies in, from 1, with the
        key ``segments`` for how many there are; only with the prompt ``everything``, which takes seconds for each
        image), ``status``. All carry the input's metadata, ``share``, the share of the image that the region covers,
        and ``score``, the predicted IoU, where SAM was asked; ``mask`` also ``prompts``, their text.
        """
        worker_block.__init__(self, "SAM Segmenter", ["image"], ["image", "mask", "roi", "overlay", "segments"])
        if empty not in EMPTY:
            raise BadInput(f"{empty} is not known; choose {', '.join(EMPTY)}", field="empty")
        self.message_port_register_in(pmt.intern("prompts"))
        self.set_msg_handler(pmt.intern("prompts"), self._prompted)
        self._newest = threading.Lock()
        self._wanted: tuple[Prompt, ...] | None = None  # prompts of a message that wait for the worker
        self._prompts: tuple[Prompt, ...] = ()
        if values.text(prompts, "prompts").strip():
            self.set_prompts(prompts)
        self._empty, self._levels = empty, levels
        self.found_nothing = 0
        self._model, self._threads, self._provider = checked(sam), threads, provider
        self._sam: Sam | None = None
        self._classes: ClassSegmenter | None = None
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._last: _Last | None = None

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
            self._sam = Sam(self._model, self._threads, self._provider)
        if not _has(prompts, ClassName):
            return self._sam.weights
        if self._classes is None:
            self._classes = ClassSegmenter(threads=self._threads)
        return self._sam.weights | self._classes.weights

    def _prompted(self, msg: pmt.pmt_base) -> None:
        """A message with prompts: the newest wait for the worker."""
        try:
            prompts = prompts_of(msg)
        except ValueError as error:
            self._keep(error)
            return
        with self._newest:
            waits, self._wanted = self._wanted is not None, prompts
        if not waits and not self._queue.put(("prompts", pmt.PMT_NIL)):
            self.forgotten("prompts")

    def forgotten(self, port: str) -> None:
        """Prompts for which there was no room hold from the next image on."""
        if port == "prompts":
            with self._newest:
                wanted, self._wanted = self._wanted, None
            self._prompts = wanted or self._prompts

    def work_on(self, port: str, msg: pmt.pmt_base, meta: pdu.Meta) -> None:
        """One image -> itself, mask, ROI image and overlay, and segments if everything is asked for; or new prompts."""
        if port == "prompts":
            self._answer()
            return
        image, prompts = pdu.to_image(msg), self._prompts  # others may be set while this image is worked on
        self._last = _Last(image, dict(meta))
        self._segment(image, prompts, meta)
        self._last.has_left = True

    def _answer(self) -> None:
        """The last image again, with the newest prompts. What is wrong with them costs no image."""
        with self._newest:
            wanted, self._wanted = self._wanted, None
        if self._last is None:
            self._prompts = wanted
            return
        image, meta = self._last.image, self._last.meta
        try:
            validate(wanted, *image.shape[:2])
            self._load_for(wanted)
        except SemcomError as error:
            self._keep(error)
            return
        self._prompts = wanted
        try:
            # one that was given up with earlier prompts is no update of anything
            self._segment(image, wanted, meta | ({"update": 1} if self._last.has_left else {}))
            self._last.has_left = True
        except SemcomError as error:
            self.report(str(meta.get("name", "")), str(error), error)

    def _keep(self, error: ValueError) -> None:
        self.report("", f"{error}; the last good prompts stay", error)

    def _segment(self, image: np.ndarray, prompts: tuple[Prompt, ...], meta: pdu.Meta) -> None:
        self._load_for(prompts)
        known = self._known_of(image, prompts)
        if prompts:
            ranked, score = self._sam.rank(known.embedding, prompts, known.labels, known.found, self._levels)
        else:
            ranked, score = np.full(image.shape[:2], 255, np.uint8), None
        if not ranked.any():
            ranked = self._nothing(ranked, meta, prompts)
        mask = ranked > 0
        meta = meta | {"share": float(mask.mean())} | ({} if score is None else {"score": float(score)})
        self.publish("image", pdu.from_image(image, meta))
        self.publish("mask", pdu.from_image(ranked, meta | {KEY: join_prompts(map(str, prompts))}))
        self.publish("roi", pdu.from_image(cut_out(image, mask), meta))
        self.publish("overlay", pdu.from_image(overlay(image, mask) if prompts else image, meta))
        if _has(prompts, Everything):
            segments = partition([part.mask for part in known.found], *image.shape[:2])
            self.publish("segments", pdu.from_image(segments, meta | {"segments": int(segments.max())}))

    def _known_of(self, image: np.ndarray, prompts: tuple[Prompt, ...]) -> _Known:
        """What the prompts need to know of an image; networks run for what they were not asked before."""
        key = hashlib.blake2b(np.ascontiguousarray(image), person=b"%d,%d" % image.shape[:2]).digest()
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = _Known(self._sam.embed(image))
        self._known.move_to_end(key)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        if _has(prompts, ClassName) and known.labels is None:
            known.labels = self._classes.segment(image)
        if not _has(prompts, Everything) or known.found is not None:
            return known
        found = everything(self._sam, known.embedding)
        if sum(part.mask.nbytes for part in found) <= MAX_MASKS:
            known.found = found
        return replace(known, found=found)

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
