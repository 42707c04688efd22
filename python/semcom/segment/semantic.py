# SPDX-License-Identifier: GPL-3.0-or-later
"""A-seg: which class each pixel belongs to, and which objects there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from PIL import Image

from ..errors import BadInput
from ..image.io import check_rgb
from ..zoo import onnx, weights
from .classes import VOC
from .components import without_islands
from .detections import Detections, detections

SIDE = 320
"""Longest side of what the network sees, in pixels."""

STRIDE = 32
"""The network takes sides that are multiples of this."""

ISLAND = 0.0004
"""Pieces of a class map below this share of the image are taken for noise."""


class SemanticSegmenter(Protocol):
    """What finds the class of each pixel; anything of this shape can take :class:`ClassSegmenter`'s place.

    Attributes
    ----------
    classes : sequence of str
        Names by label; label 0 is the background.
    weights : dict of str to str
        File name -> sha256 of what it runs on.
    """

    @property
    def classes(self) -> Sequence[str]:
        """Names by label."""
        ...

    @property
    def weights(self) -> dict[str, str]:
        """File name -> sha256."""
        ...

    def segment(self, image: np.ndarray) -> np.ndarray:
        """The class of each pixel.

        Parameters
        ----------
        image : uint8 [H, W, 3]
            RGB.

        Returns
        -------
        uint8 [H, W]
            Labels.
        """
        ...


@dataclass(frozen=True, eq=False)
class Seen:
    """What a segmenter sees in an image.

    Attributes
    ----------
    labels : uint8 [H, W]
        The class of each pixel.
    detections : Detections or None
        Its objects; None for a segmenter that does not tell them.
    """

    labels: np.ndarray
    detections: Detections | None = None


@runtime_checkable
class ObjectSegmenter(SemanticSegmenter, Protocol):
    """A segmenter that tells objects as well, as :class:`ClassSegmenter` does."""

    def look(self, image: np.ndarray) -> Seen:
        """The class of each pixel, and the objects.

        Parameters
        ----------
        image : uint8 [H, W, 3]
            RGB.

        Returns
        -------
        Seen
            At the image's size.
        """
        ...


def look(segmenter: SemanticSegmenter, image: np.ndarray) -> Seen:
    """What any segmenter sees in an image: of one that does not tell objects, the class map alone.

    Parameters
    ----------
    segmenter : SemanticSegmenter
        Perhaps an :class:`ObjectSegmenter`.
    image : uint8 [H, W, 3]
        RGB.

    Returns
    -------
    Seen
        At the image's size.
    """
    return segmenter.look(image) if isinstance(segmenter, ObjectSegmenter) else Seen(segmenter.segment(image))


class ClassSegmenter:
    """PASCAL VOC's 21 classes, and their objects, by two networks of our own, through ONNX Runtime.

    Parameters
    ----------
    path : str or Path, optional
        ONNX file of the classes; by default the store's ``aseg``.
    objects : str or Path, optional
        ONNX file of the objects; by default the store's ``aseg_objects``.
    threads : int, default 2
        Threads that one run may use.
    provider : str, default "cpu"
        ``cpu`` or ``cuda``.

    Raises
    ------
    Missing
        The weights are not here. Each network is loaded when it is used first.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        objects: str | Path | None = None,
        threads: int = 2,
        provider: str = "cpu",
    ) -> None:
        self._path = Path(path) if path else weights.find("aseg")
        self._objects = Path(objects) if objects else weights.find("aseg_objects")
        self._settings = {"threads": threads, "provider": provider}

    @property
    def classes(self) -> tuple[str, ...]:
        """Names by label."""
        return VOC

    @property
    def weights(self) -> dict[str, str]:
        """File name -> sha256 of the default networks."""
        return {weights.find(name).name: weights.sha256(name) for name in ("aseg", "aseg_objects")}

    def segment(self, image: np.ndarray) -> np.ndarray:
        """The class of each pixel of an image of any size.

        Pieces too small to be anything take the label around them.

        Parameters
        ----------
        image : uint8 [H, W, 3]
            RGB.

        Returns
        -------
        uint8 [H, W]
            Labels, never void.
        """
        (scores,), (mirrored,) = self._run(self._path, image, ("scores",))
        labels = _enlarged(scores + mirrored[..., ::-1], *image.shape[:2])
        return without_islands(labels, round(ISLAND * labels.size))

    def look(self, image: np.ndarray) -> Seen:
        """The class of each pixel of an image of any size, and its objects.

        Parameters
        ----------
        image : uint8 [H, W, 3]
            RGB.

        Returns
        -------
        Seen
            Labels are never void.
        """
        labels = self.segment(image)
        (centres, sides), (other_centres, other_sides) = self._run(self._objects, image, ("centres", "sides"))
        likely = 1 / (1 + np.exp(-(centres + other_centres[..., ::-1]) / 2))
        # left is right in the mirror
        sides = (sides + other_sides[[2, 1, 0, 3], :, ::-1]) / 2
        height, width = _size(image)
        shares = sides / np.array([width, height, width, height], np.float32)[:, None, None]
        return Seen(labels, detections(likely, shares, *image.shape[:2]))

    def _run(
        self, path: Path, image: np.ndarray, outputs: tuple[str, ...]
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """What a network gives for an image, and for its mirror image, which is seen with other errors."""
        check_rgb(image, "the class segmenter takes")
        session, frame = onnx.session(path, **self._settings), _frame(image)
        given = tuple(each.name for each in session.get_outputs())
        if given != outputs:
            raise BadInput(f"{path.name} gives {', '.join(given)}, not {', '.join(outputs)}; give a network of A-seg's")
        seen, mirrored = (
            [each[0] for each in session.run(None, {"image": np.ascontiguousarray(each)})]
            for each in (frame, frame[..., ::-1])
        )
        return seen, mirrored


def _size(image: np.ndarray) -> tuple[int, int]:
    """Height and width of what the network sees: the longest side is ``SIDE``, the other about in proportion."""
    longest = max(image.shape[:2])
    height, width = (max(1, round(SIDE * side / longest / STRIDE)) * STRIDE for side in image.shape[:2])
    return height, width


def _frame(image: np.ndarray) -> np.ndarray:
    """The network's input, float32 [1, 3, h, w]."""
    small = Image.fromarray(image).resize(_size(image)[::-1], Image.Resampling.BILINEAR)
    return np.asarray(small, np.float32).transpose(2, 0, 1)[None]


def _enlarged(scores: np.ndarray, height: int, width: int) -> np.ndarray:
    """uint8 [height, width]: the best class after each score, float32 [classes, h, w], was enlarged bilinearly.

    Classes that are nowhere the best before are left out: they would hardly be afterwards.
    """
    candidates = np.unique(scores.argmax(axis=0))
    best = np.full((height, width), candidates[0], np.uint8)
    highest = None
    for label in candidates:
        score = np.asarray(Image.fromarray(scores[label]).resize((width, height), Image.Resampling.BILINEAR))
        if highest is None:
            highest = score.copy()
            continue
        better = score > highest
        best[better] = label
        np.maximum(highest, score, out=highest)
    return best
