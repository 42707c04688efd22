# SPDX-License-Identifier: GPL-3.0-or-later
"""A compact network for class maps and objects: EfficientNet-Lite0 features, a small pyramid on top of them."""

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
    """Class map and objects of a photograph: EfficientNet-Lite0 features, a feature pyramid, centres and boxes.

    The pyramid is that of Lin et al., CVPR 2017; objects are told by their centres (Zhou et al., "Objects as Points",
    2019), and each cell says how far the sides of its object's box are (Tian et al., "FCOS", ICCV 2019), so that cells
    of one class that touch are told apart.

    ::

        x -> 1/8 -> 1/16 -> 1/32 + mean of the whole picture
              |       |       |
              +   <-  +   <-  +      each level refined twice, then the next one up added
              |
              +-> scores
              +-> refined twice -> centres, sides

    Parameters
    ----------
    classes : int, default 21
        Number of labels.
    width : int, default 128
        Channels of the pyramid.
    """

    stride = 32
    cell = 8
    """Pixels between two values of the outputs."""

    def __init__(self, classes: int = 21, width: int = 128):
        super().__init__()
        self.features = Features()
        self.lateral = nn.ModuleList(nn.Conv2d(channels, width, 1) for channels in (40, 112, 320))
        self.whole = nn.Conv2d(320, width, 1)
        self.refine = nn.ModuleList(_Refine(width) for _ in range(3))
        self.again = nn.ModuleList(_Refine(width) for _ in range(3))
        for refined in self.again:
            nn.init.constant_(refined[-2].weight, 0.1)  # little at first; at zero nothing would pass its last ReLU
        self.scores = nn.Conv2d(width, classes, 1)
        self.apart = nn.Sequential(_Refine(width), _Refine(width))
        self.centres = nn.Conv2d(width, classes - 1, 1)
        self.sides = nn.Conv2d(width, 4, 1)
        nn.init.constant_(self.centres.bias, -4.0)  # centres are rare
        nn.init.constant_(self.sides.bias, 1.5)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Scores of the classes, and what tells objects.

        Parameters
        ----------
        x : torch.Tensor [B, 3, H, W]
            RGB 0 to 255, sides multiples of 32.

        Returns
        -------
        scores : torch.Tensor [B, classes, H/8, W/8]
            Before softmax.
        centres : torch.Tensor [B, classes - 1, H/8, W/8]
            How likely an object of each class but the background has its centre there, before the logistic function.
        sides : torch.Tensor [B, 4, H/8, W/8]
            Pixels from the middle of a cell to the left, upper, right and lower side of its object's box.
        """
        taken = self.features((x - 127) / 128)
        y = self.lateral[2](taken[2]) + self.whole(taken[2].mean(dim=(2, 3), keepdim=True))
        y = self._refined(2, y)
        for level in (1, 0):
            y = F.interpolate(y, scale_factor=2.0, mode="bilinear", align_corners=False)
            y = self._refined(level, y + self.lateral[level](taken[level]))
        apart = self.apart(y)
        sides = self.cell * self.sides(apart).clamp(-3, 6).exp()
        return self.scores(y), self.centres(apart), sides

    def _refined(self, level: int, y: torch.Tensor) -> torch.Tensor:
        y = self.refine[level](y)
        return y + self.again[level](y)

    def load_imagenet(self) -> None:
        """Start from ImageNet features; ``Missing`` when the package that has them is not installed."""
        self.features.load_imagenet(imagenet_weights())
