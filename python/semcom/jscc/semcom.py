# SPDX-License-Identifier: GPL-3.0-or-later
"""The project's own coder, one model for every SNR, rate and importance, run by ONNX Runtime."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..burst import ImageHeader, snr_field
from ..errors import BadInput
from ..zoo import weights
from . import mapcode
from .allocation import REGIONS, SKIPPED, STEPS, TOGETHER, Allocation, CellMap, tables
from .base import MOST, Base
from .coder import (
    MAX_PIXELS_OF_NETWORK,
    SOURCE_VALUES,
    channels_for,
    check_importance,
    check_source,
    check_symbols,
    grid,
    refuse_importance,
    symbol_count,
    to_bytes,
)
from .neural import LOST, load, planes, shared
from .planning import Coefficients, MapCost, importance_levels, plan
from .symbols import ImageSymbols, ReceivedSymbols, cut, joined, reals, scale_value
from .tiles import assembled

DEFAULT_RATE = 1 / 12
MIN_CHANNELS = 32  # of map and symbols together
SNR_RANGE = (-2, 20)  # dB, what the networks were trained over
MIN_IMPORTANCE = 2.0 ** (1 - SKIPPED)
MIN_NOISE = 10 ** (-SNR_RANGE[1] / 10)
MIN_POWER = 1e-9
NO_BASE = 1e9  # stands for the variance that a base leaves where there is none


class Semcom:
    """Networks over an allocation that both ends know.

    The allocation is that of ``softcast`` with a map, the networks (``semcom.train.models.Semcom``, where the structure
    is described) learn what the linear coder leaves. The decoder weighs every symbol by its own noise variance, so
    fades and lost fragments cost what they took and no more.

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
        self._encoder, self._decoder, files = load("semcom", variant, threads)
        self._tables = tables()
        klt = weights.entry("softcast_klt")
        if self._encoder.get_modelmeta().custom_metadata_map.get("tables") != klt.sha256:
            raise BadInput(
                f"the weights {variant!r} of semcom were trained over other tables than {klt.file}, which is here; "
                "take that file out of SEMCOM_MODELS, or train again"
            )
        self.weights = files | {klt.file: klt.sha256}
        self.weights_id = weights.identifier(files.values())

    def _shared(
        self, header: ImageHeader, cells: CellMap, base: Base, division: str
    ) -> tuple[Allocation, dict[str, np.ndarray]]:
        """The allocation, and what both ends tell their networks of the transmission."""
        profile, level = cells.patches(header.height, header.width, self._tables.profiles)
        snr = _snr(header)
        allocation = self._allocation(profile, level, base, header, division)
        known = np.zeros((1, MOST, *profile.shape), np.float32)
        known[0, : base.count] = base.coefficients().T.reshape(base.values.shape)
        variance = np.full((1, MOST, 1, 1), NO_BASE, np.float32)
        variance[0, : base.count] = 2.0 ** (base.level / STEPS)
        weight = np.maximum(0.5 ** level.astype(np.float32), np.float32(MIN_IMPORTANCE))
        return allocation, {
            "told": np.array([[snr / 10 - 1, math.log2(header.channels) - 7]], np.float32),
            "importance": weight[None, None],
            # what is not sent has a profile for the sake of its neighbours in the map
            "profile": np.where(level < SKIPPED, profile, 0)[None].astype(np.int64),
            "amplitude": allocation.amplitude_grid()[None],
            "base": known,
            "left": variance,
        }

    def _allocation(
        self, profile: np.ndarray, level: np.ndarray, base: Base, header: ImageHeader, division: str
    ) -> Allocation:
        left = self._tables.based(base)
        return Allocation(left, profile, level, 2 * symbol_count(header), _snr(header), division)

    def _channels(self, rate: float | None) -> int:
        """Real values of a patch, map included, at a rate."""
        channels = channels_for(DEFAULT_RATE if rate is None else rate)
        if channels < MIN_CHANNELS:
            raise BadInput(
                f"semcom sends at k/n from 1/{2 * SOURCE_VALUES // MIN_CHANNELS} to 1/6, not {rate:g}; "
                "choose a higher rate or softcast"
            )
        return channels

    def _encoded(
        self, image: np.ndarray, header: ImageHeader, cells: CellMap, base: Base, division: str = TOGETHER
    ) -> list[ImageSymbols]:
        allocation, told = self._shared(header, cells, base, division)
        (latent,) = self._encoder.run(None, {"x": planes(image)} | told)
        return cut(allocation.gather(latent[0]), allocation.parts, division == REGIONS, header)

    def encode(
        self,
        image: np.ndarray,
        *,
        rate: float | None = None,
        snr_db: float = 10.0,
        importance: np.ndarray | None = None,
    ) -> ImageSymbols:
        """See :class:`~.coder.Coder`; without a map, for those who cannot send one.

        Any rate from 1/48 to 1/6; SNRs beyond -2..20 dB count as the nearest.
        """
        check_source(image, self.name, self.max_pixels)
        check_importance(importance, image)
        refuse_importance(f"{self.name} without a map", importance)
        height, width = image.shape[:2]
        channels = self._channels(rate)
        header = ImageHeader(height, width, self.name, channels - 1, 0, snr_field(snr_db), self.weights_id)
        return self._encoded(image, header, CellMap.empty(height, width), Base.none(*grid(height, width)))[0]

    def encode_adaptive(
        self,
        image: np.ndarray,
        cost: MapCost,
        *,
        rate: float | None = None,
        snr_db: float = 10.0,
        importance: np.ndarray | None = None,
        division: str = TOGETHER,
    ) -> tuple[bytes, list[ImageSymbols]]:
        """An image as a map and symbols; see :meth:`.softcast.SoftCast.encode_adaptive`, of which it takes the map."""
        check_source(image, self.name, self.max_pixels)
        check_importance(importance, image)
        height, width = image.shape[:2]
        channels, snr_enc = self._channels(rate), snr_field(snr_db)
        coefficients = Coefficients(image, self._tables)
        levels = importance_levels(importance, coefficients.rows, coefficients.columns)
        made = plan(coefficients, (coefficients.patches * channels + 1) // 2, snr_enc, cost, levels, math.inf, division)
        header = ImageHeader(height, width, self.name, made.channels - 1, 0, snr_enc, self.weights_id)
        return mapcode.sealed(made.code, header), self._encoded(image, header, made.cells, made.base, division)

    def decode(self, symbols: np.ndarray, noise_var: np.ndarray, header: ImageHeader) -> np.ndarray:
        """See :class:`~.coder.Coder`; of what was sent without a map."""
        check_symbols(symbols, noise_var, header)
        size = header.height, header.width
        heard = [ReceivedSymbols(symbols, noise_var, header.scale)]
        return self._decoded(heard, header, CellMap.empty(*size), Base.none(*grid(*size)))

    def decode_adaptive(
        self, data: bytes, received: Sequence[ReceivedSymbols | None], header: ImageHeader, division: str = TOGETHER
    ) -> tuple[np.ndarray, CellMap]:
        """See :meth:`.softcast.SoftCast.decode_adaptive`."""
        cells, base = mapcode.decode(data, header)
        return self._decoded(received, header, cells, base, division), cells

    def expected_error(self, data: bytes, noise_var: np.ndarray, header: ImageHeader) -> np.ndarray:
        """See :meth:`.softcast.SoftCast.expected_error`; what its linear receiver would expect."""
        size = header.height, header.width
        cells, base = mapcode.decode(data, header) if data else (CellMap.empty(*size), Base.none(*grid(*size)))
        patches = cells.patches(*size, self._tables.profiles)
        allocation = self._allocation(*patches, base, header, TOGETHER)
        return allocation.expected_error(noise_var, scale_value(header.scale))

    def _decoded(
        self,
        received: Sequence[ReceivedSymbols | None],
        header: ImageHeader,
        cells: CellMap,
        base: Base,
        division: str = TOGETHER,
    ) -> np.ndarray:
        inputs = self._decoder_inputs(received, header, cells, base, division)
        rows, columns = grid(header.height, header.width)
        power = self._power(inputs, slice(0, rows), slice(0, columns))

        def decoded(down: slice, across: slice) -> np.ndarray:
            tile = {
                name: np.ascontiguousarray(value[..., down, across]) if value.shape[-2:] == (rows, columns) else value
                for name, value in inputs.items()
            }
            # a tile is an image by itself, of a power of its own
            ratio = math.sqrt(max(self._power(inputs, down, across), MIN_POWER) / max(power, MIN_POWER))
            lost = tile["noise"] >= LOST
            tile["y"] = tile["y"] / np.float32(ratio)
            tile["noise"] = np.where(lost, np.float32(LOST), tile["noise"] / np.float32(ratio**2))
            tile["scale"] = tile["scale"] * np.float32(ratio)
            return self._decoder.run(None, tile)[0][0]

        return to_bytes(assembled(rows, columns, decoded).transpose(1, 2, 0), header)

    def _power(self, inputs: dict[str, np.ndarray], down: slice, across: slice) -> float:
        """Expected of what is sent of some positions, to a common factor."""
        variance = self._tables.variance[inputs["profile"][0, down, across]].transpose(2, 0, 1)
        variance[:MOST] = np.minimum(variance[:MOST], inputs["left"][0])
        return float(np.mean(np.square(inputs["amplitude"][0, :, down, across]) * variance))

    def _decoder_inputs(
        self,
        received: Sequence[ReceivedSymbols | None],
        header: ImageHeader,
        cells: CellMap,
        base: Base,
        division: str,
    ) -> dict[str, np.ndarray]:
        """What the decoder network is fed."""
        allocation, told = self._shared(header, cells, base, division)
        heard = joined(received, allocation.parts)
        here = np.isfinite(heard.noise_var)
        # quieter than any noise it was trained with means nothing to the network
        noise_var = np.where(here, np.maximum(heard.noise_var, MIN_NOISE), LOST).astype(np.float32)
        y = allocation.scatter(reals(np.where(here, heard.symbols, 0)))
        noise = allocation.scatter(np.repeat(noise_var, 2), LOST)
        scale = np.full((1, 1, 1, 1), scale_value(heard.scale), np.float32)
        return {"y": y[None], "noise": noise[None], "scale": scale} | told


def _snr(header: ImageHeader) -> float:
    """What the networks were trained for that is nearest to what the encoder reckons with, dB."""
    return min(max(header.snr_enc, SNR_RANGE[0]), SNR_RANGE[1])


def semcom(variant: str = "original") -> Semcom:
    """One instance for each variant's weights."""
    return shared("semcom", variant, Semcom, variant)
