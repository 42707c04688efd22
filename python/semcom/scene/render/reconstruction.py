# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture of a scene, from whatever of it is there."""

from __future__ import annotations

import numpy as np

from ..coding import container
from ..model import Scene, at_size, regions_of
from .esrim import PLAIN, USUAL_STRENGTH, EsRim, checked_painter, checked_strength
from .paint import USUAL_TEXTURE, Inset, rebuild


def reconstruct(
    scene: Scene,
    seed: int = 0,
    texture: float = USUAL_TEXTURE,
    painter: str = PLAIN,
    strength: float = USUAL_STRENGTH,
) -> np.ndarray:
    """The picture: B-seg in its colours, or A-seg where B-seg has not arrived, with the sub-images on it.

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
    segments, colours = scene.segments, scene.details
    if (segments is None or colours is None) and scene.labels is not None:
        segments, colours = regions_of(scene.labels), scene.colours
    if segments is None:
        colours = None
    elif colours is not None and len(colours.values) != int(segments.max()):
        colours = None  # they are of other segments
    height, width = scene.height, scene.width
    if segments is not None:
        segments = at_size(segments, height, width)
    pieces = [Inset(sub.box, container.picture(sub)) for sub in scene.sub_images]
    picture = rebuild(segments, colours, pieces, height, width, seed, texture)
    if painter == PLAIN:
        return picture
    told = 1.0 if scene.painting is None else scene.painting
    return EsRim(painter).refine(picture, scene, seed, checked_strength(strength, told))
