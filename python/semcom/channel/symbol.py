# SPDX-License-Identifier: GPL-3.0-or-later
"""The symbol-level channel in NumPy: what plain Python uses, and the oracle of the C++ block."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import BadInput
from . import random_source

MODELS = ("awgn", "rayleigh", "rician")
CSI = ("ideal", "pilot", "estimated", "none")
PILOTED = ("pilot", "estimated")
DEEPEST_FADE = 1e-6
_HEAD = 4  # numbers drawn before the noise: whether it is lost, h (two), the pilots' noise


@dataclass(frozen=True)
class Received:
    """One burst after the channel.

    Attributes
    ----------
    symbols : complex64 [n]
        Equalised as the receiver's knowledge allows; empty if the burst was lost.
    noise_var : float32 [n]
        Noise variance of each symbol.
    signal_energy, noise_energy : float
        Sums of ``|h x|^2`` and ``|w|^2`` over the burst.
    pilots : int
        Channel uses spent on pilots.
    """

    symbols: np.ndarray
    noise_var: np.ndarray
    signal_energy: float
    noise_energy: float
    pilots: int

    @property
    def snr_db(self) -> float:
        """Measured Es/N0 of this burst, dB; of a lost burst there is none (ZeroDivisionError)."""
        return 10 * math.log10(self.signal_energy / self.noise_energy)


def complex_gaussian(rng: np.random.Generator, size: int | tuple[int, ...]) -> np.ndarray:
    """Circular complex Gaussian numbers, ``E|z|^2`` = 1.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of random numbers.
    size : int or tuple of int
        Shape of what is drawn.

    Returns
    -------
    complex64 array
        Of that shape.
    """
    return ((rng.standard_normal(size) + 1j * rng.standard_normal(size)) / math.sqrt(2)).astype(np.complex64)


def pass_burst(x: np.ndarray, w: np.ndarray, h: complex, h_est: complex) -> tuple[np.ndarray, float, float]:
    """One burst through a gain and noise, and divided by what the receiver takes for the gain.

    Parameters
    ----------
    x, w : complex64 [n]
        Symbols and noise.
    h, h_est : complex
        The gain and the receiver's estimate of it.

    Returns
    -------
    complex64 [n], float, float
        (h x + w) / h_est, and the sums of ``|h x|^2`` and ``|w|^2``.
    """
    faded = h * x
    return (
        ((faded + w) / h_est).astype(np.complex64),
        float(np.sum(np.abs(faded) ** 2)),
        float(np.sum(np.abs(w) ** 2)),
    )


class SymbolChannel:
    """y = h x + w, one h for each burst; what the block ``symbol_channel`` does, with the same random numbers.

    Parameters
    ----------
    model : str, default "awgn"
        "awgn" (h = 1), "rayleigh" (h circular Gaussian) or "rician"; ``E|h|^2`` = 1.
    snr_db : float, default 10.0
        Es/N0 per complex symbol of unit average power, dB.
    csi : str, default "ideal"
        What the receiver knows: "ideal", "pilot" (least squares from ``n_pilots`` unit pilots), "estimated" (the same,
        and the noise variance from what that leaves of the pilots) or "none". With all but "estimated" it is told the
        true noise variance.
    k_factor_db : float, default 10.0
        Rician K, dB.
    n_pilots : int, default 16
        Pilots of a burst, at least 1, and 2 for "estimated".
    seed : int, default 0
        Of fading, noise and losses, from 0; burst b uses the b-th sequence of random numbers of this seed.
    loss : float, default 0.0
        Probability that a burst is lost.

    Raises
    ------
    BadInput
        A parameter that cannot be.
    """

    def __init__(
        self,
        model: str = "awgn",
        snr_db: float = 10.0,
        csi: str = "ideal",
        k_factor_db: float = 10.0,
        n_pilots: int = 16,
        seed: int = 0,
        loss: float = 0.0,
    ):
        if model not in MODELS:
            raise BadInput(f"there is no channel model {model}; choose {', '.join(MODELS)}")
        if csi not in CSI:
            raise BadInput(f"there is no channel knowledge {csi}; choose {', '.join(CSI)}")
        if not (abs(snr_db) <= 100 and abs(k_factor_db) <= 100):
            raise BadInput(f"SNR and K factor must be between -100 and 100 dB, not {snr_db} and {k_factor_db}")
        if n_pilots < 1:
            raise BadInput(f"there must be at least 1 pilot per burst, not {n_pilots}")
        if csi == "estimated" and n_pilots == 1:
            raise BadInput("one pilot does not tell the noise; choose 2 or more, or csi pilot")
        if not 0 <= seed < 2**63:
            raise BadInput(f"the seed must be a whole number from 0 to 2^63 - 1, not {seed}")
        if not 0 <= loss <= 1:
            raise BadInput(f"the loss must be a probability from 0 to 1, not {loss}")
        self._model, self._csi, self._n_pilots = model, csi, n_pilots
        self._n0 = 10 ** (-snr_db / 10)
        self._k = 10 ** (k_factor_db / 10)
        self._seed, self._loss = seed, loss
        self._bursts = 0

    def apply(self, symbols: np.ndarray) -> Received:
        """What the receiver gets of one burst.

        Parameters
        ----------
        symbols : complex64 [n]
            Of unit average power.

        Returns
        -------
        Received
            The burst after the channel.
        """
        return self.apply_all([symbols])[0]

    def apply_all(self, bursts: Sequence[np.ndarray]) -> list[Received]:
        """Several bursts one after the other, as ``apply`` to each, but quicker.

        Parameters
        ----------
        bursts : sequence of complex64 [n]
            Of unit average power, of any lengths.

        Returns
        -------
        list of Received
            The bursts after the channel.
        """
        numbers = np.arange(self._bursts, self._bursts + len(bursts))
        self._bursts += len(bursts)
        longest = max((len(x) for x in bursts), default=0)
        more = self._n_pilots - 1 if self._csi == "estimated" else 0
        drawn = random_source.words(self._seed, numbers, _HEAD + longest + more)
        return [self._pass(x, row[: _HEAD + len(x) + more]) for x, row in zip(bursts, drawn, strict=True)]

    def _gain(self, head: np.ndarray) -> complex:
        """The gain h of a burst (Tse and Viswanath, "Fundamentals of Wireless Communication", section 2.4)."""
        if self._model == "awgn":
            return 1.0 + 0.0j
        scattered = complex(random_source.gaussian(head[1:2])[0])
        if self._model == "rayleigh":
            return scattered
        phase = np.exp(2j * math.pi * random_source.uniform(head[2:3])[0])
        return complex(math.sqrt(self._k / (self._k + 1)) * phase + math.sqrt(1 / (self._k + 1)) * scattered)

    def _pass(self, symbols: np.ndarray, drawn: np.ndarray) -> Received:
        pilots = self._n_pilots if self._csi in PILOTED else 0
        if random_source.uniform(drawn[:1])[0] < self._loss:
            # it has used the channel all the same
            return Received(np.empty(0, np.complex64), np.empty(0, np.float32), 0.0, 0.0, pilots)
        h = self._gain(drawn)
        h_est, spread = h, self._n0
        if self._csi in PILOTED:
            pilot_noise = complex(random_source.gaussian(drawn[3:4])[0])
            h_est = h + pilot_noise * math.sqrt(self._n0 / self._n_pilots)
            spread = self._n0 * (1 + 1 / self._n_pilots)
        elif self._csi == "none":
            h_est = 1.0 + 0.0j
        if abs(h_est) < DEEPEST_FADE:
            h_est = DEEPEST_FADE + 0.0j
        if self._csi == "estimated":
            # what least squares leaves of n noisy pilots has n - 1 complex degrees of freedom
            residue = random_source.gaussian(drawn[_HEAD + len(symbols) :])
            spread *= float(np.mean(np.abs(residue.astype(np.complex128)) ** 2))
        noise = random_source.gaussian(drawn[_HEAD : _HEAD + len(symbols)]) * np.float32(math.sqrt(self._n0))
        y, signal, energy = pass_burst(symbols, noise, h, h_est)
        noise_var = np.full(len(symbols), spread / abs(h_est) ** 2, np.float32)
        return Received(y, noise_var, signal, energy, pilots)
