# SPDX-License-Identifier: GPL-3.0-or-later
"""A coder of one's own: semcom train my_coder.py:MyCoder --data PHOTOGRAPHS --out mine --export first."""

import torch
from torch import nn


class Block(nn.Module):
    """A residual block that is told how good the channel is."""

    def __init__(self, width: int):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(width, width, 3, 1, 1), nn.GELU(), nn.Conv2d(width, width, 3, 1, 1))
        self.level = nn.Sequential(nn.Linear(1, 16), nn.ReLU(), nn.Linear(16, width), nn.Sigmoid())

    def forward(self, x, snr_db):
        return x + self.body(x) * self.level(snr_db.view(-1, 1) / 10)[:, :, None, None]


class MyCoder(nn.Module):
    """Convolutions at a stride of 8, told the SNR, and how far each received value can be trusted."""

    def __init__(self, widths=(24, 48, 64), latent=32):  # k/n = 32 / (6 * 8 * 8) = 1/12
        super().__init__()
        first, second, third = widths
        self.down = nn.Sequential(
            nn.Conv2d(3, first, 2, 2),
            nn.GELU(),
            nn.Conv2d(first, second, 2, 2),
            nn.GELU(),
            nn.Conv2d(second, third, 2, 2),
        )
        self.sending, self.to_latent = Block(third), nn.Conv2d(third, latent, 1)
        self.from_latent, self.receiving = nn.Conv2d(2 * latent, third, 1), Block(third)
        self.up = nn.Sequential(
            nn.ConvTranspose2d(third, second, 2, 2),
            nn.GELU(),
            nn.ConvTranspose2d(second, first, 2, 2),
            nn.GELU(),
            nn.ConvTranspose2d(first, 3, 2, 2),
        )

    def encode(self, x, snr_db):
        """Images [B, 3, H, W] in [0, 1] and Es/N0 [B] in dB -> latent [B, C, H/8, W/8] of any power, C even."""
        return self.to_latent(self.sending(self.down(x - 0.5), snr_db))

    def decode(self, y, snr_db, noise_var):
        """The latent as it was received, and the noise variance of each of its values -> images."""
        trust = 1 / (1 + noise_var / y.square().mean(dim=(1, 2, 3), keepdim=True).clamp_min(1e-6))
        z = self.receiving(self.from_latent(torch.cat([y * trust, trust], dim=1)), snr_db)
        return self.up(z) + 0.5
