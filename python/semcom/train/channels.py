# SPDX-License-Identifier: GPL-3.0-or-later
"""Differentiable channels for training, with the same conventions as the blocks that transmit.

A latent is real, ``y`` [B,C,h,w]; channels 2j and 2j+1 of one position make one complex symbol, as the coders pair
them. Es/N0 is per complex symbol of unit average power; half of the complex noise falls on each real.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch


def normalised(y: torch.Tensor, sent: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Average power 1 per complex symbol over each image.

    y : [B,C,h,w]; sent : [B,C,1,1] or [B,C,h,w], 1 where a real is transmitted.

    Returns the symbols and the scale [B,1,1,1] that they were divided by, which travels in the burst header.
    """
    y = y.float()  # power and noise are single precision, whatever the network computes in
    sent = sent.expand_as(y)
    power = 2 * (y.square() * sent).sum(dim=(1, 2, 3), keepdim=True) / sent.sum(dim=(1, 2, 3), keepdim=True)
    scale = power.clamp_min(1e-12).sqrt()
    return y * sent / scale, scale


def noise_variance(snr_db: torch.Tensor) -> torch.Tensor:
    """Es/N0 in dB -> variance of the complex noise beside unit-power symbols."""
    return 10 ** (-snr_db / 10)


@dataclass(frozen=True)
class Fading:
    """What befalls the fragments of an image, as drawn for each image of a batch.

    rayleigh : share of images sent through block Rayleigh fading, one complex gain per fragment, known at the receiver.
    erasures : share of images that lose fragments; ``lost`` is the most that is lost of one, as a share.
    fragments : per image; symbols are dealt out to them at random, as the interleaver does.
    """

    rayleigh: float = 0.0
    erasures: float = 0.0
    lost: float = 0.2
    fragments: int = 16


AWGN = Fading()


def transmit(z: torch.Tensor, snr_db: torch.Tensor, fading: Fading = AWGN) -> tuple[torch.Tensor, torch.Tensor]:
    """Through the channel and a zero-forcing equaliser.

    z : [B,C,h,w], C even, unit power; snr_db : [B].

    Returns received [B,C,h,w] and the variance of the complex noise on it [B,C,h,w]; what was lost is 0 with an
    infinite variance, and so is what a fade buried 40 dB below the mean.
    """
    batch, channels, rows, columns = z.shape
    variance = noise_variance(snr_db).view(-1, 1)
    gain = torch.ones(batch, fading.fragments, device=z.device)
    if fading.rayleigh:
        faded = torch.rand(batch, 1, device=z.device) < fading.rayleigh
        # |h|^2 of a complex Gaussian of unit power is exponential with mean 1
        power = torch.empty_like(gain).exponential_()
        gain = torch.where(faded, power, gain)
    if fading.erasures:
        hit = torch.rand(batch, 1, device=z.device) < fading.erasures
        share = torch.rand(batch, 1, device=z.device) * fading.lost
        gain = torch.where(hit & (torch.rand_like(gain) < share), torch.zeros_like(gain), gain)
    per_fragment = torch.where(gain > 1e-4, variance / gain.clamp_min(1e-4), torch.inf)
    if fading.rayleigh or fading.erasures:
        shape = (batch, channels // 2, rows, columns)
        dealt = torch.randint(fading.fragments, (batch, shape[1] * rows * columns), device=z.device)
        noise = per_fragment.gather(1, dealt).view(shape).repeat_interleave(2, dim=1)
    else:
        noise = per_fragment[:, :1, None, None].expand_as(z)
    here = torch.isfinite(noise)
    spread = torch.where(here, noise / 2, torch.zeros_like(noise)).sqrt()
    return torch.where(here, z + spread * torch.randn_like(z), torch.zeros_like(z)), noise


def psnr_loss(x: torch.Tensor, x_hat: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
    """Mean over the batch of the log of each image's MSE: averages decibels, so no image and no SNR rules the others.

    weight : [B,1,H,W], what each pixel's error counts.
    """
    error = (x - x_hat).square().mean(dim=1, keepdim=True)
    if weight is not None:
        error = error * weight / weight.mean(dim=(1, 2, 3), keepdim=True)
    return error.mean(dim=(1, 2, 3)).clamp_min(1e-7).log().mean()


@dataclass(frozen=True)
class Conditions:
    """What a training batch is sent through, drawn anew for each image.

    snr_db : lowest and highest Es/N0.
    snr_lean : how they are drawn between these: 1 is uniform, more leans to the high ones (density ~ u^(lean - 1)).
    channels : fewest and most latent channels sent, uniform, even; ``usual`` of them with the share ``usual_share``.
    mismatched : share of images whose encoder is told a wrong SNR.
    uneven : share of images with a region of interest; the importance outside is log-uniform down to 0.01.
    fading : see :class:`Fading`.

    A network takes of this what its paper has.
    """

    snr_db: tuple[float, float] = (-2.0, 20.0)
    snr_lean: float = 1.0
    channels: tuple[int, int] = (32, 256)
    usual: int = 128
    usual_share: float = 0.4
    mismatched: float = 0.1
    uneven: float = 0.15
    fading: Fading = Fading(rayleigh=0.2, erasures=0.2)

    def draw_snr(self, x: torch.Tensor) -> torch.Tensor:
        """[B] Es/N0 in dB."""
        low, high = self.snr_db
        return low + (high - low) * torch.rand(len(x), device=x.device) ** (1 / self.snr_lean)

    def draw_channels(self, x: torch.Tensor) -> torch.Tensor:
        """[B] number of latent channels, float."""
        low, high = self.channels
        drawn = 2 * ((low + (high - low) * torch.rand(len(x), device=x.device)) / 2).round()
        usual = torch.full_like(drawn, min(max(self.usual, self.channels[0]), self.channels[1]))
        return torch.where(torch.rand_like(drawn) < self.usual_share, usual, drawn)

    def draw_importance(self, x: torch.Tensor, patch: int) -> torch.Tensor:
        """[B,1,H/patch,W/patch] in (0,1]: 1 inside an ellipse at random, something lower outside."""
        rows, columns = x.shape[2] // patch, x.shape[3] // patch
        r, shape = torch.rand(6, len(x), 1, 1, 1, device=x.device), (1, 1, rows, 1)
        down = (torch.arange(rows, device=x.device).view(shape) + 0.5) / rows - r[0]
        across = (torch.arange(columns, device=x.device).view(1, 1, 1, columns) + 0.5) / columns - r[1]
        inside = (down / (0.15 + 0.45 * r[2])) ** 2 + (across / (0.15 + 0.45 * r[3])) ** 2 < 1
        outside = torch.where(r[5] < self.uneven, 10 ** (-2 * r[4]), torch.ones_like(r[4]))
        return torch.where(inside, torch.ones_like(outside), outside)
