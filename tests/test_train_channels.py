# SPDX-License-Identifier: GPL-3.0-or-later
"""The differentiable channels of training against closed forms and the channel that the flowgraphs are tested with."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gnuradio.semcom.channel.symbol import SymbolChannel  # noqa: E402
from gnuradio.semcom.jscc.symbols import power_normalised, scale_value  # noqa: E402
from gnuradio.semcom.train.channels import Conditions, Fading, normalised, psnr_loss, transmit  # noqa: E402


@pytest.fixture(autouse=True)
def seeded():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def symbols(latent: torch.Tensor) -> np.ndarray:
    """[B,C,h,w] -> complex [B,C/2,h,w]: channels 2j and 2j+1 are one symbol."""
    latent = latent.double().numpy()
    return latent[:, 0::2] + 1j * latent[:, 1::2]


@pytest.mark.parametrize("snr_db", [-2.0, 10.0])
def test_awgn_has_the_noise_of_the_symbol_channel(snr_db):
    z, _ = normalised(torch.randn(2, 64, 32, 32), torch.ones(1, 64, 1, 1))
    received, noise = transmit(z, torch.full((2,), snr_db))
    sent = symbols(z)
    measured = np.mean(np.abs(symbols(received) - sent) ** 2)
    assert np.mean(np.abs(sent) ** 2) == pytest.approx(1, rel=1e-5)
    assert 10 * math.log10(1 / measured) == pytest.approx(snr_db, abs=0.05)
    oracle = SymbolChannel("awgn", snr_db, seed=1).apply(sent[0].ravel().astype(np.complex64))
    assert noise.unique().tolist() == pytest.approx([float(oracle.noise_var[0])], rel=1e-5)
    assert oracle.snr_db == pytest.approx(10 * math.log10(1 / measured), abs=0.1)
    error = received - z  # half of it on each real, and the two halves independent
    assert float(error[:, 0::2].square().mean()) == pytest.approx(measured / 2, rel=0.02)
    assert abs(float((error[:, 0::2] * error[:, 1::2]).mean())) < 0.01 * measured


def test_power_and_scale_are_those_of_the_coders():
    y = torch.randn(3, 8, 4, 6) * torch.tensor([0.1, 3.0, 50.0]).view(3, 1, 1, 1)
    z, scale = normalised(y, torch.ones(1, 8, 1, 1))
    for i in range(3):
        pairs, code = power_normalised(np.moveaxis(y[i].numpy(), 0, -1).ravel())
        assert scale_value(code) == pytest.approx(float(scale[i]), rel=1e-3)
        theirs = np.moveaxis(symbols(z[i : i + 1])[0], 0, -1).ravel()
        assert np.abs(theirs - pairs).max() < 2e-3 * np.abs(pairs).max()
    half = (torch.arange(8) < 4).float().view(1, 8, 1, 1)
    z, _ = normalised(y, half)
    assert torch.all(z[:, 4:] == 0)
    assert np.mean(np.abs(symbols(z[:, :4])) ** 2, axis=(1, 2, 3)) == pytest.approx([1, 1, 1], rel=1e-5)


def test_rayleigh_power_is_exponential_and_its_noise_told_right():
    fading = Fading(rayleigh=1.0, fragments=8)
    z = torch.ones(1500, 2, 16, 16) / math.sqrt(2)
    received, noise = transmit(z, torch.full((1500,), 10.0), fading)
    gains = np.concatenate([(0.1 / image[0].unique()).numpy() for image in noise])  # |h|^2 of every fragment
    gains = gains[gains > 0]
    assert len(gains) > 11_000
    assert gains.mean() == pytest.approx(1, abs=0.03)
    for level in (0.1, 0.5, 1.0, 2.0):
        assert np.mean(gains < level) == pytest.approx(1 - math.exp(-level), abs=0.015)
    # the receiver divides by h: what is left is AWGN of the variance that it is told
    whitened = np.abs(symbols(received) - symbols(z)) ** 2 / noise[:, 0::2].double().numpy()
    assert whitened[np.isfinite(noise[:, 0::2].numpy())].mean() == pytest.approx(1, rel=0.02)


def test_erasures_take_the_share_that_was_asked_for():
    fading = Fading(erasures=0.5, lost=0.4, fragments=16)
    z = torch.full((4000, 2, 8, 8), 1 / math.sqrt(2))
    received, noise = transmit(z, torch.full((4000,), 10.0), fading)
    gone = torch.isinf(noise)
    assert torch.equal(gone[:, 0], gone[:, 1])  # a symbol is lost whole
    assert torch.all(received[gone] == 0) and torch.all(noise[~gone] == noise.min())
    share = gone.float().mean(dim=(1, 2, 3))
    # half the images lose nothing; of the others each fragment goes with a probability uniform up to 0.4
    assert float(share.mean()) == pytest.approx(0.5 * 0.2, abs=0.006)
    untouched = 0.5 + 0.5 * (1 - 0.6**17) / (0.4 * 17)  # plus those that were hit and lost no fragment
    assert float((share == 0).float().mean()) == pytest.approx(untouched, abs=0.025)


def test_conditions_are_drawn_as_told():
    x = torch.zeros(4000, 3, 32, 32)
    drawn = Conditions(snr_db=(3.0, 3.0)).draw_snr(x)
    assert torch.all(drawn == 3.0)
    spread = Conditions(snr_db=(-2.0, 20.0)).draw_snr(x)
    assert float(spread.mean()) == pytest.approx(9, abs=0.4) and -2 <= spread.min() < -1.9 and 19.9 < spread.max() <= 20
    channels = Conditions(channels=(32, 256)).draw_channels(x)
    assert torch.all(channels % 2 == 0) and channels.min() >= 32 and channels.max() <= 256
    assert float((channels == 128).float().mean()) == pytest.approx(0.4 + 0.6 / 113, abs=0.03)
    importance = Conditions(uneven=1.0, skipped=0.0).draw_importance(x[:200], 4)
    assert importance.shape == (200, 1, 8, 8) and importance.max() == 1 and 0.01 <= importance.min() < 0.05
    holes = Conditions(uneven=1.0, skipped=0.5).draw_importance(x, 4)
    assert torch.all(holes.amax(dim=(2, 3)) == 1)  # something is sent of every image
    assert float((holes.amin(dim=(2, 3)) == 0).float().mean()) == pytest.approx(0.5, abs=0.05)


def test_the_loss_is_the_mean_of_decibels():
    x = torch.zeros(2, 3, 8, 8)
    x_hat = torch.stack([torch.full((3, 8, 8), 0.1), torch.full((3, 8, 8), 0.01)])
    assert -10 / math.log(10) * float(psnr_loss(x, x_hat)) == pytest.approx((20 + 40) / 2, abs=1e-3)
