# SPDX-License-Identifier: GPL-3.0-or-later
"""A compact network for class maps: EfficientNet-Lite0 features, a small feature pyramid on top of them."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from .efficientnet import Features, imagenet_weights


class _Refine(nn.Sequential):
    """Depthwise 5x5 and pointwise convolution, each normalised."""

    def __init__(self, width: int):
        super().__init__(
            nn.Conv2d(width, width, 5, padding=2, groups=width, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )


class ClassMap(nn.Module):
    """Class map of a photograph: EfficientNet-Lite0 features and a feature pyramid (Lin et al., CVPR 2017).

    ::

        x -> 1/8 -> 1/16 -> 1/32 + mean of the whole picture
              |       |       |
              +   <-  +   <-  +      each level refined, then the next one up added
              |
            scores

    Parameters
    ----------
    classes : int, default 21
        Number of labels.
    width : int, default 128
        Channels of the pyramid.
    """

    stride = 32

    def __init__(self, classes: int = 21, width: int = 128):
        super().__init__()
        self.features = Features()
        self.lateral = nn.ModuleList(nn.Conv2d(channels, width, 1) for channels in (40, 112, 320))
        self.whole = nn.Conv2d(320, width, 1)
        self.refine = nn.ModuleList(_Refine(width) for _ in range(3))
        self.scores = nn.Conv2d(width, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores of the classes, before softmax.

        Parameters
        ----------
        x : torch.Tensor [B, 3, H, W]
            RGB 0 to 255, sides multiples of 32.

        Returns
        -------
        torch.Tensor [B, classes, H/8, W/8]
            Scores.
        """
        taken = self.features((x - 127) / 128)
        y = self.lateral[2](taken[2]) + self.whole(taken[2].mean(dim=(2, 3), keepdim=True))
        y = self.refine[2](y)
        for level in (1, 0):
            y = F.interpolate(y, scale_factor=2.0, mode="bilinear", align_corners=False)
            y = self.refine[level](y + self.lateral[level](taken[level]))
        return self.scores(y)

    def load_imagenet(self) -> None:
        """Start from ImageNet features; ``Missing`` when the package that has them is not installed."""
        self.features.load_imagenet(imagenet_weights())
