# SPDX-License-Identifier: GPL-3.0-or-later
"""The convolutional coder of "Deep Joint Source-Channel Coding for Wireless Image Transmission"."""

from __future__ import annotations

import torch
from torch import nn

from ...errors import BadInput
from ..network import Network

KERNEL = 5
CELL = 4  # 4x4 positions of the paper's latent make one position of the common grid
ACTIVATIONS = ("prelu", "gdn")


class _LowerBound(torch.autograd.Function):
    """max(x, bound) whose gradient still lets a value below the bound rise."""

    @staticmethod
    def forward(ctx, x: torch.Tensor, bound: float) -> torch.Tensor:
        ctx.save_for_backward(x)
        ctx.bound = bound
        return x.clamp_min(bound)

    @staticmethod
    def backward(ctx, gradient: torch.Tensor):
        (x,) = ctx.saved_tensors
        return gradient * ((x >= ctx.bound) | (gradient < 0)), None


class GDN(nn.Module):
    """Generalised divisive normalisation, x_i / sqrt(beta_i + sum_j gamma_ij x_j^2), or its inverse (product).

    Balle, Laparra and Simoncelli, "Density Modeling of Images Using a Generalized Normalization Transformation", ICLR
    2016. beta >= 1e-6 and gamma >= 0 hold by construction: what is learned is sqrt(value + 2^-36), bounded from below.

    Parameters
    ----------
    width : int
        Channels.
    inverse : bool, default False
        Multiply instead of divide (the decoder's IGDN).
    """

    offset = 2.0**-36
    min_beta = 1e-6

    def __init__(self, width: int, inverse: bool = False):
        super().__init__()
        self.inverse = inverse
        self.root_beta = nn.Parameter(torch.full((width,), (1 + self.offset) ** 0.5))
        self.root_gamma = nn.Parameter((0.1 * torch.eye(width) + self.offset).sqrt())

    @property
    def beta(self) -> torch.Tensor:
        """[width], at least 1e-6."""
        return _bounded(self.root_beta, (self.min_beta + self.offset) ** 0.5).square() - self.offset

    @property
    def gamma(self) -> torch.Tensor:
        """[width,width], not negative; row i is what divides channel i."""
        return _bounded(self.root_gamma, self.offset**0.5).square() - self.offset

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The features, normalised.

        Parameters
        ----------
        x : torch.Tensor [B, width, h, w]
            Features.

        Returns
        -------
        torch.Tensor [B, width, h, w]
            Features.
        """
        norm = nn.functional.conv2d(x.square(), self.gamma[:, :, None, None], self.beta)
        return x * (norm.sqrt() if self.inverse else norm.rsqrt())


def _bounded(x: torch.Tensor, bound: float) -> torch.Tensor:
    # an exported graph has no gradient and no operator for the custom function
    return x.clamp_min(bound) if torch.jit.is_tracing() else _LowerBound.apply(x, bound)


class DeepJSCC(Network):
    """CNN JSCC of Bourtsoulatze, Burth Kurka and Gunduz, IEEE Trans. Cognitive Communications and Networking, 2019.

    ::

        x [B,3,H,W] --g_a--> [B,c,H/4,W/4] --4x4 cells--> y [B,16c,H/16,W/16] --channel--> y' --g_s--> x' [B,3,H,W]

        g_a:  conv 5x5x16/2 | conv 5x5x32/2 | conv 5x5x32/1 | conv 5x5x32/1 | conv 5x5xc/1
        g_s:  trans 5x5x32/1 | trans 5x5x32/1 | trans 5x5x32/1 | trans 5x5x16/2 | trans 5x5x3/2, sigmoid

    Layers as the paper's figure of the architecture gives them (filter size x filters / stride), each followed by a
    PReLU but the last, which ends in a sigmoid. The figure's power normalisation z = sqrt(kP) z~ / sqrt(z~* z~), P = 1,
    over the k symbols of each image, and its channel z^ = z + n, n circular complex Gaussian, are in :meth:`link`.
    k/n = c/96: c = 8 gives 1/12. The cells only rearrange, so that pairing and fragments are those of every coder here.

    The paper trains one network for each SNR (``conditions.snr_db`` with both ends equal); over a range this draws an
    SNR for each image. The paper minimises plain MSE; here the loss is each image's log-MSE, as for every network.

    Parameters
    ----------
    filters : int, default 8
        C of the figure, even.
    activation : str, default "prelu"
        "prelu", as the paper, or "gdn": generalised divisive normalisation after every layer but the last of each half,
        and its inverse in the decoder, as the authors' later work (Kurka and Gunduz, "DeepJSCC-f", 2020).

    Raises
    ------
    BadInput
        An unknown activation.
    """

    stride = 16

    def __init__(self, filters: int = 8, activation: str = "prelu"):
        super().__init__()
        if activation not in ACTIVATIONS:
            raise BadInput(f"deepjscc has no activation {activation}; choose {', '.join(ACTIVATIONS)}")
        down: list[nn.Module] = []
        up: list[nn.Module] = []
        chain, strides = (3, 16, 32, 32, 32, filters), (2, 2, 1, 1, 1)
        for i, step in enumerate(strides):
            down.append(nn.Conv2d(chain[i], chain[i + 1], KERNEL, step, KERNEL // 2))
            if activation == "prelu":
                down.append(nn.PReLU(chain[i + 1]))
            elif i < 4:
                down.append(GDN(chain[i + 1]))
        chain, strides = (filters, 32, 32, 32, 16, 3), (1, 1, 1, 2, 2)
        for i, step in enumerate(strides):
            up.append(nn.ConvTranspose2d(chain[i], chain[i + 1], KERNEL, step, KERNEL // 2, output_padding=step - 1))
            if i < 4:
                up.append(nn.PReLU(chain[i + 1]) if activation == "prelu" else GDN(chain[i + 1], inverse=True))
        self.g_a = nn.Sequential(*down)
        self.g_s = nn.Sequential(*up, nn.Sigmoid())

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """The latent of images, power not yet normalised.

        Parameters
        ----------
        x : torch.Tensor [B, 3, H, W]
            RGB in [0, 1], H and W multiples of 16.

        Returns
        -------
        torch.Tensor [B, 16c, H/16, W/16]
            The latent.
        """
        return nn.functional.pixel_unshuffle(self.g_a(x), CELL)

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """The images of received symbols; no scale is needed.

        Parameters
        ----------
        z : torch.Tensor [B, 16c, h, w]
            Symbols of unit power.

        Returns
        -------
        torch.Tensor [B, 3, 16h, 16w]
            RGB in (0, 1).
        """
        return self.g_s(nn.functional.pixel_shuffle(z, CELL))
