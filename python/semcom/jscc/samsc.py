# SPDX-License-Identifier: GPL-3.0-or-later
"""The CNN coder of "Segment Anything Meets Semantic Communication", run by ONNX Runtime."""

from __future__ import annotations

import numpy as np

from .neural import LOST, LatentCoder, shared

PASSES = 3  # of expectation maximisation
ACTIVITIES = tuple(2.0**power for power in range(-9, 7))
"""How many times as strong as its channel a position may be."""
LEARNED_FROM = 768  # positions at most; as many say all that the rest would


def posterior_mean(received: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """The MMSE estimate of a latent by a Gaussian scale mixture that the receiver learns from what it received.

    Each channel of the latent has a mean and a variance in each image, and each position an activity that scales the
    variances of all its channels; a black background has none, and is not pulled to grey. Activities are hidden:
    means, variances and how frequent each activity is are learned by expectation maximisation, and the estimate is
    averaged over the activities that a position may have. To choose one for each would shrink too far wherever noise
    hides it. Portilla et al., "Image denoising using scale mixtures of Gaussians in the wavelet domain", IEEE Trans.
    Image Process. 12(11), 2003, with a position's channels in place of a coefficient's neighbours. Needs no side
    information.

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
    known = np.isfinite(noise)
    noise = np.where(known, noise, np.float32(LOST))
    some = slice(None, None, -(-len(received) // LEARNED_FROM))
    mean, variance, frequency = _learned(received[some], noise[some], known[some])
    probability = _probabilities((received - mean) ** 2, noise, variance, frequency)
    gain = np.zeros_like(received)
    for activity, share in zip(ACTIVITIES, probability.T, strict=True):
        gain += share[:, None] * (activity * variance / (noise + activity * variance))
    return (mean + (received - mean) * gain).astype(np.float32)


_LEAST = np.float32(1e-6)


def _learned(received: np.ndarray, noise: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and variance of each channel, and frequency of each activity."""
    # unit-power symbols have half of it in each real
    weight = 1 / (0.5 + noise)
    mean = (weight * received).sum(axis=0) / weight.sum(axis=0)
    surplus = (received - mean) ** 2 - np.where(known, noise, 0)
    variance = np.maximum((weight**2 * surplus).sum(axis=0) / (weight**2).sum(axis=0), _LEAST)
    frequency = np.full(len(ACTIVITIES), 1 / len(ACTIVITIES), np.float32)
    for _ in range(PASSES):
        square = (received - mean) ** 2
        probability = _probabilities(square, noise, variance, frequency)
        energy, pull, trust = np.zeros((3, received.shape[1]), np.float32)
        for activity, share in zip(ACTIVITIES, probability.T, strict=True):
            gain = activity * variance / (noise + activity * variance)
            energy += share @ (gain * (gain * square + noise)) / activity
            precision = gain / (activity * variance)
            pull += share @ (precision * received)
            trust += share @ precision
        mean = pull / np.maximum(trust, 1e-12)
        variance = np.maximum(energy / len(received), _LEAST).astype(np.float32)
        frequency = np.maximum(probability.mean(axis=0), _LEAST)
    return mean, variance, frequency


def _probabilities(square: np.ndarray, noise: np.ndarray, variance: np.ndarray, frequency: np.ndarray) -> np.ndarray:
    """Of each activity at each position, float32 [positions, activities], by Bayes' rule."""
    logs = np.empty((len(square), len(ACTIVITIES)), np.float32)
    for index, activity in enumerate(ACTIVITIES):
        total = noise + np.float32(activity) * variance
        logs[:, index] = np.log(frequency[index]) - 0.5 * (square / total + np.log(total)).sum(axis=1)
    found = np.exp(logs - logs.max(axis=1, keepdims=True))
    return found / found.sum(axis=1, keepdims=True)


class SAMSC(LatentCoder):
    """Tariq et al., "Segment Anything Meets Semantic Communication", 2023: 3x512x512 -> 128x32x32.

    The network is ``semcom.train.models.SAMSC``, trained without channel noise as in the paper, so it does not know
    about SNR: what it gains over a linear coder on a clean channel it loses on a noisy one. The receiver hands it
    the MMSE estimate of the latent (:func:`posterior_mean`).

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
        """The posterior mean."""
        return posterior_mean(received, noise)


def samsc(variant: str = "original") -> SAMSC:
    """One instance for each variant's weights."""
    return shared("samsc", variant, SAMSC, variant)
