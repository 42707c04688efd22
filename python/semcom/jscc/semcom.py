# SPDX-License-Identifier: GPL-3.0-or-later
"""The project's own coder, one model for every SNR and rate, run by ONNX Runtime."""

from __future__ import annotations

import json
import math

import numpy as np

from ..burst import ImageHeader, snr_field
from ..errors import BadInput
from ..zoo import weights
from .coder import (
    MAX_PIXELS_OF_NETWORK,
    SOURCE_VALUES,
    STRIDE,
    channels_for,
    check_importance,
    check_source,
    check_symbols,
    grid,
    to_bytes,
)
from .neural import load, planes, shared
from .symbols import ImageSymbols, power_normalised, reals, scale_value

DEFAULT_RATE = 1 / 12
CHANNELS = 256
MIN_CHANNELS = 32
SNR_RANGE = (-2, 20)  # dB, what the networks were trained over
MIN_IMPORTANCE = 0.01
MIN_NOISE = 10 ** (-SNR_RANGE[1] / 10)
LOST = 1e9  # stands for an infinite noise variance inside the network
MIN_POWER = 0.1  # of a channel, beside 1 on average: what is hardly sent cannot be learned either


def power_allocation(variance: np.ndarray, snr_db: float, channels: int) -> np.ndarray:
    """Amplitudes of a linear coder with an LMMSE receiver that give the least error at one SNR.

    Minimises sum v_j s / (p_j + s) over the powers p_j of the channels that are sent, on average 1, with noise s:
    p_j = max(0, m sqrt(v_j) - s) with m such that the average is met (Lee and Petersen, "Optimal linear coding for
    vector channels", 1976), but at least ``MIN_POWER``. For s -> 0 this is SoftCast's p_j ~ sqrt(v_j).

    Parameters
    ----------
    variance : float [n]
        Of all channels, falling.
    snr_db : float
        Es/N0, dB.
    channels : int
        How many are sent.

    Returns
    -------
    float32 [n]
        The factor of each channel; of those not sent, that of the last one sent.
    """
    root, noise = np.sqrt(variance[:channels].astype(np.float64)), 10 ** (-snr_db / 10)
    # m if only the 1, 2, ... strongest are sent; the weakest drop out until all that are left have something
    level = (channels + np.arange(1, channels + 1) * noise) / np.cumsum(root)
    weakest = np.flatnonzero(root * level > noise)[-1]
    power = np.maximum(root * level[weakest] - noise, MIN_POWER)
    factor = np.sqrt(power) / root
    return np.pad(factor, (0, len(variance) - channels), mode="edge").astype(np.float32)


def _importance_grid(importance: np.ndarray | None, rows: int, columns: int) -> np.ndarray:
    """[H,W] -> float32 [1,1,rows,columns]: of each patch its most important pixel."""
    if importance is None:
        return np.ones((1, 1, rows, columns), np.float32)
    filled = np.zeros((rows * STRIDE, columns * STRIDE), np.float32)
    filled[: importance.shape[0], : importance.shape[1]] = importance
    most = filled.reshape(rows, STRIDE, columns, STRIDE).max(axis=(1, 3))
    return np.clip(most, MIN_IMPORTANCE, 1)[None, None]


class Semcom:
    """SNR- and rate-adaptive joint coder that knows what matters.

    A linear transform coder in closed form with networks that learn its residual
    (``semcom.train.models.Semcom``, where the structure is described). Latent channels are ordered: k/n from 1/48 to
    1/6 is a prefix of them. The decoder weighs every symbol by its own noise variance, so fades and lost fragments
    cost what they took and no more.

    Parameters
    ----------
    variant : str
        Of its weights, "original" ships; both ends must use the same.
    threads : int
        Of ONNX Runtime.
    """

    name = "semcom"
    adapts_to_snr = True
    max_pixels = MAX_PIXELS_OF_NETWORK

    def __init__(self, variant: str = "original", threads: int = 2) -> None:
        self._encoder, self._decoder, self.weights = load("semcom", variant, threads)
        self.weights_id = weights.identifier(self.weights.values())
        self._variance = np.array(json.loads(self._encoder.get_modelmeta().custom_metadata_map["variance"]))

    def _conditions(self, snr_enc: int, channels: int) -> dict[str, np.ndarray]:
        """What both ends tell their networks of the transmission."""
        snr = min(max(snr_enc, SNR_RANGE[0]), SNR_RANGE[1])
        allocation = power_allocation(self._variance, snr, channels)
        return {
            "told": np.array([[snr / 10 - 1, math.log2(channels) - 7]], np.float32),
            "allocation": allocation.reshape(1, CHANNELS, 1, 1),
        }

    def encode(
        self,
        image: np.ndarray,
        *,
        rate: float | None = None,
        snr_db: float = 10.0,
        importance: np.ndarray | None = None,
    ) -> ImageSymbols:
        """See :class:`~.coder.Coder`; any rate from 1/48 to 1/6, SNRs beyond -2..20 dB count as the nearest."""
        check_source(image, self.name, self.max_pixels)
        check_importance(importance, image)
        channels = 2 * round(channels_for(DEFAULT_RATE if rate is None else rate) / 2)
        if channels < MIN_CHANNELS:
            raise BadInput(
                f"semcom sends at k/n from 1/{2 * SOURCE_VALUES // MIN_CHANNELS} to 1/6, not {rate:g}; "
                "choose a higher rate or softcast"
            )
        snr_enc = snr_field(snr_db)
        feeds = {"x": planes(image), "importance": _importance_grid(importance, *grid(*image.shape[:2]))}
        (latent,) = self._encoder.run(None, feeds | self._conditions(snr_enc, channels))
        # an even number of channels makes an even number of reals at any size
        symbols, scale = power_normalised(latent[:, :channels].transpose(0, 2, 3, 1).ravel())
        header = ImageHeader(*image.shape[:2], self.name, channels - 1, scale, snr_enc, self.weights_id)
        return ImageSymbols(symbols, header)

    def decode(self, symbols: np.ndarray, noise_var: np.ndarray, header: ImageHeader) -> np.ndarray:
        """See :class:`~.coder.Coder`."""
        channels = header.channels
        if channels % 2 or not MIN_CHANNELS <= channels <= CHANNELS:
            raise BadInput(
                f"a semcom image of {channels} latent channels arrived; this model has {MIN_CHANNELS} to {CHANNELS}"
            )
        check_symbols(symbols, noise_var, header)
        (x,) = self._decoder.run(None, self._decoder_inputs(symbols, noise_var, header))
        return to_bytes(x[0].transpose(1, 2, 0), header)

    def _decoder_inputs(self, symbols: np.ndarray, noise_var: np.ndarray, header: ImageHeader) -> dict[str, np.ndarray]:
        """What the decoder network is fed: complex64 [n], float32 [n] noise variance, inf where lost."""
        channels = header.channels
        rows, columns = grid(header.height, header.width)
        y = np.zeros((1, CHANNELS, rows, columns), np.float32)
        noise = np.full_like(y, LOST)
        here = np.isfinite(noise_var)
        received = reals(np.where(here, symbols, 0)).reshape(rows, columns, channels)
        # quieter than any noise it was trained with means nothing to the network
        heard = np.where(here, np.maximum(noise_var, MIN_NOISE), LOST)
        variance = np.repeat(heard, 2).reshape(rows, columns, channels)
        y[0, :channels] = received.transpose(2, 0, 1)
        noise[0, :channels] = variance.transpose(2, 0, 1)
        scale = np.full((1, 1, 1, 1), scale_value(header.scale), np.float32)
        return {"y": y, "noise": noise, "scale": scale} | self._conditions(header.snr_enc, channels)


def semcom(variant: str = "original") -> Semcom:
    """One instance for each variant's weights."""
    return shared("semcom", variant, Semcom, variant)
