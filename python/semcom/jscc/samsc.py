# SPDX-License-Identifier: GPL-3.0-or-later
"""The CNN coder of "Segment Anything Meets Semantic Communication", run by ONNX Runtime."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .. import onnx, weights
from ..errors import BadInput
from .coder import (
    channels_for,
    check_image,
    check_symbols,
    grid,
    padded,
    snr_field,
    to_bytes,
)
from .symbols import ImageHeader, ImageSymbols, check_size, power_normalised, reals, scale_value

LATENT = 128
RATE = 1 / 12
VARIANTS = ("original", "masked")
PASSES = 3
ACTIVITY = (0.01, 100.0)  # bounds of a position's share: 128 noisy channels tell it to some 10 %


def wiener(received: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Linear MMSE estimate of a latent whose means and variances the receiver learns from what it received.

    Shrinking towards zero, as for data of zero mean, would pull a black background to grey: each channel of the
    latent has its own mean in each image, and its own spread; and each position its own share of that spread. This is
    the empirical Bayes form of the Wiener filter (Lee, "Digital image enhancement and noise filtering by use of local
    statistics", 1980) on the latent. Needs no side information.

    received : float32 [positions, channels], latent plus noise.
    noise : float32 [positions, channels], noise variance; inf where nothing came, 0 where there is no noise.

    Returns float32 [positions, channels].
    """
    known = np.where(np.isfinite(noise), noise, 0)
    variance = np.full_like(received, 0.5)  # unit-power symbols have half of it in each real
    for _ in range(PASSES):
        # the least noisy and least busy positions say most about the mean: of a masked image, the background
        weight = 1 / (variance + noise)
        mean = (weight * received).sum(axis=0) / np.maximum(weight.sum(axis=0), 1e-12)
        surplus = (received - mean) ** 2 - known
        weight = 1 / (0.5 + noise) ** 2
        spread = np.maximum((weight * surplus).sum(axis=0) / np.maximum(weight.sum(axis=0), 1e-12), 1e-6)
        trust = (spread / (spread + noise)) ** 2
        activity = (trust * surplus / spread).sum(axis=1) / np.maximum(trust.sum(axis=1), 1e-12)
        variance = spread * np.clip(activity, *ACTIVITY)[:, None]
    return (mean + (received - mean) / (1 + noise / variance)).astype(np.float32)


class SAMSC:
    """Tariq et al., "Segment Anything Meets Semantic Communication", 2023: 3x512x512 -> 128x32x32.

    The network is ``semcom.train.models.SAMSC``, trained without channel noise as in the paper, so it does not know
    about SNR: what it gains over a linear coder on a clean channel it loses on a noisy one. The receiver hands it
    the linear MMSE estimate of the latent (:func:`wiener`).

    Parameters
    ----------
    variant : "original" (trained on whole photographs) or "masked" (trained on photographs blacked out outside one
    object); both
        ends must use the same.
    threads : of ONNX Runtime.
    """

    name = "samsc"
    adapts_to_snr = False

    def __init__(self, variant: str = "original", threads: int = 2) -> None:
        if variant not in VARIANTS:
            raise BadInput(f"samsc has no weights called {variant!r}; choose {' or '.join(VARIANTS)}")
        names = [f"samsc_{variant}_{part}" for part in ("encoder", "decoder")]
        paths = [weights.find(name) for name in names]
        self.weights = {path.name: weights.sha256(name) for path, name in zip(paths, names, strict=True)}
        self._encoder, self._decoder = (onnx.session(path, threads) for path in paths)

    def encode(self, image: np.ndarray, *, rate: float | None = None, snr_db: float = 10.0) -> ImageSymbols:
        """See :class:`~.coder.Coder`; the only rate is 1/12, ``snr_db`` is only noted in the header."""
        check_image(image)
        check_size(*image.shape[:2])
        if rate is not None and channels_for(rate) != LATENT:
            raise BadInput(f"samsc sends at k/n = 1/12 only, not {rate:g}; leave the rate out or choose softcast")
        x = padded(image).transpose(2, 0, 1)[None].astype(np.float32) / 255
        (latent,) = self._encoder.run(None, {"x": x})
        # 128 channels make an even number of reals at any size
        symbols, scale = power_normalised(latent.transpose(0, 2, 3, 1).ravel())
        header = ImageHeader(image.shape[0], image.shape[1], self.name, LATENT - 1, scale, snr_field(snr_db))
        return ImageSymbols(symbols, header)

    def decode(self, symbols: np.ndarray, noise_var: np.ndarray, header: ImageHeader) -> np.ndarray:
        """See :class:`~.coder.Coder`."""
        check_symbols(symbols, noise_var, header)
        rows, columns = grid(header.height, header.width)
        # half of the complex noise falls on each real component
        noise = np.repeat(noise_var / 2, 2).reshape(-1, LATENT)
        estimate = wiener(reals(symbols).reshape(-1, LATENT), noise) * np.float32(scale_value(header.scale))
        y = estimate.reshape(1, rows, columns, LATENT).transpose(0, 3, 1, 2)
        (x,) = self._decoder.run(None, {"y": np.ascontiguousarray(y)})
        return to_bytes(x[0].transpose(1, 2, 0), header)


@lru_cache(maxsize=len(VARIANTS))
def samsc(variant: str = "original") -> SAMSC:
    """One instance per variant: its networks load once."""
    return SAMSC(variant)
