# SPDX-License-Identifier: GPL-3.0-or-later
"""Perceptual distances with gradients, as losses."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn
from torch.nn import functional as F  # noqa: N812

from .. import files
from ..zoo import weights
from .channels import psnr_loss

# convolution of each slice, its padding; after the first one and before the next two the map is halved
_SLICES = (("slice1.0", 2), ("slice2.5", 2), ("slice3.9", 1), ("slice4.11", 1), ("slice5.13", 1))
WEIGHT = 8.0
"""Of ST-LPIPS beside the log of the MSE, of which 0.23 are one decibel: 0.03 less distance for one decibel."""

_TINY = 1e-5  # where all features are 0 the root has no gradient


class StLpips(nn.Module):
    """ST-LPIPS of the shipped weights (Ghildyal & Liu, ECCV 2022), the same as ``image.stlpips`` and differentiable.

    Raises
    ------
    Missing
        The weights are not here.
    """

    def __init__(self) -> None:
        super().__init__()
        model = onnx.load_from_string(files.read(weights.find("stlpips_alex"), files.MAX_WEIGHTS))
        state = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}

        def tensor(name: str) -> torch.Tensor:
            return torch.from_numpy(np.array(state[name], np.float32))

        self.register_buffer("shift", tensor("shift"))
        self.register_buffer("scale", tensor("scale"))
        binomial = torch.tensor([1.0, 2.0, 1.0])
        self.register_buffer("binomial", (binomial[:, None] * binomial / 16)[None, None])
        for i, (layer, _) in enumerate(_SLICES):
            self.register_buffer(f"weight{i}", tensor(f"net.{layer}.weight"))
            self.register_buffer(f"bias{i}", tensor(f"net.{layer}.bias"))
            self.register_buffer(f"lin{i}", tensor(f"lin{i}.model.1.weight"))

    def _halved(self, x: torch.Tensor) -> torch.Tensor:
        channels = x.shape[1]
        kernel = self.binomial.expand(channels, 1, 3, 3)
        return F.conv2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), kernel, stride=2, groups=channels)

    def _features(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Activations of the five slices of images in [0, 1], each position's vector at length 1."""
        x = (2 * x - 1 - self.shift) / self.scale
        found = []
        for i, (_, padding) in enumerate(_SLICES):
            if i in (1, 2):
                x = self._halved(F.max_pool2d(x, 3, 1))
            x = F.conv2d(x, getattr(self, f"weight{i}"), getattr(self, f"bias{i}"), padding=padding)
            if i == 0:
                x = self._halved(x)
            x = F.relu(x)
            found.append(x / (x.square().sum(dim=1, keepdim=True) + _TINY**2).sqrt())
        return found

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """The distance of each pair.

        Parameters
        ----------
        a, b : torch.Tensor [B, 3, H, W]
            RGB in [0, 1], sides of at least 21; of ``b`` no gradient is taken.

        Returns
        -------
        torch.Tensor [B]
            0 for equal images.
        """
        with torch.no_grad():
            wanted = self._features(b)
        total = a.new_zeros(len(a))
        for i, (mine, theirs) in enumerate(zip(self._features(a), wanted, strict=True)):
            apart = (mine - theirs).square().mean(dim=(2, 3), keepdim=True)
            total = total + F.conv2d(apart, getattr(self, f"lin{i}")).flatten()
        return total


class PerceptualLoss(nn.Module):
    """The log of each image's MSE and ``WEIGHT`` times ST-LPIPS, for coders: fewer decibels, and sharper to the eye.

    Raises
    ------
    Missing
        The weights of ST-LPIPS are not here.
    """

    def __init__(self) -> None:
        super().__init__()
        self.distance = StLpips()

    def forward(self, x: torch.Tensor, x_hat: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
        """The loss of images received.

        Parameters
        ----------
        x, x_hat : torch.Tensor [B, 3, H, W]
            The images, and what was received of them.
        weight : torch.Tensor [B, 1, H, W], optional
            What each pixel's error counts, in the MSE.

        Returns
        -------
        torch.Tensor
            A scalar.
        """
        return psnr_loss(x, x_hat, weight) + WEIGHT * self.distance(x_hat, x).mean()
