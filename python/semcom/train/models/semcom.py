# SPDX-License-Identifier: GPL-3.0-or-later
"""The project's own coder: a linear transform coder in closed form, and networks that learn its residual."""

from __future__ import annotations

import json

import numpy as np
import torch
from torch import nn

from ...jscc.allocation import Tables
from ...jscc.semcom import LOST, MIN_IMPORTANCE, SNR_RANGE, power_allocation
from ...jscc.softcast import KEPT, fit
from ..channels import AWGN, Conditions, Fading, normalised
from ..data import Photographs
from ..network import Network
from .layers import Depthwise, PatchAnalysis, PatchSynthesis, Pointwise

PATCH = 16


def condition(snr_db: torch.Tensor, channels: torch.Tensor) -> torch.Tensor:
    """SNR and rate as networks take them, both of order 1.

    Parameters
    ----------
    snr_db : torch.Tensor [B]
        Es/N0.
    channels : torch.Tensor [B]
        Number of latent channels.

    Returns
    -------
    torch.Tensor [B, 2]
        The conditions.
    """
    return torch.stack([snr_db / 10 - 1, channels.float().log2() - 7], dim=1)


class Modulation(nn.Module):
    """Per-channel scale and shift from the condition: feature-wise linear modulation (Perez et al., AAAI 2018).

    Parameters
    ----------
    width : int
        Channels.
    conditions : int
        Width of the condition features.
    """

    def __init__(self, width: int, conditions: int):
        super().__init__()
        self.to_both = nn.Linear(conditions, 2 * width)
        nn.init.zeros_(self.to_both.weight)
        nn.init.zeros_(self.to_both.bias)

    def forward(self, x: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """The features of an image, modulated.

        Parameters
        ----------
        x : torch.Tensor [B, width, h, w]
            Features of the image.
        features : torch.Tensor [B, conditions]
            Features of the conditions.

        Returns
        -------
        torch.Tensor [B, width, h, w]
            Features of the image.
        """
        scale, shift = self.both(features)
        return x * scale + shift

    def both(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Scale and shift.

        Parameters
        ----------
        features : torch.Tensor [B, conditions]
            Features of the conditions.

        Returns
        -------
        scale, shift : torch.Tensor [B, width, 1, 1]
            Of each channel.
        """
        scale, shift = self.to_both(features)[:, :, None, None].chunk(2, dim=1)
        return 1 + scale, shift


class _Residual(nn.Module):
    """What the two kinds of block share: a branch that starts small beside what it is added to."""

    def __init__(self, width: int):
        super().__init__()
        self.gain = nn.Parameter(torch.full((1, width, 1, 1), 0.1))

    @torch.no_grad()
    def _fold_into(self, last: nn.Conv2d) -> None:
        """Scale the branch's last convolution instead of its output: the same function with a pass less over memory."""
        last.weight.mul_(self.gain.view(-1, 1, 1, 1))
        last.bias.mul_(self.gain.flatten())
        self.gain = None


class Separable(_Residual):
    """Residual block for coarse grids: depthwise 5x5, then a modulated two-layer perceptron per position.

    Parameters
    ----------
    width : int
        Channels.
    conditions : int
        Width of the condition features.
    """

    def __init__(self, width: int, conditions: int):
        super().__init__(width)
        self.depthwise = Depthwise(width, 5)
        self.modulation = Modulation(width, conditions)
        self.widen = Pointwise(width, 2 * width)
        self.narrow = Pointwise(2 * width, width)

    def forward(self, x: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """The features of an image after the block.

        Parameters
        ----------
        x : torch.Tensor [B, width, h, w]
            Features of the image.
        features : torch.Tensor [B, conditions]
            Features of the conditions.

        Returns
        -------
        torch.Tensor [B, width, h, w]
            Features of the image.
        """
        y = self.widen.modulated(self.depthwise(x), *self.modulation.both(features))
        return x + self.narrow(nn.functional.leaky_relu(y, 0.1), self.gain)

    def fold(self) -> None:
        """For export, after training."""
        self._fold_into(self.narrow)


class Bottleneck(_Residual):
    """Residual block for fine grids: 3x3 convolution at half width (He et al., CVPR 2016).

    Parameters
    ----------
    width : int
        Channels.
    conditions : int
        Width of the condition features.
    """

    def __init__(self, width: int, conditions: int):
        super().__init__(width)
        half = width // 2
        self.modulation = Modulation(width, conditions)
        self.layers = nn.Sequential(
            Pointwise(width, half),
            nn.LeakyReLU(0.1),
            nn.Conv2d(half, half, 3, 1, 1),
            nn.LeakyReLU(0.1),
            Pointwise(half, width),
        )

    def forward(self, x: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """The features of an image after the block.

        Parameters
        ----------
        x : torch.Tensor [B, width, h, w]
            Features of the image.
        features : torch.Tensor [B, conditions]
            Features of the conditions.

        Returns
        -------
        torch.Tensor [B, width, h, w]
            Features of the image.
        """
        y = self.layers[1:-1](self.layers[0].modulated(x, *self.modulation.both(features)))
        return x + self.layers[-1](y, self.gain)

    def fold(self) -> None:
        """For export, after training."""
        self._fold_into(self.layers[-1])


class _Stage(nn.ModuleList):
    """Blocks of one grid, all conditioned on the same features."""

    def forward(self, x: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        for block in self:
            x = block(x, features)
        return x


class Semcom(Network):
    """One coder for every SNR, every rate and uneven importance.

    ::

        x --KLT--> c + residual(x, SNR, rate, importance) --gain, gate--> y --/scale--> channel
        --LMMSE (noise variance per symbol)--> c^ + residual(c^, trust) --KLT^-1--> + residual at 1/8 and 1/4 --> x^

    The linear path is SoftCast (Jakubczak and Katabi, MobiCom 2011) over 16x16x3 patches: Karhunen-Loeve transform,
    power allocated for the SNR and an LMMSE receiver. All that is learned is zero at the start of training, so that
    training begins where the best linear coder of this structure ends.

    Latent channels are ordered; a prefix of n of them is sent, k/n = n / 1536. Attention to SNR and rate is by
    feature-wise modulation, as in Xu et al., "Wireless image transmission using deep source channel coding with
    attention modules" (ADJSCC, TCSVT 2022), where one network serves all SNRs. Importance w in (0,1] attenuates latent
    channel j of a position by w^kappa_j, kappa rising with j: what matters less loses its detail first, the power
    goes to what is left, and the receiver needs no map to undo it.

    Parameters
    ----------
    coarse : int, default 320
        Channels at 1/16 of the image's size.
    middle : int, default 160
        Channels at 1/8 of it.
    fine : int, default 80
        Channels at 1/4 of it.
    conditions : int, default 32
        Width of the condition features.
    """

    stride = PATCH
    validation_rates = (("1/24", 64), ("1/6", 256))  # beside 1/12: k/n, latent channels
    trains_mixed = True  # after 240 steps as good as single precision: results/training_speed.json

    def __init__(self, coarse: int = 320, middle: int = 160, fine: int = 80, conditions: int = 32):
        super().__init__()
        self.register_buffer("mean", torch.full((1, 3, 1, 1), 0.45))
        self.register_buffer("variance", torch.ones(1, KEPT, 1, 1))
        self.analysis = PatchAnalysis(3, KEPT, PATCH)
        self.synthesis = PatchSynthesis(KEPT, 3, PATCH)
        table = (SNR_RANGE[1] - SNR_RANGE[0] + 1, KEPT // 2 + 1, KEPT)
        # with equal variances every amplitude is 1; others are part of the weights
        self.register_buffer("allocations", torch.ones(table), persistent=False)
        self.register_load_state_dict_post_hook(lambda module, _: module._allocate())
        self.kappa = nn.Parameter(torch.linspace(-4, 1, KEPT).view(1, KEPT, 1, 1))
        # common knowledge: both ends compute it from the SNR and rate that the header tells
        self.amplitude = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, KEPT))

        self.encoder_features = nn.Sequential(nn.Linear(2, conditions), nn.ReLU(), nn.Linear(conditions, conditions))
        self.encoder_in = Pointwise(192, middle)
        self.encoder_middle = _Stage(Separable(middle, conditions) for _ in range(3))
        self.encoder_down = nn.Conv2d(middle, coarse, 2, 2)
        self.encoder_importance = nn.Conv2d(1, coarse, 1)
        self.encoder_coarse = _Stage(Separable(coarse, conditions) for _ in range(3))
        self.encoder_out = Pointwise(coarse, 2 * KEPT)
        self.encoder_level = Modulation(2 * KEPT, conditions)

        self.decoder_features = nn.Sequential(nn.Linear(4, conditions), nn.ReLU(), nn.Linear(conditions, conditions))
        self.decoder_in = Pointwise(2 * KEPT, coarse)
        self.decoder_coarse = _Stage(Separable(coarse, conditions) for _ in range(4))
        self.decoder_latent = Pointwise(coarse, KEPT)
        self.latent_level = Modulation(KEPT, conditions)
        self.up_middle = Pointwise(coarse, 4 * middle)
        self.decoder_middle = _Stage(Separable(middle, conditions) for _ in range(4))
        self.up_fine = Pointwise(middle, 4 * fine)
        self.decoder_fine = _Stage(Bottleneck(fine, conditions) for _ in range(4))
        self.decoder_out = nn.Conv2d(fine, 48, 3, 1, 1)
        self.out_level = Modulation(48, conditions)
        for layer in (self.encoder_out, self.amplitude[-1], self.decoder_latent, self.decoder_out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    @torch.no_grad()
    def initialise(self, photographs: Photographs) -> None:
        """Fit the linear path to the photographs, as ``softcast`` is fitted.

        Parameters
        ----------
        photographs : Photographs
            What the transform is fitted to.
        """
        fitted = Tables(**fit(photographs.images()))
        self.mean.copy_(torch.from_numpy(fitted.mean).view(1, 3, 1, 1))
        self.variance.copy_(torch.from_numpy(fitted.variance[0, :KEPT]).view(1, KEPT, 1, 1))
        transform = torch.from_numpy(fitted.basis[:, :KEPT])
        basis = transform.float().T.reshape(KEPT, PATCH, PATCH, 3).permute(0, 3, 1, 2)
        self.analysis.weight.copy_(basis)
        self.synthesis.weight.copy_(basis)
        self._allocate()

    def _allocate(self) -> None:
        """Tabulate the closed-form amplitudes of the variances as they are now."""
        variance = self.variance.flatten().cpu().numpy()
        snrs, counts = range(SNR_RANGE[0], SNR_RANGE[1] + 1), range(0, KEPT + 1, 2)
        table = [[power_allocation(variance, snr, max(count, 2)) for count in counts] for snr in snrs]
        self.allocations.copy_(torch.from_numpy(np.array(table, np.float32)))

    def allocation(self, snr_db: torch.Tensor, channels: torch.Tensor) -> torch.Tensor:
        """The amplitudes in closed form.

        Parameters
        ----------
        snr_db : torch.Tensor [B]
            Es/N0 in whole decibels.
        channels : torch.Tensor [B]
            Number of latent channels.

        Returns
        -------
        torch.Tensor [B, 256, 1, 1]
            Of each channel.
        """
        row = snr_db.round().clamp(*SNR_RANGE).long() - SNR_RANGE[0]
        return self.allocations[row, channels.long() // 2][:, :, None, None]

    def _amplitudes(self, conditions: torch.Tensor, allocation: torch.Tensor) -> torch.Tensor:
        """[B,256,1,1]: the closed form, and what was learned for this SNR and rate on top, at most a factor of e.

        Unbounded, the weak channels were turned down for low SNRs and never grew again for high ones.
        """
        return allocation * self.amplitude(conditions).tanh().exp()[:, :, None, None]

    def encode(
        self, x: torch.Tensor, conditions: torch.Tensor, importance: torch.Tensor, allocation: torch.Tensor
    ) -> torch.Tensor:
        """Latent of every channel, before the prefix is cut and the power normalised.

        Parameters
        ----------
        x : torch.Tensor [B, 3, H, W]
            Images in [0, 1], H and W multiples of 16.
        conditions : torch.Tensor [B, 2]
            Conditions, see :func:`condition`.
        importance : torch.Tensor [B, 1, H/16, W/16]
            In (0, 1].
        allocation : torch.Tensor [B, 256, 1, 1]
            See :func:`semcom.jscc.semcom.power_allocation`.

        Returns
        -------
        torch.Tensor [B, 256, H/16, W/16]
            The latent.
        """
        centred = x - self.mean
        features = self.encoder_features(conditions)
        z = self.encoder_middle(self.encoder_in(nn.functional.pixel_unshuffle(centred, 8)), features)
        weight = importance.clamp_min(MIN_IMPORTANCE).log()
        z = self.encoder_coarse(self.encoder_down(z) + self.encoder_importance(weight), features)
        residual, gate = self.encoder_level(self.encoder_out(z), features).chunk(2, dim=1)
        latent = self.analysis(centred) + residual * self.variance.sqrt()
        attenuation = nn.functional.softplus(self.kappa) * weight
        return latent * self._amplitudes(conditions, allocation) * (attenuation + gate).exp()

    def decode(
        self,
        y: torch.Tensor,
        noise: torch.Tensor,
        conditions: torch.Tensor,
        scale: torch.Tensor,
        allocation: torch.Tensor,
    ) -> torch.Tensor:
        """The images of a received latent, not clipped.

        Parameters
        ----------
        y : torch.Tensor [B, 256, h, w]
            Symbols of unit power, 0 where nothing was sent or received.
        noise : torch.Tensor [B, 256, h, w]
            Variance of the complex noise of each symbol, at least 1e9 where nothing was sent or received.
        conditions : torch.Tensor [B, 2]
            As the encoder had it.
        scale : torch.Tensor [B, 1, 1, 1]
            What the sender divided by.
        allocation : torch.Tensor [B, 256, 1, 1]
            As the encoder had it.

        Returns
        -------
        torch.Tensor [B, 3, H, W]
            RGB.
        """
        amplitude = self._amplitudes(conditions, allocation)
        sent = (noise < LOST).to(y.dtype)
        variance = self.variance.expand_as(amplitude)
        # this image's variances: the fitted ones, scaled so that their sum gives the power that the header tells
        any_sent = sent.amax(dim=(2, 3), keepdim=True)
        fitted = (amplitude.square() * variance * any_sent).sum(dim=1, keepdim=True)
        prior = variance * scale.square() / 2 * any_sent.sum(dim=1, keepdim=True) / fitted.clamp_min(1e-12)
        error = noise.clamp_max(LOST) / 2 * (scale / amplitude).square()
        trust = prior / (prior + error) * sent
        estimate = trust * y * scale / amplitude
        mean_trust = trust.mean(dim=(1, 2, 3), keepdim=True).flatten(1)
        state = torch.cat([conditions, mean_trust, scale.flatten(1).clamp_min(1e-6).log()], dim=1)
        features = self.decoder_features(state)
        z = self.decoder_in(torch.cat([estimate / variance.sqrt(), trust], dim=1))
        z = self.decoder_coarse(z, features)
        correction = self.latent_level(self.decoder_latent(z), features)
        linear = self.synthesis(estimate + correction * variance.sqrt())
        z = self.decoder_middle(nn.functional.pixel_shuffle(self.up_middle(z), 2), features)
        z = self.decoder_fine(nn.functional.pixel_shuffle(self.up_fine(z), 2), features)
        return linear + nn.functional.pixel_shuffle(self.out_level(self.decoder_out(z), features), 4) + self.mean

    def parts(self) -> list[tuple]:
        """What is exported, see :class:`semcom.train.export.Part`."""
        grid = (1, 1, 4, 6)
        x, conditions, latent = torch.zeros(1, 3, 64, 96), torch.zeros(1, 2), torch.zeros(1, KEPT, 4, 6)
        importance, scale, allocation = torch.ones(grid), torch.ones(1, 1, 1, 1), torch.ones(1, KEPT, 1, 1)
        sending = {"x": x, "told": conditions, "importance": importance, "allocation": allocation}
        receiving = {"y": latent, "noise": latent + 0.1, "told": conditions, "scale": scale, "allocation": allocation}
        return [("encoder", "encode", sending, "y"), ("decoder", "decode", receiving, "x_hat")]

    def fold(self) -> None:
        """Make the network cheaper to run, no longer to train, without changing what it computes."""
        for module in self.modules():
            if isinstance(module, _Residual):
                module.fold()

    def metadata(self) -> dict[str, str]:
        """What the coder around the exported networks has to know: the variances that power is allocated by."""
        return {"variance": json.dumps([round(v, 9) for v in self.variance.flatten().tolist()])}

    def link(
        self,
        x: torch.Tensor,
        snr_db: torch.Tensor,
        channels: torch.Tensor | None = None,
        fading: Fading = AWGN,
        importance: torch.Tensor | None = None,
        assumed_db: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Encoder, power normalisation, channel, decoder: what training and validation run.

        Parameters
        ----------
        x : torch.Tensor [B, 3, H, W]
            Images in [0, 1].
        snr_db : torch.Tensor [B]
            Es/N0 in dB.
        channels : torch.Tensor [B], optional
            Latent channels sent, even; 128, which is k/n = 1/12, if left out.
        fading : Fading, default ``AWGN``
            What befalls the fragments.
        importance : torch.Tensor [B, 1, H/16, W/16], optional
            In (0, 1]; 1 everywhere if left out.
        assumed_db : torch.Tensor [B], optional
            What the encoder takes the SNR to be, as a rule ``snr_db``.

        Returns
        -------
        torch.Tensor [B, 3, H, W]
            The images received.
        """
        if channels is None:
            channels = torch.full_like(snr_db, KEPT // 2)
        assumed_db = (snr_db if assumed_db is None else assumed_db).round().clamp(*SNR_RANGE)
        conditions, allocation = condition(assumed_db, channels), self.allocation(assumed_db, channels)
        grid = (x.shape[0], 1, x.shape[2] // PATCH, x.shape[3] // PATCH)
        importance = torch.ones(grid, device=x.device) if importance is None else importance
        y = self.encode(x, conditions, importance, allocation)
        index = torch.arange(KEPT, device=x.device).view(1, -1, 1, 1)
        sent = (index < channels.view(-1, 1, 1, 1)).to(y.dtype)
        z, scale = normalised(y, sent)
        received, noise = self.through(z, snr_db, fading)
        noise = torch.where(sent > 0, noise.clamp_max(LOST), torch.full_like(noise, LOST))
        return self.decode(received * sent, noise, conditions, scale, allocation)

    def training_loss(self, x: torch.Tensor, conditions: Conditions) -> torch.Tensor:
        """Loss with each image of the batch at an SNR, rate, fading and importance of its own.

        Parameters
        ----------
        x : torch.Tensor [B, 3, H, W]
            RGB in [0, 1].
        conditions : Conditions
            What these are drawn from.

        Returns
        -------
        torch.Tensor
            A scalar.
        """
        snr_db = conditions.draw_snr(x)
        assumed_db = torch.where(torch.rand_like(snr_db) < conditions.mismatched, conditions.draw_snr(x), snr_db)
        channels = conditions.draw_channels(x)
        importance = conditions.draw_importance(x, PATCH)
        x_hat = self.link(x, snr_db, channels, conditions.fading, importance, assumed_db)
        weight = nn.functional.interpolate(importance, scale_factor=PATCH, mode="nearest")
        return self.criterion(x, x_hat, weight)
