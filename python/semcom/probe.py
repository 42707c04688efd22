# SPDX-License-Identifier: GPL-3.0-or-later
"""What samples tell of the radio that they are from: levels, spectrum, and the bursts among them.

Levels are over 1, the full scale of a radio (dBFS); what is there all the time is told over the mean power of the
bursts (dBc), or of all samples where there are no bursts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol

import numpy as np

from .burst.header import BurstHeader
from .burst.seal import Seal
from .errors import BadInput

_CHUNK = 2**15  # samples that are looked at together
_SPECTRA = (2**14, 2**10)  # bins; the first are taken where there are enough of them
_ENOUGH, _VALUES = 8, 256
_LOBE = 4  # half of the window's main lobe, in bins
_AROUND = 64  # bins on each side that tell the level around a line
_EDGE = 1e-3  # of the largest value, or a step: what lies within is at a limit of the converter, if it is one
_STEPS = 50
_PILE = 6  # how many more values lie at a limit than beside it
_BLOCK, _MAX_BLOCKS = 256, 2**16  # samples whose power is kept; how many of these powers
_QUIET = 16  # blocks between bursts that tell the noise
_CERTAIN = 20.0  # over what chance makes of a mean
_MAX_SPURS, _MAX_BURSTS = 8, 100_000
_SHORTEST = 30  # OFDM symbols of a burst that tells a clock
LOST = 1e-30
"""Power that counts as none."""


class Received(Protocol):
    """A burst, as of ``burst_receiver``."""

    header: Any
    symbols: np.ndarray
    noise_var: np.ndarray
    position: int
    snr_db: float
    cfo: float
    level_db: float
    clipped: float
    clock_ppm: float


class Frame(Protocol):
    """Lengths of the waveform, as of ``ofdm_frame``."""

    symbol_samples: int

    def burst_samples(self, n_symbols: int) -> int:
        """How long a burst is."""

    def noise_voltage(self, esn0_db: float, power: float) -> float:
        """Deviation of the noise beside a burst of that power."""


class Receiver(Protocol):
    """What bursts are received by, as ``burst_receiver``."""

    frame: Frame
    counters: dict[str, int]

    def work(self, samples: np.ndarray) -> Sequence[Received]:
        """The bursts that these samples complete."""


@dataclass(frozen=True)
class Line:
    """A carrier that nobody sent.

    Attributes
    ----------
    frequency : float
        Cycles per sample, -1/2 to 1/2.
    power : float
        Mean squared magnitude.
    """

    frequency: float
    power: float


@dataclass(frozen=True)
class Spectrum:
    """A mean spectrum, and what stands out of it.

    Attributes
    ----------
    lines : tuple of Line
        The strongest first; DC is none of them.
    floor : float
        Power that white noise of the quietest bins has.
    band : (float, float) or None
        Between which frequencies 99 % of the power lie that stand above the floor, cycles per sample; None where
        there is no such power.
    """

    lines: tuple[Line, ...]
    floor: float
    band: tuple[float, float] | None


class _Levels:
    """Sums over all samples."""

    def __init__(self) -> None:
        self.samples = self.strange = 0
        self.energy, self.peak, self.clipped = 0.0, 0.0, 0
        self.mean, self.square = 0j, 0j

    def take(self, x: np.ndarray) -> None:
        values = np.abs(x.view(np.float32))
        self.samples += len(x)
        energy = np.vdot(x, x).real
        self.energy += float(energy)
        self.mean += complex(x.sum(dtype=complex))
        self.square += complex(np.dot(x, x))
        self.peak = max(self.peak, float(np.max(x.real**2 + x.imag**2)))
        largest = float(values.max())
        # what has few steps up to its largest value piles up everywhere
        steps = largest / max(float(values[values > 0].min(initial=np.inf)), LOST)
        if steps > _STEPS:
            # an integer reaches one step further below 0 than above
            edge = max(_EDGE, 1.2 / steps)
            at = int(np.count_nonzero(values >= largest * (1 - edge)))
            beside = int(np.count_nonzero(values >= largest * (1 - 6 * edge))) - at
            if at > max(10, _PILE * beside / 5 + 4 * np.sqrt(beside)):
                self.clipped += at


class _Powers:
    """Mean power of stretch after stretch; the longer the stream, the longer the stretches."""

    def __init__(self) -> None:
        self.length = _BLOCK
        self._rest = np.zeros(0, np.float32)
        self._blocks: list[np.ndarray] = []
        self._number = 0

    def take(self, x: np.ndarray) -> None:
        power = np.concatenate([self._rest, x.real**2 + x.imag**2])
        whole = len(power) // self.length
        self._blocks.append(power[: whole * self.length].reshape(whole, self.length).mean(axis=1))
        self._rest = power[whole * self.length :]
        self._number += whole
        if self._number > _MAX_BLOCKS:
            all_of_them = self.blocks()
            even = len(all_of_them) // 2 * 2
            # half a stretch that is left over is forgotten
            self._blocks = [all_of_them[:even].reshape(-1, 2).mean(axis=1)]
            self._number = even // 2
            self.length *= 2

    def blocks(self) -> np.ndarray:
        """All of them, float32 [N]."""
        return np.concatenate([*self._blocks, np.zeros(0, np.float32)])


class _Periodogram:
    """Sum of the spectra of stretch after stretch (M. S. Bartlett's method)."""

    def __init__(self, size: int):
        self.size, self.number = size, 0
        turn = 2 * np.pi * (np.arange(size) + 0.5) / size
        # 4-term Blackman-Harris (F. J. Harris, Proc. IEEE 66(1), 1978), of unit energy
        window = 0.35875 - 0.48829 * np.cos(turn) + 0.14128 * np.cos(2 * turn) - 0.01168 * np.cos(3 * turn)
        self._window = (window / np.sqrt(np.sum(window**2))).astype(np.float32)
        self._sum = np.zeros(size)
        self._rest = np.zeros(0, np.complex64)

    def take(self, x: np.ndarray) -> None:
        x = np.concatenate([self._rest, x])
        whole = len(x) // self.size
        for stretch in x[: whole * self.size].reshape(whole, self.size):
            bins = np.fft.fft(stretch * self._window)
            self._sum += bins.real**2 + bins.imag**2
        self.number += whole
        self._rest = x[whole * self.size :]

    def mean(self) -> np.ndarray:
        """Of each bin, from -1/2 on, float64 [size]; white noise of power 1 gives 1."""
        return np.fft.fftshift(self._sum) / max(self.number, 1)


def spectrum(mean: np.ndarray, number: int) -> Spectrum:
    """What stands out of a mean spectrum.

    Parameters
    ----------
    mean : float64 [N]
        Power of each bin, from the frequency -1/2 on, by a window whose main lobe is 8 bins wide.
    number : int
        Spectra of which it is the mean.

    Returns
    -------
    Spectrum
        Lines: bins that stand above the level on either side, and fall off within the lobe.
    """
    n = len(mean)
    padded = np.pad(np.maximum(mean, LOST), _AROUND, mode="wrap")
    medians = np.median(np.lib.stride_tricks.sliding_window_view(padded, _AROUND - _LOBE), axis=1)
    # the level beside a bin, less the lobe: at the edge of a band the higher one counts
    level = np.maximum(medians[:n], medians[_AROUND + _LOBE + 1 :][:n])
    highest = np.max(np.lib.stride_tricks.sliding_window_view(padded, 2 * _LOBE + 1), axis=1)[_AROUND - _LOBE :][:n]
    factor = 2 + 20 / np.sqrt(max(number, 1))
    without = mean.copy()
    lines = []
    for k in np.flatnonzero((mean >= highest) & (mean > factor * level)):
        lobe = (np.arange(k - _LOBE, k + _LOBE + 1)) % n
        power = float(np.sum(np.maximum(mean[lobe] - level[k], 0))) / n
        without[lobe] = level[k]
        left, top, right = np.log(np.maximum(mean[[(k - 1) % n, k, (k + 1) % n]], LOST))
        shift = 0.5 * (left - right) / min(left - 2 * top + right, -1e-9)
        if abs(k - n // 2) > _LOBE:
            lines.append(Line(float((k + np.clip(shift, -1, 1)) / n - 0.5), power))
    lines.sort(key=lambda line: -line.power)
    width = n // 64
    padded = np.pad(without, (width // 2, width - 1 - width // 2), mode="wrap")
    smooth = np.convolve(padded, np.full(width, 1 / width), mode="valid")
    floor = float(np.quantile(smooth, 0.05))
    excess = np.where(smooth > 2 * floor, smooth - floor, 0)
    band = None
    # of fewer values the mean is not told from the floor
    if number * width >= _VALUES and excess.sum() > 0.05 * floor * n:
        inside = np.searchsorted(np.cumsum(excess), np.array([0.005, 0.995]) * excess.sum())
        band = (float(inside[0] / n - 0.5), float((inside[1] + 1) / n - 0.5))
    return Spectrum(tuple(lines[:_MAX_SPURS]), floor, band)


@dataclass(frozen=True)
class Bursts:
    """The bursts among the samples, in medians where nothing else is said.

    Attributes
    ----------
    count : int
        How many were received.
    preambles : int
        How many were believed to begin, with a header that can be read or without.
    swapped : int
        How many have I and Q swapped; they are not received.
    sealed, opened : int
        How many were received that are sealed, and of them by the key that is here.
    samples : int
        Length.
    snr_db, lowest_snr_db : float or None
        Es/N0, and the lowest.
    level_dbfs : float or None
        Mean power.
    cfo, cfo_spread : float or None
        Carrier offset in cycles per sample, and the difference between the highest and the lowest.
    clock_ppm : float or None
        Sampling clock of the transmitter over this one, less 1, in 1e-6; None where bursts are too short to tell.
    clipped : float
        Mean share of I and Q values at the limits of the converter.
    """

    count: int
    preambles: int
    swapped: int
    sealed: int = 0
    opened: int = 0
    samples: int = 0
    snr_db: float | None = None
    lowest_snr_db: float | None = None
    level_dbfs: float | None = None
    cfo: float | None = None
    cfo_spread: float = 0.0
    clock_ppm: float | None = None
    clipped: float = 0.0


@dataclass(frozen=True)
class Findings:
    """What was found; a power of nothing is None.

    Attributes
    ----------
    samples : int
        Samples that were looked at.
    strange : int
        Of them, those that were no finite numbers, and counted as 0.
    level_dbfs, peak_dbfs : float or None
        Mean power of all samples, and that of the strongest.
    clipped : float
        Share of I and Q values that lie at the limits of the converter.
    dc_dbc : float or None
        DC offset; None where it is not told from noise.
    image_dbc : float or None
        Image that an imbalance of I and Q makes of each frequency; None where it is not told from noise.
    noise_dbfs : float or None
        Noise of the whole band that was sampled.
    spurs : tuple of (float, float)
        Frequency in cycles per sample, and dBc, of the strongest carriers.
    band : (float, float) or None
        As of a Spectrum.
    bursts : Bursts
        What was received.
    """

    samples: int
    strange: int
    level_dbfs: float | None
    peak_dbfs: float | None
    clipped: float
    dc_dbc: float | None
    image_dbc: float | None
    noise_dbfs: float | None
    spurs: tuple[tuple[float, float], ...]
    band: tuple[float, float] | None
    bursts: Bursts


class Probe:
    """Looks at samples as they arrive.

    Parameters
    ----------
    receiver : Receiver
        Receives the bursts among them.
    seal : Seal, optional
        Tells the sealed bursts that are of its key.
    """

    def __init__(self, receiver: Receiver, seal: Seal | None = None):
        self._receiver, self._seal = receiver, seal
        self._levels, self._powers = _Levels(), _Powers()
        self._spectra = [_Periodogram(size) for size in _SPECTRA]
        self._waiting = np.zeros(0, np.complex64)
        self._count = self._sealed = self._opened = 0
        # start, samples, snr_db, level_db, cfo, clock_ppm and clipped of the first bursts
        self._heard: list[tuple[float, ...]] = []

    @property
    def samples(self) -> int:
        """Samples that have arrived."""
        return self._levels.samples + len(self._waiting)

    def take(self, samples: np.ndarray) -> None:
        """Look at more samples; what is found does not depend on how they are cut.

        Parameters
        ----------
        samples : complex64 [N]
            What follows.
        """
        self._waiting = np.concatenate([self._waiting, samples])
        while len(self._waiting) >= _CHUNK:
            self._look(self._waiting[:_CHUNK])
            self._waiting = self._waiting[_CHUNK:]

    def _look(self, samples: np.ndarray) -> None:
        finite = np.isfinite(samples.view(np.float32)).reshape(-1, 2).all(axis=1)
        if not finite.all():
            self._levels.strange += int(np.count_nonzero(~finite))
            samples = np.where(finite, samples, np.complex64(0))
        self._levels.take(samples)
        self._powers.take(samples)
        for each in self._spectra:
            each.take(samples)
        for burst in self._receiver.work(samples):
            self._count += 1
            if burst.header.sealed:
                self._sealed += 1
                self._opened += self._opens(burst)
            if len(self._heard) < _MAX_BURSTS:
                length = self._receiver.frame.burst_samples(burst.header.n_symbols)
                found = (burst.snr_db, burst.level_db, burst.cfo, burst.clock_ppm, burst.clipped)
                self._heard.append((burst.position, length, *found))

    def _opens(self, burst: Received) -> bool:
        if self._seal is None:
            return False
        values = {field.name: getattr(burst.header, field.name) for field in fields(BurstHeader)}
        try:
            self._seal.opened(BurstHeader(**values), burst.symbols, burst.noise_var)
        except BadInput:
            return False
        return True

    def findings(self) -> Findings:
        """What all samples tell, at the end of them.

        Returns
        -------
        Findings
            Of no samples as well.
        """
        if len(self._waiting):
            self._look(self._waiting)
            self._waiting = self._waiting[:0]
        levels, bursts = self._levels, self._bursts()
        number = max(levels.samples, 1)
        power, mean = levels.energy / number, levels.mean / number
        long, short = self._spectra
        taken = long if long.number >= _ENOUGH else short
        seen = spectrum(taken.mean(), taken.number)
        dc = abs(mean) ** 2
        steady = dc + sum(line.power for line in seen.lines)
        carrier = power
        if bursts.level_dbfs is not None:
            level = 10 ** (bursts.level_dbfs / 10)
            carrier = max(level - steady, level / 1000)
        # of samples without DC; what chance makes of it falls with their number
        alike = abs(levels.square / number - mean**2) / max(power - dc, LOST)
        return Findings(
            samples=levels.samples,
            strange=levels.strange,
            level_dbfs=decibels(power),
            peak_dbfs=decibels(levels.peak),
            clipped=levels.clipped / (2 * number),
            dc_dbc=decibels(dc, carrier) if dc > _CERTAIN * power / number else None,
            image_dbc=decibels(alike**2 / 4) if alike**2 > _CERTAIN / number else None,
            noise_dbfs=decibels(self._noise(seen.floor, steady, carrier)),
            spurs=tuple((line.frequency, decibels(line.power, carrier)) for line in seen.lines),
            band=seen.band,
            bursts=bursts,
        )

    def _bursts(self) -> Bursts:
        counters = self._receiver.counters
        counted = Bursts(self._count, counters["preambles"], counters["swapped"], self._sealed, self._opened)
        if not self._heard:
            return counted
        _, length, snr, level, cfo, clock, clipped = np.array(self._heard).T
        # the variance of a drift falls with the third power of the time
        weight = (length > _SHORTEST * self._receiver.frame.symbol_samples) * length**3 * 10 ** (snr / 10)
        return replace(
            counted,
            samples=int(np.median(length)),
            snr_db=float(np.median(snr)),
            lowest_snr_db=float(snr.min()),
            level_dbfs=float(np.median(level)),
            cfo=float(np.median(cfo)),
            cfo_spread=float(np.ptp(cfo)),
            clock_ppm=float(np.average(clock, weights=weight)) if weight.any() else None,
            clipped=float(clipped.mean()),
        )

    def _noise(self, floor: float, steady: float, carrier: float) -> float:
        """Power of the noise: between bursts, else beside them, else of the quietest frequencies."""
        if not self._heard:
            return floor
        blocks, length = self._powers.blocks(), self._powers.length
        begins = np.zeros(len(blocks) + 1, int)
        for start, samples, *_ in self._heard:
            first, last = np.clip([start // length - 1, (start + samples) // length + 2], 0, len(blocks)).astype(int)
            begins[first] += 1
            begins[last] -= 1
        quiet = blocks[np.cumsum(begins)[:-1] == 0]
        if len(quiet) >= _QUIET:
            power = float(np.median(quiet))
            # the difference of two large numbers tells nothing
            if power > 2 * steady or power <= LOST:
                return power - steady
        snr_db = float(np.median([each[2] for each in self._heard]))
        return self._receiver.frame.noise_voltage(snr_db, carrier) ** 2


def decibels(power: float, over: float = 1.0) -> float | None:
    """A power in decibels; None for that of nothing.

    Parameters
    ----------
    power : float
        Mean squared magnitude.
    over : float, default 1
        What it is compared with.

    Returns
    -------
    float or None
        10 log10(power / over).
    """
    return float(10 * np.log10(power / max(over, LOST))) if power > LOST else None
