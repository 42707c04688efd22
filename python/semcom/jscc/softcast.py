# SPDX-License-Identifier: GPL-3.0-or-later
"""SoftCast in closed form: Karhunen-Loeve transform, power allocation, linear minimum mean-square-error receiver."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np

from ..burst import ImageHeader, snr_field
from ..errors import BadInput
from ..zoo import weights
from . import mapcode
from .allocation import COEFFICIENTS, REGIONS, STEPS, TOGETHER, Allocation, CellMap, tables
from .base import Base
from .coder import (
    MAX_PIXELS,
    SOURCE_VALUES,
    STRIDE,
    channels_for,
    check_importance,
    check_source,
    check_symbols,
    grid,
    padded,
    quantised,
    refuse_importance,
    symbol_count,
)
from .planning import Coefficients, MapCost, importance_levels, plan
from .symbols import ImageSymbols, ReceivedSymbols, cut, joined, power_normalised, reals, scale_value

DEFAULT_RATE = 1 / 12
KEPT = 256  # components that the fixed allocation has, enough for k/n = 1/6
BAND = 4096  # positions decoded at a time
CLASSES = 32
_FEW = 150_000  # patches that the first iterations are made with
_ITERATIONS_ON_FEW, _ITERATIONS = 25, 12
_FLOORS = (3e-4, 1e-3, 3e-3)
_MIN_VARIANCE = 1e-8
_MIN_MEMBERS = 20
_PIECE = 1 << 16  # patches compared with the classes at a time


def _patches(image: np.ndarray) -> np.ndarray:
    """[H,W,3], H and W multiples of 16 -> [positions, 768]."""
    rows, columns = image.shape[0] // STRIDE, image.shape[1] // STRIDE
    blocks = image.reshape(rows, STRIDE, columns, STRIDE, 3).transpose(0, 2, 1, 3, 4)
    return blocks.reshape(rows * columns, SOURCE_VALUES)


def _image(patches: np.ndarray, rows: int, columns: int) -> np.ndarray:
    blocks = patches.reshape(rows, columns, STRIDE, STRIDE, 3).transpose(0, 2, 1, 3, 4)
    return blocks.reshape(rows * STRIDE, columns * STRIDE, 3)


def fit(images: Iterable[np.ndarray], seed: int = 0) -> dict[str, np.ndarray]:
    """The transform of a set of photographs, and the classes of their patches.

    Classes minimise the Gaussian code length sum_j log max(v_j, D) + x_j^2 / max(v_j, D) of the coefficients x of a
    patch, by Lloyd's iterations, with D the distortion that is aimed at: what lies below it does not tell classes
    apart. They begin with as many equally large groups by energy.

    Parameters
    ----------
    images : iterable of uint8 [H, W, 3]
        RGB; each is cut to multiples of 16 pixels. They and 2 kB for each patch are held in memory.
    seed : int
        Of the choice of patches that the first iterations are made with.

    Returns
    -------
    dict
        ``mean`` float32 [3] (grey level of each colour), ``basis`` float16 [768, 512] (orthonormal columns in falling
        order of variance) and ``levels`` int16 [33, 512] (16 log2 of the variances for pixel values in [0, 1]; of all
        patches together, then of each class, by energy without the first component).

    Raises
    ------
    BadInput
        No image has 16x16 pixels.
    """
    cut = [image[: image.shape[0] // STRIDE * STRIDE, : image.shape[1] // STRIDE * STRIDE] for image in images]
    second = np.zeros((SOURCE_VALUES, SOURCE_VALUES))
    total, count = np.zeros(3), 0
    for image in cut:
        patches = _patches(image).astype(np.float32) / 255
        second += patches.T @ patches
        total += patches.reshape(-1, 3).sum(axis=0)
        count += len(patches)
    if not count:
        raise BadInput("no photograph has 16x16 pixels; give larger ones", field="data")
    mean = total / (count * STRIDE * STRIDE)
    # the mean of a patch is flat, so removing it is one rank-one correction with the flat colour vector
    flat = np.tile(mean, STRIDE * STRIDE)
    covariance = second / count - np.outer(flat, flat)
    values, vectors = np.linalg.eigh(covariance)
    basis = vectors[:, np.argsort(values)[::-1][:COEFFICIENTS]].astype(np.float16)
    energies = np.empty((count, COEFFICIENTS), np.float32)
    at, used = 0, basis.astype(np.float32)
    for image in cut:
        patches = _patches(image).astype(np.float32) / 255 - flat.astype(np.float32)
        np.square(patches @ used, out=energies[at : at + len(patches)])
        at += len(patches)
    few = energies[np.random.default_rng(seed).permutation(count)[:_FEW]]
    groups = np.array_split(few[np.argsort(few[:, 1:].sum(axis=1))], CLASSES)
    variance = np.stack([(group if len(group) else few).mean(axis=0) for group in groups])
    for _ in range(_ITERATIONS_ON_FEW):
        variance = _lloyd(few, variance, _FLOORS[1])
    for iteration in range(_ITERATIONS):
        variance = _lloyd(energies, variance, _FLOORS[iteration % len(_FLOORS)])
    variance = variance[np.argsort(variance[:, 1:].sum(axis=1))]
    variance = np.concatenate([energies.mean(axis=0, keepdims=True), variance]).clip(_MIN_VARIANCE)
    levels = np.rint(STEPS * np.log2(variance)).astype(np.int16)
    return {"mean": mean.astype(np.float32), "basis": basis, "levels": levels}


def code_length(energies: np.ndarray, variance: np.ndarray, floor: float | np.ndarray) -> np.ndarray:
    """What it costs to take patches for those of a class.

    Parameters
    ----------
    energies : float32 [patches, n]
        Squares of their coefficients.
    variance : float32 [classes, n]
        That the classes have.
    floor : float
        Distortion that is aimed at; variances count as at least that.

    Returns
    -------
    float32 [patches, classes]
        Gaussian code length in nats, twice that and without what is the same for all.
    """
    floored = np.maximum(variance, floor)
    return energies @ (1 / floored).T.astype(np.float32) + np.log(floored).sum(axis=1)


def _lloyd(energies: np.ndarray, variance: np.ndarray, floor: float) -> np.ndarray:
    """float32 [classes, n]: variances of the patches nearest to each class; of one that has hardly any, the old."""
    pieces = range(0, len(energies), _PIECE)
    nearest = np.concatenate([code_length(energies[i : i + _PIECE], variance, floor).argmin(axis=1) for i in pieces])
    members = [nearest == number for number in range(len(variance))]
    return np.stack(
        [
            energies[who].mean(axis=0) if who.sum() > _MIN_MEMBERS else old
            for who, old in zip(members, variance, strict=True)
        ]
    )


class SoftCast:
    """Jakubczak and Katabi, "A Cross-Layer Design for Scalable Mobile Video" (SoftCast), MobiCom 2011.

    ::

        patches --KLT--> c_j --g_j / s--> symbols --channel--> LMMSE --> c'_j --KLT^-1--> patches

    16x16x3 patches are rotated into principal components c_j of variance v_j, the first ``2 rate 768`` are sent with
    amplitude g_j = v_j^(-1/4), SoftCast's least-distortion allocation, and the receiver weighs each by the LMMSE
    factor for
    its own noise variance. The transform was fitted once on photographs and is common to both ends; per image only
    the power scale s travels, in the header.
    """

    name = "softcast"
    adapts_to_snr = False
    max_pixels = MAX_PIXELS

    def __init__(self) -> None:
        path, known = weights.find("softcast_klt"), tables()
        self._tables = known
        self._mean = known.mean
        self._basis = known.basis.astype(np.float32)
        self._variance = known.variance[0, :KEPT]
        self._gain = self._variance**-0.25
        digest = weights.sha256("softcast_klt")
        self.weights = {path.name: digest}
        self.weights_id = weights.identifier([digest])

    def encode(
        self,
        image: np.ndarray,
        *,
        rate: float | None = None,
        snr_db: float = 10.0,
        importance: np.ndarray | None = None,
    ) -> ImageSymbols:
        """See :class:`~.coder.Coder`; any rate from 1/768 to 1/6, ``snr_db`` is only noted in the header."""
        check_source(image, self.name, self.max_pixels)
        refuse_importance(self.name, importance)
        channels = channels_for(DEFAULT_RATE if rate is None else rate)
        patches = _patches(padded(image).astype(np.float32) / 255 - self._mean)
        latent = (patches @ self._basis[:, :channels] * self._gain[:channels]).ravel()
        if latent.size % 2:
            latent = np.append(latent, np.float32(0))
        symbols, scale = power_normalised(latent)
        height, width = image.shape[:2]
        header = ImageHeader(height, width, self.name, channels - 1, scale, snr_field(snr_db), self.weights_id)
        return ImageSymbols(symbols, header)

    def encode_adaptive(
        self,
        image: np.ndarray,
        cost: MapCost,
        *,
        rate: float | None = None,
        snr_db: float = 10.0,
        importance: np.ndarray | None = None,
        division: str = TOGETHER,
    ) -> tuple[bytes, list[ImageSymbols]]:
        """An image as a map with a base, and symbols, together no more channel uses than :meth:`encode` takes.

        Parameters
        ----------
        image : uint8 [H, W, 3]
            RGB.
        cost : MapCost
            What the map costs on the air.
        rate : float, optional
            k/n, complex channel uses per real source value, of map and symbols.
        snr_db : float
            Es/N0 that map and powers are chosen for, dB.
        importance : float [H, W], optional
            In [0, 1], what the error of each pixel counts, to a power of 2; nothing is sent where it is 0.
        division : str
            How the symbols are divided into parts, of those of :class:`.allocation.Allocation`.

        Returns
        -------
        bytes, list of ImageSymbols
            The map, and the symbols of each part. The map is empty where none is worth its uses; the symbols are those
            of :meth:`encode` then.

        Raises
        ------
        BadInput
            An image, rate, SNR or importance that cannot be.
        """
        check_source(image, self.name, self.max_pixels)
        check_importance(importance, image)
        height, width = image.shape[:2]
        snr_enc = snr_field(snr_db)
        channels = channels_for(DEFAULT_RATE if rate is None else rate)
        coefficients = Coefficients(image, self._tables)
        levels = importance_levels(importance, coefficients.rows, coefficients.columns)
        fixed = np.inf if levels.any() else self._fixed_error(coefficients, channels, snr_enc)
        uses = (coefficients.patches * channels + 1) // 2
        made = plan(coefficients, uses, snr_enc, cost, levels, fixed, division)
        if made.cells is None:
            return b"", [self.encode(image, rate=rate, snr_db=snr_db)]
        header = ImageHeader(height, width, self.name, made.channels - 1, 0, snr_enc, self.weights_id)
        left = coefficients.beyond(made.base)
        allocation = self._allocation(made.cells, made.base, header, division)
        latent = np.zeros(allocation.size, np.float32)
        sent = zip(allocation.bands(), left.bands(), strict=True)
        for (patches, where, mask), (_, values) in sent:
            latent[where] = values[mask] * allocation.amplitude_of(patches, mask)
        parts = cut(latent, allocation.parts, division == REGIONS, header)
        return mapcode.sealed(made.code, header), parts

    def _fixed_error(self, coefficients: Coefficients, channels: int, snr_db: float) -> float:
        """Expected squared error of :meth:`encode`, summed over all coefficients."""
        noise = 10 ** (-snr_db / 10)
        energy = sum(np.square(values).sum(axis=0, dtype=np.float64) for _, values in coefficients.bands())
        gain, variance = self._gain[:channels].astype(np.float64), self._variance[:channels].astype(np.float64)
        power = np.mean(gain**2 * energy[:channels]) / coefficients.patches
        # with the gains of symbols of power 1, and variances scaled to this image as the receiver scales them
        gain2 = gain**2 / max(power, 1e-30)
        expected = gain2 * variance * power / np.mean(gain**2 * variance)
        weight = expected / (expected + noise)
        error = (1 - weight) ** 2 * energy[:channels] + coefficients.patches * weight**2 * noise / gain2
        return float(error.sum() + energy[channels:].sum())

    def decode_adaptive(
        self, data: bytes, received: Sequence[ReceivedSymbols | None], header: ImageHeader, division: str = TOGETHER
    ) -> tuple[np.ndarray, CellMap]:
        """An image from its map and what was received of its symbols.

        Parameters
        ----------
        data : bytes
            The map, whole.
        received : sequence of ReceivedSymbols or None
            Of each part, None for one that is missing: of its region there is only the base.
        header : ImageHeader
            Of any part.
        division : str
            As of :meth:`encode_adaptive`.

        Returns
        -------
        uint8 [H, W, 3], CellMap
            RGB, and the map.

        Raises
        ------
        BadInput
            A map that is damaged or of another image, or parts that are not those that it speaks of.
        """
        cells, base = mapcode.decode(data, header)
        allocation = self._allocation(cells, base, header, division)
        heard = joined(received, allocation.parts)
        known = base.coefficients()
        values, scale = reals(heard.symbols), scale_value(heard.scale)
        image = np.empty((header.height, header.width, 3), np.uint8)
        columns = allocation.columns
        # whole rows of patches at a time, so that memory is that of the picture
        band = max(1, BAND // columns)
        for patches, where, mask in allocation.bands(band * columns):
            amplitude = allocation.amplitude_of(patches, mask)
            # with gain g / scale and prior v scale^2 / 2 the LMMSE factor is g v scale / (g^2 v + noise), which an
            # infinite noise variance makes exactly zero
            expected = amplitude * allocation.variance_of(patches, mask)
            weight = np.divide(
                expected * np.float32(scale),
                amplitude * expected + heard.noise_var[where >> 1],
                where=amplitude > 0,
                out=np.zeros_like(amplitude),
            )
            latent = np.zeros(mask.shape, np.float32)
            latent[mask] = values[where] * weight
            latent[:, : base.count] += known[patches]
            pixels = latent @ self._basis.T
            top = patches.start // columns
            rows = image[top * STRIDE : (top + band) * STRIDE]
            blocks = _image(pixels, len(mask) // columns, columns) + self._mean
            rows[:] = quantised(blocks[: len(rows), : header.width])
        return image, cells

    def expected_error(self, data: bytes, noise_var: np.ndarray, header: ImageHeader) -> np.ndarray:
        """What is expected to be wrong with each patch of an image that was received.

        Parameters
        ----------
        data : bytes
            The map, whole; empty where there is none.
        noise_var : float32 [n]
            Noise variance of each symbol, infinite where lost.
        header : ImageHeader
            Of the symbols.

        Returns
        -------
        float32 [rows, columns]
            Squared error, summed over the coefficients of a patch, for pixel values in [0, 1].
        """
        if data:
            allocation = self._allocation(*mapcode.decode(data, header), header)
            return allocation.expected_error(noise_var, scale_value(header.scale))
        rows, columns = grid(header.height, header.width)
        gain, prior = self._fixed(header)
        noise = np.repeat(noise_var / 2, 2)[: rows * columns * header.channels].reshape(-1, header.channels)
        with np.errstate(invalid="ignore"):
            left = prior / (1 + np.where(np.isfinite(noise), gain**2 * prior / noise, 0))
        unsent = self._tables.variance[0, header.channels :].sum() * (prior.sum() / self._variance[: len(prior)].sum())
        return (left.sum(axis=1) + unsent).astype(np.float32).reshape(rows, columns)

    def _allocation(self, cells: CellMap, base: Base, header: ImageHeader, division: str = TOGETHER) -> Allocation:
        """What both ends derive from a map."""
        profile, importance = cells.patches(header.height, header.width, self._tables.profiles)
        size = 2 * symbol_count(header)
        return Allocation(self._tables.based(base), profile, importance, size, header.snr_enc, division)

    def _fixed(self, header: ImageHeader) -> tuple[np.ndarray, np.ndarray]:
        """float32 [channels] each: gain at the receiver, and variance in this image, of the fixed allocation.

        The variances are the fitted ones, scaled so that their sum gives the power that the header tells.
        """
        scale, channels = scale_value(header.scale), header.channels
        variance = self._variance[:channels]
        return self._gain[:channels] / scale, variance * (scale**2 / 2 / np.mean(self._gain[:channels] ** 2 * variance))

    def decode(self, symbols: np.ndarray, noise_var: np.ndarray, header: ImageHeader) -> np.ndarray:
        """See :class:`~.coder.Coder`."""
        check_symbols(symbols, noise_var, header)
        rows, columns = grid(header.height, header.width)
        channels = header.channels
        gain, prior = self._fixed(header)
        values = reals(symbols)
        image = np.empty((header.height, header.width, 3), np.uint8)
        # band by band, so that memory is that of the picture and not forty times as much
        band = max(1, BAND // columns)
        for top in range(0, rows, band):
            count = min(band, rows - top)
            first, last = top * columns * channels, (top + count) * columns * channels
            received = values[first:last].reshape(-1, channels)
            # half of the complex noise falls on each real component
            pairs = np.repeat(noise_var[first // 2 : (last + 1) // 2] / 2, 2)
            noise = pairs[first % 2 : first % 2 + last - first].reshape(-1, channels)
            with np.errstate(over="ignore"):  # the largest noise at the smallest scale
                # written so that an infinite noise variance gives exactly zero
                weight = 1 / (gain + noise / (gain * prior))
            patches = (received * weight) @ self._basis[:, :channels].T
            pixels = image[top * STRIDE : (top + count) * STRIDE]
            pixels[:] = quantised((_image(patches, count, columns) + self._mean)[: len(pixels), : header.width])
        return image


@lru_cache(maxsize=1)
def softcast() -> SoftCast:
    """The one instance; its 0.4 MB transform is read once."""
    return SoftCast()
