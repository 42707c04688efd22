# SPDX-License-Identifier: GPL-3.0-or-later
"""The transformer coder of "WITT: A Wireless Image Transmission Transformer for Semantic Communications"."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

from ..network import Network

LAYERS = 7  # modulated layers of a Channel ModNet
BARRED = -100.0  # added to the score of a pair that must not attend, as the Swin Transformer does


class Windows:
    """How a grid is cut into windows, shifted cyclically or not.

    The grid is filled up to whole windows; what was filled in attends only to itself, and of what the shift wrapped
    around the edge only what was neighbours before stays in contact. All sizes may be traced, so that an exported
    network takes images of any size.

    Parameters
    ----------
    rows, columns : int
        Of the grid.
    size : int
        Side of a window.
    shifted : bool
        By half a window, along an axis with more than one.
    device : torch.device
        Of the indices.
    """

    def __init__(self, rows: int, columns: int, size: int, shifted: bool, device: torch.device):
        self.size = size
        axes = [self._axis(n, size, shifted, device) for n in (rows, columns)]
        (self.down, self.back_down, region_down), (self.across, self.back_across, region_across) = axes
        self.counts = region_down.shape[0] // size, region_across.shape[0] // size
        # nothing to move and nothing to mask: known only outside a trace, where sizes are plain numbers
        self.plain = not shifted and not torch.jit.is_tracing() and rows % size == 0 and columns % size == 0
        self.mask = None
        if not self.plain:
            region = self.cut((3 * region_down[:, None] + region_across[None, :])[None, :, :, None]).squeeze(-1)
            apart = region[:, :, None] != region[:, None, :]
            self.mask = torch.where(apart, BARRED, 0.0)[:, None]  # [windows,1,size^2,size^2]

    @staticmethod
    def _axis(n: int, size: int, shifted: bool, device: torch.device) -> tuple[torch.Tensor, ...]:
        """Which position goes to each place, where each position went, and the region of each place."""
        windows = (n + size - 1) // size
        filled = windows * size
        # a single window is not shifted: 1 // windows is 1 for one and 0 for more
        shift = (size // 2) * (1 - 1 // windows) if shifted else 0
        place = torch.arange(filled, device=device)
        position = (place + shift) % filled
        region = (place >= filled - shift).long()
        region = torch.where(position < n, region, 2)
        return position.clamp_max(n - 1), (torch.arange(n, device=device) - shift + filled) % filled, region

    def cut(self, grid: torch.Tensor) -> torch.Tensor:
        """A grid cut into windows.

        Parameters
        ----------
        grid : torch.Tensor [B, rows', columns', C]
            Of whole windows.

        Returns
        -------
        torch.Tensor [B * windows, size^2, C]
            The windows.
        """
        down, across = self.counts
        tiles = grid.reshape(-1, down, self.size, across, self.size, grid.shape[-1]).transpose(2, 3)
        return tiles.reshape(-1, self.size**2, grid.shape[-1])

    def partition(self, x: torch.Tensor) -> torch.Tensor:
        """A grid filled up, shifted if it is to be, and cut into windows.

        Parameters
        ----------
        x : torch.Tensor [B, rows, columns, C]
            The grid.

        Returns
        -------
        torch.Tensor [B * windows, size^2, C]
            The windows.
        """
        return self.cut(x if self.plain else x.index_select(1, self.down).index_select(2, self.across))

    def merge(self, tiles: torch.Tensor) -> torch.Tensor:
        """The inverse of :meth:`partition`.

        Parameters
        ----------
        tiles : torch.Tensor [B * windows, size^2, C]
            The windows.

        Returns
        -------
        torch.Tensor [B, rows, columns, C]
            The grid.
        """
        down, across = self.counts
        grid = tiles.reshape(-1, down, across, self.size, self.size, tiles.shape[-1]).transpose(2, 3)
        grid = grid.reshape(-1, down * self.size, across * self.size, tiles.shape[-1])
        return grid if self.plain else grid.index_select(1, self.back_down).index_select(2, self.back_across)


class WindowAttention(nn.Module):
    """Multi-head self-attention within windows, with a bias for each relative position (Liu et al., ICCV 2021).

    Parameters
    ----------
    width : int
        Channels, a multiple of ``heads``.
    heads : int
        Of attention.
    size : int
        Side of a window.
    """

    def __init__(self, width: int, heads: int, size: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.bias = nn.Parameter(torch.empty((2 * size - 1) ** 2, heads))
        nn.init.trunc_normal_(self.bias, std=0.02)
        at = torch.stack(torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")).flatten(1)
        apart = at[:, :, None] - at[:, None, :] + size - 1
        self.register_buffer("pair", apart[0] * (2 * size - 1) + apart[1], persistent=False)

    def forward(self, tiles: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """The windows after attention.

        Parameters
        ----------
        tiles : torch.Tensor [B * windows, N, width]
            The windows.
        mask : torch.Tensor [windows, 1, N, N] or None
            Added to the scores.

        Returns
        -------
        torch.Tensor [B * windows, N, width]
            The windows.
        """
        n, width = tiles.shape[1:]
        q, k, v = self.qkv(tiles).reshape(-1, n, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        bias = self.bias[self.pair].permute(2, 0, 1)[None]
        if mask is None:
            y = nn.functional.scaled_dot_product_attention(q, k, v, bias.to(q.dtype))
        else:
            # windows that are apart have a dimension of their own, so that the mask is not repeated for each image
            q, k, v = (each.unflatten(0, (-1, mask.shape[0])).flatten(1, 2) for each in (q, k, v))
            bias = (bias + mask).flatten(0, 1)[None]
            y = nn.functional.scaled_dot_product_attention(q, k, v, bias.to(q.dtype))
            y = y.unflatten(1, (mask.shape[0], self.heads)).flatten(0, 1)
        return self.project(y.transpose(1, 2).reshape(-1, n, width))


class SwinBlock(nn.Module):
    """Attention within windows, then a two-layer perceptron, each normalised before and added to its input.

    Parameters
    ----------
    width : int
        Channels, a multiple of ``heads``.
    heads : int
        Of attention.
    size : int
        Side of a window.
    """

    def __init__(self, width: int, heads: int, size: int):
        super().__init__()
        self.norm_attention = nn.LayerNorm(width)
        self.attention = WindowAttention(width, heads, size)
        self.norm_perceptron = nn.LayerNorm(width)
        self.perceptron = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: torch.Tensor, windows: Windows) -> torch.Tensor:
        """The grid after the block.

        Parameters
        ----------
        x : torch.Tensor [B, rows, columns, width]
            The grid.
        windows : Windows
            How it is cut.

        Returns
        -------
        torch.Tensor [B, rows, columns, width]
            The grid.
        """
        tiles = windows.partition(self.norm_attention(x))
        x = x + windows.merge(self.attention(tiles, windows.mask))
        return x + self.perceptron(self.norm_perceptron(x))


class _Stage(nn.ModuleList):
    """Blocks of one grid, every second one with shifted windows."""

    def __init__(self, width: int, depth: int, heads: int, size: int):
        super().__init__(SwinBlock(width, heads, size) for _ in range(depth))
        self.size = size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B,rows,columns,width] -> the same shape."""
        ways = [Windows(x.shape[1], x.shape[2], self.size, shifted, x.device) for shifted in (False, True)]
        for i, block in enumerate(self):
            x = block(x, ways[i % 2])
        return x


class PatchMerging(nn.Module):
    """The four positions of a 2x2 square side by side, normalised and projected.

    Parameters
    ----------
    width : int
        Channels of the finer grid.
    out : int
        Channels of the coarser grid.
    """

    def __init__(self, width: int, out: int):
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduce = nn.Linear(4 * width, out, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See the class."""
        corners = [x[:, down::2, across::2] for across in (0, 1) for down in (0, 1)]
        return self.reduce(self.norm(torch.cat(corners, dim=-1)))


class PatchReverseMerging(nn.Module):
    """Each position projected to the four of a 2x2 square.

    Parameters
    ----------
    width : int
        Channels of the coarser grid.
    out : int
        Channels of the finer grid.
    """

    def __init__(self, width: int, out: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.increase = nn.Linear(width, 4 * out, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See the class."""
        planes = self.increase(self.norm(x)).permute(0, 3, 1, 2)
        return nn.functional.pixel_shuffle(planes, 2).permute(0, 2, 3, 1)


class ChannelModNet(nn.Module):
    """Scales each feature by a factor in (0,1) from the feature itself and the SNR (section 2.3 of the paper).

    Eight linear layers; the output of each of the first seven is multiplied by what a three-layer SNR module makes of
    Es/N0 in dB, and a sigmoid of the last is the factor. As in the authors' code there is no other non-linearity, and
    the factor has no gradient into the features it was computed from.

    Parameters
    ----------
    width : int
        Channels.
    """

    def __init__(self, width: int):
        super().__init__()
        hidden = width * 3 // 2
        sizes = (width, *[hidden] * LAYERS, width)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.snr_modules = nn.ModuleList(
            nn.Sequential(
                nn.Linear(1, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, hidden),
                nn.Sigmoid(),
            )
            for _ in range(LAYERS)
        )  # fmt: skip

    def forward(self, x: torch.Tensor, snr_db: torch.Tensor) -> torch.Tensor:
        """The features, scaled.

        Parameters
        ----------
        x : torch.Tensor [B, h, w, width]
            Features.
        snr_db : torch.Tensor [B]
            Es/N0.

        Returns
        -------
        torch.Tensor [B, h, w, width]
            Features.
        """
        factor = x.detach()
        for layer, snr_module in zip(self.layers, self.snr_modules, strict=False):
            factor = layer(factor) * snr_module(snr_db[:, None])[:, None, None]
        return x * self.layers[-1](factor).sigmoid()


class WITT(Network):
    """Swin-transformer JSCC of Yang, Wang, Dai, Tan, Niu and Zhang, ICASSP 2023, one network for a range of SNRs.

    ::

        x [B,3,H,W] --2x2 patches--> stage 1 --merge--> stage 2 --merge--> stage 3 --merge--> stage 4 --norm-->
          Channel ModNet(SNR) --> y [B,C,H/16,W/16] --channel--> y' --> Channel ModNet(SNR) -->
          stage 4 --split--> stage 3 --split--> stage 2 --split--> stage 1 --split--> x' [B,3,H,W]

    Sizes of the paper's high-resolution network: grids of 1/2, 1/4, 1/8 and 1/16 of the image. Where a grid is no
    multiple of the window it is filled up and the filling masked out, so that every multiple of 16 pixels will do.
    The paper's loss is MSE with a pre-training without the ModNets; here it is log-MSE in one go. Its channel gives the
    receiver the power scale for free; here that is the scale of the burst header.

    Parameters
    ----------
    widths, depths, heads : tuple of int, optional
        Channels, blocks and attention heads of the four stages.
    window : int, default 8
        Side of the attention windows.
    latent : int, default 128
        C, even; k/n = C / 1536, so that 128 gives 1/12.
    """

    stride = 16
    probe = 128  # windows need more than the smallest image

    def __init__(
        self,
        widths: tuple[int, ...] = (128, 192, 256, 320),
        depths: tuple[int, ...] = (2, 2, 6, 2),
        heads: tuple[int, ...] = (4, 6, 8, 10),
        window: int = 8,
        latent: int = 128,
    ):
        super().__init__()
        self.latent = latent
        self.embed = nn.Conv2d(3, widths[0], 2, 2)
        down: list[nn.Module] = []
        up: list[nn.Module] = []
        outs = (3, *widths)
        for i, (width, depth, head) in enumerate(zip(widths, depths, heads, strict=True)):
            if i:
                down.append(PatchMerging(widths[i - 1], width))
            down.append(_Stage(width, depth, head, window))
            up = [_Stage(width, depth, head, window), PatchReverseMerging(width, outs[i]), *up]
        self.encoder = nn.Sequential(*down, nn.LayerNorm(widths[-1]))
        self.encoder_head = nn.Linear(widths[-1], latent)
        self.decoder_head = nn.Linear(latent, widths[-1])
        self.decoder = nn.Sequential(*up)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        # each block starts as nothing at all: what a patch holds passes all stages from the first step on, where a few
        # minutes of training do not find a way through blocks that start at random
        for module in self.modules():
            if isinstance(module, SwinBlock):
                nn.init.zeros_(module.attention.project.weight)
                nn.init.zeros_(module.perceptron[-1].weight)
        # layer norms take away how bright a patch is unless there is something constant beside it
        nn.init.normal_(self.embed.bias)
        nn.init.normal_(self.decoder_head.bias, std=0.5)
        self.encoder_modnet = ChannelModNet(widths[-1])
        self.decoder_modnet = ChannelModNet(widths[-1])

    def encode(self, x: torch.Tensor, snr_db: torch.Tensor) -> torch.Tensor:
        """The latent of images, power not yet normalised.

        Parameters
        ----------
        x : torch.Tensor [B, 3, H, W]
            RGB in [0, 1].
        snr_db : torch.Tensor [B]
            Es/N0.

        Returns
        -------
        torch.Tensor [B, C, H/16, W/16]
            The latent.
        """
        features = self.encoder(self.embed(x).permute(0, 2, 3, 1))
        return self.encoder_head(self.encoder_modnet(features, snr_db)).permute(0, 3, 1, 2)

    def decode(self, y: torch.Tensor, snr_db: torch.Tensor) -> torch.Tensor:
        """The images of a received latent, not clipped.

        Parameters
        ----------
        y : torch.Tensor [B, C, h, w]
            The latent, scaled back as it was sent.
        snr_db : torch.Tensor [B]
            Es/N0.

        Returns
        -------
        torch.Tensor [B, 3, 16h, 16w]
            RGB.
        """
        features = self.decoder_head(y.permute(0, 2, 3, 1))
        return self.decoder(self.decoder_modnet(features, snr_db)).permute(0, 3, 1, 2)
