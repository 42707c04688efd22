# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture from its segments' colours, their outlines and sub-images, with no trained weights.

Each segment is drawn as a smooth surface: a few cosines over its bounding box, made orthonormal over the segment's own
pixels, which both ends know (Gilge, Engelhardt & Mehlan, "Coding of arbitrarily shaped image segments based on a
generalized orthogonal transform", Signal Processing: Image Communication, 1989).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ..errors import BadInput
from ..segment.boundaries import boundaries, filled

DEGREES = (8, 2, 2)
"""Highest degree of the surface of luma, blue and red difference: the sum of the half periods across and down."""

MEAN_STEP = 8
"""Grey levels between two means that can be told apart."""

MOST_LEVEL = 62
"""Highest value of a surface's coefficient; means and texture have less."""

TEXTURE_STEP = 4
"""Grey levels of standard deviation between two strengths of texture."""

MOST_TEXTURE = 15

_TERMS = tuple((degree + 1) * (degree + 2) // 2 for degree in DEGREES)
_TEXTURE_COLUMN = 3
_FIRST = np.cumsum([4, *(terms - 1 for terms in _TERMS)])

COLUMNS = int(_FIRST[-1])
"""Values of a segment, 58: mean luma, blue and red difference; texture; 44 + 5 + 5 coefficients by rising degree."""

USUAL_STEP = 8

USUAL_TEXTURE = 0.2
"""Share of the measured texture that is nearest to the original in ST-LPIPS; it costs 0.1 to 0.2 dB of PSNR."""

_USUAL_SHARE = 0.02
_FINEST, _COARSEST = 3.0, 128.0
_DEADZONE = 0.4
_PIXELS_PER_TERM = 4
_RIDGE = 1e-4
_GREY = 128


@dataclass(frozen=True)
class Colours:
    """How the segments of a partition look; row n - 1 belongs to segment n.

    values : uint8 [N, COLUMNS]. Column 0: mean luma / 8, 0 to 32. Columns 1, 2: mean blue and red difference / 8 + 16,
        0 to 32. Column 3: standard deviation of what the surface leaves out / 4, 0 to 15. Then the coefficients of
        degree 1 and more, of luma, blue and red difference: 0, -1, 1, -2, 2, ... as 0, 1, 2, 3, 4, ..., up to 62, most
        of them 0.
    step : what 1 means in a coefficient of a segment of 2 % of the picture, in grey levels of standard deviation,
        1 to 255; it falls with the root of a segment's area, so that an error costs the same wherever it is.
    """

    values: np.ndarray
    step: int = USUAL_STEP


@dataclass(frozen=True)
class SubImage:
    """A piece of the picture: ``image`` uint8 [h, w, 3] of any size belongs into ``box``: x0, y0, x1, y1, pixels of the
    picture, x1 and y1 exclusive; of it, only what ``mask``, bool [H, W] of the whole picture, shows if there is one."""

    box: tuple[int, int, int, int]
    image: np.ndarray
    mask: np.ndarray | None = None


class Appearance:
    """How the segments of an image look, before it is said how finely that is told.

    Parameters
    ----------
    image : uint8 [H, W, 3]
    partition : uint8 [H, W], segments from 1, as of ``segment.partition``; pixels of 0 are left out

    Raises
    ------
    BadInput : sizes that differ.
    """

    def __init__(self, image: np.ndarray, partition: np.ndarray) -> None:
        if image.shape != (*partition.shape, 3):
            raise BadInput(
                f"A partition of {partition.shape} does not fit an image {list(image.shape)}; cut this image."
            )
        planes = _to_planes(image)
        self._count = int(partition.max())
        self._shares = np.zeros(self._count)
        self._coefficients = [np.zeros((self._count, terms)) for terms in _TERMS]
        self._power = np.zeros(self._count)  # of luma
        for row, pixels in _segments(partition):
            wanted = planes[pixels]
            surface = _Surface(*pixels, partition.shape)
            self._shares[row] = surface.share
            self._power[row] = np.mean(wanted[:, 0] ** 2)
            for channel, terms in enumerate(_TERMS):
                self._coefficients[channel][row] = surface.analyse(wanted[:, channel], terms)

    def quantised(self, step: int = USUAL_STEP) -> Colours:
        """The segments' colours; a higher ``step`` of ``Colours`` is coarser.

        Raises
        ------
        BadInput : a step out of range.
        """
        _check_step(step)
        values = np.zeros((self._count, COLUMNS), np.uint8)
        levels = _levels(step, self._shares)[:, None]
        for channel, found in enumerate(self._coefficients):
            values[:, channel] = np.rint(found[:, 0] / MEAN_STEP) + (16 if channel else 0)
            sizes = np.floor(np.abs(found[:, 1:]) / levels + _DEADZONE).clip(0, MOST_LEVEL // 2)
            below = (found[:, 1:] < 0) & (sizes > 0)
            values[:, _FIRST[channel] : _FIRST[channel + 1]] = 2 * sizes - below
            if not channel:
                # the functions are orthonormal: what is not drawn is the power less that of the coefficients
                drawn = found[:, 0] ** 2 + np.sum(np.where(sizes > 0, found[:, 1:] ** 2, 0), axis=1)
                rest = np.sqrt(np.maximum(self._power - drawn, 0))
                values[:, _TEXTURE_COLUMN] = np.minimum(np.rint(rest / TEXTURE_STEP), MOST_TEXTURE)
        values[self._shares == 0] = 0
        return Colours(values, step)


def measure(image: np.ndarray, partition: np.ndarray, step: int = USUAL_STEP) -> Colours:
    """The segments' colours at one step; see ``Appearance``."""
    return Appearance(image, partition).quantised(step)


def rebuild(
    partition: np.ndarray | None,
    colours: Colours | None,
    sub_images: Sequence[SubImage],
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
    partition : uint8 [height, width] or None; pixels of 0 look like the nearest segment
    colours : of this partition, or None
    sub_images : later ones lie over earlier ones
    height, width : of the picture, in pixels
    seed : of the texture
    texture : how much of the measured texture is drawn, 0 to 1; more looks sharper and costs PSNR, none is best for it

    Returns
    -------
    uint8 [height, width, 3]

    Raises
    ------
    BadInput : parts that do not fit one another or the size.
    """
    if partition is not None and partition.shape != (height, width):
        raise BadInput(f"A partition of {partition.shape} does not fit a picture of {(height, width)}.")
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
    picture = _to_image(planes)
    for piece in sub_images:
        picture = _pasted(picture, piece)
    return picture


class _Surface:
    """The functions that a segment's surface is made of, orthonormal over its n pixels.

    A segment of few pixels has fewer of them; the coefficients of the others are 0.
    """

    def __init__(self, rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> None:
        u, v = (np.pi * (ends - ends.min() + 0.5) / (np.ptp(ends) + 1) for ends in (columns, rows))
        highest = max(DEGREES)
        while highest and len(rows) < _PIXELS_PER_TERM * (highest + 1) * (highest + 2) // 2:
            highest -= 1
        across, down = (np.cos(np.arange(highest + 1)[:, None] * angle).astype(np.float32) for angle in (u, v))
        self._raw = np.stack([across[d - j] * down[j] for d in range(highest + 1) for j in range(d + 1)])
        # the ridge keeps functions small that are nearly the same on these pixels
        gram = (self._raw @ self._raw.T).astype(np.float64) / len(rows) + _RIDGE * np.eye(len(self._raw))
        gram[0, 0] = 1
        self._mixing = np.linalg.inv(np.linalg.cholesky(gram))
        self.share = len(rows) / (shape[0] * shape[1])

    def analyse(self, wanted: np.ndarray, terms: int) -> np.ndarray:
        """float64 [terms], the coefficients of a plane's pixels, float64 [n]."""
        found = np.zeros(terms)
        used = min(terms, len(self._raw))
        found[:used] = self._mixing[:used, :used] @ (self._raw[:used] @ wanted.astype(np.float32)) / len(wanted)
        return found

    def draw(self, coefficients: np.ndarray) -> np.ndarray:
        """float32 [n], what ``analyse`` took apart."""
        used = min(len(coefficients), len(self._raw))
        return (coefficients[:used] @ self._mixing[:used, :used]).astype(np.float32) @ self._raw[:used]


def _levels(step: int, share):
    """What 1 means in the coefficients of a segment, or of each, by its share of the picture: grey levels."""
    return np.clip(step * np.sqrt(_USUAL_SHARE / np.maximum(share, 1e-9)), _FINEST, _COARSEST)


def _segments(partition: np.ndarray):
    """Row of the colours and (rows, columns) of the pixels of each segment that there is."""
    order = np.argsort(partition, axis=None, kind="stable")
    counts = np.bincount(partition.ravel())
    ends = np.cumsum(counts)
    for number in np.flatnonzero(counts):
        if number:
            yield int(number) - 1, np.divmod(order[ends[number] - counts[number] : ends[number]], partition.shape[1])


def _surfaces(partition: np.ndarray, colours: Colours, seed: int, texture: float) -> np.ndarray:
    """float64 [H, W, 3], luma and colour differences as the colours have them."""
    if partition.max() > len(colours.values):
        raise BadInput(f"There are {partition.max()} segments but colours of {len(colours.values)}; take one scene's.")
    planes = np.zeros((*partition.shape, 3))
    means = _means(colours)
    numbers = colours.values.astype(np.int32)
    signed = np.where(numbers % 2, -(numbers + 1) // 2, numbers // 2)
    for row, pixels in _segments(partition):
        surface = _Surface(*pixels, partition.shape)
        levels = _levels(colours.step, surface.share)
        for channel in range(3):
            rest = signed[row, _FIRST[channel] : _FIRST[channel + 1]] * levels
            planes[(*pixels, channel)] = surface.draw(np.concatenate([[means[row, channel]], rest]))
    if texture:
        strength = np.concatenate([[0], numbers[:, _TEXTURE_COLUMN] * TEXTURE_STEP])[partition]
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


def _pasted(picture: np.ndarray, piece: SubImage) -> np.ndarray:
    """A sub-image in its place, blended over 1/16 of its sides at those edges that are not the picture's own."""
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = piece.box
    if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
        raise BadInput(f"A sub-image's box {piece.box} reaches outside the picture, {width} wide and {height} high.")
    if piece.image.dtype != np.uint8 or piece.image.ndim != 3 or piece.image.shape[2] != 3 or not piece.image.size:
        raise BadInput(f"A sub-image is uint8 [h, w, 3], not {piece.image.dtype} {list(piece.image.shape)}.")
    if piece.mask is not None and piece.mask.shape != (height, width):
        raise BadInput(f"A sub-image's mask of {piece.mask.shape} does not fit a picture of {(height, width)}.")
    image = Image.fromarray(piece.image).resize((x1 - x0, y1 - y0), Image.Resampling.BICUBIC)
    down = _ramp(y1 - y0, y0 > 0, y1 < height)
    across = _ramp(x1 - x0, x0 > 0, x1 < width)
    weight = down[:, None] * across
    if piece.mask is not None:
        weight = weight * _blurred(piece.mask.astype(np.float64), 2)[y0:y1, x0:x1]
    pasted = picture.copy()
    under = picture[y0:y1, x0:x1]
    mixed = under + weight[..., None] * (np.asarray(image, np.float64) - under)
    pasted[y0:y1, x0:x1] = np.rint(mixed).astype(np.uint8)
    return pasted


def _ramp(length: int, first: bool, last: bool) -> np.ndarray:
    """float64 [length]: 1, but rising from the first end and falling to the last one where told so."""
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


def _to_planes(image: np.ndarray) -> np.ndarray:
    """uint8 RGB [H, W, 3] -> float64 [H, W, 3]: luma 0 to 255, differences -128 to 128 (ITU-R BT.601, as in JPEG)."""
    red, green, blue = np.moveaxis(image.astype(np.float64), 2, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return np.stack([luma, (blue - luma) / 1.772, (red - luma) / 1.402], axis=2)


def _to_image(planes: np.ndarray) -> np.ndarray:
    """The inverse of ``_to_planes``, uint8 [H, W, 3]."""
    luma, blue, red = np.moveaxis(planes, 2, 0)
    green = luma - (0.114 * 1.772 * blue + 0.299 * 1.402 * red) / 0.587
    return np.rint(np.stack([luma + 1.402 * red, green, luma + 1.772 * blue], axis=2)).clip(0, 255).astype(np.uint8)


def _check_step(step: int) -> None:
    if not 1 <= step <= 255:
        raise BadInput(f"The step of colours is 1 to 255, not {step}.")


def _check(colours: Colours) -> None:
    values = colours.values
    if values.dtype != np.uint8 or values.ndim != 2 or values.shape[1] != COLUMNS:
        raise BadInput(f"Colours are uint8 [N, {COLUMNS}], not {values.dtype} {list(values.shape)}.")
    _check_step(colours.step)
