# SPDX-License-Identifier: GPL-3.0-or-later
"""Captions by a network of our own; where it is not sure, or the class map says otherwise, a composed sentence.

Two files: ``captioner_image`` makes of a picture what ``captioner_decoder`` reads, which says how probable each word
is after those before it. The decoder's metadata has the vocabulary and how sure a sentence's probability makes us.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

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

BEAMS, MAX_WORDS, LENGTH_POWER = 3, 20, 0.7

SURE = 1 / 3
"""Confidence below which the composed sentence is used: two thirds of the words that say something would be wrong."""

LARGE = 0.05
"""Share of the image from which on a class of A-seg is taken to be there.

On photographs of VOC's training set, which A-seg has seen, captions then name a class that is not there as seldom as
composed sentences do.
"""


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
        """See :class:`~.captioners.Captioner`; the network's sentence, or the composed one."""
        said = self.said(image)
        if said.confidence < SURE or contradicts(said.text, objects, labels.size):
            return describe(image, labels, objects)
        return said.text

    def said(self, image: np.ndarray) -> Said:
        """What the network says of an image, whatever it is worth.

        Parameters
        ----------
        image : uint8 [H, W, 3]
            RGB.

        Returns
        -------
        Said
            The best sentence of the beam search.

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

    def read(self, picture: np.ndarray) -> Said:
        """What the decoder says of what the image network made of an image.

        Parameters
        ----------
        picture : float32 [1, places + 1, width]
            Output of the image network.

        Returns
        -------
        Said
            The best sentence of the beam search.
        """
        decoder = onnx.session(self._paths[1], self._threads)
        words, confidence = self._about

        def following(begun: np.ndarray) -> np.ndarray:
            return decoder.run(None, {"picture": picture, "words": begun})[0]

        best = beam.search(following, BEAMS, MAX_WORDS, LENGTH_POWER)[0]
        text = written([words[number] for number in best.words], True, True)
        slope, offset = confidence
        return Said(text, best.of_each_word, 1 / (1 + math.exp(-(slope * best.of_each_word + offset))))

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
        words, (slope, offset) = json.loads(about["words"]), json.loads(about["confidence"])
        return [str(word) for word in words], (float(slope), float(offset))
    except (KeyError, ValueError, TypeError):
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


def contradicts(caption: str, objects: Sequence[SceneObject], pixels: int, classes: Sequence[str] = VOC) -> bool:
    """Whether a caption names none of the classes that take much of an image.

    Parameters
    ----------
    caption : str
        The text.
    objects : sequence of SceneObject
        What there is in the image.
    pixels : int
        Of the image.
    classes : sequence of str, default ``VOC``
        Names of the objects' labels.

    Returns
    -------
    bool
        False where no class takes as much as ``LARGE``.
    """
    areas: dict[str, int] = {}
    for found in objects:
        areas[classes[found.label]] = areas.get(classes[found.label], 0) + found.area
    large = {name for name, area in areas.items() if area >= LARGE * pixels}
    return bool(large) and large.isdisjoint(named_in(caption, classes))
