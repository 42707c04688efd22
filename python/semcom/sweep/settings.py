# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sweep varies and what it holds fixed."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from itertools import product
from pathlib import Path

from .. import jscc
from ..channel import symbol
from ..digital.coder import AUTO, DEFAULT_VARIANT, parse_variant
from ..errors import BadInput
from .tasks import Condition

METRICS = ("psnr", "ms_ssim", "st_lpips")
MOST_VALUES = 10_000
REALISATION_STEP = 65_536  # between the channel seeds of one image's realisations; images count up in between


@dataclass(frozen=True)
class SweepSettings:
    """One scheme on a folder of images under every combination of SNR, channel, channel knowledge and rate.

    images : file or folder; out : the JSON file to write.
    variant : of the scheme's weights, None for its default; of "digital" codec and MCS, "avif/auto".
    snrs : Es/N0 per complex symbol, dB.
    channels : "awgn", "rayleigh", "rician"; csis : "ideal", "pilot", "none".
    rates : k/n as text, "1/12"; None for the scheme's own.
    snr_enc : what the encoder is told, dB; None for the SNR of the channel.
    k_factor_db : Rician K, dB.
    seed, seeds : first channel seed, and how many realisations of noise each point has.
    draws : realisations of fading for each of the ``seeds``; where there is no fading there is one.
    lose : probability that a fragment is lost.
    metrics : of ``METRICS``; PSNR is always measured.

    Raises
    ------
    BadInput : a setting that cannot be.
    """

    images: Path
    out: Path
    scheme: str = "softcast"
    variant: str | None = None
    snrs: tuple[float, ...] = (10.0,)
    channels: tuple[str, ...] = ("awgn",)
    csis: tuple[str, ...] = ("ideal",)
    rates: tuple[str | None, ...] = (None,)
    snr_enc: float | None = None
    k_factor_db: float = 10.0
    seed: int = 0
    seeds: int = 1
    draws: int = 1
    lose: float = 0.0
    metrics: tuple[str, ...] = ("psnr", "ms_ssim")

    def __post_init__(self) -> None:
        if self.scheme == "digital":
            parse_variant(self.variant or DEFAULT_VARIANT)
        else:
            jscc.check_scheme(self.scheme)
        for option, values, known in (
            ("--channel", self.channels, symbol.MODELS),
            ("--csi", self.csis, symbol.CSI),
            ("--metrics", self.metrics, METRICS),
        ):
            for value in values:
                if value not in known:
                    raise BadInput(f"{option} {value} is not known; choose {', '.join(known)}")
        fixed = [("--k-factor", self.k_factor_db)] + ([("--snr-enc", self.snr_enc)] if self.snr_enc is not None else [])
        for option, value in [("--snr", snr) for snr in self.snrs] + fixed:
            if not abs(value) <= 100:  # false for nan too
                raise BadInput(f"{option} {value} makes no sense; give decibels between -100 and 100")
        for option, values in (("--snr", self.snrs), ("--channel", self.channels), ("--csi", self.csis)):
            if not values:
                raise BadInput(f"{option} names nothing; give at least one value")
        if not 0 <= self.seed < 2**32:
            raise BadInput(f"--seed {self.seed} must be a whole number from 0 to 2^32 - 1")
        for option, value in (("--seeds", self.seeds), ("--draws", self.draws)):
            if not 1 <= value <= MOST_VALUES:
                raise BadInput(f"{option} {value} makes no sense; give a whole number from 1 to {MOST_VALUES}")
        if not 0 <= self.lose <= 1:
            raise BadInput(f"--lose {self.lose} must be a share from 0 to 1")
        if self.out.suffix != ".json":
            raise BadInput(f"--out {self.out} must be a JSON file, such as results/{self.scheme}.json")

    def points(self) -> list[Condition]:
        """Every combination of channel, channel knowledge and SNR, without the channel seeds."""
        return [
            Condition(
                channel=channel,
                csi=csi,
                snr_db=snr,
                snr_enc_db=snr if self.snr_enc is None else self.snr_enc,
                k_factor_db=self.k_factor_db,
                lose=self.lose,
            )
            for channel, csi, snr in product(self.channels, self.csis, self.snrs)
        ]

    def channel_seeds(self, channel: str, image: int) -> tuple[int, ...]:
        """Seeds of the realisations of image number ``image``; the first ones are those of a sweep with fewer."""
        count = self.seeds * (1 if channel == "awgn" else self.draws)
        return tuple(self.seed + image + REALISATION_STEP * r for r in range(count))

    def command(self) -> str:
        """The command line that writes the same file; an absolute folder is named by its last part."""
        words = ["semcom", "sweep", "--scheme", self.scheme]
        if self.scheme == "digital":
            codec, mcs = parse_variant(self.variant or DEFAULT_VARIANT)
            words += ["--codec", codec, "--mcs", AUTO if mcs is None else str(mcs)]
        elif self.variant:
            words += ["--variant", self.variant]
        words += ["--images", _short(self.images), "--snr", ",".join(f"{snr:g}" for snr in self.snrs)]
        words += ["--channel", ",".join(self.channels), "--csi", ",".join(self.csis)]
        rates = [rate for rate in self.rates if rate]
        words += ["--rate", ",".join(rates)] if rates else []
        words += ["--snr-enc", f"{self.snr_enc:g}"] if self.snr_enc is not None else []
        words += ["--k-factor", f"{self.k_factor_db:g}"] if "rician" in self.channels else []
        words += ["--seed", str(self.seed), "--seeds", str(self.seeds), "--draws", str(self.draws)]
        words += ["--lose", f"{self.lose:g}"] if self.lose else []
        words += ["--metrics", ",".join(self.metrics), "--out", _short(self.out)]
        return shlex.join(words)


def parse_snrs(text: str) -> tuple[float, ...]:
    """``1:20:1`` (both ends count), ``1,4,7`` or a mixture -> decibels, in the order given, each once."""
    values: list[float] = []
    for part in text.split(","):
        try:
            numbers = [Decimal(number.strip()) for number in part.split(":")]
        except InvalidOperation:
            numbers = []
        if len(numbers) not in (1, 3) or not all(number.is_finite() for number in numbers):
            raise BadInput(f"--snr {text} is no list of decibels; write LO:HI:STEP or A,B,C, such as 1:20:1")
        if len(numbers) == 1:
            values.append(float(numbers[0]))
            continue
        low, high, step = numbers
        if step <= 0 or high < low or (high - low) / step >= MOST_VALUES:
            raise BadInput(f"--snr {part} counts nowhere; write LO:HI:STEP with LO below HI, such as 1:20:1")
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
        value = float(Fraction(rate))
    except (ValueError, ZeroDivisionError, OverflowError):
        value = math.nan
    if not value > 0:
        raise BadInput(f"--rate {rate} is no ratio above 0; write it as K/N, such as 1/12")
    return value


def _short(path: Path) -> str:
    return path.name if path.is_absolute() else str(path)
