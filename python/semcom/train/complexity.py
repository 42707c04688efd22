# SPDX-License-Identifier: GPL-3.0-or-later
"""What a network costs: parameters and multiply-adds of its two halves."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import wraps

import torch
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Complexity:
    """Of one network at one image size.

    Attributes
    ----------
    parameters : int
        Of the whole network, what both halves use counted once.
    encoder_parameters, decoder_parameters : int
        Those each half uses.
    encoder_macs, decoder_macs : int
        Multiply-adds of convolutions, linear layers and attention products for one image; element-wise work,
        normalisation and softmax are not counted, as is usual.
    """

    parameters: int
    encoder_parameters: int
    decoder_parameters: int
    encoder_macs: int
    decoder_macs: int


def complexity(net: torch.nn.Module, height: int, width: int) -> Complexity:
    """Count one image of ``height`` x ``width`` pixels, multiples of ``net.stride``, through ``net.link``.

    Nothing is computed: the network is copied to a device without storage, so that any size is counted at once.

    Parameters
    ----------
    net : torch.nn.Module
        A coder.
    height, width : int
        Of the image in pixels.

    Returns
    -------
    Complexity
        Of both halves.
    """
    twin = copy.deepcopy(net).to("meta").requires_grad_(True)
    weights = list(twin.parameters())
    counted: dict[str, tuple[int, int]] = {}

    def observed(half: str):
        function = getattr(twin, half)

        @wraps(function)
        def run(*inputs: torch.Tensor, **named: torch.Tensor) -> torch.Tensor:
            inputs = tuple(tensor.detach() for tensor in inputs)
            named = {name: tensor.detach() for name, tensor in named.items()}
            with FlopCounterMode(display=False) as counter:
                out = function(*inputs, **named)
            reached = torch.autograd.grad(out.sum(), weights, allow_unused=True)
            used = sum(w.numel() for w, g in zip(weights, reached, strict=True) if g is not None)
            counted[half] = used, counter.get_total_flops() // 2
            return out.detach()

        return run

    for half in ("encode", "decode"):
        setattr(twin, half, observed(half))
    twin.link(torch.empty(1, 3, height, width, device="meta"), torch.empty(1, device="meta"))
    (encoder, encoder_macs), (decoder, decoder_macs) = counted["encode"], counted["decode"]
    return Complexity(sum(w.numel() for w in weights), encoder, decoder, encoder_macs, decoder_macs)
