# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene: what a person would say, draw and cut out to tell another what is in an image."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from ..segment.classes import VOC
from ..segment.instances import SceneObject
from ..segment.regions import merged

DEGREES = (8, 2, 2)
"""Highest degree of the surface of luma, blue and red difference: the sum of the half periods across and down."""

MEAN_STEP = 8
"""Grey levels between two means that can be told apart."""

MAX_LEVEL = 62
"""Highest value of a surface's coefficient; means and texture have less."""

TEXTURE_STEP = 4
"""Grey levels of standard deviation between two strengths of texture."""

MAX_TEXTURE = 15

TERMS = tuple((degree + 1) * (degree + 2) // 2 for degree in DEGREES)
TEXTURE_COLUMN = 3
FIRST_COLUMN = np.cumsum([4, *(terms - 1 for terms in TERMS)])

COLUMNS = int(FIRST_COLUMN[-1])
"""Values of a segment, 58: mean luma, blue and red difference; texture; 44 + 5 + 5 coefficients by rising degree."""

USUAL_STEP = 8

_MAX_REGIONS = 255


def at_size(labels: np.ndarray, height: int, width: int) -> np.ndarray:
    """A map [h, w] at the size of the picture, each pixel that of the map which lies under it.

    Parameters
    ----------
    labels : uint8 [h, w]
        A map at the picture's size or a fraction of it.
    height, width : int
        Of the picture in pixels.

    Returns
    -------
    uint8 [height, width]
        The map.
    """
    rows = np.arange(height) * labels.shape[0] // height
    columns = np.arange(width) * labels.shape[1] // width
    return np.ascontiguousarray(labels[rows[:, None], columns])


@dataclass(frozen=True)
class Colours:
    """How the segments of a partition look; row n - 1 belongs to segment n.

    Attributes
    ----------
    values : uint8 [N, COLUMNS]
        Column 0: mean luma / 8, 0 to 32. Columns 1, 2: mean blue and red difference / 8 + 16, 0 to 32. Column 3:
        standard deviation of the residual of the surface / 4, 0 to 15. Then the coefficients of degree 1 and more, of
        luma, blue and red difference: 0, -1, 1, -2, 2, ... as 0, 1, 2, 3, 4, ..., up to 62, most of them 0.
    step : int, default ``USUAL_STEP``
        What 1 means in a coefficient of a segment of 2 % of the picture, in grey levels of standard deviation, 1 to
        255; it falls with the root of a segment's area, so that an error costs the same wherever it is.
    """

    values: np.ndarray
    step: int = USUAL_STEP


@dataclass(frozen=True)
class SubImage:
    """S-img: a part of the image as a picture.

    Attributes
    ----------
    box : tuple of 4 int
        x0, y0, x1, y1 in pixels of the image, the last two exclusive.
    data : bytes
        Of ``semcom.codec``: tag byte and the codec's stream.
    image : uint8 [h, w, 3], optional
        What they hold, where it has been decoded.
    """

    box: tuple[int, int, int, int]
    data: bytes
    image: np.ndarray | None = field(default=None, compare=False, repr=False)


MAX_STRENGTH = 2.0
"""How strongly a network paints at most; 1 is as it was trained."""


@dataclass(frozen=True)
class Scene:
    """Explainable semantics of one image; a part that was not sent, or has not arrived, is None or empty.

    Attributes
    ----------
    height, width : int, default 0
        Of the image in pixels, 0 if not known.
    caption : str, optional
        The semantic text.
    labels : numpy.ndarray, optional
        A-seg, uint8 [h, w], class of each pixel, at the image's size or a fraction of it.
    objects : tuple of SceneObject, optional
        Instances, with boxes in pixels of the image.
    colours : Colours, optional
        Of each connected region of ``labels``, in the order of ``segment.regions.components``.
    segments : numpy.ndarray, optional
        B-seg, uint8 [h, w], segments 1 to N in the order of their first pixels, at the image's size or a fraction of
        it.
    details : Colours, optional
        Colours of each segment.
    sub_images : tuple of SubImage, optional
        S-img.
    classes : tuple of str, default ``VOC``
        The names that labels stand for.
    painting : float, optional
        How much of what a network adds to the picture makes it better, 0 to 2, as the transmitter found; 1 where it
        says nothing.
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
    painting: float | None = None


def scaled_box(
    box: tuple[int, int, int, int], size: tuple[int, int], height: int, width: int
) -> tuple[int, int, int, int]:
    """A box as if its picture were of another size.

    Parameters
    ----------
    box : tuple of 4 int
        x0, y0, x1, y1 in pixels, the last two exclusive.
    size : tuple of 2 int
        Height and width of its picture.
    height, width : int
        The other size.

    Returns
    -------
    tuple of 4 int
        Of a pixel at least.
    """
    x0, x1 = (round(x * width / size[1]) for x in box[::2])
    y0, y1 = (round(y * height / size[0]) for y in box[1::2])
    x0, y0 = min(x0, width - 1), min(y0, height - 1)
    return x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)


def scaled(scene: Scene, height: int, width: int) -> Scene:
    """A scene as if its picture were of another size.

    Parameters
    ----------
    scene : Scene
        Of a known size.
    height, width : int
        In pixels.

    Returns
    -------
    Scene
        Maps and pictures as they are, boxes at their new places, each of a pixel at least.
    """

    def fitted(box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
        return scaled_box(box, (scene.height, scene.width), height, width)

    return replace(
        scene,
        height=height,
        width=width,
        objects=scene.objects and tuple(replace(each, box=fitted(each.box)) for each in scene.objects),
        sub_images=tuple(replace(sub, box=fitted(sub.box)) for sub in scene.sub_images),
    )


def fraction(height: int, width: int, most: int) -> tuple[int, int]:
    """The largest size of the same shape, as far as whole pixels allow, of at most so many pixels.

    Parameters
    ----------
    height, width : int
        In pixels.
    most : int
        Pixels.

    Returns
    -------
    int, int
        Height and width, 1 at least.
    """
    if height * width <= most:
        return height, width
    share = math.sqrt(most / (height * width))
    return max(1, min(int(height * share), most)), max(1, min(int(width * share), most))


def regions_of(labels: np.ndarray) -> np.ndarray:
    """The regions of a class map that have colours of their own, the 255 largest at most.

    Transmitter and receiver find the same, so they need not be sent.

    Parameters
    ----------
    labels : uint8 [h, w]
        The class map.

    Returns
    -------
    uint8 [h, w]
        1 to the number of regions.
    """
    regions, _ = merged(labels, 1, _MAX_REGIONS)
    return (regions + 1).astype(np.uint8)
