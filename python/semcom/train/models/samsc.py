# SPDX-License-Identifier: GPL-3.0-or-later
"""The convolutional coder of "Segment Anything Meets Semantic Communication"."""

from __future__ import annotations

import torch
from torch import nn

from ..channels import Conditions
from ..data import Photographs
from ..network import Network

KERNEL = 5


class SAMSC(Network):
    """CNN JSCC of Tariq et al., "Segment Anything Meets Semantic Communication", 2023.

    ::

        x [B,3,H,W] --g_a--> y [B,128,H/16,W/16] --channel--> y' --g_s--> x' [B,3,H,W]

        g_a:  conv5x5/2 3->48 | PReLU | conv5x5/2 48->96 | PReLU |
              conv5x5/2 96->192 | PReLU | conv5x5/2 192->128
        g_s:  the mirror image, transposed convolutions, 128->192->96->48->3

    The paper's layer table is not in its text; what it states is kept: four stride-2 stages,
    3x512x512 -> 128x32x32 (1/6 in reals), training without channel noise.

    Input of ``g_a`` is RGB in [0, 1] with H and W multiples of 16; ``y`` is real and not yet normalised in
    power, which the sender does per image.

    Parameters
    ----------
    widths : tuple of 3 int, optional
        Channels after each of the first three stages.
    latent : int, default 128
        Channels of ``y``.
    """

    stride = 16

    def __init__(self, widths: tuple[int, int, int] = (48, 96, 192), latent: int = 128):
        super().__init__()
        chain = (3, *widths, latent)
        self.latent = latent
        down, up = [], []
        for i in range(4):
            down.append(nn.Conv2d(chain[i], chain[i + 1], KERNEL, 2, KERNEL // 2))
            up.append(nn.ConvTranspose2d(chain[4 - i], chain[3 - i], KERNEL, 2, KERNEL // 2, output_padding=1))
            if i < 3:
                down.append(nn.PReLU(chain[i + 1]))
                up.append(nn.PReLU(chain[3 - i]))
        self.g_a = nn.Sequential(*down)
        self.g_s = nn.Sequential(*up)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """The latent of images.

        Parameters
        ----------
        x : torch.Tensor [B, 3, H, W]
            RGB in [0, 1].

        Returns
        -------
        torch.Tensor [B, latent, H/16, W/16]
            The latent.
        """
        return self.g_a(x - 0.5)

    def decode(self, y: torch.Tensor) -> torch.Tensor:
        """The images of a latent, not clipped.

        Parameters
        ----------
        y : torch.Tensor [B, latent, h, w]
            The latent.

        Returns
        -------
        torch.Tensor [B, 3, 16h, 16w]
            RGB.
        """
        return self.g_s(y) + 0.5

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The noise-free round trip that the paper trains.

        Parameters
        ----------
        x : torch.Tensor [B, 3, H, W]
            RGB in [0, 1].

        Returns
        -------
        torch.Tensor [B, 3, H, W]
            RGB, not clipped.
        """
        return self.decode(self.encode(x))

    def training_loss(self, x: torch.Tensor, conditions: Conditions) -> torch.Tensor:
        """Loss without channel noise, as in the paper.

        Parameters
        ----------
        x : torch.Tensor [B, 3, H, W]
            RGB in [0, 1].
        conditions : Conditions
            Do not matter.

        Returns
        -------
        torch.Tensor
            A scalar.
        """
        return self.criterion(x, self(x))

    def initialise(self, photographs: Photographs) -> None:
        """Start as a linear transform coder, see :meth:`init_from_klt`.

        Parameters
        ----------
        photographs : Photographs
            What the transform is fitted to.
        """
        self.init_from_klt(photographs.batch(400).cpu())

    @torch.no_grad()
    def init_from_klt(self, images: torch.Tensor) -> None:
        """Start as a linear transform coder instead of from noise.

        Stage by stage, 2x2 blocks are rotated into their principal components (a hierarchical Karhunen-Loeve
        transform), the last stage scales by variance^(-1/4) (SoftCast's amplitude rule) and the decoder is the
        inverse. The PReLU slopes of the channels in use start at 1, so that the first step of training already
        stands where the best linear coder ends and everything after it is what the network adds.

        Parameters
        ----------
        images : torch.Tensor [N, 3, S, S]
            In [0,1], S a multiple of 16.
        """
        tap = KERNEL // 2
        z = images - 0.5
        downs = [m for m in self.g_a if isinstance(m, nn.Conv2d)]
        ups = [m for m in self.g_s if isinstance(m, nn.ConvTranspose2d)][::-1]
        for stage, (down, up) in enumerate(zip(downs, ups, strict=True)):
            used = z.shape[1]
            blocks = nn.functional.unfold(z, 2, stride=2)  # [N, used*4, L], index c*4 + row*2 + col
            flat = blocks.permute(1, 0, 2).reshape(used * 4, -1)
            values, vectors = torch.linalg.eigh(flat @ flat.T / flat.shape[1])
            keep = min(used * 4, down.out_channels)
            basis = vectors[:, -keep:].flip(1)
            gain = torch.ones(keep)
            if stage == 3:
                gain = values[-keep:].flip(0).clamp_min(1e-9) ** -0.25
            for layer in (down, up):
                layer.weight.mul_(0.1)
                layer.bias.zero_()
            down.weight[:keep].zero_()
            up.weight[:keep].zero_()
            shape = (keep, used, 2, 2)
            down.weight[:keep, :used, tap : tap + 2, tap : tap + 2] = (basis * gain).T.reshape(shape)
            up.weight[:keep, :used, tap : tap + 2, tap : tap + 2] = (basis / gain).T.reshape(shape)
            if stage < 3:
                self.g_a[2 * stage + 1].weight[:keep] = 1.0
                self.g_s[5 - 2 * stage].weight[:keep] = 1.0
            n, side = z.shape[0], z.shape[2] // 2
            z = torch.einsum("ck,ncl->nkl", basis, blocks).reshape(n, keep, side, side)
