# SPDX-License-Identifier: GPL-3.0-or-later
"""What the receiver of samsc makes of a noisy latent."""

from __future__ import annotations

import numpy as np
import pytest
from gnuradio.semcom.jscc.samsc import posterior_mean

POSITIONS, CHANNELS = 900, 128


def latent(rng):
    """Reals of variance 0.5 in all, and the variance and mean of each: busy and quiet positions, strong channels."""
    activity = np.exp(1.5 * rng.standard_normal((POSITIONS, 1)))
    spread = np.exp(1.5 * rng.standard_normal(CHANNELS))
    variance = activity * spread
    variance *= 0.5 / variance.mean()
    mean = 0.3 * rng.standard_normal(CHANNELS)
    return mean + np.sqrt(variance) * rng.standard_normal(variance.shape), variance, mean


def error(estimate, x):
    """Mean square."""
    return float(np.mean((estimate - x) ** 2))


@pytest.mark.parametrize(("snr_db", "more"), ((-5, 1.15), (1, 1.06), (10, 1.03), (20, 1.02)))
def test_the_estimate_is_nearly_that_of_who_knows_every_variance(snr_db, more):
    rng = np.random.default_rng(3)
    x, variance, mean = latent(rng)
    noise = np.full(x.shape, 0.5 * 10 ** (-snr_db / 10), np.float32)
    received = (x + np.sqrt(noise) * rng.standard_normal(x.shape)).astype(np.float32)
    oracle = mean + (received - mean) * variance / (variance + noise)
    assert error(posterior_mean(received, noise), x) < more * error(oracle, x)


@pytest.mark.parametrize("snr_db", (1, 10))
def test_nothing_is_gained_by_a_lie_about_the_noise(snr_db):
    rng = np.random.default_rng(5)
    x, _, _ = latent(rng)
    noise = np.full(x.shape, 0.5 * 10 ** (-snr_db / 10), np.float32)
    received = (x + np.sqrt(noise) * rng.standard_normal(x.shape)).astype(np.float32)
    told = {db: error(posterior_mean(received, noise * 10 ** (db / 10)), x) for db in (-2, -1, 0, 1, 2)}
    assert told[0] == min(told.values())


def test_what_did_not_arrive_is_taken_for_its_channels_mean():
    rng = np.random.default_rng(7)
    x, _, mean = latent(rng)
    noise = np.full(x.shape, 0.05, np.float32)
    noise[::3] = np.inf
    received = np.where(np.isfinite(noise), x + np.sqrt(0.05) * rng.standard_normal(x.shape), 0).astype(np.float32)
    estimate = posterior_mean(received, noise)
    assert np.abs(estimate[::3] - estimate[0]).max() < 1e-3
    assert error(estimate[0], mean) < 0.01


def test_without_noise_it_is_what_arrived_and_black_stays_black():
    x = latent(np.random.default_rng(9))[0].astype(np.float32)
    x[200:] = 0.25  # outside of a region that was cut out all positions are alike
    assert posterior_mean(x, np.zeros_like(x)) == pytest.approx(x, abs=1e-5)
    noisy = x + np.sqrt(0.05) * np.random.default_rng(1).standard_normal(x.shape).astype(np.float32)
    assert error(posterior_mean(noisy, np.full_like(x, 0.05))[200:], x[200:]) < 0.02 * 0.05
