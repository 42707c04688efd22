# SPDX-License-Identifier: GPL-3.0-or-later
"""Which coefficients of an image are sent, and with what power: one mechanism for source, region, rate and SNR.

::

    cell map + tables --ranks--> N strongest coefficients --Lee, Petersen--> amplitude of each

Every cell of an image has a profile, one of a few rows of variances that were learned from photographs, and an
importance w. Coefficient j of a patch has the expected energy w v_j; the N strongest of the whole image are sent. Both
ends derive the same choice from the same map, so no comparison of floating-point numbers has a part in it: variances
are levels of 1/16 octave, importances whole octaves.

What is sent may be divided into parts, one for each importance that occurs, the highest first: in layers, where the
choice stays as it is and only the order changes, or in regions, where each is a choice of its own, with a number of
coefficients and a power of its own. Both ends derive how long each part is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from ..burst import fragments_needed
from ..errors import BadInput
from ..zoo import arrays, weights
from .base import Base
from .coder import SOURCE_VALUES, STRIDE, grid

COEFFICIENTS = 512  # of a patch, at most
STEPS = 16  # levels of variance in an octave
CELLS = (STRIDE, 2 * STRIDE)  # sides of a cell, pixels
SKIPPED = 7  # importance of a cell of which nothing is sent
MAX_TABLES = 2**26  # bytes
BAND = 2048  # patches looked at together: their 512 coefficients take 4 MB
TOGETHER, LAYERS, REGIONS = "together", "layers", "regions"  # how what is sent is divided into parts
_IMPORTANCES = SKIPPED + 1


@dataclass(frozen=True, eq=False)
class Tables:
    """What both ends know of photographs.

    Attributes
    ----------
    mean : float32 [3]
        Of each colour, for pixel values in [0, 1].
    basis : float16 [768, 512]
        Orthonormal columns in falling order of variance: the Karhunen-Loeve transform of a 16x16x3 patch.
    levels : int16 [profiles, 512]
        Variances: 16 log2 of them, rounded. Row 0 is that of all patches together, the others are classes.
    """

    mean: np.ndarray
    basis: np.ndarray
    levels: np.ndarray

    def __post_init__(self) -> None:
        shapes = self.mean.shape, self.basis.shape, self.levels.shape[1:]
        if shapes != ((3,), (SOURCE_VALUES, COEFFICIENTS), (COEFFICIENTS,)) or not 1 <= len(self.levels) <= 256:
            raise BadInput("the tables of softcast have other shapes than this version reads; fit them again")
        if any(table.dtype.kind not in "fiu" for table in (self.mean, self.basis, self.levels)):
            raise BadInput("the tables of softcast are not made of numbers; fit them again")

    @property
    def profiles(self) -> int:
        """Rows of ``levels``."""
        return len(self.levels)

    def based(self, base: Base) -> Tables:
        """What both ends know of an image that has a base: of what it leaves."""
        if not base.count:
            return self
        return _based(self, base.count, base.level)

    @cached_property
    def variance(self) -> np.ndarray:
        """float32 [profiles, 512], of pixel values in [0, 1]."""
        return np.exp2(self.levels / STEPS).astype(np.float32)


@lru_cache(maxsize=32)
def _based(known: Tables, count: int, level: int) -> Tables:
    levels = known.levels.copy()
    levels[:, :count] = np.minimum(levels[:, :count], level)
    return Tables(known.mean, known.basis, levels)


@lru_cache(maxsize=1)
def tables() -> Tables:
    """Those that ship, read once."""
    held = arrays.load(weights.find("softcast_klt"), MAX_TABLES, "the tables of softcast")
    try:
        return Tables(held["mean"], held["basis"], held["levels"])
    except KeyError as error:
        raise BadInput(f"softcast_klt.npz is of another version: it has no {error}") from None


@dataclass(frozen=True, eq=False)
class CellMap:
    """Profile and importance of each cell of an image.

    Attributes
    ----------
    cell : int
        Side of a cell, 16 or 32 pixels.
    profile : uint8 [rows, columns]
        Row of the tables.
    importance : uint8 [rows, columns]
        i of the weight 2^-i that errors have, 0 to 6; 7 where nothing is sent.
    """

    cell: int
    profile: np.ndarray
    importance: np.ndarray

    @classmethod
    def empty(cls, height: int, width: int, cell: int = CELLS[-1]) -> CellMap:
        """Profile 0 and importance 0 everywhere, for an image of a size in pixels."""
        shape = cell_grid(height, width, cell)
        return cls(cell, np.zeros(shape, np.uint8), np.zeros(shape, np.uint8))

    def kept(self, rows: int, columns: int) -> np.ndarray:
        """Bool [rows, columns]: the patches of which something may be sent."""
        return spread(self.importance, self.cell)[:rows, :columns] < SKIPPED

    def patches(self, height: int, width: int, profiles: int) -> tuple[np.ndarray, np.ndarray]:
        """Profile and importance of every patch of an image.

        Parameters
        ----------
        height, width : int
            Of the image, pixels.
        profiles : int
            How many there are.

        Returns
        -------
        uint8 [patch rows, patch columns], uint8 [patch rows, patch columns]
            Profile and importance.

        Raises
        ------
        BadInput
            The map is of another size, or names a profile or importance that there is not.
        """
        if self.cell not in CELLS:
            raise BadInput(f"a cell of {self.cell} pixels is not known; cells have {' or '.join(map(str, CELLS))}")
        shape = cell_grid(height, width, self.cell)
        if self.profile.shape != shape or self.importance.shape != shape:
            raise BadInput(f"a map of {self.profile.shape} cells does not fit an image of {width}x{height} pixels")
        if int(self.profile.max()) >= profiles:
            raise BadInput(f"a map names profile {int(self.profile.max())}; there are {profiles}")
        if int(self.importance.max()) > SKIPPED:
            raise BadInput(f"a map names importance {int(self.importance.max())}; the last is {SKIPPED}")
        rows, columns = grid(height, width)
        return tuple(spread(values, self.cell)[:rows, :columns] for values in (self.profile, self.importance))


def cell_grid(height: int, width: int, cell: int) -> tuple[int, int]:
    """Rows and columns of cells of an image of a size in pixels."""
    return -(-height // cell), -(-width // cell)


def spread(values: np.ndarray, cell: int) -> np.ndarray:
    """Values of cells [rows, columns] as values of patches."""
    times = cell // STRIDE
    return values.repeat(times, 0).repeat(times, 1)


class _Choice:
    """The ``size`` strongest coefficients of some patches and their amplitudes, as tables; see :class:`Allocation`.

    Attributes
    ----------
    mask : bool [variants, 512]
        Which coefficients a patch sends.
    amplitude : float32 [variants, 512]
        Of each.
    variant : int16 [patches]
        Row of the tables.
    """

    def __init__(self, tables: Tables, profile: np.ndarray, importance: np.ndarray, size: int, snr_db: float):
        kind_of_patch = (profile.astype(np.int64) * _IMPORTANCES + importance).ravel()
        counts = np.bincount(kind_of_patch)
        kinds = np.flatnonzero(counts)
        number = np.zeros(len(counts), np.int64)
        number[kinds] = np.arange(len(kinds))
        kind = number[kind_of_patch]
        counts = counts[kinds]
        profiles, importances = np.divmod(kinds, _IMPORTANCES)
        levels = tables.levels[profiles]
        ranks = levels.astype(np.int64) - STEPS * importances[:, None]
        lowest = int(ranks.min())
        ranks -= lowest
        histogram = np.zeros(int(ranks.max()) + 1, np.int64)
        for each, count, importance_of in zip(ranks, counts, importances, strict=True):
            if importance_of != SKIPPED:
                histogram += count * np.bincount(each, minlength=len(histogram))
        limit, left = threshold_of(histogram, size)
        possible = importances[:, None] != SKIPPED
        above, tied = (ranks > limit) & possible, (ranks == limit) & possible
        kept = histogram.copy()
        kept[: limit + 1] = 0
        if limit >= 0:
            kept[limit] = left

        # of the coefficients that tie, patches send all until what is left is used up; one of them sends a part
        ties = tied.sum(axis=1)[kind]
        before = np.cumsum(ties) - ties
        taken = np.clip(left - before, 0, ties)
        mask = np.concatenate([above, above | tied, np.zeros((1, COEFFICIENTS), bool)])
        variant = np.where((taken == ties) & (ties > 0), kind + len(kinds), kind)
        part = np.flatnonzero((taken > 0) & (taken < ties))
        power = power_of_ranks(kept, lowest, size, 10 ** (-snr_db / 10))[0][ranks]
        amplitude = np.sqrt(power / np.exp2(levels / STEPS)).astype(np.float32)
        self.amplitude = np.concatenate([amplitude, amplitude, amplitude[:1]])
        if part.size:
            which = kind[part[0]]
            mask[-1] = above[which]
            mask[-1, np.flatnonzero(tied[which])[: taken[part[0]]]] = True
            self.amplitude[-1] = amplitude[which]
            variant[part[0]] = len(mask) - 1
        self.mask = mask
        self.variant = variant.astype(np.int16)

    def join(self, other: _Choice, where: np.ndarray) -> None:
        """Take over what another choice makes of some patches, bool [patches]."""
        self.variant = np.where(where, other.variant + len(self.mask), self.variant).astype(np.int16)
        self.mask = np.concatenate([self.mask, other.mask])
        self.amplitude = np.concatenate([self.amplitude, other.amplitude])


class Allocation:
    """The coefficients of an image that are sent, in order of transmission, with their amplitudes.

    The rank of coefficient j of a patch is ``levels[profile, j] - 16 importance``. The ``size`` strongest are sent, of
    equal ranks the first ones patch by patch in raster order and within a patch by number. Ranks are counted, not
    sorted: time goes with the kinds of patches.

    With noise s and weights w, the powers p = max(0, m sqrt(w v) - s), of mean 1 over all that is sent, minimise the
    weighted error after an LMMSE receiver (Lee and Petersen, "Optimal linear coding for vector channels", 1976); the
    amplitude is sqrt(p / v).

    The order of transmission is patch by patch in raster order. Divided into parts it is so for each importance, the
    highest first. In layers a part begins with the first symbol that the part before it, which has all of its
    importance, has no room for. In regions each part has as many symbols as :func:`region_sizes` gives it, and its
    coefficients and powers are chosen among its own patches alone.

    Parameters
    ----------
    tables : Tables
        Variances of each profile.
    profile, importance : uint8 [rows, columns]
        Of each patch; see :meth:`CellMap.patches`.
    size : int
        Real values that are sent; where fewer coefficients can be, the rest are zeros.
    snr_db : float
        Es/N0 that the powers are made for, dB.
    division : str
        ``TOGETHER``, ``LAYERS`` or ``REGIONS``.

    Attributes
    ----------
    rows, columns : int
        Of patches.
    size : int
        As above; where it is divided, all parts with what fills them up.
    sent : int
        Coefficients that are sent, at most ``size``.
    importances : tuple of int
        Those of which something may be sent; where there is only one nothing is divided, otherwise that of each part.
    parts : tuple of int
        Symbols of each part.
    """

    def __init__(
        self,
        tables: Tables,
        profile: np.ndarray,
        importance: np.ndarray,
        size: int,
        snr_db: float,
        division: str = TOGETHER,
    ):
        self.rows, self.columns = profile.shape
        self._tables = tables
        self._profile = profile.ravel()
        level = importance.ravel()
        patches = np.bincount(level, minlength=_IMPORTANCES)
        self.importances = importances_of(patches)
        if len(self.importances) < 2:
            division = TOGETHER
        if division == REGIONS:
            self.parts = region_sizes(patches, size)
            chosen: _Choice | None = None
            for each, symbols in zip(self.importances, self.parts, strict=True):
                own = np.where(importance == each, 0, SKIPPED).astype(np.uint8)
                choice = _Choice(tables, profile, own, 2 * symbols, snr_db)
                if chosen is None:
                    chosen = choice
                else:
                    chosen.join(choice, level == each)
        else:
            chosen = _Choice(tables, profile, importance, size, snr_db)
        self._mask, self._amplitude, self._variant = chosen.mask, chosen.amplitude, chosen.variant
        self._counts = self._mask.sum(axis=1)[self._variant]
        self.sent = int(self._counts.sum())
        if division == TOGETHER:
            self.size, self.parts = size, ((size + 1) // 2,)
            self._begin = np.cumsum(self._counts) - self._counts
            return
        lengths = [int(self._counts[level == each].sum()) for each in self.importances]
        if division == LAYERS:
            self.parts = layer_sizes(lengths)
            begins = np.cumsum(lengths) - lengths
        else:
            begins = 2 * (np.cumsum(self.parts) - self.parts)
        self.size = 2 * sum(self.parts)
        self._begin = np.zeros(len(level), np.int64)
        for each, begin in zip(self.importances, begins, strict=True):
            counts = self._counts[level == each]
            self._begin[level == each] = begin + np.cumsum(counts) - counts

    def bands(self, patches: int = BAND) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """The image in pieces, so that memory need not be that of all coefficients.

        Parameters
        ----------
        patches : int
            Of a piece, at most.

        Yields
        ------
        slice, int64 [n], bool [patches, 512]
            Patches of the piece, where in the order of transmission its coefficients lie, and which they are.
        """
        for first in range(0, len(self._variant), patches):
            piece = slice(first, min(first + patches, len(self._variant)))
            counts = self._counts[piece]
            within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
            yield piece, np.repeat(self._begin[piece], counts) + within, self._mask[self._variant[piece]]

    def amplitude_of(self, patches: slice, mask: np.ndarray) -> np.ndarray:
        """float32 [n]: amplitudes of the coefficients that ``mask`` [patches, 512] takes of some patches."""
        return self._amplitude[self._variant[patches]][mask]

    def variance_of(self, patches: slice, mask: np.ndarray) -> np.ndarray:
        """float32 [n]: variances of the coefficients that ``mask`` [patches, 512] takes of some patches."""
        return self._tables.variance[self._profile[patches]][mask]

    @cached_property
    def index(self) -> np.ndarray:
        """int32 [sent]: place of each coefficient in [patches, 512], flat; patch by patch in raster order."""
        pieces = [np.flatnonzero(mask) + patches.start * COEFFICIENTS for patches, _, mask in self.bands()]
        return np.concatenate(pieces).astype(np.int32)

    @cached_property
    def position(self) -> np.ndarray:
        """int32 [sent]: place of each coefficient of ``index`` in the order of transmission."""
        return np.concatenate([where for _, where, _ in self.bands()]).astype(np.int32)

    @property
    def amplitude(self) -> np.ndarray:
        """float32 [sent]: what each coefficient of ``index`` is multiplied by, 0 where it gets no power."""
        return np.concatenate([self.amplitude_of(patches, mask) for patches, _, mask in self.bands()])

    @property
    def variance(self) -> np.ndarray:
        """float32 [sent]: expected of each coefficient of ``index``."""
        return np.concatenate([self.variance_of(patches, mask) for patches, _, mask in self.bands()])

    def amplitude_grid(self) -> np.ndarray:
        """float32 [512, rows, columns]: amplitudes, 0 where nothing is sent."""
        sent = np.where(self._mask, self._amplitude, 0)
        return _planes(sent[self._variant], self.rows, self.columns)

    def variance_grid(self) -> np.ndarray:
        """float32 [512, rows, columns]: variances of all coefficients, whether they are sent or not."""
        return _planes(self._tables.variance[self._profile], self.rows, self.columns)

    def expected_error(self, noise_var: np.ndarray, scale: float) -> np.ndarray:
        """What a linear receiver expects to be wrong with each patch.

        Parameters
        ----------
        noise_var : float32 [n]
            Noise variance of each symbol, infinite where it was lost.
        scale : float
            Of the image's power.

        Returns
        -------
        float32 [rows, columns]
            Squared error, summed over the coefficients, for pixel values in [0, 1].
        """
        error = self._tables.variance.sum(axis=1)[self._profile].astype(np.float32)
        noise = np.repeat(noise_var, 2)
        for patches, where, mask in self.bands():
            amplitude, variance = self.amplitude_of(patches, mask), self.variance_of(patches, mask)
            power = amplitude**2 * variance
            known = np.zeros(mask.shape, np.float32)
            known[mask] = power * variance / np.maximum(power + noise[where], np.float32(1e-30))
            error[patches] -= known.sum(axis=1)
        return error.reshape(self.rows, self.columns) * np.float32(scale**2 / 2)

    def gather(self, planes: np.ndarray) -> np.ndarray:
        """Values of a grid in order of transmission.

        Parameters
        ----------
        planes : float32 [512, rows, columns]
            A value for each coefficient.

        Returns
        -------
        float32 [size]
            Those of the coefficients that are sent; zeros where there are none.
        """
        out = np.zeros(self.size, np.float32)
        out[self.position] = planes.reshape(COEFFICIENTS, -1).T.ravel()[self.index]
        return out

    def scatter(self, values: np.ndarray, missing: float = 0.0) -> np.ndarray:
        """Values in order of transmission as a grid.

        Parameters
        ----------
        values : float32 [size]
            One for each real value that is sent.
        missing : float
            What the coefficients have that are not sent.

        Returns
        -------
        float32 [512, rows, columns]
            The grid.
        """
        flat = np.full(self.rows * self.columns * COEFFICIENTS, missing, np.float32)
        flat[self.index] = values[self.position]
        return _planes(flat.reshape(-1, COEFFICIENTS), self.rows, self.columns)


def importances_of(patches: np.ndarray) -> tuple[int, ...]:
    """The importances of which something may be sent.

    Parameters
    ----------
    patches : int64 [8]
        How many have each importance.

    Returns
    -------
    tuple of int
        The highest, which has the lowest number, first.
    """
    return tuple(np.flatnonzero(patches[:SKIPPED]).tolist())


def region_sizes(patches: np.ndarray, size: int) -> tuple[int, ...]:
    """How many symbols each region gets: per patch in proportion to the importance.

    No region gets more than it has coefficients; what that leaves goes to the others. All fragments of a part are
    equally long, so that the header of each tells how long the part is.

    Parameters
    ----------
    patches : int64 [8]
        How many have each importance.
    size : int
        Real values of all regions.

    Returns
    -------
    tuple of int
        For each of :func:`importances_of`, at least 1 symbol.
    """
    room = {each: int(patches[each]) * COEFFICIENTS // 2 for each in importances_of(patches)}
    found: dict[int, int] = {}
    while len(found) < len(room):
        left = size // 2 - sum(found.values())
        shares = {each: room[each] << (SKIPPED - each) for each in room if each not in found}
        total = sum(shares.values())
        full = {each: room[each] for each in shares if left * shares[each] > total * room[each]}
        found |= full or {each: left * share // total for each, share in shares.items()}
    sizes = []
    for each in sorted(found):
        symbols = max(1, found[each])
        while over := symbols % fragments_needed(symbols):
            symbols -= over
        sizes.append(symbols)
    return tuple(sizes)


def layer_sizes(lengths: list[int]) -> tuple[int, ...]:
    """How many symbols each layer gets: all of its real values that the layers before it have no room for.

    As of :func:`region_sizes`, fragments of a part are equally long.

    Parameters
    ----------
    lengths : list of int
        Real values of each layer.

    Returns
    -------
    tuple of int
        For each layer, at least 1 symbol.
    """
    sizes, room = [], 0
    for length in lengths:
        symbols = max(1, -(-(length - room) // 2))
        symbols += -symbols % fragments_needed(symbols)
        room += 2 * symbols - length
        sizes.append(symbols)
    return tuple(sizes)


def _planes(patches: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """[patches, 512] -> float32 [512, rows, columns]."""
    return np.ascontiguousarray(patches.T, np.float32).reshape(COEFFICIENTS, rows, columns)


def threshold_of(histogram: np.ndarray, size: int) -> tuple[int, int]:
    """The rank of which only some are sent.

    Parameters
    ----------
    histogram : int64 [ranks]
        How many coefficients have each rank.
    size : int
        How many are sent.

    Returns
    -------
    int, int
        The rank, and how many of it are sent; -1 and 0 where all are.
    """
    at_least = np.cumsum(histogram[::-1])[::-1]
    enough = np.flatnonzero(at_least >= size)
    if not enough.size:
        return -1, 0
    limit = int(enough[-1])
    return limit, size - int(at_least[limit] - histogram[limit])


def power_of_ranks(kept: np.ndarray, lowest: int, size: int, noise: float) -> tuple[np.ndarray, float]:
    """Lee and Petersen's powers.

    Parameters
    ----------
    kept : int64 [ranks]
        How many coefficients of each rank are sent.
    lowest : int
        What is to be added to the number of a rank.
    size : int
        Real values that the powers are to average 1 over.
    noise : float
        Variance, beside a symbol of power 1.

    Returns
    -------
    float64 [ranks], float
        The powers, and by how much a unit of power more would lower the weighted error.
    """
    root = np.exp2((np.arange(len(kept)) + lowest) / (2 * STEPS))
    falling, counts = root[::-1], kept[::-1]
    total = np.cumsum(counts * falling)
    # m if only the strongest ranks have power; the weakest drop out until all that are left have something
    level = (size + np.cumsum(counts) * noise) / np.where(total > 0, total, np.inf)
    powered = np.flatnonzero((falling * level > noise) & (counts > 0))
    if not powered.size:
        return np.zeros(len(kept)), 0.0
    best = float(level[powered[-1]])
    return np.maximum(root * best - noise, 0), noise / best**2
