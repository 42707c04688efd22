# SPDX-License-Identifier: GPL-3.0-or-later
"""The project's own coder: a linear transform coder in closed form, and networks that learn its residual."""

from __future__ import annotations

import torch
from torch import nn

from ...jscc.allocation import COEFFICIENTS, tables
from ...jscc.base import MOST as BASE
from ...jscc.neural import LOST
from ...jscc.semcom import MIN_IMPORTANCE, NO_BASE, SNR_RANGE
from ...zoo import weights
from ..channels import AWGN, Conditions, Fading, normalised
from ..network import Network
from .layers import Depthwise, PatchAnalysis, PatchSynthesis, Pointwise

PATCH = 16
KEPT = COEFFICIENTS
USUAL = 128  # coefficients of a patch, on average: k/n = 1/12 but for the map
ROUNDS = 2  # of choosing profiles, and the floor that they are chosen at
TOGETHER = (0.4, 0.3, 0.2, 0.1)  # how often the images of a batch share an allocation by 1, 2, ... of its divisors
NO_MAP, LARGE_CELLS = 0.06, 0.14  # shares of training images
BASES = ((0, 0.12), (1, 0.13), (3, 0.5), (6, 0.25))  # how many have one, and for what share of the training images
STEPS = (-2, 1)  # of a base, octaves


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
    """One coder for every SNR, every rate and uneven importance, over an allocation that both ends know.

    ::

        x --KLT--> c + residual(x, map, SNR, rate) --amplitude of the allocation--> y --/scale--> channel
        --LMMSE (variance by the map, noise variance per symbol)--> c^ + residual(c^, trust, map)
        --KLT^-1--> + residual at 1/8 and 1/4 --> x^

    The linear path is that of ``softcast`` with ``allocation=adaptive``: a map gives each cell a profile of variances
    and an importance, and of the whole image the strongest coefficients are sent with the powers of Lee and Petersen.
    The networks see the map, what of every coefficient is sent, and how far it can be trusted. All that is learned is
    zero at the start of training, so that training begins where the closed form ends.

    Attention to SNR and rate is by feature-wise modulation, as in Xu et al., "Wireless image transmission using deep
    source channel coding with attention modules" (ADJSCC, TCSVT 2022), where one network serves all SNRs.

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
    trains_mixed = True
    validation_rates = (("1/24", 64), ("1/6", 256))  # beside 1/12: k/n, coefficients of a patch

    def __init__(self, coarse: int = 320, middle: int = 160, fine: int = 80, conditions: int = 32):
        super().__init__()
        known = tables()
        self.register_buffer("mean", torch.from_numpy(known.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("profiles", torch.from_numpy(known.variance), persistent=False)
        self.register_buffer("variance", self.profiles[0].view(1, KEPT, 1, 1).clone(), persistent=False)
        klt = torch.from_numpy(known.basis).float().T.reshape(KEPT, PATCH, PATCH, 3).permute(0, 3, 1, 2).contiguous()
        self.register_buffer("klt", klt, persistent=False)
        self.register_buffer("of_base", None, persistent=False)  # known once nothing is learned any more
        self.analysis = PatchAnalysis(3, KEPT, PATCH)
        self.synthesis = PatchSynthesis(KEPT, 3, PATCH)
        # common knowledge: both ends compute it from the SNR and rate that the header tells
        self.amplitude = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, KEPT))

        self.encoder_features = nn.Sequential(nn.Linear(2, conditions), nn.ReLU(), nn.Linear(conditions, conditions))
        self.encoder_in = Pointwise(192, middle)
        self.encoder_middle = _Stage(Separable(middle, conditions) for _ in range(3))
        self.encoder_down = nn.Conv2d(middle, coarse, 2, 2)
        self.encoder_profile = nn.Embedding(known.profiles, coarse)
        self.encoder_cells = nn.Conv2d(2, coarse, 1)
        self.encoder_coarse = _Stage(Separable(coarse, conditions) for _ in range(3))
        self.encoder_out = Pointwise(coarse, KEPT)
        self.encoder_level = Modulation(KEPT, conditions)

        self.decoder_features = nn.Sequential(nn.Linear(4, conditions), nn.ReLU(), nn.Linear(conditions, conditions))
        self.decoder_in = Pointwise(2 * KEPT, coarse)
        self.decoder_profile = nn.Embedding(known.profiles, coarse)
        self.decoder_cells = nn.Conv2d(2, coarse, 1)
        self.decoder_coarse = _Stage(Separable(coarse, conditions) for _ in range(4))
        self.decoder_latent = Pointwise(coarse, KEPT)
        self.latent_level = Modulation(KEPT, conditions)
        self.up_middle = Pointwise(coarse, 4 * middle)
        self.decoder_middle = _Stage(Separable(middle, conditions) for _ in range(4))
        self.up_fine = Pointwise(middle, 4 * fine)
        self.decoder_fine = _Stage(Bottleneck(fine, conditions) for _ in range(4))
        self.decoder_out = nn.Conv2d(fine, 48, 3, 1, 1)
        self.out_level = Modulation(48, conditions)
        with torch.no_grad():
            self.analysis.weight.copy_(klt)
            self.synthesis.weight.copy_(klt)
        learned_last = (self.encoder_out, self.amplitude[-1], self.decoder_latent, self.decoder_out)
        for layer in (*learned_last, self.encoder_cells, self.decoder_cells):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        for embedding in (self.encoder_profile, self.decoder_profile):
            nn.init.zeros_(embedding.weight)

    @torch.no_grad()
    def plan(
        self,
        x: torch.Tensor,
        snr_db: torch.Tensor,
        channels: torch.Tensor,
        weight: torch.Tensor,
        side: torch.Tensor | None = None,
        groups: int | None = None,
        based: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Map and allocation, as :mod:`semcom.jscc.allocation` has them but without the cost of the map.

        Parameters
        ----------
        x : torch.Tensor [B, 3, H, W]
            Images in [0, 1].
        snr_db : torch.Tensor [B]
            What the encoder takes the SNR to be.
        channels : torch.Tensor [B]
            Coefficients sent, of a patch on average.
        weight : torch.Tensor [B, 1, H/16, W/16]
            Importance, above 0 somewhere in each group.
        side : torch.Tensor [B], optional
            Of the cells of the map: 1 or 2 patches, 0 for no map; 1 if left out.
        groups : int, optional
            Images of a batch share an allocation by groups, as parts of one large image; each has its own if left out.
        based : (torch.Tensor, torch.Tensor), optional
            What :meth:`base` gave.

        Returns
        -------
        profile : torch.Tensor [B, H/16, W/16]
            Row of the table of profiles.
        amplitude : torch.Tensor [B, 512, H/16, W/16]
            0 where nothing is sent.
        """
        size, groups = len(x), groups or len(x)
        coefficients = nn.functional.conv2d(x - self.mean, self.klt, stride=PATCH)
        profiles = self.profiles.expand(size, -1, -1)
        if based is not None:
            coefficients[:, :BASE] -= based[0]
            least = torch.minimum(profiles[..., :BASE], based[1].view(size, 1, -1))
            profiles = torch.cat([least, profiles[..., BASE:]], dim=2)
        energy = coefficients.square()
        rows, columns = energy.shape[2:]
        first = slice(None, None, size // groups)
        there = KEPT * (weight > 0).reshape(groups, -1).sum(dim=1)
        count = (channels[first] * rows * columns * (size // groups)).round().long().minimum(there)[:, None]
        noise = 10 ** (-snr_db[first, None] / 10)
        floor = torch.full((size, 1, 1), 1e-3, device=x.device)
        # of equal ranks the first ones are sent
        places = torch.linspace(0, 1, energy[0].numel(), dtype=torch.float64, device=x.device)
        order = 1 - 1e-6 * places.view(1, rows, columns, KEPT).permute(0, 3, 1, 2)
        for _ in range(ROUNDS):
            floored = torch.maximum(profiles, floor)
            cost = floored.reciprocal() @ energy.flatten(2) + floored.log().sum(dim=2, keepdim=True)
            cost = cost.view(size, -1, rows, columns)
            if side is not None:
                coarse = nn.functional.avg_pool2d(cost, 2, ceil_mode=True, count_include_pad=False)
                coarse = coarse.repeat_interleave(2, 2).repeat_interleave(2, 3)[:, :, :rows, :columns]
                cost = torch.where(side.view(-1, 1, 1, 1) == 2, coarse, cost)
            profile = cost[:, 1:].argmin(dim=1) + 1
            if side is not None:
                profile = torch.where(side.view(-1, 1, 1) == 0, 0, profile)
            profile = torch.where(weight[:, 0] > 0, profile, 0)
            variance = self._variance_of(profile, based)
            rank = (variance * weight * order).reshape(groups, -1)
            ranked = rank.sort(dim=1, descending=True).values
            least = ranked.gather(1, count - 1)
            floor = least.float().repeat_interleave(size // groups, 0).unsqueeze(2)
        root = ranked.sqrt()
        # the level of the water if only the 1, 2, ... strongest are sent; the last for which all have something
        level = (count + torch.arange(1, root.shape[1] + 1, device=x.device) * noise) / root.cumsum(dim=1)
        kept = (root * level > noise) & (torch.arange(root.shape[1], device=x.device) < count)
        last = kept.sum(dim=1, keepdim=True).clamp_min(1) - 1
        power = (rank.sqrt() * level.gather(1, last) - noise).clamp_min(0) * (rank >= least)
        return profile, (power.view_as(variance) / variance).sqrt().float()

    @torch.no_grad()
    def base(self, x: torch.Tensor, count: torch.Tensor, step: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The strongest coefficients of each patch as both ends know them from bits, before anything is received.

        Parameters
        ----------
        x : torch.Tensor [B, 3, H, W]
            Images in [0, 1].
        count : torch.Tensor [B]
            How many coefficients of a patch have a base, the first ones, at most 6.
        step : torch.Tensor [B]
            What they are rounded to multiples of.

        Returns
        -------
        base : torch.Tensor [B, 6, H/16, W/16]
            0 where there is none.
        left : torch.Tensor [B, 6, 1, 1]
            Variance of what it leaves, 1e9 where there is none.
        """
        coefficients = nn.functional.conv2d(x - self.mean, self.klt[:BASE], stride=PATCH)
        has = torch.arange(BASE, device=x.device).view(1, -1, 1, 1) < count.view(-1, 1, 1, 1)
        step = step.view(-1, 1, 1, 1)
        known = torch.where(has, (coefficients / step).round() * step, 0.0)
        return known, torch.where(has, step.square() / 12, NO_BASE)

    def _variance_of(
        self, profile: torch.Tensor, based: tuple[torch.Tensor, torch.Tensor] | None = None
    ) -> torch.Tensor:
        """[B,512,h,w]: variances of what is sent, by the map and the base."""
        variance = self.profiles[profile].permute(0, 3, 1, 2)
        if based is None:
            return variance
        return torch.cat([torch.minimum(variance[:, :BASE], based[1]), variance[:, BASE:]], dim=1)

    def _spread(self, left: torch.Tensor) -> torch.Tensor:
        """[B,512,1,1]: how far coefficients are from what is known of them without a map."""
        least = torch.minimum(self.variance[:, :BASE], left)
        return torch.cat([least, self.variance[:, BASE:].expand(len(left), -1, -1, -1)], dim=1).sqrt()

    def _latent_of(self, base: torch.Tensor) -> torch.Tensor:
        """[B,512,h,w]: a base as the analysis sees it, which need not be orthonormal once it has learned."""
        weight = self.of_base
        if weight is None:
            weight = (self.analysis.weight.flatten(1) @ self.klt[:BASE].flatten(1).T)[:, :, None, None]
        return nn.functional.conv2d(base, weight)

    def _amplitudes(self, conditions: torch.Tensor, amplitude: torch.Tensor) -> torch.Tensor:
        """[B,512,h,w]: the closed form, and what was learned for this SNR and rate on top, at most a factor of e."""
        return amplitude * self.amplitude(conditions).tanh().exp()[:, :, None, None]

    @staticmethod
    def _cells(amplitude: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """[B,2,h,w]: importance of each patch and how much of it is sent, as networks take them."""
        count = (amplitude > 0).to(amplitude.dtype).sum(dim=1, keepdim=True)
        return torch.cat([weight.clamp_min(MIN_IMPORTANCE).log(), (count + 1).log2() - 7], dim=1)

    def encode(
        self,
        x: torch.Tensor,
        conditions: torch.Tensor,
        weight: torch.Tensor,
        profile: torch.Tensor,
        amplitude: torch.Tensor,
        base: torch.Tensor,
        left: torch.Tensor,
    ) -> torch.Tensor:
        """Latent of every channel, before the power is normalised.

        Parameters
        ----------
        x : torch.Tensor [B, 3, H, W]
            Images in [0, 1], H and W multiples of 16.
        conditions : torch.Tensor [B, 2]
            Conditions, see :func:`condition`.
        weight : torch.Tensor [B, 1, H/16, W/16]
            Importance, in (0, 1].
        profile : torch.Tensor [B, H/16, W/16]
            Of the map.
        amplitude : torch.Tensor [B, 512, H/16, W/16]
            Of the allocation, 0 where nothing is sent.
        base, left : torch.Tensor
            What is known without it, see :meth:`base`.

        Returns
        -------
        torch.Tensor [B, 512, H/16, W/16]
            The latent.
        """
        centred = x - self.mean
        features = self.encoder_features(conditions)
        z = self.encoder_middle(self.encoder_in(nn.functional.pixel_unshuffle(centred, 8)), features)
        known = self.encoder_profile(profile).permute(0, 3, 1, 2) + self.encoder_cells(self._cells(amplitude, weight))
        z = self.encoder_coarse(self.encoder_down(z) + known, features)
        residual = self.encoder_level(self.encoder_out(z), features)
        latent = self.analysis(centred) - self._latent_of(base) + residual * self._spread(left)
        return latent * self._amplitudes(conditions, amplitude)

    def decode(
        self,
        y: torch.Tensor,
        noise: torch.Tensor,
        conditions: torch.Tensor,
        scale: torch.Tensor,
        weight: torch.Tensor,
        profile: torch.Tensor,
        amplitude: torch.Tensor,
        base: torch.Tensor,
        left: torch.Tensor,
    ) -> torch.Tensor:
        """The images of a received latent, not clipped.

        Parameters
        ----------
        y : torch.Tensor [B, 512, h, w]
            Symbols of unit power, 0 where nothing was sent or received.
        noise : torch.Tensor [B, 512, h, w]
            Variance of the complex noise of each symbol, at least 1e9 where nothing was sent or received.
        conditions : torch.Tensor [B, 2]
            As the encoder had it.
        scale : torch.Tensor [B, 1, 1, 1]
            What the sender divided by.
        weight, profile, amplitude, base, left : torch.Tensor
            As the encoder had them.

        Returns
        -------
        torch.Tensor [B, 3, H, W]
            RGB.
        """
        learned = self._amplitudes(conditions, amplitude)
        sent = ((noise < LOST) & (amplitude > 0)).to(y.dtype)
        variance = self._variance_of(profile, (base, left))
        # this image's variances: those of the map, scaled so that their sum gives the power that the header tells
        reals = 2 ** (conditions[:, 1] + 7) * y.shape[2] * y.shape[3]
        fitted = (learned.square() * variance).sum(dim=(1, 2, 3)) / reals
        prior = variance * scale.square() / 2 / fitted.clamp_min(1e-12).view(-1, 1, 1, 1)
        error = noise.clamp_max(LOST) / 2 * (scale / learned.clamp_min(1e-6)).square()
        trust = prior / (prior + error) * sent
        estimate = trust * y * scale / learned.clamp_min(1e-6)
        # of what is not sent nothing is known but of the coefficients that have a base themselves
        told = torch.cat([torch.ones_like(sent[:, :BASE]), (amplitude[:, BASE:] > 0).to(y.dtype)], dim=1)
        estimate = estimate + self._latent_of(base) * told
        # what is known of a coefficient with a base is never less than the base
        unknown = (left / self.variance[:, :BASE]).clamp_max(1)
        trust = torch.cat([1 - (1 - trust[:, :BASE]) * unknown, trust[:, BASE:]], dim=1)
        mean_trust = 2 * trust.mean(dim=(1, 2, 3), keepdim=True).flatten(1)
        state = torch.cat([conditions, mean_trust, scale.flatten(1).clamp_min(1e-6).log()], dim=1)
        features = self.decoder_features(state)
        known = self.decoder_profile(profile).permute(0, 3, 1, 2) + self.decoder_cells(self._cells(amplitude, weight))
        z = self.decoder_in(torch.cat([estimate / self.variance.sqrt(), trust], dim=1)) + known
        z = self.decoder_coarse(z, features)
        correction = self.latent_level(self.decoder_latent(z), features)
        linear = self.synthesis(estimate + correction * self._spread(left))
        z = self.decoder_middle(nn.functional.pixel_shuffle(self.up_middle(z), 2), features)
        z = self.decoder_fine(nn.functional.pixel_shuffle(self.up_fine(z), 2), features)
        return linear + nn.functional.pixel_shuffle(self.out_level(self.decoder_out(z), features), 4) + self.mean

    def parts(self) -> list[tuple]:
        """What is exported, see :class:`semcom.train.export.Part`."""
        x, conditions, latent = torch.zeros(1, 3, 64, 96), torch.zeros(1, 2), torch.zeros(1, KEPT, 4, 6)
        weight, scale = torch.ones(1, 1, 4, 6), torch.ones(1, 1, 1, 1)
        shared = {"importance": weight, "profile": torch.zeros(1, 4, 6, dtype=torch.long), "amplitude": latent + 1}
        shared |= {"base": torch.zeros(1, BASE, 4, 6), "left": torch.ones(1, BASE, 1, 1)}
        sending = {"x": x, "told": conditions} | shared
        receiving = {"y": latent, "noise": latent + 0.1, "told": conditions, "scale": scale} | shared
        return [("encoder", "encode", sending, "y"), ("decoder", "decode", receiving, "x_hat")]

    def fold(self) -> None:
        """Make the network cheaper to run, no longer to train, without changing what it computes."""
        for module in self.modules():
            if isinstance(module, _Residual):
                module.fold()
        self.of_base = (self.analysis.weight.flatten(1) @ self.klt[:BASE].flatten(1).T)[:, :, None, None].detach()

    def metadata(self) -> dict[str, str]:
        """What the coder around the exported networks has to know: over which tables they were trained."""
        return {"tables": weights.sha256("softcast_klt")}

    def link(
        self,
        x: torch.Tensor,
        snr_db: torch.Tensor,
        channels: torch.Tensor | None = None,
        fading: Fading = AWGN,
        importance: torch.Tensor | None = None,
        assumed_db: torch.Tensor | None = None,
        side: torch.Tensor | None = None,
        groups: int | None = None,
        count: torch.Tensor | None = None,
        step: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Map, encoder, power normalisation, channel, decoder: what training and validation run.

        Parameters
        ----------
        x : torch.Tensor [B, 3, H, W]
            Images in [0, 1].
        snr_db : torch.Tensor [B]
            Es/N0 in dB.
        channels : torch.Tensor [B], optional
            Coefficients sent, of a patch on average; 128, which is k/n = 1/12 without the map, if left out.
        fading : Fading, default ``AWGN``
            What befalls the fragments.
        importance : torch.Tensor [B, 1, H/16, W/16], optional
            In [0, 1]; nothing is sent where it is 0; 1 everywhere if left out.
        assumed_db : torch.Tensor [B], optional
            What the encoder takes the SNR to be, as a rule ``snr_db``.
        side, groups : optional
            See :meth:`plan`.
        count, step : optional
            See :meth:`base`; 3 coefficients in steps of 1 if left out.

        Returns
        -------
        torch.Tensor [B, 3, H, W]
            The images received.
        """
        size = len(x)
        snr_db = snr_db.expand(size)
        channels = torch.full_like(snr_db, USUAL) if channels is None else channels
        assumed_db = (snr_db if assumed_db is None else assumed_db).round().clamp(*SNR_RANGE).expand(size)
        rows, columns = x.shape[2] // PATCH, x.shape[3] // PATCH
        weight = torch.ones(size, 1, rows, columns, device=x.device) if importance is None else importance
        groups = groups or size
        # no more than there is to send
        there = (weight > 0).to(x.dtype).reshape(groups, -1).mean(dim=1).repeat_interleave(size // groups)
        channels = torch.minimum(channels, (KEPT * there).ceil())
        conditions = condition(assumed_db, channels)
        count = torch.full_like(snr_db, 3) if count is None else count
        known, left = self.base(x, count, torch.ones_like(snr_db) if step is None else step)
        based = known * (weight > 0), left
        profile, amplitude = self.plan(x, assumed_db, channels, weight, side, groups, based)
        y = self.encode(x, conditions, weight, profile, amplitude, *based)
        # a group of images is one large image to power normalisation and channel
        together = (groups, -1, rows, columns)
        z, scale = normalised(y.reshape(together), (amplitude > 0).to(y.dtype).reshape(together))
        # power is 1 on average over all that may be sent, also over what the allocation gives nothing
        share = (amplitude > 0).reshape(groups, -1).sum(dim=1) / (
            channels[:: size // groups] * rows * columns * (size // groups)
        )
        gain = share.clamp_max(1).rsqrt().view(-1, 1, 1, 1)
        z, scale = z * gain, scale / gain
        received, noise = self.through(z, snr_db[:: size // groups], fading)
        received, noise = received.reshape_as(y), noise.reshape(y.shape)
        noise = torch.where(amplitude > 0, noise.clamp_max(LOST), torch.full_like(noise, LOST))
        scale = scale.repeat_interleave(size // groups, 0)
        return self.decode(received * (amplitude > 0), noise, conditions, scale, weight, profile, amplitude, *based)

    decoding = ("decoder_", "latent_level", "up_", "out_level")

    def training_loss(self, x: torch.Tensor, conditions: Conditions) -> torch.Tensor:
        """Loss with each group of images at an SNR, rate, fading and importance of its own.

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
        size = len(x)
        x = conditions.draw_scale(x, PATCH)
        divisors = [count for count in range(1, size + 1) if size % count == 0]
        # as a rule images are by themselves; together they have the variety of a large photograph
        groups = divisors[-1 - int(torch.multinomial(torch.tensor(TOGETHER)[: len(divisors)], 1))]
        per = size // groups
        snr_db = conditions.draw_snr(x)[:groups]
        wrong = torch.rand_like(snr_db) < conditions.mismatched
        assumed_db = torch.where(wrong, conditions.draw_snr(x)[:groups], snr_db).repeat_interleave(per)
        channels = conditions.draw_channels(x)[:groups].repeat_interleave(per)
        drawn = conditions.draw_importance(x, PATCH)
        importance = torch.where(drawn > 0, 2 ** drawn.log2().round().clamp_min(-6), 0.0)
        drawn = torch.rand(size, device=x.device)
        side = torch.where(drawn < NO_MAP, 0, torch.where(drawn < NO_MAP + LARGE_CELLS, 2, 1))
        snr_db = snr_db.repeat_interleave(per)
        counts, shares = zip(*BASES, strict=True)
        drawn = torch.multinomial(torch.tensor(shares, device=x.device), groups, replacement=True)
        count = torch.tensor(counts, device=x.device)[drawn].repeat_interleave(per)
        octave = STEPS[0] + (STEPS[1] - STEPS[0]) * torch.rand(groups, device=x.device)
        step = 2 ** octave.round().repeat_interleave(per)
        x_hat = self.link(x, snr_db, channels, conditions.fading, importance, assumed_db, side, groups, count, step)
        weight = nn.functional.interpolate(importance, scale_factor=PATCH, mode="nearest")
        return self.criterion(
            x.transpose(0, 1).reshape(3, groups, -1, x.shape[3]).transpose(0, 1),
            x_hat.transpose(0, 1).reshape(3, groups, -1, x.shape[3]).transpose(0, 1),
            weight.reshape(groups, 1, -1, x.shape[3]),
        )
