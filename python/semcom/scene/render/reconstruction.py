# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture of a scene, from whatever of it is there."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ..coding import container
from ..model import Colours, Scene, at_size, fraction, regions_of, scaled
from .esrim import PLAIN, USUAL_STRENGTH, EsRim, checked_painter, checked_strength
from .paint import USUAL_TEXTURE, Inset, rebuild

LEAST_PAINTED = 2**20
"""Pixels that are painted one by one, if the picture has so many."""

PAINTED_PER_BYTE = 64
"""Pixels for each byte of sub-images that are painted one by one beyond that; a larger picture is enlarged."""


def reconstruct(
    scene: Scene,
    seed: int = 0,
    texture: float = USUAL_TEXTURE,
    painter: str = PLAIN,
    strength: float = USUAL_STRENGTH,
) -> np.ndarray:
    """The picture: B-seg in its colours, or A-seg where B-seg has not arrived, with the sub-images on it.

    Time and memory go with what was sent, not with the size that it says it has: a picture that has many more pixels
    than there are bytes of it is painted at a fraction of its size and enlarged.

    Parameters
    ----------
    scene : Scene
        Of a known size.
    seed : int, default 0
        Of the synthetic texture.
    texture : float, default ``USUAL_TEXTURE``
        How much of the measured texture is drawn, 0 to 1; it looks sharper and costs PSNR.
    painter : str, default ``PLAIN``
        What refines the picture, one of ``esrim.painters``; "auto" for the usual one.
    strength : float, default ``USUAL_STRENGTH``
        How much it changes, from faithful, 0, to vivid, 2; times what the scene says of that.

    Returns
    -------
    uint8 [H, W, 3]
        RGB, of the size of the scene.

    Raises
    ------
    BadInput
        There is no such painter, or the strength is out of range.
    """
    painter = checked_painter(painter)
    most = max(LEAST_PAINTED, PAINTED_PER_BYTE * sum(len(sub.data) for sub in scene.sub_images))
    pieces = [container.picture(sub) for sub in scene.sub_images]
    size = fraction(scene.height, scene.width, most)
    whole, scene = scene, scene if size == (scene.height, scene.width) else scaled(scene, *size)
    insets = [Inset(sub.box, piece) for sub, piece in zip(scene.sub_images, pieces, strict=True)]
    picture = rebuild(*_partition(scene), insets, *size, seed, texture)
    if painter != PLAIN:
        told = 1.0 if scene.painting is None else scene.painting
        picture = EsRim(painter).refine(picture, scene, seed, checked_strength(strength, told))
    if scene is whole:
        return picture
    enlarged = Image.fromarray(picture).resize((whole.width, whole.height), Image.Resampling.BICUBIC)
    return np.asarray(enlarged)


def _partition(scene: Scene) -> tuple[np.ndarray | None, Colours | None]:
    """The finest partition that there is, at the size of the picture, and its colours."""
    segments, colours = scene.segments, scene.details
    if (segments is None or colours is None) and scene.labels is not None:
        segments, colours = regions_of(scene.labels), scene.colours
    if segments is None:
        return None, None
    if colours is not None and len(colours.values) != int(segments.max()):
        colours = None  # they are of other segments
    return at_size(segments, scene.height, scene.width), colours
