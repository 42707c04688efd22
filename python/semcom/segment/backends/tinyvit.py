# SPDX-License-Identifier: GPL-3.0-or-later
"""TinyViT as MobileSAM's image encoder, with the names of its published weights.

Wu et al., "TinyViT: Fast Pretraining Distillation for Small Vision Transformers", ECCV 2022; Zhang et al., "Faster
Segment Anything: Towards Lightweight SAM for Mobile Applications", 2023. Attention has learned biases by distance and
runs in windows; a depthwise convolution follows it. Two convolutions make 256 channels of what the last stage gives.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

_EXPAND = 4  # hidden channels of convolutions and perceptrons
_STRIDED = 2  # stages whose end halves the sides; the third keeps them, so that 64x64 positions remain


class ConvNorm(nn.Sequential):
    """A convolution without bias, and batch normalisation."""

    def __init__(self, inner: int, outer: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.c = nn.Conv2d(inner, outer, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outer)


class Norm2d(nn.Module):
    """Layer normalisation over the channels of [B, C, H, W]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise."""
        return functional.layer_norm(x.movedim(1, -1), self.weight.shape, self.weight, self.bias, 1e-6).movedim(-1, 1)


class PatchEmbed(nn.Module):
    """Two strided convolutions: a quarter of the sides."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.seq = nn.Sequential(ConvNorm(3, channels // 2, 3, 2), nn.GELU(), ConvNorm(channels // 2, channels, 3, 2))

    def forward(self, x: Tensor) -> Tensor:
        """[B, 3, H, W] -> [B, C, H/4, W/4]."""
        return self.seq(x)


class MBConv(nn.Module):
    """A convolution through more channels, and what went in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = _EXPAND * channels
        self.conv1 = ConvNorm(channels, hidden)
        self.conv2 = ConvNorm(hidden, hidden, 3, groups=hidden)
        self.conv3 = ConvNorm(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> the same."""
        inner = functional.gelu(self.conv2(functional.gelu(self.conv1(x))))
        return functional.gelu(self.conv3(inner) + x)


class Merging(nn.Module):
    """The way from one stage to the next."""

    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(inner, outer)
        self.conv2 = ConvNorm(outer, outer, 3, stride, groups=outer)
        self.conv3 = ConvNorm(outer, outer)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C', H', W']."""
        return self.conv3(functional.gelu(self.conv2(functional.gelu(self.conv1(x)))))


class Attention(nn.Module):
    """Attention within windows, biased by how far apart two positions lie."""

    def __init__(self, channels: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        self.attention_biases = nn.Parameter(torch.zeros(heads, window**2))
        places = torch.stack(torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij"), -1)
        apart = (places.reshape(-1, 1, 2) - places.reshape(1, -1, 2)).abs()
        self.register_buffer("apart", apart[..., 0] * window + apart[..., 1], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """[windows, positions, C] -> the same."""
        # each head's query, key and value lie together
        parts = self.qkv(self.norm(x)).unflatten(-1, (self.heads, 3, -1)).permute(3, 0, 2, 1, 4)
        mixed = functional.scaled_dot_product_attention(*parts, attn_mask=self.attention_biases[:, self.apart])
        return self.proj(mixed.transpose(1, 2).flatten(2))


class Perceptron(nn.Module):
    """Two layers on each position."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.fc1 = nn.Linear(channels, _EXPAND * channels)
        self.fc2 = nn.Linear(_EXPAND * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """[..., C] -> the same."""
        return self.fc2(functional.gelu(self.fc1(self.norm(x))))


class Block(nn.Module):
    """Attention in windows, a depthwise convolution, and a perceptron."""

    def __init__(self, channels: int, heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.attn = Attention(channels, heads, window)
        self.mlp = Perceptron(channels)
        self.local_conv = ConvNorm(channels, channels, 3, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> the same."""
        x = x + self._attended(x)
        x = self.local_conv(x)
        return x + self.mlp(x.movedim(1, -1)).movedim(-1, 1)

    def _attended(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        side = self.window
        x = functional.pad(x, (0, -width % side, 0, -height % side))
        down, across = x.shape[2] // side, x.shape[3] // side
        x = x.reshape(batch, channels, down, side, across, side).permute(0, 2, 4, 3, 5, 1)
        x = self.attn(x.reshape(-1, side**2, channels))
        x = x.reshape(batch, down, across, side, side, channels).permute(0, 5, 1, 3, 2, 4)
        return x.reshape(batch, channels, down * side, across * side)[:, :, :height, :width]


class Stage(nn.Module):
    """Some blocks, and the way to the next stage."""

    def __init__(self, blocks: Sequence[nn.Module], downsample: Merging | None) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*blocks)
        if downsample is not None:
            self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C', H', W']."""
        x = self.blocks(x)
        return self.downsample(x) if hasattr(self, "downsample") else x


class TinyViT(nn.Module):
    """The encoder: [B, 3, 1024, 1024] -> [B, 256, 64, 64].

    Parameters
    ----------
    channels, depths, heads, windows : sequence of int
        Of each stage; the first one's blocks are convolutions, so that its heads and window mean nothing.
    out : int
        Channels of the result.
    """

    def __init__(
        self,
        channels: Sequence[int],
        depths: Sequence[int],
        heads: Sequence[int],
        windows: Sequence[int],
        out: int = 256,
    ) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(channels[0])
        stages = []
        for i, (width, depth) in enumerate(zip(channels, depths, strict=True)):
            blocks = [Block(width, heads[i], windows[i]) if i else MBConv(width) for _ in range(depth)]
            last = i + 1 == len(channels)
            stages.append(Stage(blocks, None if last else Merging(width, channels[i + 1], 2 if i < _STRIDED else 1)))
        self.layers = nn.ModuleList(stages)
        self.neck = nn.Sequential(
            nn.Conv2d(channels[-1], out, 1, bias=False),
            Norm2d(out),
            nn.Conv2d(out, out, 3, padding=1, bias=False),
            Norm2d(out),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Encode."""
        x = self.patch_embed(x)
        for stage in self.layers:
            x = stage(x)
        return self.neck(x)


def tinyvit(state: Mapping[str, Tensor]) -> TinyViT:
    """The encoder that fits some weights, not yet filled with them.

    Parameters
    ----------
    state : mapping of str to Tensor
        Weights by the names of this module.

    Returns
    -------
    TinyViT
        Of their sizes.
    """
    stages = len({name.split(".")[1] for name in state if name.startswith("layers.")})
    channels = [state["patch_embed.seq.2.c.weight"].shape[0]]
    channels += [state[f"layers.{i}.downsample.conv3.c.weight"].shape[0] for i in range(stages - 1)]
    depths = [len({n.split(".")[3] for n in state if n.startswith(f"layers.{i}.blocks.")}) for i in range(stages)]
    biases = [state[f"layers.{i}.blocks.0.attn.attention_biases"].shape for i in range(1, stages)]
    heads, windows = [0, *(each[0] for each in biases)], [0, *(math.isqrt(each[1]) for each in biases)]
    return TinyViT(channels, depths, heads, windows, state["neck.0.weight"].shape[0])
