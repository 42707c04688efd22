# SPDX-License-Identifier: GPL-3.0-or-later
"""A compact captioning network: EfficientNet-Lite0 features, and a small transformer that reads them word by word."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from .efficientnet import HEAD_FEATURES, Features, Head, imagenet_weights

STRIDE = 32  # pixels to a place of the feature map


class _Attention(nn.Module):
    """Multi-head attention (Vaswani et al., NeurIPS 2017) of x [..., T, W] to y [..., S, W]."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads, self.scale = heads, (width // heads) ** -0.5
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(-2, -3)

    def forward(self, x: torch.Tensor, y: torch.Tensor, hidden: torch.Tensor | None = None) -> torch.Tensor:
        q, k, v = self._split(self.query(x)), self._split(self.key(y)), self._split(self.value(y))
        scores = q @ k.transpose(-1, -2) * self.scale
        if hidden is not None:
            scores = scores.masked_fill(hidden, -1e4)
        read = scores.softmax(dim=-1) @ v
        return self.out(read.transpose(-2, -3).flatten(-2))


class _Layer(nn.Module):
    """Attention to the words before, attention to the picture, and a perceptron, each normalised first and added."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.words = _Attention(width, heads)
        self.picture = _Attention(width, heads)
        self.widen = nn.Linear(width, 2 * width)
        self.narrow = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, picture: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        y = self.norms[0](x)
        x = x + self.dropout(self.words(y, y, hidden))
        x = x + self.dropout(self.picture(self.norms[1](x), picture))
        return x + self.dropout(self.narrow(F.relu(self.widen(self.norms[2](x)))))


class CaptionNet(nn.Module):
    """Caption of a photograph: EfficientNet-Lite0 features, read by a transformer decoder (Vaswani et al., 2017).

    ::

        x -> 1/32 -> head  -> [place 1 ... place n, mean]  = picture
                                        |
        words before -> layers of attention to words and picture -> scores of the next word

    Parameters
    ----------
    words : int
        Size of the vocabulary.
    side : int, default 224
        Of the square picture that it sees, in pixels, a multiple of 32.
    width : int, default 256
        Channels of the decoder.
    layers : int, default 3
        Layers of the decoder.
    heads : int, default 8
        Of each attention.
    dropout : float, default 0.2
        Share of the values that training leaves out.
    max_words : int, default 24
        Words of a caption at most, its end included.
    """

    def __init__(
        self,
        words: int,
        side: int = 224,
        width: int = 256,
        layers: int = 3,
        heads: int = 8,
        dropout: float = 0.2,
        max_words: int = 24,
    ):
        super().__init__()
        places = (side // STRIDE) ** 2
        self.features, self.head = Features(), Head()
        self.project = nn.Linear(HEAD_FEATURES, width)
        self.seen = nn.LayerNorm(width)
        self.where = nn.Parameter(0.02 * torch.randn(places + 1, width))
        self.embed = nn.Embedding(words, width)
        nn.init.normal_(self.embed.weight, std=0.05)
        self.when = nn.Parameter(0.02 * torch.randn(max_words, width))
        self.layers = nn.ModuleList(_Layer(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.scores = nn.Linear(width, words)
        self.dropout = nn.Dropout(dropout)

    def grid(self, x: torch.Tensor) -> torch.Tensor:
        """The features of a photograph, which are not trained.

        Parameters
        ----------
        x : torch.Tensor [B, 3, side, side]
            RGB 0 to 255.

        Returns
        -------
        torch.Tensor [B, 320, side/32, side/32]
            Of each place.
        """
        return self.features((x - 127) / 128)[2]

    def picture(self, grid: torch.Tensor) -> torch.Tensor:
        """What the decoder reads of a photograph.

        Parameters
        ----------
        grid : torch.Tensor [B, 320, side/32, side/32]
            What :meth:`grid` gave.

        Returns
        -------
        torch.Tensor [B, places + 1, width]
            Of each place, and of all together.
        """
        y = self.head(grid).flatten(2).transpose(1, 2)
        y = torch.cat([y, y.mean(dim=1, keepdim=True)], dim=1)
        return self.seen(self.project(y)) + self.where

    def read(self, picture: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        """What is known after each word.

        Parameters
        ----------
        picture : torch.Tensor [B, places + 1, width]
            What :meth:`picture` gave.
        words : torch.Tensor [B, N, T]
            Int64, N captions of each photograph, each from its start on.

        Returns
        -------
        torch.Tensor [B, N, T, width]
            What ``scores`` takes.
        """
        when = torch.arange(words.shape[-1], device=words.device)
        hidden = when[None, :] > when[:, None]
        x = self.dropout(self.embed(words) + self.when[: words.shape[-1]])
        picture = picture[:, None]  # keys and values once for all captions of a photograph
        for layer in self.layers:
            x = layer(x, picture, hidden)
        return self.norm(x)

    def forward(self, picture: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        """Scores of the word after each word, before softmax.

        Parameters
        ----------
        picture : torch.Tensor [B, places + 1, width]
            What :meth:`picture` gave.
        words : torch.Tensor [B, N, T]
            Int64, see :meth:`read`.

        Returns
        -------
        torch.Tensor [B, N, T, words]
            Scores.
        """
        return self.scores(self.read(picture, words))

    def load_imagenet(self) -> None:
        """Start from ImageNet features; ``Missing`` when the package that has them is not installed."""
        weights = imagenet_weights()
        self.features.load_imagenet(weights)
        self.head.load_imagenet(weights)
