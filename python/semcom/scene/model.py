# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene: what a person would say, draw and cut out to tell another what is in an image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..segment.classes import VOC
from ..segment.semantic import SceneObject
from .rebuild import Colours


def at_size(labels: np.ndarray, height: int, width: int) -> np.ndarray:
    """A map [h, w] at the size of the picture, each pixel that of the map which lies under it."""
    rows = np.arange(height) * labels.shape[0] // height
    columns = np.arange(width) * labels.shape[1] // width
    return np.ascontiguousarray(labels[rows[:, None], columns])


@dataclass(frozen=True)
class SubImage:
    """S-img: a part of the image as a picture.

    box : x0, y0, x1, y1 in pixels of the image, the last two exclusive.
    data : of ``semcom.codec``: tag byte and the codec's stream.
    """

    box: tuple[int, int, int, int]
    data: bytes


@dataclass(frozen=True)
class Scene:
    """Explainable semantics of one image; a part that was not sent, or did not come, is None or empty.

    height, width : of the image in pixels, 0 if not known.
    caption : the semantic text.
    labels : A-seg, uint8 [h, w], class of each pixel, at the image's size or a fraction of it.
    objects : instances, with boxes in pixels of the image.
    colours : of each connected region of ``labels``, in the order of ``segment.regions.components``.
    segments : B-seg, uint8 [h, w], segments 1 to N in the order of their first pixels, at the image's size or a
        fraction of it.
    details : colours of each segment.
    sub_images : S-img.
    classes : the names that labels stand for.
    """

    height: int = 0
    width: int = 0
    caption: str | None = None
    labels: np.ndarray | None = None
    objects: tuple[SceneObject, ...] | None = None
    colours: Colours | None = None
    segments: np.ndarray | None = None
    details: Colours | None = None
    sub_images: tuple[SubImage, ...] = ()
    classes: tuple[str, ...] = VOC
