# SPDX-License-Identifier: GPL-3.0-or-later
"""Captions by a network of our own; where it is not sure, or A-seg sees otherwise, another of it or a composed one.

Two files: ``captioner_image`` makes of a picture what ``captioner_decoder`` reads, which says how probable each word
is after those before it. The decoder's metadata has the vocabulary and how sure a sentence's probability makes us.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ... import files, values
from ...errors import BadInput
from ...image.io import check_rgb
from ...segment.classes import VOC
from ...segment.instances import SceneObject
from ...zoo import onnx, weights
from ..coding.captioncode import written
from . import beam
from .composed import describe
from .grounding import named_in

if TYPE_CHECKING:
    import onnxruntime

IMAGE, DECODER = "captioner_image", "captioner_decoder"
"""Names of the weights."""

VIEW = 144
"""Side in pixels that a picture is made small to before the network sees it: so were those that it learnt from."""

MAX_WORD = 100  # characters
BEAMS, MAX_WORDS, LENGTH_POWER = 3, 20, 0.7

SURE = 1 / 4
"""Confidence below which a sentence is not believed: three quarters of the words that say something would be wrong."""

SURE_ALONE = 1 / 2
"""Confidence below which a sentence is not believed that names one of ``SEEN_WELL`` where A-seg sees none of it.

Chosen on photographs for training that A-seg or the captioner had been spared, and on some of COCO: the lowest with
which, on none of these sets, more than one sentence in ten names one of them that is not there.
"""

LARGE = 0.05
"""Share of the image from which on a class of A-seg is taken to be there."""

SEEN_WELL = frozenset(
    ("aeroplane", "bicycle", "bird", "boat", "bus", "car", "cat", "cow", "dog", "horse", "motorbike", "person", "sheep",
     "train")
)  # fmt: skip
"""People, animals and vehicles: what A-seg misses of them is small."""


@dataclass(frozen=True)
class Said:
    """A sentence of the network.

    Attributes
    ----------
    text : str
        With a capital letter and a full stop.
    of_each_word : float
        Mean log-probability of a word.
    confidence : float
        Share of its words that people would use for that picture, 0 to 1, as it was on photographs held out.
    """

    text: str
    of_each_word: float
    confidence: float


class NetworkCaptioner:
    """EfficientNet-Lite0 features and a transformer decoder of our own, through ONNX Runtime.

    Parameters
    ----------
    folder : str or Path, optional
        Of ``captioner_image.onnx`` and ``captioner_decoder.onnx``; by default the store's.
    threads : int, default 2
        Threads that one run may use.

    Raises
    ------
    Missing
        The weights are not here. The networks themselves are loaded when they are used first.
    """

    def __init__(self, folder: str | Path | None = None, threads: int = 2) -> None:
        self._paths = [Path(folder) / f"{name}.onnx" if folder else weights.find(name) for name in (IMAGE, DECODER)]
        self._threads = threads

    @property
    def weights(self) -> dict[str, str]:
        """File name -> sha256 of the default networks."""
        return {weights.find(name).name: weights.sha256(name) for name in (IMAGE, DECODER)}

    def caption(self, image: np.ndarray, labels: np.ndarray, objects: Sequence[SceneObject]) -> str:
        """See :class:`~.captioners.Captioner`; the network's best sentence that is believed, or the composed one."""
        for said in self.hypotheses(image):
            if believed(said, objects, labels.size):
                return said.text
        return describe(image, labels, objects)

    def hypotheses(self, image: np.ndarray) -> list[Said]:
        """What the network says of an image, whatever it is worth.

        Parameters
        ----------
        image : uint8 [H, W, 3]
            RGB.

        Returns
        -------
        list of Said
            The sentences of the beam search, the best one first, at least one.

        Raises
        ------
        BadInput
            No such image, or files that are no captioner's.
        """
        check_rgb(image, "a captioner takes")
        eyes = onnx.session(self._paths[0], self._threads)
        side = eyes.get_inputs()[0].shape[2]
        (picture,) = eyes.run(None, {"image": view(image, side).astype(np.float32).transpose(2, 0, 1)[None]})
        return self.read(picture)

    def read(self, picture: np.ndarray) -> list[Said]:
        """What the decoder says of what the image network made of an image.

        Parameters
        ----------
        picture : float32 [1, places + 1, width]
            Output of the image network.

        Returns
        -------
        list of Said
            As :meth:`hypotheses`.
        """
        decoder = onnx.session(self._paths[1], self._threads)
        words, (slope, offset) = self._about

        def following(begun: np.ndarray) -> np.ndarray:
            return decoder.run(None, {"picture": picture, "words": begun})[0]

        return [
            Said(
                written([words[number] for number in found.words], True, True),
                found.of_each_word,
                1 / (1 + math.exp(-(slope * found.of_each_word + offset))),
            )
            for found in beam.search(following, BEAMS, MAX_WORDS, LENGTH_POWER)
        ]

    @cached_property
    def _about(self) -> tuple[list[str], tuple[float, float]]:
        """Vocabulary, and slope and offset of the confidence's logit over the mean log-probability of a word."""
        return described(onnx.session(self._paths[1], self._threads))


def described(decoder: onnxruntime.InferenceSession) -> tuple[list[str], tuple[float, float]]:
    """What a decoder's metadata says.

    Parameters
    ----------
    decoder : onnxruntime.InferenceSession
        The network.

    Returns
    -------
    words : list of str
        By their numbers.
    confidence : tuple of 2 float
        Slope and offset of its logit over the mean log-probability of a word.

    Raises
    ------
    BadInput
        It says nothing of them.
    """
    about = decoder.get_modelmeta().custom_metadata_map
    try:
        words, confidence = (files.json_of(about[name].encode(), name) for name in ("words", "confidence"))
        slope, offset = (values.number(each, "confidence") for each in values.listed(confidence, "confidence"))
        return [values.text(word, "words", MAX_WORD) for word in values.listed(words, "words")], (slope, offset)
    except (KeyError, ValueError):
        raise BadInput("this decoder of captions has no vocabulary; export it with semcom train captioner") from None


def view(image: np.ndarray, side: int) -> np.ndarray:
    """A picture as the network sees it: stretched to a square by way of a small one.

    Parameters
    ----------
    image : uint8 [H, W, 3]
        RGB.
    side : int
        Pixels.

    Returns
    -------
    uint8 [side, side, 3]
        RGB.
    """
    small = Image.fromarray(image).resize((VIEW, VIEW), Image.Resampling.BILINEAR)
    return np.asarray(small.resize((side, side), Image.Resampling.BICUBIC))


def believed(said: Said, objects: Sequence[SceneObject], pixels: int, classes: Sequence[str] = VOC) -> bool:
    """Whether a sentence of the network may be sent of an image in which A-seg sees these objects.

    Parameters
    ----------
    said : Said
        The sentence.
    objects : sequence of SceneObject
        What there is in the image.
    pixels : int
        Of the image.
    classes : sequence of str, default ``VOC``
        Names of the objects' labels.

    Returns
    -------
    bool
        False where the confidence is below ``SURE``; where the sentence names none of the classes that take ``LARGE``
        of the image; and where it names one of ``SEEN_WELL`` that no object is of, the confidence being below
        ``SURE_ALONE``.
    """
    areas: dict[str, int] = {}
    for found in objects:
        areas[classes[found.label]] = areas.get(classes[found.label], 0) + found.area
    named = set(named_in(said.text, classes))
    large = {name for name, area in areas.items() if area >= LARGE * pixels}
    unseen = (named & SEEN_WELL) - areas.keys()
    agrees = not large or not large.isdisjoint(named)
    return agrees and said.confidence >= (SURE_ALONE if unseen else SURE)
