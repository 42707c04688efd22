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

    Parameters
    ----------
    y : torch.Tensor [B, C, h, w]
        Latent.
    sent : torch.Tensor [B, C, 1, 1] or [B, C, h, w]
        1 where a real is transmitted.

    Returns
    -------
    symbols : torch.Tensor [B, C, h, w]
        0 where nothing is transmitted.
    scale : torch.Tensor [B, 1, 1, 1]
        What they were divided by; it travels in the burst header.
    """
    y = y.float()  # power and noise are single precision, whatever the network computes in
    sent = sent.expand_as(y)
    power = 2 * (y.square() * sent).sum(dim=(1, 2, 3), keepdim=True) / sent.sum(dim=(1, 2, 3), keepdim=True)
    scale = power.clamp_min(1e-12).sqrt()
    return y * sent / scale, scale


def noise_variance(snr_db: torch.Tensor) -> torch.Tensor:
    """Variance of the complex noise beside unit-power symbols.

    Parameters
    ----------
    snr_db : torch.Tensor
        Es/N0 in dB.

    Returns
    -------
    torch.Tensor
        Of the same shape.
    """
    return 10 ** (-snr_db / 10)


@dataclass(frozen=True)
class Fading:
    """What befalls the fragments of an image, as drawn for each image of a batch.

    Attributes
    ----------
    rayleigh : float, default 0.0
        Share of images sent through block Rayleigh fading, one complex gain per fragment, known at the receiver.
    erasures : float, default 0.0
        Share of images that lose fragments.
    lost : float, default 0.2
        The most that is lost of one image, as a share of its fragments.
    fragments : int, default 16
        Of an image; symbols are dealt out to them at random, as the interleaver does.
    """

    rayleigh: float = 0.0
    erasures: float = 0.0
    lost: float = 0.2
    fragments: int = 16


AWGN = Fading()


def transmit(z: torch.Tensor, snr_db: torch.Tensor, fading: Fading = AWGN) -> tuple[torch.Tensor, torch.Tensor]:
    """Through the channel and a zero-forcing equaliser.

    Parameters
    ----------
    z : torch.Tensor [B, C, h, w]
        Symbols of unit power, C even.
    snr_db : torch.Tensor [B]
        Es/N0 in dB.
    fading : Fading, default ``AWGN``
        What befalls the fragments.

    Returns
    -------
    received : torch.Tensor [B, C, h, w]
        What was lost is 0, and so is what a fade buried 40 dB below the mean.
    noise : torch.Tensor [B, C, h, w]
        Variance of the complex noise on it; infinite for what was lost.
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

    Parameters
    ----------
    x, x_hat : torch.Tensor [B, 3, H, W]
        The images, and what was received of them.
    weight : torch.Tensor [B, 1, H, W], optional
        What each pixel's error counts.

    Returns
    -------
    torch.Tensor
        A scalar.
    """
    error = (x - x_hat).square().mean(dim=1, keepdim=True)
    if weight is not None:
        error = error * weight / weight.mean(dim=(1, 2, 3), keepdim=True)
    return error.mean(dim=(1, 2, 3)).clamp_min(1e-7).log().mean()


@dataclass(frozen=True)
class Conditions:
    """What a training batch is sent through, drawn anew for each image.

    A network takes of this what its paper has.

    Attributes
    ----------
    snr_db : tuple of 2 float, optional
        Lowest and highest Es/N0.
    snr_lean : float, default 1.0
        How they are drawn between these: 1 is uniform, more leans to the high ones (density ~ u^(lean - 1)).
    channels : tuple of 2 int, optional
        Fewest and most latent channels sent, uniform, even.
    usual : int, default 128
        Latent channels sent of the images that ``usual_share`` says.
    usual_share : float, default 0.4
        Share of images of which ``usual`` channels are sent.
    mismatched : float, default 0.1
        Share of images whose encoder is conditioned on a wrong SNR.
    uneven : float, default 0.3
        Share of images with a region of interest; the importance outside is log-uniform down to 0.01.
    skipped : float, default 0.3
        Share of these of which nothing is sent outside the region: the importance there is 0.
    enlarged : float, default 0.25
        Share of batches that are enlarged up to twice, as photographs of more pixels are smoother.
    fading : Fading, optional
        See :class:`Fading`.
    """

    snr_db: tuple[float, float] = (-2.0, 20.0)
    snr_lean: float = 1.0
    channels: tuple[int, int] = (32, 256)
    usual: int = 128
    usual_share: float = 0.4
    mismatched: float = 0.1
    uneven: float = 0.3
    skipped: float = 0.3
    enlarged: float = 0.25
    fading: Fading = Fading(rayleigh=0.2, erasures=0.2)

    def draw_scale(self, x: torch.Tensor, multiple: int) -> torch.Tensor:
        """A batch of crops, or a part of each enlarged to the whole.

        Parameters
        ----------
        x : torch.Tensor [B, 3, S, S]
            The batch.
        multiple : int
            Of pixels, of the part's side.

        Returns
        -------
        torch.Tensor [B, 3, S, S]
            In [0, 1].
        """
        whole = x.shape[2]
        if whole < 2 * multiple or float(torch.rand(())) >= self.enlarged:
            return x
        part = int(torch.randint(whole // 2 // multiple, whole // multiple, ())) * multiple
        top, left = (int(torch.randint(whole - part + 1, ())) for _ in range(2))
        cut = x[:, :, top : top + part, left : left + part]
        larger = torch.nn.functional.interpolate(cut, size=(whole, whole), mode="bicubic", align_corners=False)
        return larger.clamp(0, 1)

    def draw_snr(self, x: torch.Tensor) -> torch.Tensor:
        """Es/N0 of each image of a batch.

        Parameters
        ----------
        x : torch.Tensor [B, ...]
            The batch.

        Returns
        -------
        torch.Tensor [B]
            DB.
        """
        low, high = self.snr_db
        return low + (high - low) * torch.rand(len(x), device=x.device) ** (1 / self.snr_lean)

    def draw_channels(self, x: torch.Tensor) -> torch.Tensor:
        """The number of latent channels of each image of a batch.

        Parameters
        ----------
        x : torch.Tensor [B, ...]
            The batch.

        Returns
        -------
        torch.Tensor [B]
            Float, even numbers.
        """
        low, high = self.channels
        drawn = 2 * ((low + (high - low) * torch.rand(len(x), device=x.device)) / 2).round()
        usual = torch.full_like(drawn, min(max(self.usual, self.channels[0]), self.channels[1]))
        return torch.where(torch.rand_like(drawn) < self.usual_share, usual, drawn)

    def draw_importance(self, x: torch.Tensor, patch: int) -> torch.Tensor:
        """An importance of each image of a batch: 1 inside an ellipse at random, something lower outside.

        Parameters
        ----------
        x : torch.Tensor [B, 3, H, W]
            The batch.
        patch : int
            Side of the squares that have one importance, in pixels.

        Returns
        -------
        torch.Tensor [B, 1, H/patch, W/patch]
            In [0, 1], 1 somewhere.
        """
        rows, columns = x.shape[2] // patch, x.shape[3] // patch
        r, shape = torch.rand(7, len(x), 1, 1, 1, device=x.device), (1, 1, rows, 1)
        down = (torch.arange(rows, device=x.device).view(shape) + 0.5) / rows - r[0]
        across = (torch.arange(columns, device=x.device).view(1, 1, 1, columns) + 0.5) / columns - r[1]
        inside = (down / (0.15 + 0.45 * r[2])) ** 2 + (across / (0.15 + 0.45 * r[3])) ** 2 < 1
        lower = torch.where(r[6] < self.skipped, torch.zeros_like(r[4]), 10 ** (-2 * r[4]))
        lower = torch.where(inside.any(dim=(2, 3), keepdim=True), lower, 1.0)
        outside = torch.where(r[5] < self.uneven, lower, torch.ones_like(r[4]))
        return torch.where(inside, torch.ones_like(outside), outside)
