# SPDX-License-Identifier: GPL-3.0-or-later
"""The CNN coder of "Segment Anything Meets Semantic Communication", run by ONNX Runtime."""

from __future__ import annotations

import numpy as np

from .neural import LatentCoder, shared

PASSES = 3
ACTIVITY = (0.01, 100.0)  # bounds of a position's share: 128 noisy channels tell it to some 10 %


def wiener(received: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Linear MMSE estimate of a latent whose means and variances the receiver learns from what it received.

    Shrinking towards zero, as for data of zero mean, would pull a black background to grey: each channel of the
    latent has its own mean in each image, and its own spread; and each position its own share of that spread. This is
    the empirical Bayes form of the Wiener filter (Lee, "Digital image enhancement and noise filtering by use of local
    statistics", 1980) on the latent. Needs no side information.

    Parameters
    ----------
    received : float32 [positions, channels]
        Latent plus noise.
    noise : float32 [positions, channels]
        Noise variance; infinite where nothing was received, 0 where there is no noise.

    Returns
    -------
    float32 [positions, channels]
        The estimate.
    """
    known = np.where(np.isfinite(noise), noise, 0)
    variance = np.full_like(received, 0.5)  # unit-power symbols have half of it in each real
    for _ in range(PASSES):
        # the least noisy and least busy positions say most about the mean: of a masked image, the background
        weight = 1 / (variance + noise)
        mean = (weight * received).sum(axis=0) / np.maximum(weight.sum(axis=0), 1e-12)
        surplus = (received - mean) ** 2 - known
        weight = 1 / (0.5 + noise) ** 2
        spread = np.maximum((weight * surplus).sum(axis=0) / np.maximum(weight.sum(axis=0), 1e-12), 1e-6)
        trust = (spread / (spread + noise)) ** 2
        activity = (trust * surplus / spread).sum(axis=1) / np.maximum(trust.sum(axis=1), 1e-12)
        variance = spread * np.clip(activity, *ACTIVITY)[:, None]
    return (mean + (received - mean) / (1 + noise / variance)).astype(np.float32)


class SAMSC(LatentCoder):
    """Tariq et al., "Segment Anything Meets Semantic Communication", 2023: 3x512x512 -> 128x32x32.

    The network is ``semcom.train.models.SAMSC``, trained without channel noise as in the paper, so it does not know
    about SNR: what it gains over a linear coder on a clean channel it loses on a noisy one. The receiver hands it
    the linear MMSE estimate of the latent (:func:`wiener`).

    Parameters
    ----------
    variant : str
        Of those that ship, "original" (trained on whole photographs) or "masked" (trained on photographs blacked out
        outside one object); both ends must use the same.
    threads : int
        Of ONNX Runtime.
    """

    def __init__(self, variant: str = "original", threads: int = 2) -> None:
        LatentCoder.__init__(self, "samsc", variant, threads=threads)

    def estimate(self, received: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """The Wiener estimate."""
        return wiener(received, noise)


def samsc(variant: str = "original") -> SAMSC:
    """One instance for each variant's weights."""
    return shared("samsc", variant, SAMSC, variant)
