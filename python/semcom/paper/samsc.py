# SPDX-License-Identifier: GPL-3.0-or-later
"""Tariq et al., "Segment Anything Meets Semantic Communication", 2023: Fig. 4 to 6 measured anew.

The paper sends an image, or what SAM cuts out of it on black, through a convolutional coder of 128x32x32 real symbols
trained without noise, and shows PSNR over the SNR from 1 to 20 dB, over AWGN (Fig. 4) and Rayleigh fading (Fig. 5), and
pictures (Fig. 6). Here are its PSNR, of the whole frame, black included, and the PSNR within the region beside it; its
channel, a real Rayleigh gain for each symbol of which the receiver is not told, and block fading with a complex gain
beside it; and, since public code takes the number of decibels for the ratio, both readings of its SNR axis.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__, schemes
from ..channel.symbol import Received, SymbolChannel, complex_gaussian
from ..errors import BadInput, Undecodable
from ..image import io, metrics
from ..provenance import provenance
from ..schemes import Conditions
from ..segment import Box, Sam, cut_out
from ..sweep.journal import Journal
from ..sweep.tasks import BLANK, Encoding, heard, received_image
from . import voc
from .measuring import Job, added_up, available, gathered, key_of, publish

SIDE = 512
RATE = 1 / 12
SNRS = (1.0, 5.0, 10.0, 15.0, 20.0)
OUTSIDE = 1 / 32  # importance of what lies outside the region, where a scheme takes it
CHANNELS = ("awgn", "rayleigh", "real gain")
FIGURES = ("psnr_db", "roi_psnr_db", "kn")


@dataclass(frozen=True)
class Way:
    """A way to send a picture with a region.

    Attributes
    ----------
    name : str
        In figures and tables.
    scheme : str
        Of the registry.
    options : dict
        Of the scheme.
    masked : bool
        Whether the picture is black outside the region.
    outside : float or None
        Importance outside the region; None where the scheme is not told of it.
    channels : tuple of str
        Of ``CHANNELS``.
    """

    name: str
    scheme: str
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    masked: bool = False
    outside: float | None = None
    channels: tuple[str, ...] = ("awgn", "rayleigh")


WAYS = (
    Way("samsc, original", "samsc", {"variant": "original"}, channels=CHANNELS),
    Way("samsc, masked", "samsc", {"variant": "masked"}, masked=True, channels=CHANNELS),
    Way("deepjscc, original", "deepjscc"),
    Way("witt, original", "witt"),
    Way("segsc", "segsc", outside=OUTSIDE),
    Way("semcom, original", "semcom"),
    Way("semcom, importance", "semcom", outside=OUTSIDE),
    Way("JPEG", "digital", {"codec": "jpeg", "margin": 0.0}),
    Way("JPEG 2000", "digital", {"codec": "jpeg2000", "margin": 0.0}),
)


@dataclass(frozen=True)
class Settings:
    """What is measured.

    Attributes
    ----------
    pictures : Path
        Folder with ``images`` and ``masks`` (class maps).
    out : Path
        Folder for figures.json, fig4.svg, fig5.svg, fig6.svg and verdict.md.
    cache : Path
        Folder for the masks that SAM finds, which are used again.
    snrs : tuple of float
        Es/N0, dB.
    limit : int
        Pictures at most; 0 for all.
    workers : int
        Processes.
    """

    pictures: Path
    out: Path
    cache: Path
    snrs: tuple[float, ...] = SNRS
    limit: int = 0
    workers: int = 2


def masks(settings: Settings) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """The pictures with what SAM cuts out of them, prompted by the box of their largest object.

    Yields
    ------
    str, uint8 [512, 512, 3], bool [512, 512]
        Name, RGB, region.
    """
    sam: Sam | None = None
    for number, (name, image, target) in enumerate(voc.pictures(settings.pictures, side=SIDE)):
        if settings.limit and number == settings.limit:
            return
        file = settings.cache / f"{name}_{hashlib.sha256(image).hexdigest()[:12]}.png"
        if not file.exists():
            sam = sam or Sam()
            found = sam.segment(sam.embed(image), [Box(*map(float, target.box))]).mask
            settings.cache.mkdir(parents=True, exist_ok=True)
            # an object that SAM does not see is taken from the class map
            io.save_png(file, found if found.any() else target.mask)
        yield name, image, io.load_mask(file, SIDE, SIDE)


def real_gain(fragments: Sequence[np.ndarray], snr_db: float, seed: int) -> list[Received]:
    """Symbols with a real Rayleigh gain each, E h^2 = 1, of which the receiver is not told.

    Parameters
    ----------
    fragments : sequence of complex64 [n]
        Of average power 1.
    snr_db : float
        Es/N0, dB.
    seed : int
        Of gains and noise.

    Returns
    -------
    list of Received
        With the variance of the noise alone.
    """
    rng, noise = np.random.default_rng(seed), 10 ** (-snr_db / 10)
    received = []
    for symbols in fragments:
        gain = np.abs(complex_gaussian(rng, len(symbols)))
        added = complex_gaussian(rng, len(symbols)) * np.float32(math.sqrt(noise))
        heard = (gain * symbols + added).astype(np.complex64)
        energies = float(np.sum(np.abs(gain * symbols) ** 2)), float(np.sum(np.abs(added) ** 2))
        received.append(Received(heard, np.full(len(symbols), noise, np.float32), *energies, 0))
    return received


def sent(
    way: Way, image: np.ndarray, mask: np.ndarray, channel: str, snr_db: float, seed: int
) -> tuple[np.ndarray, int]:
    """uint8 [H, W, 3], what arrives, and the channel uses that it took; see :func:`measured`."""
    scheme = schemes.get(way.scheme)
    shown = cut_out(image, mask) if way.masked else image
    importance = None if way.outside is None else np.where(mask, 1.0, way.outside)
    conditions = Conditions(RATE, snr_db, "awgn" if channel == "awgn" else "rayleigh")
    if channel == "real gain":
        air = partial(real_gain, snr_db=snr_db, seed=seed)
    else:
        air = SymbolChannel(channel, snr_db, "ideal", seed=seed).apply_all
    headers, bursts = heard(Encoding(scheme, scheme.options(way.options), conditions), shown, air, importance)
    uses = sum(header.n_symbols for header in headers)
    arrived = received_image(scheme, headers, bursts)
    if isinstance(arrived.failure, Undecodable):
        return np.full_like(shown, BLANK), uses
    if arrived.failure is not None:
        raise arrived.failure
    return arrived.decoded.image, uses


def measured(way: Way, image: np.ndarray, mask: np.ndarray, channel: str, snr_db: float, seed: int) -> list[float]:
    """``FIGURES`` of one picture.

    Parameters
    ----------
    way : Way
        How it is sent.
    image : uint8 [H, W, 3]
        RGB.
    mask : bool [H, W]
        The region.
    channel : str
        Of ``CHANNELS``.
    snr_db : float
        Es/N0, dB.
    seed : int
        Of fading and noise.

    Returns
    -------
    list of float
        PSNR of the frame, against what the coder was given, and of the region, dB; channel uses for each value. What
        cannot be decoded counts as mid-grey.
    """
    received, uses = sent(way, image, mask, channel, snr_db, seed)
    shown = cut_out(image, mask) if way.masked else image
    return [metrics.psnr(shown, received), metrics.roi_psnr(image, received, mask), uses / image.size]


def _of_picture(name: str, image: np.ndarray, mask: np.ndarray, seed: int, todo: list[tuple[Way, str, float]]) -> list:
    return [measured(way, image, mask, channel, snr_db, seed) for way, channel, snr_db in todo]


def reproduce(settings: Settings, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure everything that is not measured yet, and write figures and verdict.

    Parameters
    ----------
    settings : Settings
        What is measured.
    say : callable
        Told how far it is, in a line.

    Returns
    -------
    dict
        What figures.json holds.

    Raises
    ------
    BadInput
        No pictures there, or a folder that cannot be written.
    Missing
        Weights or Matplotlib are not here.
    """
    from .figures import draw, verdict

    begun = time.perf_counter()
    ways, weights = available(WAYS, say)
    pictures = list(masks(settings))
    if not pictures:
        raise BadInput(f"no picture of {settings.pictures} has an object; give class maps with some")
    points = [(way, channel, snr) for way in ways for channel in way.channels for snr in settings.snrs]
    with Journal(settings.out / "figures.json.journal") as journal:
        jobs = []
        for seed, (name, image, mask) in enumerate(pictures):
            digest = hashlib.sha256(image.tobytes() + mask.tobytes()).hexdigest()
            keys = {point: _key(digest, seed, weights, point) for point in points}
            jobs.append(Job(_of_picture, (name, image, mask, seed), keys))
        found = gathered(journal, jobs, settings.workers, say)
        with added_up(journal):
            rows = [_row(way.name, channel, snr, values) for (way, channel, snr), values in found.items()]
        record = {
            "what": "Fig. 4 and 5 of Tariq et al., 2023, measured anew; mean and standard error over the pictures",
            "command": _command(settings),
            "version": __version__,
            "provenance": provenance(),
            "seconds": round(time.perf_counter() - begun, 1),
            "pictures": [name for name, _, _ in pictures],
            "size": [SIDE, SIDE],
            "share_of_the_region": round(float(np.mean([mask.mean() for _, _, mask in pictures])), 4),
            "black_background_db": round(_black(pictures), 2),
            "weights": weights,
            "rows": rows,
        }
        publish(settings.out, record, verdict(record))
        draw(record, settings.out, _pictures_of(ways, *pictures[0]))
        journal.remove()
    return record


def _key(digest: str, seed: int, weights: dict[str, str], point: tuple[Way, str, float]) -> str:
    way, channel, snr = point
    return key_of(digest, seed, weights, way.name, way.scheme, dict(way.options), way.outside, channel, snr)


def _row(way: str, channel: str, snr_db: float, values: list[list[float]]) -> dict[str, Any]:
    table = np.array(values)
    means, errors = table.mean(axis=0), table.std(axis=0, ddof=1) / math.sqrt(len(table)) if len(table) > 1 else None
    row: dict[str, Any] = {"way": way, "channel": channel, "snr_db": snr_db, "n": len(table)}
    row |= {name: round(float(mean), 4) for name, mean in zip(FIGURES, means, strict=True)}
    if errors is not None:
        row |= {f"{name}_error": round(float(error), 3) for name, error in zip(FIGURES[:2], errors, strict=False)}
    return row


def _black(pictures: list[tuple[str, np.ndarray, np.ndarray]]) -> float:
    """By how much a masked picture's PSNR is above that of its region if the black arrives without error, dB."""
    return float(np.mean([10 * math.log10(1 / max(mask.mean(), 1e-6)) for _, _, mask in pictures]))


def _pictures_of(ways: list[Way], name: str, image: np.ndarray, mask: np.ndarray) -> dict[str, Any]:
    """What Fig. 6 shows of one picture: the original, and what arrives at some SNRs over AWGN."""
    shown = [way for way in ways if way.name in ("samsc, original", "samsc, masked", "segsc", "semcom, importance")]
    snrs = (1.0, 10.0, 20.0)
    return {
        "name": name,
        "original": image,
        "mask": mask,
        "snrs": snrs,
        "rows": {way.name: [sent(way, image, mask, "awgn", snr, 0)[0] for snr in snrs] for way in shown},
    }


def _command(settings: Settings) -> str:
    words = ["semcom", "paper", "samsc", "--voc", settings.pictures.name, "--out", str(settings.out)]
    if settings.snrs != SNRS:
        words += ["--snr", ",".join(f"{snr:g}" for snr in settings.snrs)]
    if settings.limit:
        words += ["--limit", str(settings.limit)]
    return " ".join(words)
