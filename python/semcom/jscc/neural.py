# SPDX-License-Identifier: GPL-3.0-or-later
"""Coders that are an encoder network, a latent of one fixed size and a decoder network, run by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..burst import ImageHeader, snr_field
from ..errors import BadInput, Missing
from ..zoo import onnx, weights
from .coder import (
    MAX_PIXELS_OF_NETWORK,
    SOURCE_VALUES,
    channels_for,
    check_source,
    check_symbols,
    grid,
    padded,
    refuse_importance,
    to_bytes,
)
from .symbols import ImageSymbols, power_normalised, reals, scale_value
from .tiles import USUAL, Tiling, assembled

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_Made = TypeVar("_Made")

LOST = 1e9  # stands for an infinite noise variance inside a network


def _names(scheme: str, variant: str) -> list[str]:
    """Of the encoder's weights and of the decoder's; the encoder of what is a decoder alone is the usual one."""
    encoder, decoder = (f"{scheme}_{variant}_{part}" for part in ("encoder", "decoder"))
    return [encoder if encoder in weights.registry() else f"{scheme}_{weights.USUAL_VARIANT}_encoder", decoder]


def variants(scheme: str) -> dict[str, int]:
    """The variants of a scheme's weights that are known here, and the identifier of each."""
    known = weights.registry()
    found = [
        name.removeprefix(f"{scheme}_").removesuffix("_decoder")
        for name in known
        if name.startswith(f"{scheme}_") and name.endswith("_decoder")
    ]
    return {
        variant: weights.identifier(known[name].sha256 for name in names)
        for variant, names in ((each, _names(scheme, each)) for each in found)
        if all(name in known for name in names)
    }


def same_encoder(scheme: str, one: str, other: str) -> bool:
    """Whether what two variants of a scheme's weights send is the same."""
    first, second = (weights.entry(_names(scheme, variant)[0]).sha256 for variant in (one, other))
    return first == second


def without_weights(scheme: str) -> str:
    """One sentence for a scheme of which no weights are here."""
    return (
        f"no weights of {scheme} are here; train some with `semcom train {scheme}`, export them and name their folder "
        "in SEMCOM_MODELS"
    )


def files(scheme: str, variant: str) -> list[Path]:
    """The encoder's and the decoder's file of one variant of a scheme's weights.

    Parameters
    ----------
    scheme : str
        Its name.
    variant : str
        Of its weights.

    Returns
    -------
    list of Path
        Two, checked.

    Raises
    ------
    BadInput
        The scheme has weights, but none of that variant.
    Missing
        It has none here at all.
    """
    known = variants(scheme)
    if not known:
        raise Missing(without_weights(scheme))
    if variant not in known:
        raise BadInput(f"{scheme} has no weights called {variant!r}; choose {' or '.join(sorted(known))}")
    return [weights.find(name) for name in _names(scheme, variant)]


def load(scheme: str, variant: str, threads: int) -> tuple[InferenceSession, InferenceSession, dict[str, str]]:
    """Encoder and decoder of one variant of a scheme's weights, and the sha256 of each file.

    Parameters
    ----------
    scheme : str
        Its name.
    variant : str
        Of its weights.
    threads : int
        Of ONNX Runtime.

    Returns
    -------
    InferenceSession, InferenceSession, dict of str to str
        Encoder, decoder, and file name to sha256.

    Raises
    ------
    BadInput, Missing
        As :func:`files`.
    """
    names, paths = _names(scheme, variant), files(scheme, variant)
    encoder, decoder = (onnx.session(path, threads) for path in paths)
    return encoder, decoder, {path.name: weights.sha256(name) for path, name in zip(paths, names, strict=True)}


def planes(image: np.ndarray) -> np.ndarray:
    """uint8 [H,W,3] -> float32 [1,3,H',W'] in [0,1], what an encoder network takes."""
    return padded(image).transpose(2, 0, 1)[None].astype(np.float32) / 255


def shrunk(received: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """The received latent, its noisier symbols as far shrunk as the LMMSE estimate shrinks them more than the others.

    Parameters
    ----------
    received : float32 [positions, channels]
        Latent of unit-power symbols plus noise.
    noise : float32 [positions, channels]
        Variance of the noise of each real, infinite where nothing was received.

    Returns
    -------
    float32 [positions, channels]
        What a decoder network can take in place of the latent.
    """
    usual = np.median(noise[np.isfinite(noise)]) if np.isfinite(noise).any() else np.float32(0)
    return (received * np.minimum(1, (0.5 + usual) / (0.5 + noise))).astype(np.float32)


def latent_channels(encoder: InferenceSession, scheme: str) -> int:
    """The channels of the latent that an encoder network makes.

    Parameters
    ----------
    encoder : InferenceSession
        The network.
    scheme : str
        Whose it is, for the message.

    Returns
    -------
    int
        1 to 256, which is what the burst header counts, and even, so that an image of any size is whole symbols.

    Raises
    ------
    BadInput
        The network does not say, or makes another number.
    """
    shape = encoder.get_outputs()[0].shape
    channels = shape[1] if shape and len(shape) == 4 else None
    if not isinstance(channels, int) or not 2 <= channels <= 256 or channels % 2:
        raise BadInput(
            f"the encoder of {scheme} makes a latent of shape {shape}; [1, C, h, w] with C even and from 2 to 256 was "
            "expected"
        )
    return channels


class LatentCoder:
    """3xHxW -> C x H/16 x W/16 reals, and back; C is what the networks have, 128 (k/n = 1/12) in those that ship.

    The networks take ``x`` and ``y``; those that adapt to the channel take ``snr_db`` [1] as well.

    Parameters
    ----------
    name : str
        Of the scheme.
    variant : str
        Of its weights; both ends must use the same.
    threads : int
        Of ONNX Runtime.
    tiling : Tiling
        How large images are cut for the decoder.
    """

    def __init__(self, name: str, variant: str = "original", threads: int = 2, tiling: Tiling = USUAL) -> None:
        self.name, self._tiling = name, tiling
        self._encoder, self._decoder, self.weights = load(name, variant, threads)
        self.weights_id = weights.identifier(self.weights.values())
        self._unit_power = onnx.takes_unit_power(self._decoder)
        self.latent = latent_channels(self._encoder, name)
        self.adapts_to_snr = "snr_db" in {entry.name for entry in self._encoder.get_inputs()}

    max_pixels = MAX_PIXELS_OF_NETWORK

    def _snr(self, snr_enc: int) -> dict[str, np.ndarray]:
        return {"snr_db": np.array([snr_enc], np.float32)} if self.adapts_to_snr else {}

    def estimate(self, received: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """What the decoder network is given for the received latent.

        These networks were trained with equally strong noise on all symbols and pass its scale over: symbols as noisy
        as most are left as they are, noisier ones are shrunk as far as the LMMSE estimate shrinks them more.

        Parameters
        ----------
        received : float32 [positions, channels]
            Latent plus noise.
        noise : float32 [positions, channels]
            Variance of the noise of each real, infinite where nothing was received.

        Returns
        -------
        float32 [positions, channels]
            The network's input.
        """
        return shrunk(received, noise)

    def encode(
        self,
        image: np.ndarray,
        *,
        rate: float | None = None,
        snr_db: float = 10.0,
        importance: np.ndarray | None = None,
    ) -> ImageSymbols:
        """See :class:`~.coder.Coder`; the only rate is that of the networks."""
        check_source(image, self.name, self.max_pixels)
        refuse_importance(self.name, importance)
        if rate is not None and channels_for(rate) != self.latent:
            raise BadInput(
                f"{self.name} sends at k/n = {Fraction(self.latent, 2 * SOURCE_VALUES)} only, not {rate:g}; leave the "
                "rate out or choose semcom or softcast"
            )
        snr_enc = snr_field(snr_db)
        (latent,) = self._encoder.run(None, {"x": planes(image)} | self._snr(snr_enc))
        # 128 channels make an even number of reals at any size
        symbols, scale = power_normalised(latent.transpose(0, 2, 3, 1).ravel())
        header = ImageHeader(*image.shape[:2], self.name, self.latent - 1, scale, snr_enc, self.weights_id)
        return ImageSymbols(symbols, header)

    def check_header(self, header: ImageHeader) -> None:
        """Refuse a header of another rate than the networks have.

        Raises
        ------
        BadInput
            It is of another.
        """
        if header.channels != self.latent:
            raise BadInput(f"a header says rate {header.rate}, but {self.name} has only {self.latent - 1}")

    def decode(self, symbols: np.ndarray, noise_var: np.ndarray, header: ImageHeader) -> np.ndarray:
        """See :class:`~.coder.Coder`."""
        self.check_header(header)
        check_symbols(symbols, noise_var, header)
        rows, columns = grid(header.height, header.width)
        # half of the complex noise falls on each real component
        noise = np.repeat(noise_var / 2, 2).reshape(-1, self.latent)
        estimate = self.estimate(reals(symbols).reshape(-1, self.latent), noise)
        if not self._unit_power:
            estimate = estimate * np.float32(scale_value(header.scale))
        y = estimate.reshape(1, rows, columns, self.latent).transpose(0, 3, 1, 2)

        def decoded(down: slice, across: slice) -> np.ndarray:
            feeds = {"y": np.ascontiguousarray(y[..., down, across])} | self._snr(header.snr_enc)
            return self._decoder.run(None, feeds)[0][0]

        return to_bytes(assembled(rows, columns, decoded, self._tiling).transpose(1, 2, 0), header)


def shared(scheme: str, variant: str, make: Callable[..., _Made], *arguments: Any) -> _Made:
    """One coder for each scheme and its weights: networks load once, and again where their files were exported anew.

    Parameters
    ----------
    scheme : str
        Whose weights.
    variant : str
        Which of them.
    make : callable
        Makes the coder.
    *arguments : object
        Of ``make``, hashable.

    Returns
    -------
    object
        What ``make`` returned, now or earlier.
    """
    known = weights.registry()
    return _shared(make, arguments, tuple(known[name].sha256 for name in _names(scheme, variant) if name in known))


@lru_cache(maxsize=8)
def _shared(make: Callable[..., _Made], arguments: tuple[Any, ...], digests: tuple[str, ...]) -> _Made:
    return make(*arguments)


def latent_coder(name: str, variant: str = "original", tiling: Tiling = USUAL) -> LatentCoder:
    """One instance for each scheme and its weights."""
    return shared(name, variant, LatentCoder, name, variant, 2, tiling)
