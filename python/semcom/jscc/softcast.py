# SPDX-License-Identifier: GPL-3.0-or-later
"""SoftCast in closed form: Karhunen-Loeve transform, power allocation, linear minimum mean-square-error receiver."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from ..burst import ImageHeader, snr_field
from ..zoo import weights
from .coder import (
    MAX_PIXELS,
    SOURCE_VALUES,
    STRIDE,
    channels_for,
    check_source,
    check_symbols,
    grid,
    padded,
    quantised,
    refuse_importance,
)
from .symbols import ImageSymbols, power_normalised, reals, scale_value

DEFAULT_RATE = 1 / 12
KEPT = 256  # components, enough for k/n = 1/6
BAND = 4096  # positions decoded at a time


def _patches(image: np.ndarray) -> np.ndarray:
    """[H,W,3], H and W multiples of 16 -> [positions, 768]."""
    rows, columns = image.shape[0] // STRIDE, image.shape[1] // STRIDE
    blocks = image.reshape(rows, STRIDE, columns, STRIDE, 3).transpose(0, 2, 1, 3, 4)
    return blocks.reshape(rows * columns, SOURCE_VALUES)


def _image(patches: np.ndarray, rows: int, columns: int) -> np.ndarray:
    blocks = patches.reshape(rows, columns, STRIDE, STRIDE, 3).transpose(0, 2, 1, 3, 4)
    return blocks.reshape(rows * STRIDE, columns * STRIDE, 3)


def fit(images: Iterable[np.ndarray]) -> dict[str, np.ndarray]:
    """The transform of a set of photographs.

    Parameters
    ----------
    images : iterable of uint8 [H, W, 3]
        RGB; each is cut to multiples of 16 pixels.

    Returns
    -------
    dict
        ``mean`` float32 [3] (grey level of each colour), ``basis`` float16 [768, 256] (orthonormal columns in falling
        order of variance) and ``variance`` float32 [256], for pixel values in [0, 1].
    """
    second = np.zeros((SOURCE_VALUES, SOURCE_VALUES))
    total, count = np.zeros(3), 0
    for image in images:
        height, width = (side // STRIDE * STRIDE for side in image.shape[:2])
        patches = _patches(image[:height, :width]).astype(np.float32) / 255
        second += patches.T @ patches
        total += patches.reshape(-1, 3).sum(axis=0)
        count += len(patches)
    mean = total / (count * STRIDE * STRIDE)
    # the mean of a patch is flat, so removing it is one rank-one correction with the flat colour vector
    flat = np.tile(mean, STRIDE * STRIDE)
    covariance = second / count - np.outer(flat, flat)
    values, vectors = np.linalg.eigh(covariance)
    order = np.argsort(values)[::-1][:KEPT]
    return {
        "mean": mean.astype(np.float32),
        "basis": vectors[:, order].astype(np.float16),
        "variance": values[order].clip(1e-9).astype(np.float32),
    }


class SoftCast:
    """Jakubczak and Katabi, "A Cross-Layer Design for Scalable Mobile Video" (SoftCast), MobiCom 2011.

    ::

        patches --KLT--> c_j --g_j / s--> symbols --channel--> LMMSE --> c'_j --KLT^-1--> patches

    16x16x3 patches are rotated into principal components c_j of variance v_j, the first ``2 rate 768`` are sent with
    amplitude g_j = v_j^(-1/4), SoftCast's least-distortion allocation, and the receiver weighs each by the LMMSE
    factor for
    its own noise variance. The transform was fitted once on photographs and is common to both ends; per image only
    the power scale s travels, in the header.
    """

    name = "softcast"
    adapts_to_snr = False
    max_pixels = MAX_PIXELS

    def __init__(self) -> None:
        path = weights.find("softcast_klt")
        with np.load(path) as file:
            self._mean = file["mean"]
            self._basis = file["basis"].astype(np.float32)
            self._variance = file["variance"]
        self._gain = self._variance**-0.25
        digest = weights.sha256("softcast_klt")
        self.weights = {path.name: digest}
        self.weights_id = weights.identifier([digest])

    def encode(
        self,
        image: np.ndarray,
        *,
        rate: float | None = None,
        snr_db: float = 10.0,
        importance: np.ndarray | None = None,
    ) -> ImageSymbols:
        """See :class:`~.coder.Coder`; any rate from 1/768 to 1/6, ``snr_db`` is only noted in the header."""
        check_source(image, self.name, self.max_pixels)
        refuse_importance(self.name, importance)
        channels = channels_for(DEFAULT_RATE if rate is None else rate)
        patches = _patches(padded(image).astype(np.float32) / 255 - self._mean)
        latent = (patches @ self._basis[:, :channels] * self._gain[:channels]).ravel()
        if latent.size % 2:
            latent = np.append(latent, np.float32(0))
        symbols, scale = power_normalised(latent)
        height, width = image.shape[:2]
        header = ImageHeader(height, width, self.name, channels - 1, scale, snr_field(snr_db), self.weights_id)
        return ImageSymbols(symbols, header)

    def decode(self, symbols: np.ndarray, noise_var: np.ndarray, header: ImageHeader) -> np.ndarray:
        """See :class:`~.coder.Coder`."""
        check_symbols(symbols, noise_var, header)
        rows, columns = grid(header.height, header.width)
        channels = header.channels
        scale = scale_value(header.scale)
        gain = self._gain[:channels] / scale
        # this image's variances: the fitted ones, scaled so that their sum gives the power that the header tells
        prior = self._variance[:channels] * (
            scale**2 / 2 / np.mean(self._gain[:channels] ** 2 * self._variance[:channels])
        )
        values = reals(symbols)
        image = np.empty((header.height, header.width, 3), np.uint8)
        # band by band, so that memory is that of the picture and not forty times as much
        band = max(1, BAND // columns)
        for top in range(0, rows, band):
            count = min(band, rows - top)
            first, last = top * columns * channels, (top + count) * columns * channels
            received = values[first:last].reshape(-1, channels)
            # half of the complex noise falls on each real component
            pairs = np.repeat(noise_var[first // 2 : (last + 1) // 2] / 2, 2)
            noise = pairs[first % 2 : first % 2 + last - first].reshape(-1, channels)
            with np.errstate(over="ignore"):  # the largest noise at the smallest scale
                # written so that an infinite noise variance gives exactly zero
                weight = 1 / (gain + noise / (gain * prior))
            patches = (received * weight) @ self._basis[:, :channels].T
            pixels = image[top * STRIDE : (top + count) * STRIDE]
            pixels[:] = quantised((_image(patches, count, columns) + self._mean)[: len(pixels), : header.width])
        return image


@lru_cache(maxsize=1)
def softcast() -> SoftCast:
    """The one instance; its 0.4 MB transform is read once."""
    return SoftCast()
