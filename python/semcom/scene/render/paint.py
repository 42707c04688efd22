# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture from its segments' colours, their outlines and sub-images, with no trained weights.

Each segment is drawn as a smooth surface, see ``.surfaces``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ...errors import BadInput
from ...segment.boundaries import boundaries, filled
from ..model import COLUMNS, FIRST_COLUMN, MEAN_STEP, TEXTURE_COLUMN, TEXTURE_STEP, Colours
from .surfaces import Surface, check_step, levels, segments_of, to_image

USUAL_TEXTURE = 0.2
"""Share of the measured texture that is nearest to the original in ST-LPIPS; it costs 0.1 to 0.2 dB of PSNR."""

_GREY = 128


@dataclass(frozen=True)
class Inset:
    """A picture that is laid into its place in a larger one.

    Attributes
    ----------
    box : tuple of 4 int
        X0, y0, x1, y1, pixels of the larger picture, x1 and y1 exclusive.
    image : uint8 [h, w, 3]
        RGB, of any size.
    mask : bool [H, W], optional
        Of the whole larger picture; what it does not show is left out.
    """

    box: tuple[int, int, int, int]
    image: np.ndarray
    mask: np.ndarray | None = None


def rebuild(
    partition: np.ndarray | None,
    colours: Colours | None,
    sub_images: Sequence[Inset],
    height: int,
    width: int,
    seed: int = 0,
    texture: float = USUAL_TEXTURE,
) -> np.ndarray:
    """The picture, as far as its parts are there.

    Without colours the segments are greys that can be told apart; without a partition all is the segments' mean colour,
    or grey. Sub-images lie over that, their edges blended.

    Parameters
    ----------
    partition : uint8 [height, width] or None
        Pixels of 0 look like the nearest segment.
    colours : Colours or None
        Of this partition, or None.
    sub_images : sequence of Inset
        Later ones lie over earlier ones.
    height, width : int
        Of the picture, in pixels.
    seed : int, default 0
        Of the texture.
    texture : float, default ``USUAL_TEXTURE``
        How much of the measured texture is drawn, 0 to 1; more looks sharper and costs PSNR, none is best for it.

    Returns
    -------
    uint8 [height, width, 3]
        RGB.

    Raises
    ------
    BadInput
        Parts that do not fit one another or the size.
    """
    if partition is not None and partition.shape != (height, width):
        raise BadInput(f"a partition of {partition.shape} does not fit a picture of {(height, width)}")
    if colours is not None:
        _check(colours)
    if partition is not None and not partition.any():
        partition = None
    if partition is None:
        planes = np.zeros((height, width, 3))
        planes[:] = (_GREY, 0, 0) if colours is None or not len(colours.values) else _means(colours).mean(axis=0)
    else:
        partition = filled(partition, partition > 0)
        planes = _greys(partition) if colours is None else _surfaces(partition, colours, seed, texture)
        planes = _softened(planes, partition)
    picture = to_image(planes)
    for piece in sub_images:
        _paste(picture, piece)
    return picture


def _surfaces(partition: np.ndarray, colours: Colours, seed: int, texture: float) -> np.ndarray:
    """float64 [H, W, 3], luma and colour differences as the colours have them."""
    if partition.max() > len(colours.values):
        raise BadInput(f"there are {partition.max()} segments but colours of {len(colours.values)}; take one scene's")
    planes = np.zeros((*partition.shape, 3))
    means = _means(colours)
    numbers = colours.values.astype(np.int32)
    signed = np.where(numbers % 2, -(numbers + 1) // 2, numbers // 2)
    for row, pixels in segments_of(partition):
        surface = Surface(*pixels, partition.shape)
        steps = levels(colours.step, surface.share)
        for channel in range(3):
            rest = signed[row, FIRST_COLUMN[channel] : FIRST_COLUMN[channel + 1]] * steps
            planes[(*pixels, channel)] = surface.draw(np.concatenate([[means[row, channel]], rest]))
    if texture:
        strength = np.concatenate([[0], numbers[:, TEXTURE_COLUMN] * TEXTURE_STEP])[partition]
        planes[..., 0] += texture * strength * _grain(*partition.shape, seed)
    return planes


def _means(colours: Colours) -> np.ndarray:
    """float64 [N, 3], mean luma and colour differences."""
    return (colours.values[:, :3].astype(np.float64) - (0, 16, 16)) * MEAN_STEP


def _greys(partition: np.ndarray) -> np.ndarray:
    """float64 [H, W, 3]: steps of the golden ratio set numbers that follow one another well apart."""
    planes = np.zeros((*partition.shape, 3))
    planes[..., 0] = 64 + 128 * (partition * 0.618034 % 1)
    return planes


def _grain(height: int, width: int, seed: int) -> np.ndarray:
    """float64 [height, width] of standard deviation 1: noise without its lowest and highest frequencies."""
    noise = np.random.default_rng(seed).standard_normal((height, width))
    grain = _blurred(noise, 1) - _blurred(noise, 4)
    return grain / max(float(grain.std()), 1e-9)


def _softened(planes: np.ndarray, partition: np.ndarray) -> np.ndarray:
    """The outlines spread over the pixels beside them, as a camera would."""
    edges = boundaries(partition).astype(np.float64)
    near = _blurred(edges, 1) > 0
    soft = np.stack([_blurred(planes[..., channel], 1) for channel in range(3)], axis=2)
    return np.where(near[..., None], soft, planes)


def _paste(picture: np.ndarray, piece: Inset) -> None:
    """A sub-image in its place, blended over 1/16 of its sides at those edges that are not the picture's own."""
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = piece.box
    if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
        raise BadInput(f"a sub-image's box {piece.box} reaches outside the picture, {width} wide and {height} high")
    if piece.image.dtype != np.uint8 or piece.image.ndim != 3 or piece.image.shape[2] != 3 or not piece.image.size:
        raise BadInput(f"a sub-image is uint8 [h, w, 3], not {piece.image.dtype} {list(piece.image.shape)}")
    if piece.mask is not None and piece.mask.shape != (height, width):
        raise BadInput(f"a sub-image's mask of {piece.mask.shape} does not fit a picture of {(height, width)}")
    image = Image.fromarray(piece.image).resize((x1 - x0, y1 - y0), Image.Resampling.BICUBIC)
    down = _ramp(y1 - y0, y0 > 0, y1 < height)
    across = _ramp(x1 - x0, x0 > 0, x1 < width)
    weight = down[:, None] * across
    if piece.mask is not None:
        weight = weight * _blurred(piece.mask.astype(np.float64), 2)[y0:y1, x0:x1]
    under = picture[y0:y1, x0:x1]
    mixed = under + weight[..., None] * (np.asarray(image, np.float64) - under)
    under[:] = np.rint(mixed).astype(np.uint8)


def _ramp(length: int, first: bool, last: bool) -> np.ndarray:
    """float64 [length]: 1, but rising from the first end and falling to the last one where they are asked for."""
    reach = max(2, length // 16)
    ramp = np.ones(length)
    rise = (np.arange(length) + 1) / (reach + 1)
    if first:
        ramp = np.minimum(ramp, rise)
    if last:
        ramp = np.minimum(ramp, rise[::-1])
    return ramp


def _blurred(plane: np.ndarray, radius: int) -> np.ndarray:
    """float64 [H, W], means of squares of side ``2 radius + 1``; beyond the edge it goes on as at the edge."""
    sides = 2 * radius + 1
    for axis in (0, 1):
        margin = [(radius + 1, radius) if a == axis else (0, 0) for a in (0, 1)]
        sums = np.cumsum(np.pad(plane, margin, mode="edge"), axis=axis)
        ahead = [slice(sides, None) if a == axis else slice(None) for a in (0, 1)]
        behind = [slice(None, -sides) if a == axis else slice(None) for a in (0, 1)]
        plane = (sums[tuple(ahead)] - sums[tuple(behind)]) / sides
    return plane


def _check(colours: Colours) -> None:
    values = colours.values
    if values.dtype != np.uint8 or values.ndim != 2 or values.shape[1] != COLUMNS:
        raise BadInput(f"colours are uint8 [N, {COLUMNS}], not {values.dtype} {list(values.shape)}")
    check_step(colours.step)
