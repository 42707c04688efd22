# SPDX-License-Identifier: GPL-3.0-or-later
"""The sender's choice of a cell map: the least expected error of the picture at a number of channel uses.

At the levels of an allocation, Lee and Petersen's multiplier and the threshold of the ranks, a unit of power more
lowers the error by nu, and a coefficient more by mu. To first order a patch of class c with coefficients x then costs

    J(c) = w sum_unsent x^2 + w sum_sent (1 - t)^2 x^2 + nu sum_sent (g^2 x^2 + p) + mu (number sent),

with g^2 = p / v and t = p / (p + s); a bit of the map costs 2 (mu + nu) times the channel uses that it takes. Each
iteration gives every cell the class of least cost given its neighbours (iterated conditional modes), and then finds the
levels anew.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..burst import fragments_needed
from ..entropy import Meter
from ..errors import BadInput
from . import base, mapcode
from .allocation import (
    BAND,
    CELLS,
    COEFFICIENTS,
    REGIONS,
    SKIPPED,
    STEPS,
    TOGETHER,
    CellMap,
    Tables,
    cell_grid,
    importances_of,
    power_of_ranks,
    region_sizes,
    spread,
    threshold_of,
)
from .coder import SOURCE_VALUES, STRIDE, grid, padded

# Where bits are dear, as over fading, what suits AWGN may be too much of a base.
FEW_BITS = 0.7  # of a channel use
SMALL_BASES = ((1, 1), (0, 0))
MAX_CHANNELS = 256  # of the header, on average over all patches
_ITERATIONS = (3, 1)  # for the smaller cells, and from there for the larger ones
_HELD = 1 << 14  # patches whose coefficients are kept, 32 MB; those of larger images are computed again


@dataclass(frozen=True)
class MapCost:
    """What a map costs on the air.

    Attributes
    ----------
    uses : callable
        Bytes -> channel uses.
    bits_per_use : float
        What a channel use carries.
    """

    uses: Callable[[int], int]
    bits_per_use: float


@dataclass(frozen=True, eq=False)
class Plan:
    """What is sent of an image.

    Attributes
    ----------
    cells : CellMap or None
        None for the fixed allocation, which needs no map.
    base : Base or None
        None for the fixed allocation.
    code : bytes
        Of map and base, by :func:`.mapcode.encode`.
    channels : int
        Real values that are sent, on average over the patches.
    error : float
        Expected weighted squared error of all coefficients, for pixel values in [0, 1].
    """

    cells: CellMap | None
    base: base.Base | None
    code: bytes
    channels: int
    error: float


class Coefficients:
    """Coefficients of all patches of an image.

    Parameters
    ----------
    image : uint8 [H, W, 3]
        RGB.
    tables : Tables
        With the transform.
    """

    def __init__(self, image: np.ndarray, tables: Tables):
        self.height, self.width = image.shape[:2]
        self.rows, self.columns = grid(self.height, self.width)
        self.tables = tables
        self._image = padded(image)
        self._basis = tables.basis.astype(np.float32)
        self._flat = np.tile(tables.mean, STRIDE * STRIDE)
        self._held: dict[int, np.ndarray] = {}
        self._whole: Coefficients | None = None  # of which this is what a base leaves
        self._known: np.ndarray | None = None

    @property
    def patches(self) -> int:
        """How many."""
        return self.rows * self.columns

    def first(self, count: int) -> np.ndarray:
        """float32 [count, rows, columns]: the first coefficients of each patch."""
        pieces = [values[:, :count] for _, values in self.bands()]
        return np.concatenate(pieces).T.reshape(count, self.rows, self.columns)

    def beyond(self, known: base.Base) -> Coefficients:
        """The same without what a base tells of them.

        Parameters
        ----------
        known : Base
            Of the image.

        Returns
        -------
        Coefficients
            With the variances of what is left.
        """
        if not known.count:
            return self
        left = object.__new__(Coefficients)
        left.__dict__.update(self.__dict__)
        left.tables, left._whole, left._known, left._held = self.tables.based(known), self, known.coefficients(), {}
        return left

    def bands(self) -> Iterator[tuple[slice, np.ndarray]]:
        """The image in pieces of ``BAND`` patches.

        Yields
        ------
        slice, float32 [n, 512]
            Patches, and their coefficients.
        """
        for first in range(0, self.patches, BAND):
            piece = slice(first, min(first + BAND, self.patches))
            yield piece, self._band(piece)

    def _band(self, piece: slice) -> np.ndarray:
        """float32 [n, 512]: coefficients of the patches, not to be changed."""
        found = self._held.get(piece.start)
        if found is None:
            if self._whole is None or self._known is None:
                found = (self._pixels(piece) / np.float32(255) - self._flat) @ self._basis
            else:
                found = self._whole._band(piece).copy()
                found[:, : self._known.shape[1]] -= self._known[piece]
            if self.patches <= _HELD:
                self._held[piece.start] = found
        return found

    def _pixels(self, piece: slice) -> np.ndarray:
        """uint8 [n, 768]: pixels of the patches."""
        top, bottom = piece.start // self.columns, -(-piece.stop // self.columns)
        rows = self._image[top * STRIDE : bottom * STRIDE]
        blocks = rows.reshape(bottom - top, STRIDE, self.columns, STRIDE, 3).transpose(0, 2, 1, 3, 4)
        skip = piece.start - top * self.columns
        return blocks.reshape(-1, SOURCE_VALUES)[skip : skip + piece.stop - piece.start]


def importance_levels(importance: np.ndarray | None, rows: int, columns: int) -> np.ndarray:
    """What each patch counts, that of its most important pixel.

    Parameters
    ----------
    importance : float [H, W] or None
        In [0, 1]; None where all count alike.
    rows, columns : int
        Of patches.

    Returns
    -------
    uint8 [rows, columns]
        i of the weight 2^-i; all 0 where all patches count alike.
    """
    if importance is None:
        return np.zeros((rows, columns), np.uint8)
    weight = np.zeros((rows * STRIDE, columns * STRIDE), np.float32)
    weight[: importance.shape[0], : importance.shape[1]] = importance
    weight = weight.reshape(rows, STRIDE, columns, STRIDE).max(axis=(1, 3))
    level = np.clip(np.rint(-np.log2(np.maximum(weight, 1e-9))), 0, SKIPPED - 1).astype(np.uint8)
    level[weight <= 0] = SKIPPED
    return level if np.ptp(level) else np.zeros_like(level)


def maps(image: Coefficients, uses: int, snr_db: float, cost: MapCost, importance: np.ndarray) -> Iterator[CellMap]:
    """The maps that are tried.

    Parameters
    ----------
    image : Coefficients
        Of the image.
    uses : int
        Channel uses of map and symbols together.
    snr_db : float
        Es/N0 that powers are made for, dB.
    cost : MapCost
        Of the map.
    importance : uint8 [rows, columns]
        Of each patch.

    Yields
    ------
    CellMap
        One for each side of a cell, smallest first; none where not even a free map would leave anything to send.
    """
    return _Search(image, uses, snr_db, cost, importance, base.Base.none(image.rows, image.columns)).maps()


def plan(
    image: Coefficients,
    uses: int,
    snr_db: float,
    cost: MapCost,
    importance: np.ndarray,
    fixed_error: float,
    division: str = TOGETHER,
) -> Plan:
    """The best way to send an image.

    Parameters
    ----------
    image : Coefficients
        Of the image.
    uses : int
        Channel uses of map and symbols together.
    snr_db : float
        Es/N0 that powers are made for, dB.
    cost : MapCost
        Of the map.
    importance : uint8 [rows, columns]
        Of each patch.
    fixed_error : float
        What the fixed allocation would give with as many uses; infinite where it cannot be used.
    division : str
        How what is sent is divided into parts.

    Returns
    -------
    Plan
        That of least expected error.

    Raises
    ------
    BadInput
        No map fits, and without one nothing can be sent.
    """
    options = [base.suited(2 * uses // image.patches, snr_db)]
    if cost.bits_per_use < FEW_BITS:
        options += [option for option in SMALL_BASES if option not in options]
    plans = []
    for count, octave in options:
        known = base.rounded(image.first(count), octave, importance < SKIPPED)
        search = _Search(image.beyond(known), uses, snr_db, cost, importance, known, division)
        plans += [(made, search) for made in search.plans()]
    if np.isfinite(fixed_error):
        plans.append((Plan(None, None, b"", 0, fixed_error), None))
    if not plans:
        raise BadInput(
            f"{uses} channel uses are too few for a {image.width}x{image.height} image with a map of what matters; "
            "raise the rate"
        )
    best, search = min(plans, key=lambda each: each[0].error)
    return best if search is None else search.coded(best)


@dataclass(eq=False)
class _Priced:
    """A map, what it leaves for symbols, and the error to be expected."""

    cells: CellMap
    channels: int
    profile: np.ndarray
    level: np.ndarray
    error: float = np.inf


class _Law:
    """What becomes of coefficients, for every profile and importance, at the levels of one allocation.

    Parameters
    ----------
    tables : Tables
        Variances.
    kinds : int64 [importances, profiles]
        Number of patches of each kind.
    size : int
        Real values that are sent.
    noise : float
        Of a symbol of power 1.
    """

    def __init__(self, tables: Tables, kinds: np.ndarray, size: int, noise: float):
        weight = 0.5 ** np.arange(len(kinds))
        weight[SKIPPED] = 0
        levels = tables.levels.astype(np.int64)
        lowest = int(levels.min()) - STEPS * (SKIPPED - 1)
        rank = levels[None] - STEPS * np.arange(SKIPPED)[:, None, None] - lowest
        histogram = np.zeros(int(rank.max()) + 1, np.int64)
        for importance, profile in np.argwhere(kinds[:SKIPPED]):
            histogram += kinds[importance, profile] * np.bincount(rank[importance, profile], minlength=len(histogram))
        limit, left = threshold_of(histogram, size)
        kept = histogram * (np.arange(len(histogram)) > limit)
        if limit >= 0:
            kept[limit] = left
        power, self.nu = power_of_ranks(kept, lowest, size, noise)
        share = (np.arange(len(histogram)) > limit).astype(np.float64)  # of each rank that is sent
        self.mu = 0.0
        if limit >= 0:
            share[limit] = left / max(1, histogram[limit])
            weakest, its_power = 2.0 ** ((limit + lowest) / STEPS), power[limit]
            self.mu = weakest - weakest * noise / (its_power + noise) - self.nu * its_power
        used = np.flatnonzero(kinds.any(axis=1) & (np.arange(len(kinds)) < SKIPPED))
        self.importances = used
        self.size = size
        sent, power = share[rank[used]], power[rank[used]]
        kept_part = power / (power + noise)
        gain = sent * power / np.exp2(levels / STEPS)
        unsent = weight[used, None, None] * (1 - sent * kept_part * (2 - kept_part))
        self.error, self.gain = unsent, gain
        self.noise = self.nu * (sent * power).sum(axis=-1)
        self.slope = (unsent + self.nu * gain).astype(np.float32)
        self.constant = (self.noise + self.mu * sent.sum(axis=-1)).astype(np.float32)

    @property
    def price(self) -> float:
        """Of a channel use."""
        return 2 * (self.mu + self.nu)

    def expected(self, energies: np.ndarray, kinds: np.ndarray) -> float:
        """The error of an image.

        Parameters
        ----------
        energies : float64 [importances, profiles, 512]
            Sums of the squares of its coefficients by kind.
        kinds : int64 [importances, profiles]
            Number of patches of each kind.

        Returns
        -------
        float
            Weighted, summed over all coefficients.
        """
        used = self.importances
        # the image's own power is brought to 1, which scales the noise
        actual = (self.gain * energies[used]).sum() / self.size
        return float((self.error * energies[used]).sum() + actual * (self.noise * kinds[used]).sum())


class _Search:
    """One image on its way to a map."""

    def __init__(
        self,
        image: Coefficients,
        uses: int,
        snr_db: float,
        cost: MapCost,
        importance: np.ndarray,
        known: base.Base,
        division: str = TOGETHER,
    ):
        # parts are filled up to whole symbols, and to fragments that are equally long
        room = 0 if division == TOGETHER else SKIPPED + fragments_needed(uses)
        self._image, self._uses, self._cost, self._base = image, uses - room, cost, known
        self._division = division
        meter = Meter()
        base.scan(meter, (image.rows, image.columns), importance < SKIPPED, known)
        self._base_bits = meter.bits
        self._noise = 10 ** (-snr_db / 10)
        self._importance = importance

    def shape(self, cell: int) -> tuple[int, int]:
        """Of cells."""
        return cell_grid(self._image.height, self._image.width, cell)

    def importance_of(self, cell: int) -> np.ndarray:
        """uint8 of :meth:`shape`: of each cell that of its most important patch."""
        return _gathered(self._importance, self.shape(cell), cell, SKIPPED).min(axis=(1, 3))

    def plans(self) -> list[Plan]:
        """With the empty map and the maps found, as far as they leave anything for symbols."""
        maps = [CellMap(CELLS[-1], np.zeros(self.shape(CELLS[-1]), np.uint8), self.importance_of(CELLS[-1]))]
        priced = [made for made in map(self.priced, [*maps, *self.maps()]) if made is not None]
        self.judge(priced)
        return [Plan(made.cells, self._base, b"", made.channels, made.error) for made in priced]

    def maps(self) -> Iterator[CellMap]:
        """See :func:`maps`."""
        image = self._image
        profile = np.zeros((image.rows, image.columns), np.uint8)
        for cell, iterations in zip(CELLS, _ITERATIONS, strict=True):
            level = self.importance_of(cell)
            level_of_patch = spread(level, cell)[: image.rows, : image.columns]
            cells = np.zeros(self.shape(cell), np.uint8)
            for iteration in range(iterations):
                spent = mapcode.bits(cells, cell) if iteration else 0.0
                channels = self._channels(self._cost.uses(int((spent + self._base_bits) / 8) + mapcode.CRC_BYTES))
                if channels < 1:
                    return
                laws = self._laws(self._kinds(profile, level_of_patch), channels)
                costs = self._costs(laws, level_of_patch)
                costs = _gathered(costs, self.shape(cell), cell, 0).sum(axis=(1, 3))
                # a use more for the map is one less for each region in proportion to what it has
                price = sum(law.price * law.size for law in laws) / sum(law.size for law in laws)
                price /= self._cost.bits_per_use
                cells = _settled(costs[..., 1:] / max(price, 1e-30), cell, None if iteration == 0 else cells)
                profile = spread(cells, cell)[: image.rows, : image.columns]
            yield CellMap(cell, cells, level)

    def priced(self, cells: CellMap) -> _Priced | None:
        """What a map leaves for symbols; None where that is nothing."""
        image = self._image
        profile, level = cells.patches(image.height, image.width, image.tables.profiles)
        size = len(mapcode.encode(cells, base.Base.none(image.rows, image.columns))) + math.ceil(self._base_bits / 8)
        channels = self._filled(self._channels(self._cost.uses(size + mapcode.CRC_BYTES)), level)
        return _Priced(cells, channels, profile, level) if channels >= 1 else None

    def _filled(self, channels: int, level: np.ndarray) -> int:
        """No more than there is to send."""
        return min(channels, -(-COEFFICIENTS * int((level < SKIPPED).sum()) // self._image.patches))

    def coded(self, chosen: Plan) -> Plan:
        """With its code, and what that leaves for symbols."""
        image = self._image
        code = mapcode.encode(chosen.cells, self._base)
        level = chosen.cells.patches(image.height, image.width, image.tables.profiles)[1]
        channels = self._filled(self._channels(self._cost.uses(len(code) + mapcode.CRC_BYTES)), level)
        if channels < 1:
            raise BadInput(
                f"{self._uses} channel uses are too few for a {image.width}x{image.height} image with a map of what "
                "matters; raise the rate"
            )
        return replace(chosen, code=code, channels=channels)

    def judge(self, plans: list[_Priced]) -> None:
        """Find the error of each."""
        image = self._image
        energies = [np.zeros((SKIPPED + 1, image.tables.profiles, COEFFICIENTS)) for _ in plans]
        for piece, coefficients in image.bands():
            squares = np.square(coefficients)
            for sums, made in zip(energies, plans, strict=True):
                level, profile = made.level.ravel()[piece], made.profile.ravel()[piece]
                _add_by_kind(sums, level.astype(np.intp) * image.tables.profiles + profile, squares)
        for sums, made in zip(energies, plans, strict=True):
            kinds = self._kinds(made.profile, made.level)
            made.error = sum(law.expected(sums, kinds) for law in self._laws(kinds, made.channels))

    def _laws(self, kinds: np.ndarray, channels: int) -> list[_Law]:
        """One for all patches, or for those of each region, with as many real values as it gets."""
        size, patches = self._size(channels), kinds.sum(axis=1)
        importances = importances_of(patches)
        if self._division != REGIONS or len(importances) < 2:
            return [_Law(self._image.tables, kinds, size, self._noise)]
        laws = []
        for importance, symbols in zip(importances, region_sizes(patches, size), strict=True):
            own = np.zeros_like(kinds)
            own[importance] = kinds[importance]
            laws.append(_Law(self._image.tables, own, 2 * symbols, self._noise))
        return laws

    def _channels(self, spent: int) -> int:
        """Real values for a patch that the uses leave."""
        return min(MAX_CHANNELS, 2 * (self._uses - spent) // self._image.patches)

    def _size(self, channels: int) -> int:
        return (self._image.patches * channels + 1) // 2 * 2

    def _kinds(self, profile: np.ndarray, level: np.ndarray) -> np.ndarray:
        profiles = self._image.tables.profiles
        kind = level.astype(np.intp) * profiles + profile
        return np.bincount(kind.ravel(), minlength=(SKIPPED + 1) * profiles).reshape(SKIPPED + 1, profiles)

    def _costs(self, laws: list[_Law], level: np.ndarray) -> np.ndarray:
        """float32 [rows, columns, profiles]: J of every patch."""
        out = np.zeros((self._image.patches, self._image.tables.profiles), np.float32)
        levels = level.ravel()
        kinds = [(law, *each) for law in laws for each in enumerate(law.importances)]
        for piece, coefficients in self._image.bands():
            squares = np.square(coefficients)
            for law, number, importance in kinds:
                who = levels[piece] == importance
                if who.all():
                    out[piece] = squares @ law.slope[number].T + law.constant[number]
                elif who.any():
                    out[piece][who] = squares[who] @ law.slope[number].T + law.constant[number]
        return out.reshape(*level.shape, -1)


def _gathered(values: np.ndarray, shape: tuple[int, int], cell: int, fill: int) -> np.ndarray:
    """[patch rows, patch columns, ...] -> [rows, patches down, columns, patches across, ...] of cells."""
    side = cell // STRIDE
    (rows, columns), rest = shape, values.shape[2:]
    out = np.full((rows * side, columns * side, *rest), fill, values.dtype)
    out[: values.shape[0], : values.shape[1]] = values
    return out.reshape(rows, side, columns, side, *rest)


def _add_by_kind(sums: np.ndarray, kind: np.ndarray, squares: np.ndarray) -> None:
    """Add the rows of ``squares`` to those of ``sums`` that ``kind`` numbers."""
    present, number = np.unique(kind, return_inverse=True)
    picked = np.zeros((len(present), len(kind)), np.float32)
    picked[number.ravel(), np.arange(len(kind))] = 1
    sums.reshape(-1, COEFFICIENTS)[present] += picked @ squares


def _settled(costs: np.ndarray, cell: int, before: np.ndarray | None) -> np.ndarray:
    """Profiles of least cost: iterated conditional modes, the four cells of every 2x2 in turn.

    Parameters
    ----------
    costs : float32 [rows, columns, classes]
        Of each class, profile 0 left out, in bits.
    cell : int
        Side of the cells, pixels.
    before : uint8 [rows, columns] or None
        Where to begin; None for the least cost without a map.

    Returns
    -------
    uint8 [rows, columns]
        Profiles, 1 and more.
    """
    # a neighbour's profile says of this one's what this one's says of it; what it is not likely to be is left out
    tables = (mapcode.exponents()[cell] / STEPS).astype(np.float32)
    forward = tables[:, :, 1:]
    backward = np.pad(tables[:, 1:-1], ((0, 0), (0, 0), (0, 1))).transpose(0, 2, 1)
    rows, columns = costs.shape[:2]
    none = tables.shape[-1]
    framed = np.full((rows + 2, columns + 2), none, np.uint8)
    inner = framed[1:-1, 1:-1]
    inner[:] = costs.argmin(axis=-1) + 1 if before is None else before
    for top, left in ((0, 0), (0, 1), (1, 0), (1, 1)):
        bits = costs[top::2, left::2].copy()
        for number, (y, x) in enumerate(mapcode.NEIGHBOURS):
            causal = framed[1 + y : 1 + y + rows, 1 + x : 1 + x + columns][top::2, left::2]
            later = framed[1 - y : 1 - y + rows, 1 - x : 1 - x + columns][top::2, left::2]
            bits -= forward[number][causal]
            bits -= backward[number][later]
        inner[top::2, left::2] = bits.argmin(axis=-1) + 1
    return inner.copy()
