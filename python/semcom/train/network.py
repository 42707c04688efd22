# SPDX-License-Identifier: GPL-3.0-or-later
"""What a network must be to be trained, exported and run as a coder."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from .. import own
from ..errors import BadInput
from ..jscc.neural import LOST
from .channels import AWGN, Conditions, Fading, normalised, psnr_loss, transmit

Loss = Callable[..., torch.Tensor]
Channel = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


def _perceptual() -> nn.Module:
    from .perceptual import PerceptualLoss

    return PerceptualLoss()


LOSSES: dict[str, Callable[[], nn.Module]] = {"st_lpips": _perceptual}
"""What makes the losses that are known by name."""


class Network(nn.Module):
    """A joint source-channel coder.

    ::

        x [B,3,H,W] --encode--> y [B,C,h,w] --power 1, channel--> decode --> x' [B,3,H,W]

    A class of one's own gives :meth:`encode` and :meth:`decode`; the rest has a default. A class that is only a
    ``torch.nn.Module`` with these two will do, see :func:`coder_of`.

    Attributes
    ----------
    unit_power : bool
        Whether ``decode`` takes the latent at unit power, and not at the power that ``encode`` gave it.
    probe : int
        Pixels on a side of the images that the network is tried with.
    trains_mixed : bool
        Whether it learns as well in mixed precision where a processor computes with it.
    decoding : tuple of str
        What the names of the decoder's own parameters begin with.
    """

    unit_power = False
    probe = 64
    trains_mixed = False
    decoding: tuple[str, ...] = ("decode", "g_s")
    _own: tuple[Loss | None, Channel | None] = (None, None)

    def use(self, loss: Loss | None = None, channel: Channel | None = None) -> None:
        """Train with a loss or through a channel of one's own.

        Parameters
        ----------
        loss : callable, optional
            ``loss(x, x_hat)``, both [B, 3, H, W], gives a scalar; with a third parameter ``weight`` it also gets what
            each pixel's error counts, [B, 1, H, W] or None.
        channel : callable, optional
            ``channel(z, snr_db)`` with symbols of unit power [B, C, h, w], where channels 2j and 2j+1 of a position are
            real and imaginary part of one symbol, and Es/N0 in dB [B]; gives what is received and the noise variance of
            each symbol, both [B, C, h, w], or what is received alone.
        """
        # in a tuple, so that a module is not taken for a part of this network
        self._own = loss, channel

    def criterion(self, x: torch.Tensor, x_hat: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
        """The training loss of images received.

        Parameters
        ----------
        x, x_hat : torch.Tensor [B, 3, H, W]
            The images, and what was received of them.
        weight : torch.Tensor [B, 1, H, W], optional
            What each pixel's error counts.

        Returns
        -------
        torch.Tensor
            A scalar.
        """
        loss = self._own[0]
        if loss is None:
            return psnr_loss(x, x_hat, weight)
        out = loss(x, x_hat, weight) if "weight" in parameters(loss) else loss(x, x_hat)
        if not isinstance(out, torch.Tensor) or out.numel() != 1:
            raise BadInput(f"gives {_shape(out)}; a scalar was expected", field="loss")
        return out.reshape(())

    def through(
        self, z: torch.Tensor, snr_db: torch.Tensor, fading: Fading = AWGN
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The channel that the network is trained and validated with.

        Parameters
        ----------
        z : torch.Tensor [B, C, h, w]
            Symbols of unit power, C even.
        snr_db : torch.Tensor [B]
            Es/N0 in dB.
        fading : Fading, default ``AWGN``
            Of the usual channel, see :func:`~.channels.transmit`.

        Returns
        -------
        received, noise : torch.Tensor [B, C, h, w]
            Symbols, and the variance of the complex noise of each.
        """
        channel = self._own[1]
        if channel is None:
            return transmit(z, snr_db, fading)
        out = channel(z, snr_db)
        received, noise = out if isinstance(out, tuple) and len(out) == 2 else (out, None)
        if noise is None:
            noise = (10 ** (-snr_db / 10)).view(-1, 1, 1, 1).expand_as(z)
        for given in (received, noise):
            if not isinstance(given, torch.Tensor) or given.shape != z.shape:
                raise BadInput(f"gives {_shape(given)} of symbols {list(z.shape)}; the same was expected", "channel")
        return received, noise

    def encode(self, x: torch.Tensor, snr_db: torch.Tensor) -> torch.Tensor:
        """The latent of images.

        Parameters
        ----------
        x : torch.Tensor [B, 3, H, W]
            RGB in [0, 1].
        snr_db : torch.Tensor [B]
            Es/N0 that the encoder may adapt to, in dB; may be left out of the parameters.

        Returns
        -------
        torch.Tensor [B, C, h, w]
            Real, of any power, C even; H/h = W/w is the stride, and k/n = C / (6 stride^2).
        """
        raise NotImplementedError

    def decode(self, y: torch.Tensor, snr_db: torch.Tensor, noise_var: torch.Tensor) -> torch.Tensor:
        """The images of a received latent.

        Parameters
        ----------
        y : torch.Tensor [B, C, h, w]
            At the power that ``encode`` gave it, or at unit power with ``unit_power``.
        snr_db : torch.Tensor [B]
            As the encoder had it; may be left out of the parameters.
        noise_var : torch.Tensor [B, C, h, w]
            Noise variance of each value of ``y``, 1e9 where nothing was received; may be left out of the parameters.

        Returns
        -------
        torch.Tensor [B, 3, H, W]
            RGB in [0, 1]; what lies beyond is clipped by whoever shows it.
        """
        raise NotImplementedError

    def link(self, x: torch.Tensor, snr_db: torch.Tensor) -> torch.Tensor:
        """Images through encoder, power normalisation, channel and decoder: what training and validation run.

        Parameters
        ----------
        x : torch.Tensor [B, 3, H, W]
            RGB in [0, 1].
        snr_db : torch.Tensor [B]
            Es/N0.

        Returns
        -------
        torch.Tensor [B, 3, H, W]
            The images received.
        """
        snr_db = snr_db.expand(len(x))
        y = self.encode(x, **self._asked(self.encode, snr_db=snr_db))
        z, scale = normalised(y, torch.ones_like(y[:1]))
        received, noise = self.through(z, snr_db)
        if not self.unit_power:
            received, noise = received * scale, noise * scale.square()
        # half of the complex noise falls on each real component
        told = self._asked(self.decode, snr_db=snr_db, noise_var=(noise / 2).clamp_max(LOST))
        return self.decode(received, **told)

    def training_loss(self, x: torch.Tensor, conditions: Conditions) -> torch.Tensor:
        """Loss at an SNR drawn for each image.

        Parameters
        ----------
        x : torch.Tensor [B, 3, H, W]
            RGB in [0, 1].
        conditions : Conditions
            What the SNR is drawn from.

        Returns
        -------
        torch.Tensor
            A scalar.
        """
        return self.criterion(x, self.link(x, conditions.draw_snr(x)))

    def parts(self) -> list[tuple]:
        """What is exported, see :class:`semcom.train.export.Part`."""
        x, snr_db = torch.zeros(1, 3, self.probe, self.probe), torch.full((1,), 10.0)
        encoding = self._asked(self.encode, snr_db=snr_db)
        y = self.encode(x, **encoding)
        decoding = self._asked(self.decode, snr_db=snr_db, noise_var=torch.full_like(y, 0.1))
        return [("encoder", "encode", {"x": x} | encoding, "y"), ("decoder", "decode", {"y": y} | decoding, "x_hat")]

    def metadata(self) -> dict[str, str]:
        """What goes into the exported files for the coder around them."""
        return {}

    @staticmethod
    def _asked(function: Callable[..., Any], **values: torch.Tensor) -> dict[str, torch.Tensor]:
        """Those of the values that the function has a parameter for, in the order of its parameters."""
        return {name: values[name] for name in parameters(function) if name in values}

    def check(self) -> None:
        """Try the network on two grey images.

        Raises
        ------
        BadInput
            What it makes is not what a coder makes; the sentence says what was expected.
        """
        name, training = type(getattr(self, "coder", self)).__name__, self.training
        x, snr_db = torch.full((2, 3, self.probe, self.probe), 0.5), torch.full((2,), 10.0)
        self.eval()
        try:
            with torch.no_grad():
                y = self.encode(x, **self._asked(self.encode, snr_db=snr_db))
                self._check_latent(name, y)
                told = self._asked(self.decode, snr_db=snr_db, noise_var=torch.full_like(y, 0.1))
                back = self.decode(y, **told)
        except BadInput:
            raise
        except Exception as error:  # whatever somebody's own class raises
            file = inspect.getfile(type(getattr(self, "coder", self)))
            raise BadInput(f"{name} does not take images {list(x.shape)}: {own.reason(error, file)}") from error
        finally:
            self.train(training)
        if not isinstance(back, torch.Tensor) or back.shape != x.shape:
            raise BadInput(f"{name}.decode gives {_shape(back)} of images {list(x.shape)}; the same was expected")

    def _check_latent(self, name: str, y: Any) -> None:
        if not isinstance(y, torch.Tensor) or y.dim() != 4 or len(y) != 2 or y.dtype != torch.float32:
            raise BadInput(f"{name}.encode gives {_shape(y)}; float32 [2, C, h, w] of two images was expected")
        channels, rows, columns = y.shape[1:]
        if channels % 2:
            raise BadInput(
                f"{name}.encode gives {channels} channels; two make one symbol, so their number must be even"
            )
        if rows != columns or self.probe % rows:
            raise BadInput(
                f"{name}.encode gives a latent of {rows}x{columns} positions of {self.probe}x{self.probe} pixels; a "
                "stride that divides both sides was expected"
            )


class Plain(Network):
    """A ``torch.nn.Module`` that has ``encode`` and ``decode``, and nothing of this project.

    Parameters
    ----------
    coder : torch.nn.Module
        Encodes and decodes as :class:`Network` says.
    """

    def __init__(self, coder: nn.Module):
        super().__init__()
        self.coder = coder
        self.unit_power = bool(getattr(coder, "unit_power", False))
        # methods of this instance, so that their parameters are those of the coder's
        self.encode, self.decode = coder.encode, coder.decode


def parameters(function: Callable[..., Any]) -> list[str]:
    """Names of the parameters of a callable; of a module those of its ``forward``."""
    function = function.forward if isinstance(function, nn.Module) else function
    return list(inspect.signature(function).parameters)


def coder_of(text: str) -> Callable[..., Network]:
    """What makes the network of a class in a file of one's own.

    Parameters
    ----------
    text : str
        ``FILE.py:CLASS``, a :class:`Network`, or a ``torch.nn.Module`` with ``encode`` and ``decode``.

    Returns
    -------
    callable
        Takes the arguments of the class.

    Raises
    ------
    BadInput
        It is something else.
    Missing
        The file, or what it imports, is not here.
    """
    found = own.load(text)
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise BadInput(f"{text} is no class of networks; derive it from torch.nn.Module or semcom.train.Network")
    lacking = [method for method in ("encode", "decode") if not callable(getattr(found, method, None))]
    if lacking:
        raise BadInput(f"{text} has no {' and no '.join(lacking)}; a coder has encode(x) and decode(y)")

    if issubclass(found, Network):
        return found

    def plain(**arguments: Any) -> Network:
        return Plain(found(**arguments))

    # whoever asks for its parameters is told those of the class
    plain.__signature__ = inspect.signature(found)
    return plain


def function_of(text: str, field: str) -> Callable[..., Any]:
    """A loss or a channel in a file of one's own.

    Parameters
    ----------
    text : str
        ``FILE.py:NAME`` of a function, of a module, or of a class that is called without arguments; or one of
        ``LOSSES``.
    field : str
        The option, for the message.

    Returns
    -------
    callable
        A module is in eval mode, and its weights do not learn.

    Raises
    ------
    BadInput
        It cannot be called.
    Missing
        The file, or what it imports, is not here.
    """
    found = LOSSES[text]() if field == "loss" and text in LOSSES else own.load(text)
    if isinstance(found, type):
        found = found()
    if not callable(found):
        raise BadInput(f"{text} cannot be called; name a function", field=field)
    return found.eval().requires_grad_(False) if isinstance(found, nn.Module) else found


def _shape(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
    return type(value).__name__
