# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sweep varies and what it holds fixed."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from itertools import product
from pathlib import Path
from typing import Any

from .. import schemes, values
from ..channel import symbol
from ..errors import BadInput
from ..image.quality import METRICS, TASKS
from ..schemes import USUAL_SCHEME, Options, Region, Scheme
from ..segment import parse_prompt
from .tasks import Condition

MAX_VALUES = 10_000
REALISATION_STEP = 65_536  # between the channel seeds of one image's realisations; images count up in between
SNR_STEP = 2_654_435_761  # between those of two SNRs a hundredth of a dB apart, where fades are drawn; modulo 2^32


@dataclass(frozen=True)
class SweepSettings:
    """One scheme on a folder of images under every combination of SNR, channel, channel knowledge and rate.

    Attributes
    ----------
    images : Path
        File or folder.
    out : Path
        The JSON file to write.
    scheme : str or Scheme
        A name of the registry, or a scheme of one's own.
    options : mapping
        Options of the scheme, by name.
    snr : tuple of float
        Es/N0 per complex symbol, dB.
    channel : tuple of str
        "awgn", "rayleigh", "rician".
    csi : tuple of str
        Of ``channel.symbol.CSI``.
    rates : tuple of str or None
        k/n as text, "1/12"; None for the scheme's own.
    snr_enc : float or None
        What the encoder reckons with, dB; None for the SNR of the channel.
    snr_error : tuple of float
        By how much the encoder takes the SNR for more than it is, dB, each in turn; without ``snr_enc`` only.
    k_factor : float
        Rician K, dB.
    seed, seeds : int
        First channel seed, and how many realisations of noise each point has.
    draws : int
        Realisations of fading for each of the ``seeds``; more than one only where a channel fades.
    lose : float
        Probability that a fragment is lost.
    metrics : tuple of str
        Of ``METRICS`` and ``TASKS``; PSNR is always measured, and ROI-PSNR where the region has prompts. Tasks are done
        on the region, or else on the objects of the original's class map.
    region : Region
        The region of interest of each image, and what is made of it.
    only : tuple of str
        Names of the images that are measured, with the channel seeds that they have among all; empty for all.

    Raises
    ------
    BadInput
        A setting that cannot be.
    """

    images: Path
    out: Path
    scheme: str | Scheme = USUAL_SCHEME
    options: Mapping[str, Any] = field(default_factory=dict)
    snr: tuple[float, ...] = (10.0,)
    channel: tuple[str, ...] = ("awgn",)
    csi: tuple[str, ...] = ("ideal",)
    rates: tuple[str | None, ...] = (None,)
    snr_enc: float | None = None
    snr_error: tuple[float, ...] = (0.0,)
    k_factor: float = 10.0
    seed: int = 0
    seeds: int = 1
    draws: int = 1
    lose: float = 0.0
    metrics: tuple[str, ...] = ("psnr", "ms_ssim")
    region: Region = field(default_factory=Region)
    only: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.scheme_options()
        for text in self.region.prompts:
            parse_prompt(text)
        for name, known in (("channel", symbol.MODELS), ("csi", symbol.CSI), ("metrics", (*METRICS, *TASKS))):
            for value in getattr(self, name):
                if value not in known:
                    raise BadInput(f"{value} is not known; choose {', '.join(known)}", field=name)
        decibels = [("snr", snr) for snr in self.snr] + [("k_factor", self.k_factor)]
        decibels += [("snr_error", error) for error in self.snr_error]
        for name, value in [*decibels, ("snr_enc", 0.0 if self.snr_enc is None else self.snr_enc)]:
            if not abs(value) <= 100:  # false for nan too
                raise BadInput(f"{value} makes no sense; give decibels between -100 and 100", field=name)
        for name in ("snr", "channel", "csi", "snr_error"):
            if not getattr(self, name):
                raise BadInput("names nothing; give at least one value", field=name)
        if not 0 <= self.seed < 2**32:
            raise BadInput(f"{self.seed} must be a whole number from 0 to 2^32 - 1", field="seed")
        for name in ("seeds", "draws"):
            if not 1 <= getattr(self, name) <= MAX_VALUES:
                value = getattr(self, name)
                raise BadInput(f"{value} makes no sense; give a whole number from 1 to {MAX_VALUES}", field=name)
        if self.draws > 1 and not self.fades:
            raise BadInput(
                f"{self.draws} fades cannot be drawn where nothing fades; name a fading channel, or more seeds",
                field="draws",
            )
        if self.snr_enc is not None and any(self.snr_error):
            raise BadInput("excludes an SNR that the encoder assumes; give one of them", field="snr_error")
        if not 0 <= self.lose <= 1:
            raise BadInput(f"{self.lose} must be a share from 0 to 1", field="lose")
        if self.out.suffix != ".json":
            raise BadInput(f"{self.out} must be a JSON file, such as results/sweep.json", field="out")

    def scheme_options(self) -> tuple[Scheme, Options]:
        """The scheme, and its options."""
        scheme = schemes.get(self.scheme)
        return scheme, scheme.options(self.treated.options(scheme, self.options))

    @property
    def treated(self) -> Region:
        """The region, as the scheme takes it."""
        return self.region.implied(schemes.get(self.scheme))

    @property
    def fades(self) -> bool:
        """Whether any of the channels does."""
        return any(channel != "awgn" for channel in self.channel)

    def points(self) -> list[Condition]:
        """Every combination of channel, channel knowledge, SNR and its error, without the channel seeds."""
        return [
            Condition(
                channel=channel,
                csi=csi,
                snr_db=snr,
                snr_enc_db=snr + error if self.snr_enc is None else self.snr_enc,
                k_factor_db=self.k_factor,
                lose=self.lose,
            )
            for channel, csi, snr, error in product(self.channel, self.csi, self.snr, self.snr_error)
        ]

    def channel_seeds(self, channel: str, image: int, snr_db: float) -> tuple[int, ...]:
        """Seeds of the realisations of image number ``image``; the first ones are those of a sweep with fewer.

        Over AWGN the same noise is scaled to every SNR, which compares points best. Fades are drawn anew for each: one
        unlucky draw would else be in all points of a curve.
        """
        fades = channel != "awgn"
        first = self.seed + image + (SNR_STEP * round(100 * snr_db) if fades else 0)
        count = self.seeds * (self.draws if fades else 1)
        return tuple((first + REALISATION_STEP * r) % 2**32 for r in range(count))

    def command(self) -> str:
        """The command line that writes the same file; an absolute folder is named by its last part."""
        scheme, options = self.scheme_options()
        words = ["semcom", "sweep", "--scheme", scheme.name]
        for name in self.options:
            option, value = f"--{name.replace('_', '-')}", getattr(options, name)
            words += [option if value else f"--no-{option[2:]}"] if isinstance(value, bool) else [option, str(value)]
        words += ["--images", _short(self.images), "--snr", ",".join(f"{snr:g}" for snr in self.snr)]
        words += ["--channel", ",".join(self.channel), "--csi", ",".join(self.csi)]
        words += [word for text in self.region.prompts for word in ("--prompt", text)]
        if self.region.roi != "whole":
            words += ["--roi", self.region.roi]
        if self.treated.weighed and self.treated.roi != "skip":
            words += ["--background", f"{self.region.background:g}"]
        words += ["--levels"] if self.region.levels else []
        rates = [rate for rate in self.rates if rate]
        words += ["--rate", ",".join(rates)] if rates else []
        words += ["--snr-enc", f"{self.snr_enc:g}"] if self.snr_enc is not None else []
        if any(self.snr_error):
            words += [f"--snr-error={','.join(f'{error:g}' for error in self.snr_error)}"]
        words += ["--k-factor", f"{self.k_factor:g}"] if "rician" in self.channel else []
        words += ["--seed", str(self.seed), "--seeds", str(self.seeds), "--draws", str(self.draws)]
        words += ["--lose", f"{self.lose:g}"] if self.lose else []
        words += ["--metrics", ",".join(self.metrics), "--out", _short(self.out)]
        return shlex.join(words)


def parse_snrs(text: str, name: str = "snr") -> tuple[float, ...]:
    """``1:20:1`` (both ends count), ``1,4,7`` or a mixture as decibels.

    Parameters
    ----------
    text : str
        Numbers and ranges, separated by commas.
    name : str
        The setting that errors are about.

    Returns
    -------
    tuple of float
        In the order given, each once.

    Raises
    ------
    BadInput
        A text that lists no numbers.
    """
    values: list[float] = []
    for part in text.split(","):
        try:
            numbers = [Decimal(number.strip()) for number in part.split(":")]
        except InvalidOperation:
            numbers = []
        if len(numbers) not in (1, 3) or not all(number.is_finite() for number in numbers):
            raise BadInput(f"{text} is no list of decibels; write LO:HI:STEP or A,B,C, such as 1:20:1", field=name)
        if len(numbers) == 1:
            values.append(float(numbers[0]))
            continue
        low, high, step = numbers
        try:
            counts = step > 0 and high >= low and (high - low) / step < MAX_VALUES
        except ArithmeticError:  # of exponents that even decimal numbers do not have
            counts = False
        if not counts:
            raise BadInput(f"{part} counts nowhere; write LO:HI:STEP with LO below HI, such as 1:20:1", field=name)
        values += [float(low + i * step) for i in range(int((high - low) / step) + 1)]
    return tuple(dict.fromkeys(values))


def parse_rates(text: str | None) -> tuple[str | None, ...]:
    """``1/12,1/6`` -> each ratio as text; None, the scheme's own, for None."""
    if text is None:
        return (None,)
    rates = [part.strip() for part in text.split(",")]
    for rate in rates:
        rate_value(rate)
    return tuple(dict.fromkeys(rates))


def rate_value(rate: str | None) -> float | None:
    """``1/12`` -> 0.0833; None for None."""
    if rate is None:
        return None
    try:
        value = float(values.fraction(rate))
    except (ValueError, ZeroDivisionError, OverflowError):
        value = math.nan
    if not value > 0:
        raise BadInput(f"{rate} is no ratio above 0; write it as K/N, such as 1/12", field="rate")
    return value


def _short(path: Path) -> str:
    return path.name if path.is_absolute() else str(path)
