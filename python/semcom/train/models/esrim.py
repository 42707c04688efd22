# SPDX-License-Identifier: GPL-3.0-or-later
"""The receiver's painter, after ES-RIM of "ES-ISC Demo", and the discriminator that it is trained against."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from ...scene.render.esrim import CELL, NOISE, WORDS
from ...segment.classes import VOC
from .efficientnet import Features, imagenet_weights

_CLASS_WIDTH = 8
_TEXT = 64
_SEEN = (40, 112)  # channels of EfficientNet-Lite0's maps that the discriminator looks at


class _Modulation(nn.Module):
    """Affine modulation by text and noise, one factor and offset a channel, then by the maps, one a position.

    Both start as nothing at all.
    """

    def __init__(self, width: int, told: int, drawn: int):
        super().__init__()
        self.of_text, self.of_maps = nn.Linear(told, 2 * width), nn.Conv2d(drawn, 2 * width, 1)
        for layer in (self.of_text, self.of_maps):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: torch.Tensor, told: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
        factor, offset = self.of_text(told)[:, :, None, None].chunk(2, dim=1)
        x = x * (1 + factor) + offset
        factor, offset = self.of_maps(drawn).chunk(2, dim=1)
        return x * (1 + factor) + offset


class FusionBlock(nn.Module):
    """Deep text-image-segmentation fusion: twice modulated by both, rectified and convolved, added to its input.

    Parameters
    ----------
    width : int
        Channels.
    told : int
        Numbers of text and noise.
    drawn : int
        Channels of what is known of the maps.
    """

    def __init__(self, width: int, told: int, drawn: int):
        super().__init__()
        self.modulations = nn.ModuleList(_Modulation(width, told, drawn) for _ in range(2))
        self.convolutions = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        nn.init.zeros_(self.convolutions[-1].weight)
        nn.init.zeros_(self.convolutions[-1].bias)

    def forward(self, x: torch.Tensor, told: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
        """The features after the block.

        Parameters
        ----------
        x : torch.Tensor [B, width, h, w]
            Features.
        told : torch.Tensor [B, told]
            Text and noise.
        drawn : torch.Tensor [B, drawn, h, w]
            What is known of the maps.

        Returns
        -------
        torch.Tensor [B, width, h, w]
            Features.
        """
        y = x
        for modulation, convolution in zip(self.modulations, self.convolutions, strict=True):
            y = convolution(F.leaky_relu(modulation(y, told, drawn), 0.2))
        return x + y


class TextEncoder(nn.Module):
    """The mean of a caption's word vectors, words told apart by ``scene.render.esrim.words``.

    Parameters
    ----------
    width : int
        Of the vector.
    """

    def __init__(self, width: int):
        super().__init__()
        self.words = nn.Parameter(0.1 * torch.randn(WORDS, width))

    def forward(self, counts: torch.Tensor) -> torch.Tensor:
        """One vector for each caption.

        Parameters
        ----------
        counts : torch.Tensor [B, WORDS]
            How often each word occurs.

        Returns
        -------
        torch.Tensor [B, width]
            Nothing at all for no words.
        """
        return counts @ self.words / counts.sum(dim=1, keepdim=True).clamp_min(1)


class EsRim(nn.Module):
    """Refines the weightless picture of a scene by its maps, its text and noise (Ye et al., "ES-ISC Demo").

    The paper's receiver has no public code. As there, a generator of deep text-image-segmentation fusion blocks is
    modulated at every map by the text, T_N, with noise Z_N, and by the segmentation; normalised features of the
    segmentation carry its texture. It does not start from noise but from the picture that is painted without weights,
    to which it adds a residual, and it is small: no CLIP and no generator of GALIP's size can be had here.

    Parameters
    ----------
    widths : tuple of 2 int, optional
        Channels at a fourth and at an eighth of the picture's sides.
    depths : tuple of 2 int, optional
        Blocks at both; those of the finer grid half before and half after those of the coarser one.
    maps : int, default 32
        Channels of what is known of the maps.
    """

    def __init__(self, widths: tuple[int, int] = (64, 112), depths: tuple[int, int] = (4, 6), maps: int = 32):
        super().__init__()
        fine, coarse = widths
        told = _TEXT + NOISE
        self.text = TextEncoder(_TEXT)
        self.classes = nn.Embedding(len(VOC), _CLASS_WIDTH)
        seen = CELL**2
        self.maps = nn.Sequential(
            nn.Conv2d(_CLASS_WIDTH + 3 * seen + 1, maps, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(maps, maps, 3, padding=1),
            nn.LeakyReLU(0.2),
        )
        self.enter = nn.Conv2d(3 * seen, fine, 3, padding=1)
        self.down = nn.Conv2d(fine, coarse, 4, 2, 1)
        self.up = nn.Sequential(nn.Conv2d(coarse, 4 * fine, 1), nn.PixelShuffle(2))
        half = depths[0] // 2
        self.before = nn.ModuleList(FusionBlock(fine, told, maps) for _ in range(half))
        self.middle = nn.ModuleList(FusionBlock(coarse, told, maps) for _ in range(depths[1]))
        self.after = nn.ModuleList(FusionBlock(fine, told, maps) for _ in range(depths[0] - half))
        self.leave = nn.Conv2d(fine, 3 * seen, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(
        self,
        picture: torch.Tensor,
        labels: torch.Tensor,
        drawn: torch.Tensor,
        words: torch.Tensor,
        noise: torch.Tensor,
        grain: torch.Tensor,
        strength: torch.Tensor,
    ) -> torch.Tensor:
        """The picture, refined.

        Parameters
        ----------
        picture : torch.Tensor [B, 3, H, W]
            What is painted without weights, RGB in [0, 1]; sides multiples of ``STRIDE``.
        labels : torch.Tensor [B, H/4, W/4]
            The class map, int64.
        drawn : torch.Tensor [B, 2, H, W]
            1 at the outlines of B-seg, and 1 within sub-images; 0 elsewhere.
        words : torch.Tensor [B, WORDS]
            How often each word occurs in the caption.
        noise : torch.Tensor [B, NOISE]
            Z_N.
        grain : torch.Tensor [B, 1, H, W]
            Noise of each pixel.
        strength : torch.Tensor [B]
            How much of the residual is added: 0 gives the picture back.

        Returns
        -------
        torch.Tensor [B, 3, H, W]
            RGB, not clipped.
        """
        told = torch.cat([self.text(words), noise], dim=1)
        cells = F.pixel_unshuffle(torch.cat([drawn, grain], dim=1), CELL)
        grey = F.pixel_unshuffle(picture.mean(dim=1, keepdim=True), CELL)
        # how much a position's pixels differ, beside what it shows and where outlines run
        texture = (grey - grey.mean(dim=1, keepdim=True)).abs().mean(dim=1, keepdim=True)
        maps = self.maps(torch.cat([self.classes(labels).permute(0, 3, 1, 2), cells, 8 * texture], dim=1))
        coarse = F.avg_pool2d(maps, 2)
        x = self.enter(F.pixel_unshuffle(picture - 0.5, CELL))
        for block in self.before:
            x = block(x, told, maps)
        y = self.down(x)
        for block in self.middle:
            y = block(y, told, coarse)
        x = x + self.up(y)
        for block in self.after:
            x = block(x, told, maps)
        residual = F.pixel_shuffle(self.leave(F.leaky_relu(x, 0.2)), CELL)
        return picture + strength[:, None, None, None] * residual


class Discriminator(nn.Module):
    """Whether a picture is a photograph and its caption speaks of it, judged on features of an image encoder.

    As GALIP judges on CLIP-ViT's; here on EfficientNet-Lite0's, which does not learn. Texture is judged on the pixels
    themselves (PatchGAN, Isola et al., CVPR 2017): without that the generator draws a hatching that no photograph has,
    and that ST-LPIPS takes for detail.

    Parameters
    ----------
    features : torch.nn.Module
        Pixels [B, 3, H, W], 0 to 255, to maps, the first two of ``_SEEN`` channels.
    """

    def __init__(self, features: nn.Module):
        super().__init__()
        self.features = features.eval().requires_grad_(False)
        self.text = TextEncoder(_TEXT)
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, 64, 3, padding=1), nn.LeakyReLU(0.2)) for channels in _SEEN
        )
        self.judges = nn.ModuleList(
            nn.Sequential(nn.Conv2d(64 + _TEXT, 64, 1), nn.LeakyReLU(0.2), nn.Conv2d(64, 1, 1)) for _ in _SEEN
        )
        self.texture = nn.Sequential(
            nn.Conv2d(3, 32, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(32, 64, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(64, 1, 3, padding=1),
        )  # fmt: skip

    def see(self, picture: torch.Tensor) -> list[torch.Tensor]:
        """The image encoder's maps of a picture.

        Parameters
        ----------
        picture : torch.Tensor [B, 3, H, W]
            RGB in [0, 1].

        Returns
        -------
        list of torch.Tensor
            At an eighth and at a sixteenth of its sides.
        """
        return self.features((255 * picture - 127) / 128)[: len(_SEEN)]

    def forward(self, picture: torch.Tensor, seen: list[torch.Tensor], words: torch.Tensor) -> list[torch.Tensor]:
        """One verdict for each position of each map: above 0 is a photograph of which the caption speaks.

        Parameters
        ----------
        picture : torch.Tensor [B, 3, H, W]
            RGB in [0, 1].
        seen : list of torch.Tensor
            What ``see`` gave.
        words : torch.Tensor [B, WORDS]
            How often each word occurs in the caption.

        Returns
        -------
        list of torch.Tensor
            [B, 1, h, w] each.
        """
        told = self.text(words)[:, :, None, None]
        found = [self.texture(2 * picture - 1)]
        for maps, head, judge in zip(seen, self.heads, self.judges, strict=True):
            x = head(maps)
            found.append(judge(torch.cat([x, told.expand(-1, -1, *x.shape[2:])], dim=1)))
        return found


def image_encoder() -> nn.Module:
    """EfficientNet-Lite0 with its weights of ImageNet.

    Returns
    -------
    torch.nn.Module
        Maps at 1/8, 1/16 and 1/32.

    Raises
    ------
    Missing
        Its weights are not installed.
    """
    features = Features()
    features.load_imagenet(imagenet_weights())
    return features
