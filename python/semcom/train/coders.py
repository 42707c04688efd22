# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of the image coders."""

from __future__ import annotations

import dataclasses
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import files, own
from ..errors import BadInput
from . import trainer
from .channels import Conditions
from .data import Photographs
from .models import class_of, network
from .network import Network, function_of

HELD_OUT = 16  # photographs
VALIDATION_SNRS = (1, 4, 7, 10, 13)
RATES_SNR = 10  # dB, of the validations at other rates


@dataclasses.dataclass(frozen=True)
class Point:
    """What a network is validated at.

    Attributes
    ----------
    snr_db : int
        Es/N0.
    rate : str, default ""
        k/n, of a network that has several.
    channels : int or None
        Latent channels of that rate.
    """

    snr_db: int
    rate: str = ""
    channels: int | None = None

    @property
    def label(self) -> str:
        """For a person."""
        return f"{self.snr_db} dB{self.rate and ' at ' + self.rate}"

    @property
    def name(self) -> str:
        """For columns and curves."""
        return f"{self.snr_db}_db{self.rate and '_' + self.rate.replace('/', '_')}"


def points(network: Callable[..., Network]) -> list[Point]:
    """All that a network is validated at.

    Parameters
    ----------
    network : callable
        The class of a coder; one of several rates has ``validation_rates``: k/n and latent channels of each.

    Returns
    -------
    list of Point
        In the order of the columns.
    """
    rates = getattr(network, "validation_rates", ())
    return [*map(Point, VALIDATION_SNRS), *(Point(RATES_SNR, rate, channels) for rate, channels in rates)]


@torch.no_grad()
def validate(net: torch.nn.Module, photographs: Photographs, device: torch.device) -> list[float]:
    """Mean PSNR over the photographs held out at each of :func:`points`, AWGN, always the same noise.

    Parameters
    ----------
    net : torch.nn.Module
        A coder.
    photographs : Photographs
        With some held out.
    device : torch.device
        Of the network.

    Returns
    -------
    list of float
        PSNR in dB at each of :func:`points`.
    """
    images = [x.to(device, memory_format=torch.channels_last) for x in photographs.validation()]
    figures = []
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for point in points(type(net)):
            snr_db = torch.full((1,), float(point.snr_db), device=device)
            more = {} if point.channels is None else {"channels": torch.full_like(snr_db, point.channels)}
            errors = []
            for part in images:
                x_hat = net.link(part, snr_db, **more).clamp(0, 1)
                errors.append((part - x_hat).square().mean(dim=(1, 2, 3)))
            figures.append(float(-10 * torch.cat(errors).log10().mean()))
    return figures


class _Loss(torch.nn.Module):
    """A coder's own training loss."""

    def __init__(self, net: torch.nn.Module, conditions: Conditions):
        super().__init__()
        self.net, self.conditions = net, conditions

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net.training_loss(x, self.conditions)


class CoderTask(trainer.Task):
    """A coder on random crops of photographs.

    Parameters
    ----------
    scheme : str
        A key of ``NETWORKS``, or ``FILE.py:CLASS`` of one's own, see :class:`~.network.Network`.
    options : dict of str to object
        Arguments of the network's constructor, such as ``{"activation": "gdn"}``.
    data, masks : list of Path
        See :class:`Photographs`.
    crop : int
        Side of the crops.
    conditions : Conditions
        What the network is trained to get through.
    val : list of Path, optional
        See :class:`Photographs`.
    loss, channel : str, optional
        ``FILE.py:NAME``, see :meth:`~.network.Network.use`; a loss may be one of ``network.LOSSES``.
    decoder_only : bool, optional
        Whether the encoder keeps the weights that the training starts from, so that what is sent stays the same.
    """

    decimals = 3
    ema = 0.999
    warm_up = 200
    max_gradient = 1.0
    usual_batch = 8
    usual_rate = 1e-3
    gpu_batch = 32
    evaluates_start = True

    def __init__(
        self,
        scheme: str,
        options: dict[str, Any],
        data: list[Path],
        masks: list[Path],
        crop: int,
        conditions: Conditions,
        val: list[Path] | None = None,
        loss: str | None = None,
        channel: str | None = None,
        decoder_only: bool = False,
    ):
        self._decoder_only = decoder_only
        self._file, name = own.split(scheme) or (None, scheme)
        self.scheme, self.options = f"{self._file.name}:{name}" if self._file else name, options
        self._text, self._own = scheme, {"loss": loss, "channel": channel}
        made = class_of(scheme)
        self.mixes = getattr(made, "trains_mixed", False)  # a plain class says nothing of it
        self._points = points(made)
        first = "training_loss" if loss else "training_psnr_db"
        self.columns = (first, *(f"psnr_{point.name}" for point in self._points))
        self._data, self._masks, self._crop = data, masks, crop
        self._conditions, self._val = conditions, val or []
        self._photographs: Photographs | None = None

    def network(self) -> torch.nn.Module:
        """See :class:`~.trainer.Task`."""
        net = network(self._text, self.options)
        if self._file:
            net.probe = self._crop
            net.check()
        net.use(**{field: function_of(text, field) for field, text in self._own.items() if text})
        return net

    def keep(self, out: Path) -> None:
        """See :class:`~.trainer.Task`: the file of the class of one's own."""
        if self._file and self._file.resolve() != (out / self._file.name).resolve():
            shutil.copyfile(self._file, out / self._file.name)

    def load(self, seed: int, device: torch.device) -> str:
        """See :class:`~.trainer.Task`."""
        self._photographs = Photographs(self._data, self._crop, self._masks, seed, HELD_OUT, self._val, device)
        return self._photographs.about

    def recipe(self) -> dict[str, Any]:
        """See :class:`~.trainer.Task`."""
        recipe = {
            "data": [p.name for p in self._data], "masks": [p.name for p in self._masks],
            "val": [p.name for p in self._val],
            "images": len(self._photographs), "held_out": self._photographs.held_out,
            "held_out_names": self._photographs.names, "crop": self._crop,
            "loss": _short(self._own["loss"]) or "per-image log MSE", "decoder_only": self._decoder_only,
            "conditions": dataclasses.asdict(self._conditions), "optimizer": "Adam",
        }  # fmt: skip
        if self._own["channel"]:
            recipe["channel"] = _short(self._own["channel"])
        if self._file:
            recipe["source_sha256"] = files.sha256(self._file, "a Python file")
        return recipe

    def lasting(self, recipe: dict[str, Any]) -> dict[str, Any]:
        """See :class:`~.trainer.Task`."""
        conditions = recipe.get("conditions", {})
        own = recipe.get("images", 0) + (0 if recipe.get("val") else recipe.get("held_out", 0))
        return {
            "val": recipe.get("val"),
            "masks": recipe.get("masks"),
            "data": [*recipe.get("data", []), f"({own} photographs)"],
            "crop": recipe.get("crop"),
            "snr": conditions.get("snr_db"),
            "channels": conditions.get("channels"),
            "conditions": conditions or None,
            "loss": recipe.get("loss"),
            "decoder only": recipe.get("decoder_only", False),
            "channel": recipe.get("channel"),
        }

    def stream(self) -> np.random.Generator:
        """See :class:`~.trainer.Task`."""
        return self._photographs.rng

    def start(self, net: torch.nn.Module) -> None:
        """See :class:`~.trainer.Task`."""
        if hasattr(net, "initialise"):
            net.initialise(self._photographs)

    def optimizer(self, net: torch.nn.Module, rate: float) -> torch.optim.Optimizer:
        """See :class:`~.trainer.Task`."""
        if self._decoder_only:
            for name, value in net.named_parameters():
                value.requires_grad_(name.startswith(net.decoding))
        learnt = [value for value in net.parameters() if value.requires_grad]
        if not learnt:
            raise BadInput(f"{self.scheme} has no parameters whose names begin with {' or '.join(net.decoding)}")
        return torch.optim.Adam(learnt, lr=rate, fused=True)

    def loss(self, net: torch.nn.Module) -> torch.nn.Module:
        """See :class:`~.trainer.Task`."""
        return _Loss(net, self._conditions)

    def batch(self, size: int) -> tuple[torch.Tensor, ...]:
        """See :class:`~.trainer.Task`."""
        return (self._photographs.batch(size),)

    def training_figure(self, loss: float) -> float:
        """PSNR in dB, or the loss of one's own as it is."""
        if self._own["loss"]:
            return loss
        return -10 / math.log(10) * loss

    def training_line(self, figure: float) -> str:
        """See :class:`~.trainer.Task`."""
        return f"loss {figure:.4g}" if self._own["loss"] else f"{figure:.2f} dB on training crops"

    def evaluate(self, net: torch.nn.Module, device: torch.device) -> list[float]:
        """See :class:`~.trainer.Task`."""
        return validate(net, self._photographs, device)

    def evaluation_line(self, figures: list[float]) -> str:
        """See :class:`~.trainer.Task`."""
        return "  ".join(f"{point.label} {psnr:.2f}" for point, psnr in zip(self._points, figures, strict=True))

    def curve(self, column: str) -> str:
        """See :class:`~.trainer.Task`."""
        if column == self.columns[0]:
            return column
        return f"held_out_psnr_db/{self._points[self.columns.index(column) - 1].name}"


def _short(text: str | None) -> str:
    """``FILE.py:NAME`` without the folder, which says nothing to others; a name that is known as it is."""
    file, name = own.split(text or "") or (None, text or "")
    return f"{file.name}:{name}" if file else name


def train(
    scheme: str,
    data: list[Path],
    out: Path,
    settings: trainer.Settings = trainer.Settings(),
    *,
    options: dict[str, Any] | None = None,
    loss: str | None = None,
    channel: str | None = None,
    masks: list[Path] | None = None,
    crop: int = 160,
    conditions: Conditions = Conditions(),
    val: list[Path] | None = None,
    rehearsed: Callable[[Path, Path], object] | None = None,
    report: Callable[[str], None] = lambda line: None,
    progress: Callable[[float, str], None] = lambda spent, what: None,
    track: trainer.Tracker | None = None,
    decoder_only: bool = False,
) -> Path:
    """Train one network, see :func:`trainer.train`; Adam.

    Parameters
    ----------
    scheme : str
        A key of ``NETWORKS``, or ``FILE.py:CLASS`` of one's own, see :class:`~.network.Network`.
    data : list of Path
        Folders or tars of photographs.
    out : Path
        Folder of checkpoint, log and recipe.
    settings : trainer.Settings, optional
        How it is trained. Validation is not counted in its seconds; on a CPU they are those that the processor spent
        per thread, so that a busy machine does not shorten the training.
    options : dict of str to object, optional
        Arguments of the network's constructor, such as ``{"activation": "gdn"}``.
    loss, channel : str, optional
        ``FILE.py:NAME`` of a loss or a channel of one's own, see :meth:`~.network.Network.use`.
    masks : list of Path, optional
        Folders or tars of class maps, to train on masked photographs.
    crop : int, default 160
        Side of the crops, in pixels.
    conditions : Conditions, optional
        What the network is trained to get through.
    val : list of Path, optional
        Folders or tars of photographs that are held out, see :class:`Photographs`.
    rehearsed, report, progress, track : callable, optional
        See :func:`trainer.train`.
    decoder_only : bool, default False
        See :class:`CoderTask`.

    Returns
    -------
    Path
        The last checkpoint.

    Raises
    ------
    BadInput
        Unknown scheme, no usable image, or an ``out`` that holds a training of something else.
    """
    task = CoderTask(scheme, options or {}, data, masks or [], crop, conditions, val, loss, channel, decoder_only)
    return trainer.train(task, out, settings, rehearsed=rehearsed, report=report, progress=progress, track=track)
