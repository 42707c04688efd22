# SPDX-License-Identifier: GPL-3.0-or-later
"""Convolutions that train fast on a processor; parameters, names and results are those of ``torch.nn.Conv2d``."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn


def exact(x: torch.Tensor) -> AbstractContextManager:
    """A context of single precision, whatever surrounds it.

    Parameters
    ----------
    x : torch.Tensor
        On the device that is computed on.

    Returns
    -------
    context manager
        For a ``with`` statement.
    """
    kind = x.device.type
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()


class Pointwise(nn.Conv2d):
    """A 1x1 convolution as the matrix product that it is.

    On one thread torch runs 1x1 convolutions of small batches by its slowest kernel, which leaves channels_last too.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__(inputs, outputs, 1)

    def forward(self, x: torch.Tensor, gain: torch.Tensor | None = None) -> torch.Tensor:
        """The convolution, in channels_last.

        Parameters
        ----------
        x : torch.Tensor [B, inputs, h, w]
            Features.
        gain : torch.Tensor [1, outputs, 1, 1], optional
            What the output is multiplied by: the weights are, which are fewer.

        Returns
        -------
        torch.Tensor [B, outputs, h, w]
            Features.
        """
        if torch.jit.is_tracing():  # what is exported stays a convolution
            y = super().forward(x)
            return y if gain is None else gain * y
        weight, bias = self.weight.flatten(1), self.bias
        if gain is not None:
            weight, bias = weight * gain.view(-1, 1), bias * gain.flatten()
        return nn.functional.linear(x.permute(0, 2, 3, 1), weight, bias).permute(0, 3, 1, 2)

    def modulated(self, x: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
        """The convolution of ``x * scale + shift``.

        Parameters
        ----------
        x : torch.Tensor [B, inputs, h, w]
            Features.
        scale, shift : torch.Tensor [B, inputs, 1, 1]
            Of each image.

        Returns
        -------
        torch.Tensor [B, outputs, h, w]
            Features.
        """
        batch, channels, rows, columns = x.shape
        if torch.jit.is_tracing() or rows * columns <= self.out_channels:
            return self(x * scale + shift)
        # an image has more positions than the weights have rows: weights of each image's own are cheaper
        weight, scale, shift = self.weight.flatten(1), scale.flatten(1), shift.flatten(1)
        weights = (weight * scale[:, None]).transpose(1, 2)
        biases = nn.functional.linear(shift, weight, self.bias)[:, None]
        y = torch.baddbmm(biases, x.permute(0, 2, 3, 1).reshape(batch, rows * columns, channels), weights)
        return y.view(batch, rows, columns, -1).permute(0, 3, 1, 2)


class _DepthwiseOnProcessor(torch.autograd.Function):
    """Depthwise convolution with odd square kernels, zero-padded, whose gradients are depthwise convolutions too."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """The convolution."""
        ctx.save_for_backward(x, weight)
        return nn.functional.conv2d(x, weight, bias, padding=weight.shape[-1] // 2, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The gradients."""
        x, weight = ctx.saved_tensors
        batch, channels, rows, columns = x.shape
        padding = weight.shape[-1] // 2
        to_x = nn.functional.conv2d(gradient, weight.flip(2, 3), padding=padding, groups=channels)
        # each plane correlated with its gradient, which is a kernel as large as the plane: several times as fast as
        # the gradient by the weights that torch has
        planes = x.reshape(1, batch * channels, rows, columns)
        kernels = gradient.reshape(batch * channels, 1, rows, columns)
        to_weight = nn.functional.conv2d(planes, kernels, padding=padding, groups=batch * channels)
        return to_x, to_weight.view(batch, *weight.shape).sum(dim=0), kernels.view(batch, channels, -1).sum(dim=(0, 2))


class Depthwise(nn.Conv2d):
    """A depthwise convolution that keeps the size.

    Parameters
    ----------
    width : int
        Channels.
    kernel : int
        Side of the kernels, odd.
    """

    def __init__(self, width: int, kernel: int):
        super().__init__(width, width, kernel, padding=kernel // 2, groups=width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The convolution, in single precision on a processor.

        Parameters
        ----------
        x : torch.Tensor [B, width, h, w]
            Features.

        Returns
        -------
        torch.Tensor [B, width, h, w]
            Features.
        """
        if x.device.type != "cpu" or torch.jit.is_tracing():
            return super().forward(x)
        with exact(x):
            return _DepthwiseOnProcessor.apply(x.float(), self.weight, self.bias)


class PatchAnalysis(nn.Conv2d):
    """A linear transform of the squares of an image, as a matrix product in single precision.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    side : int
        Of a square, in pixels.
    """

    def __init__(self, inputs: int, outputs: int, side: int):
        super().__init__(inputs, outputs, side, side, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The coefficients.

        Parameters
        ----------
        x : torch.Tensor [B, inputs, H, W]
            H and W are multiples of the side.

        Returns
        -------
        torch.Tensor [B, outputs, H/side, W/side]
            Of each square.
        """
        if torch.jit.is_tracing():
            return super().forward(x)
        side, inputs = self.kernel_size[0], self.in_channels
        batch, _, height, width = x.shape
        with exact(x):
            squares = x.float().reshape(batch, inputs, height // side, side, width // side, side)
            squares = squares.permute(0, 2, 4, 1, 3, 5).flatten(3)
            return nn.functional.linear(squares, self.weight.flatten(1)).permute(0, 3, 1, 2)


class PatchSynthesis(nn.ConvTranspose2d):
    """Squares of an image from their coefficients, as a matrix product in single precision.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    side : int
        Of a square, in pixels.
    """

    def __init__(self, inputs: int, outputs: int, side: int):
        super().__init__(inputs, outputs, side, side, bias=False)

    def forward(self, y: torch.Tensor) -> torch.Tensor:
        """The image.

        Parameters
        ----------
        y : torch.Tensor [B, inputs, h, w]
            Coefficients of each square.

        Returns
        -------
        torch.Tensor [B, outputs, side * h, side * w]
            The image.
        """
        if torch.jit.is_tracing():
            return super().forward(y)
        side, outputs = self.kernel_size[0], self.out_channels
        batch, _, rows, columns = y.shape
        with exact(y):
            squares = y.float().permute(0, 2, 3, 1) @ self.weight.flatten(1)
            squares = squares.view(batch, rows, columns, outputs, side, side).permute(0, 1, 4, 2, 5, 3)
            return squares.reshape(batch, rows * side, columns * side, outputs).permute(0, 3, 1, 2)
