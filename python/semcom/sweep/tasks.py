# SPDX-License-Identifier: GPL-3.0-or-later
"""The two things a worker does: encode an image, and measure it under one condition."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from .. import jscc
from ..channel.symbol import SymbolChannel
from ..digital.coder import DEFAULT_VARIANT, digital_coder
from ..errors import Undecodable
from ..image.quality import Assessor

Figures = dict[str, Any]
BLANK = 128  # mid-grey


@dataclass(frozen=True)
class Condition:
    """A channel, and what is known of it at both ends; decibels, and ``lose`` a probability."""

    channel: str
    csi: str
    snr_db: float
    snr_enc_db: float
    k_factor_db: float
    lose: float
    seeds: tuple[int, ...] = ()


@dataclass(frozen=True)
class Encoding:
    """How an image is encoded; ``rate`` k/n, None for the scheme's own.

    channel, k_factor_db : what the link adapter of scheme ``digital`` reckons with.
    """

    scheme: str
    variant: str | None
    rate: float | None
    snr_enc_db: float
    channel: str = "awgn"
    k_factor_db: float = 10.0

    def coder(self) -> jscc.Coder:
        """The coder, with the scheme's own choice of weights if ``variant`` is None."""
        if self.scheme == "digital":
            return digital_coder(self.variant or DEFAULT_VARIANT, self.channel, self.k_factor_db)
        return jscc.coder(self.scheme) if self.variant is None else jscc.coder(self.scheme, self.variant)


@dataclass(frozen=True)
class Encoded:
    """An image uint8 [H,W,3] with its symbols, the time they took, and the weights that made them."""

    image: np.ndarray
    sent: jscc.ImageSymbols
    seconds: float
    weights: dict[str, str]


def encode(encoding: Encoding, image: np.ndarray) -> Encoded:
    """uint8 RGB [H,W,3] -> its symbols."""
    coder = encoding.coder()
    begun = time.perf_counter()
    sent = coder.encode(image, rate=encoding.rate, snr_db=encoding.snr_enc_db)
    return Encoded(image, sent, time.perf_counter() - begun, dict(coder.weights))


def measure(encoding: Encoding, encoded: Encoded, condition: Condition, metrics: tuple[str, ...]) -> Figures:
    """One image under one condition, once for each of its seeds.

    Returns lists with an entry per realisation (``psnr_db``, ``ms_ssim``, ``st_lpips``, ``lost``; the first three None
    where no fragment came, the others None where they do not apply; a picture that cannot be decoded counts as
    mid-grey), energies and times summed over them, how many could not be decoded (``undecodable``), and the sizes:
    ``payload_uses`` and ``air_uses`` (with pilots) in complex channel uses, ``source_values``, ``fragments``.
    """
    coder = encoding.coder()
    header = replace(encoded.sent.header, snr_enc=jscc.snr_field(condition.snr_enc_db))
    symbols = encoded.sent.symbols
    parts = jscc.split(symbols)
    figures: Figures = {"psnr_db": [], "ms_ssim": [], "st_lpips": [], "lost": []}
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
        bursts = channel.apply_all(parts)
        signal += sum(burst.signal_energy for burst in bursts)
        noise += sum(burst.noise_energy for burst in bursts)
        pilots = sum(burst.pilots for burst in bursts)
        came = {i: (burst.symbols, burst.noise_var) for i, burst in enumerate(bursts) if len(burst.symbols)}
        received, noise_var, lost = jscc.join(came, len(parts), len(symbols))
        figures["lost"].append(lost)
        measured: dict[str, float | None] = dict.fromkeys(("psnr_db", "ms_ssim", "st_lpips"))
        if lost < len(parts):
            begun = time.perf_counter()
            try:
                picture = coder.decode(received, noise_var, header)
            except Undecodable:
                # what there is to see of a picture that cannot be decoded is a blank one
                picture = np.full_like(encoded.image, BLANK)
                undecodable += 1
            seconds += time.perf_counter() - begun
            measured = _assessed(encoded.image.tobytes(), picture.tobytes(), picture.shape, metrics)
        for name in ("psnr_db", "ms_ssim", "st_lpips"):
            figures[name].append(measured[name])
    return figures | {
        "signal_energy": signal,
        "noise_energy": noise,
        "payload_uses": len(symbols),
        "air_uses": len(symbols) + pilots,
        "source_values": encoded.image.size,
        "fragments": len(parts),
        "encode_seconds": encoded.seconds,
        "decode_seconds": seconds,
        "undecodable": undecodable,
        "weights": encoded.weights,
    }


@lru_cache(maxsize=32)
def _assessed(
    image: bytes, picture: bytes, shape: tuple[int, ...], metrics: tuple[str, ...]
) -> dict[str, float | None]:
    """Whatever arrives without an error is the same picture again and again; MS-SSIM takes longer than to compare."""
    assess = _assessor(metrics)
    return assess(*(np.frombuffer(pixels, np.uint8).reshape(shape) for pixels in (image, picture)))


@lru_cache(maxsize=4)
def _assessor(metrics: tuple[str, ...]) -> Assessor:
    return Assessor("ms_ssim" in metrics, "st_lpips" in metrics)
