# SPDX-License-Identifier: GPL-3.0-or-later
"""The two parts of a worker's task: encode an image, and measure it under one condition."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from .. import schemes, values
from ..burst import BurstHeader
from ..channel.symbol import Received, SymbolChannel
from ..errors import BadInput, Undecodable
from ..image.metrics import psnr
from ..image.quality import METRICS, TASKS, Assessor
from ..schemes import Conditions, Image, Options, Reception, Region, Scheme
from ..segment import TaskAssessor, cut_out
from . import regions

Figures = dict[str, Any]
BLANK = 128  # mid-grey
MAX_COUNT = 2**53  # of anything that is counted
MEASURED = (
    "psnr_db", "psnr_original_db", "roi_psnr_db", "ms_ssim", "roi_ms_ssim", "st_lpips", "roi_st_lpips", *TASKS
)  # fmt: skip
"""Of a realisation."""
ALWAYS = frozenset({"psnr_db", "roi_psnr_db", "ms_ssim", "st_lpips"})
"""Those of them that journals of before the others have."""


@dataclass(frozen=True)
class Condition:
    """A channel, and what is known of it at both ends.

    Attributes
    ----------
    channel : str
        "awgn", "rayleigh" or "rician".
    csi : str
        Of ``channel.symbol.CSI``.
    snr_db, snr_enc_db : float
        Es/N0 of the channel, and what the encoder reckons with, dB.
    k_factor_db : float
        Rician K, dB.
    lose : float
        Probability that a fragment is lost.
    seeds : tuple of int
        Of the realisations.
    """

    channel: str
    csi: str
    snr_db: float
    snr_enc_db: float
    k_factor_db: float
    lose: float
    seeds: tuple[int, ...] = ()


@dataclass(frozen=True)
class Encoding:
    """How an image is encoded.

    Attributes
    ----------
    scheme : Scheme
        One that is registered.
    options : Options
        Of the scheme.
    conditions : Conditions
        What the encoder reckons with.
    region : Region
        What matters of the image, and what is made of it.
    """

    scheme: Scheme
    options: Options
    conditions: Conditions
    region: Region = field(default_factory=Region)


@dataclass(frozen=True)
class Encoded:
    """An image as bursts.

    Attributes
    ----------
    image : uint8 [H, W, 3]
        RGB, as the coder was given it.
    bursts : list of (BurstHeader, complex64 [n])
        In the order in which they are sent.
    seconds : float
        The time that encoding took.
    weights : dict of str to str
        File name to sha256 of the weights that made them.
    mask : bool [H, W] or None
        The region of interest, where there is one.
    original : uint8 [H, W, 3] or None
        The whole image, where the coder was given only the region of it.
    """

    image: np.ndarray
    bursts: list[tuple[BurstHeader, np.ndarray]]
    seconds: float
    weights: dict[str, str]
    mask: np.ndarray | None = None
    original: np.ndarray | None = None


def encode(encoding: Encoding, image: np.ndarray, name: str = "") -> Encoded:
    """uint8 RGB [H, W, 3] and its name -> its bursts."""
    scheme, region = encoding.scheme, encoding.region
    weights = scheme.load(encoding.options) | regions.load(region)
    mask = importance = original = None
    if region.prompts:
        mask = regions.find(region, image)
        if region.roi == "masked":
            original, image = image, cut_out(image, mask > 0)
        if region.weighed:
            importance = schemes.importance_of(mask, region.outside)
    begun = time.perf_counter()
    sent = scheme.encode(image, encoding.conditions, encoding.options, importance)
    seconds = time.perf_counter() - begun
    inside = None if mask is None else mask > 0
    return Encoded(image, schemes.bursts(sent, scheme, name), seconds, weights, inside, original)


def measure(encoding: Encoding, encoded: Encoded, condition: Condition, metrics: tuple[str, ...]) -> Figures:
    """One image under one condition, once for each of its seeds.

    Returns
    -------
    dict
        Lists with an entry per realisation (``MEASURED`` and ``lost``; the figures None where no picture could be made
        of what arrived, and where they do not apply or were not asked for; a picture that cannot be decoded counts as
        mid-grey), energies and times summed over them, how many could not be decoded
        (``undecodable``), and the sizes: ``payload_uses`` and ``air_uses`` (with pilots) in complex channel uses,
        ``source_values``, ``fragments``.
    """
    headers, fragments = zip(*encoded.bursts, strict=True)
    figures: Figures = {"lost": []} | {name: [] for name in MEASURED}
    signal = noise = seconds = 0.0
    pilots = undecodable = 0
    for seed in condition.seeds:
        channel = SymbolChannel(
            condition.channel,
            condition.snr_db,
            condition.csi,
            condition.k_factor_db,
            seed=seed,
            loss=condition.lose,
        )
        received = channel.apply_all(fragments)
        signal += sum(burst.signal_energy for burst in received)
        noise += sum(burst.noise_energy for burst in received)
        pilots = sum(burst.pilots for burst in received)
        begun = time.perf_counter()
        image = received_image(encoding.scheme, headers, received)
        seconds += time.perf_counter() - begun
        figures["lost"].append(image.meta["lost"])
        measured: dict[str, float | None] = {}
        picture = None if image.decoded is None else image.decoded.image
        if isinstance(image.failure, Undecodable):
            # what there is to see of a picture that cannot be decoded is a blank one
            picture = np.full_like(encoded.image, BLANK)
            undecodable += 1
        elif image.failure is not None:
            raise image.failure
        if picture is not None:
            inside = None if encoded.mask is None else encoded.mask.tobytes()
            measured = _assessed(encoded.image.tobytes(), picture.tobytes(), inside, picture.shape, metrics)
            if encoded.original is not None:
                measured = measured | {"psnr_original_db": psnr(encoded.original, picture)}
        for name in MEASURED:
            figures[name].append(measured.get(name))
    uses = sum(map(len, fragments))
    return figures | {
        "signal_energy": signal,
        "noise_energy": noise,
        "payload_uses": uses,
        "air_uses": uses + pilots,
        "source_values": encoded.image.size,
        "fragments": len(fragments),
        "encode_seconds": encoded.seconds,
        "decode_seconds": seconds,
        "undecodable": undecodable,
        "weights": encoded.weights,
    }


def checked(figures: Mapping[str, Any], realisations: int) -> Figures:
    """Figures that were written down, as :func:`measure` gives them.

    Parameters
    ----------
    figures : mapping
        What is there.
    realisations : int
        How many there must be.

    Returns
    -------
    dict
        Without the weights, by which they were found.

    Raises
    ------
    BadInput
        A figure is missing, or something else.
    """
    lost = _realisations(figures, "lost", realisations)
    found: Figures = {"lost": [values.whole(value, "lost", 0, MAX_COUNT) for value in lost]}
    for name in MEASURED:
        if name in figures or name in ALWAYS:
            found[name] = [_figure(value, name) for value in _realisations(figures, name, realisations)]
    for name in ("signal_energy", "noise_energy", "encode_seconds", "decode_seconds"):
        found[name] = values.number(figures.get(name), name, 0)
    for name in ("payload_uses", "air_uses", "source_values", "fragments"):
        found[name] = values.whole(figures.get(name), name, 1, MAX_COUNT)
    found["undecodable"] = values.whole(figures.get("undecodable"), "undecodable", 0, realisations)
    return found


def _realisations(figures: Mapping[str, Any], name: str, count: int) -> Sequence[Any]:
    each = values.listed(figures.get(name), name)
    if len(each) != count:
        raise BadInput(f"must have {count} values, one for each realisation, got {len(each)}", field=name)
    return each


def _figure(value: Any, name: str) -> float | None:
    # of a picture that is perfect
    if value is None or value == math.inf:
        return value
    return values.number(value, name)


def heard(
    encoding: Encoding,
    image: np.ndarray,
    channel: Callable[[Sequence[np.ndarray]], list[Received]],
    importance: np.ndarray | None = None,
) -> tuple[list[BurstHeader], list[Received]]:
    """The bursts of an image after a channel, for :func:`received_image`.

    Parameters
    ----------
    encoding : Encoding
        How it is encoded.
    image : uint8 [H, W, 3]
        RGB.
    channel : callable
        The symbols of all bursts to what is received of each.
    importance : float [H, W], optional
        In [0, 1], what the error of each pixel counts.

    Returns
    -------
    list of BurstHeader, list of Received
        Of each burst.
    """
    sent = encoding.scheme.encode(image, encoding.conditions, encoding.options, importance)
    headers, symbols = zip(*schemes.bursts(sent, encoding.scheme), strict=True)
    return list(headers), channel(symbols)


def received_image(scheme: Scheme, headers: Sequence[BurstHeader], received: Sequence[Received]) -> Image:
    """What a receiver makes of the bursts of one image.

    Parameters
    ----------
    scheme : Scheme
        The only one that it decodes.
    headers : sequence of BurstHeader
        Of all bursts.
    received : sequence of Received
        What became of the symbols of each.

    Returns
    -------
    Image
        The picture, or why there is none.
    """
    reception, reports = Reception(scheme), []
    for header, burst in zip(headers, received, strict=True):
        # a burst that was lost is reported lost, as the channel block does
        meta = header.fields() | ({"noise_var": burst.noise_var} if len(burst.symbols) else {})
        reports += reception.feed(meta, burst.symbols)
    return next(report for report in reports if isinstance(report, Image))


@lru_cache(maxsize=32)
def _assessed(
    image: bytes, picture: bytes, mask: bytes | None, shape: tuple[int, ...], metrics: tuple[str, ...]
) -> dict[str, float | None]:
    """Whatever arrives without an error is the same picture again and again; MS-SSIM takes longer than to compare."""
    inside = None if mask is None else np.frombuffer(mask, bool).reshape(shape[:2])
    pair = [np.frombuffer(pixels, np.uint8).reshape(shape) for pixels in (image, picture)]
    figures = _assessor(metrics)(*pair, inside)
    if tasks := tuple(name for name in metrics if name in TASKS):
        assess = _task_assessor(tasks)
        figures |= assess(pair[1], assess.targets(pair[0], inside))
    return figures


@lru_cache(maxsize=4)
def _assessor(metrics: tuple[str, ...]) -> Assessor:
    return Assessor(*(name in metrics for name in METRICS[1:]))


@lru_cache(maxsize=4)
def _task_assessor(tasks: tuple[str, ...]) -> TaskAssessor:
    return TaskAssessor(tasks)
