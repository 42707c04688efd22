# SPDX-License-Identifier: GPL-3.0-or-later
"""A coder of one's own: an encoder and a decoder network as two ONNX files."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .. import files
from ..burst import ImageHeader, snr_field
from ..errors import BadInput, Missing
from ..zoo import onnx, weights
from .coder import MAX_PIXELS_OF_NETWORK, check_source, refuse_importance, to_bytes
from .neural import LOST, shrunk
from .symbols import ImageSymbols, power_normalised, reals, scale_value

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, NodeArg

NAME = "onnx"
PROBES = (64, 256)  # pixels on a side of the image that shapes are learned from, where the network takes any size
MAX_LATENT = 2**26  # values of one latent; what a header says of its size must not make a receiver run out of memory
_SNR = ("snr", "snr_db")
_NOISE = "noise_var"


def _load(path: Path, role: str) -> InferenceSession:
    if not path.is_file():
        raise Missing(f"the {role} network {path} is not here; give the path of an ONNX file")
    try:
        return onnx.session(path)
    except BadInput as error:
        why = (str(error.__cause__ or error).splitlines() or [""])[0]
        raise BadInput(
            f"the {role} network {path.name} cannot be loaded by ONNX Runtime ({why[:200]}); export it with an opset "
            "that this ONNX Runtime knows"
        ) from None


def _main_input(session: InferenceSession, path: Path, what: str) -> NodeArg:
    """The one input that is neither an SNR nor noise variances."""
    found = [entry for entry in session.get_inputs() if entry.name not in (*_SNR, _NOISE)]
    if len(found) != 1:
        raise BadInput(
            f"{path.name} has {len(found)} inputs beside snr and {_NOISE} ({_listed(found)}); it must have one, {what}"
        )
    if found[0].type != "tensor(float)":
        raise BadInput(f"{path.name} takes {found[0].type} at {found[0].name}; it must take float32, {what}")
    if found[0].shape is None or len(found[0].shape) != 4:
        raise BadInput(f"{path.name} takes the shape {found[0].shape or 'of unknown rank'}; it must take {what}")
    return found[0]


def _listed(entries: list[NodeArg]) -> str:
    return ", ".join(entry.name for entry in entries) or "none"


class PairCoder:
    """The contract of two networks that any training can export.

    ::

        encoder: image float32 [1, 3, H, W] in [0, 1]  ->  latent float32 [1, C, h, w]
        decoder: latent float32 [1, C, h, w]           ->  image float32 [1, 3, H, W] in [0, 1]

    Stride and number of channels are learned from the networks, and with them the rate: C h w real values are sent as
    half as many symbols, at unit power. The decoder gets the latent back at the power that the encoder gave it, or at
    unit power if its metadata say ``power: unit``. Either may have an input ``snr`` (float32 [1], the Es/N0 in dB that
    the encoder assumed), and the decoder an input ``noise_var`` (float32 [1, C, h, w], noise variance of each value of
    the latent, 1e9 where nothing was received); without the latter, noisier symbols are shrunk towards zero.

    Parameters
    ----------
    encoder, decoder : Path
        ONNX files.
    name : str
        Of the scheme.

    Raises
    ------
    BadInput
        A file is not a network that ONNX Runtime can load, or not one of these shapes; the sentence says what was
        expected.
    Missing
        A file, or ONNX Runtime, is not here.
    """

    max_pixels = MAX_PIXELS_OF_NETWORK

    def __init__(self, encoder: Path, decoder: Path, name: str = NAME):
        self.name, self._files = name, (encoder, decoder)
        self._encoder, self._decoder = _load(encoder, "encoder"), _load(decoder, "decoder")
        self._x = _main_input(self._encoder, encoder, "an image [1, 3, H, W]")
        self._y = _main_input(self._decoder, decoder, "a latent [1, C, h, w]")
        digests = {path: files.sha256(path) for path in self._files}
        self.weights = {path.name: digest for path, digest in digests.items()}
        self.weights_id = weights.identifier(digests[path] for path in self._files)
        self.adapts_to_snr = any(entry.name in _SNR for entry in self._encoder.get_inputs())
        self._unit_power = onnx.takes_unit_power(self._decoder)
        self._fixed = _fixed_size(self._x, encoder)
        self._learn_shapes()

    def _learn_shapes(self) -> None:
        """Stride, channels, and whether the two networks belong together, from one image."""
        encoder, decoder = self._files
        latent, (height, width) = self._probed()
        _, self._channels, rows, columns = latent.shape
        if height % rows or width % columns or height // rows != width // columns:
            raise BadInput(
                f"{encoder.name} makes a latent of {rows}x{columns} positions of {height}x{width} pixels; a stride "
                "that divides both sides was expected"
            )
        self._stride = height // rows
        try:
            back = self._run_decoder(latent, np.zeros_like(latent), 10)
        except BadInput as error:
            raise BadInput(
                f"{error}; a decoder of the latent {list(latent.shape)} that {encoder.name} makes was expected"
            ) from None
        if back.shape != (1, 3, height, width):
            raise BadInput(
                f"{decoder.name} makes an image of shape {list(back.shape)} of the latent of {encoder.name}; "
                f"[1, 3, {height}, {width}] was expected"
            )

    def _probed(self) -> tuple[np.ndarray, tuple[int, int]]:
        """The latent of a grey image of a size that the encoder takes, and that size."""
        sizes = [self._fixed] if self._fixed else [(side, side) for side in PROBES]
        for size in sizes:
            try:
                return self._run_encoder(np.full((1, 3, *size), 0.5, np.float32), 10), size
            except BadInput:
                # windows of attention may need more than the smallest image
                if size == sizes[-1]:
                    raise
        raise AssertionError("there is always a size to try")

    def _conditions(self, session: InferenceSession, snr: int) -> dict[str, np.ndarray]:
        return {
            entry.name: np.full(() if entry.shape == [] else (1,), snr, np.float32)
            for entry in session.get_inputs()
            if entry.name in _SNR
        }

    def _run_encoder(self, x: np.ndarray, snr: int) -> np.ndarray:
        latent = self._run(self._encoder, self._files[0], {self._x.name: x} | self._conditions(self._encoder, snr))
        if latent.ndim != 4 or latent.shape[0] != 1 or not 0 < latent.size <= MAX_LATENT:
            raise BadInput(
                f"{self._files[0].name} makes a latent of shape {list(latent.shape)}; [1, C, h, w] was expected"
            )
        return latent

    def _run_decoder(self, y: np.ndarray, noise: np.ndarray, snr: int) -> np.ndarray:
        feeds = {self._y.name: y} | self._conditions(self._decoder, snr)
        if any(entry.name == _NOISE for entry in self._decoder.get_inputs()):
            feeds[_NOISE] = noise
        return self._run(self._decoder, self._files[1], feeds)

    @staticmethod
    def _run(session: InferenceSession, path: Path, feeds: dict[str, np.ndarray]) -> np.ndarray:
        try:
            out = session.run(None, feeds)[0]
        except Exception as error:  # the runtime's own exception classes are private to its C++ binding
            why = (str(error).splitlines() or [""])[0]
            shapes = ", ".join(f"{name} {list(value.shape)}" for name, value in feeds.items())
            raise BadInput(f"{path.name} does not run with {shapes} ({why[:200]})") from None
        if not isinstance(out, np.ndarray) or out.dtype != np.float32:
            raise BadInput(f"{path.name} gives {getattr(out, 'dtype', type(out).__name__)}; float32 was expected")
        if not np.isfinite(out).all():
            raise BadInput(f"{path.name} gives values that are not finite; numbers were expected")
        return out

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the latent of an image; BadInput where the networks do not take its size."""
        if self._fixed and (height, width) != self._fixed:
            raise BadInput(
                f"{self._files[0].name} takes images of {self._fixed[1]}x{self._fixed[0]} pixels only, not {width}x"
                f"{height}; scale the image, or export the networks with dynamic height and width"
            )
        return -(-height // self._stride), -(-width // self._stride)

    def symbol_count(self, header: ImageHeader) -> int:
        """Symbols of the image that a header speaks of; BadInput when it cannot be of these networks."""
        rows, columns = self.grid(header.height, header.width)
        values = rows * columns * self._channels
        if values > MAX_LATENT:
            raise BadInput(
                f"an image of {header.width}x{header.height} pixels has {values} values in its latent, more than "
                f"{MAX_LATENT}; scale it down"
            )
        if header.rate != self._rate_field():
            raise BadInput(f"a header says rate {header.rate}, but these networks have {self._rate_field()}")
        return (values + 1) // 2

    def _rate_field(self) -> int:
        return min(self._channels, 256) - 1

    def check_rate(self, rate: float | None) -> None:
        """Refuse another rate than that of the networks."""
        own = self._channels / (6 * self._stride**2)
        if rate is not None and not math.isclose(rate, own, rel_tol=1e-3):
            raise BadInput(f"these networks send at k/n = {own:.6g} only, not {rate:g}; leave the rate out")

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
        height, width = image.shape[:2]
        rows, columns = self.grid(height, width)
        self.check_rate(rate)
        assumed = snr_field(snr_db)
        bottom, right = rows * self._stride - height, columns * self._stride - width
        x = np.pad(image, ((0, bottom), (0, right), (0, 0)), mode="edge").transpose(2, 0, 1)[None]
        latent = self._run_encoder(np.ascontiguousarray(x, np.float32) / 255, assumed)
        if latent.shape != (1, self._channels, rows, columns):
            raise BadInput(
                f"{self._files[0].name} makes a latent of shape {list(latent.shape)} of {width}x{height} pixels; "
                f"[1, {self._channels}, {rows}, {columns}] was expected"
            )
        values = latent.transpose(0, 2, 3, 1).ravel()
        if values.size % 2:
            values = np.append(values, np.float32(0))
        symbols, scale = power_normalised(values)
        header = ImageHeader(height, width, self.name, self._rate_field(), scale, assumed, self.weights_id)
        return ImageSymbols(symbols, header)

    def decode(self, symbols: np.ndarray, noise_var: np.ndarray, header: ImageHeader) -> np.ndarray:
        """See :class:`~.coder.Coder`."""
        if len(symbols) != self.symbol_count(header):
            raise BadInput(f"{len(symbols)} symbols arrived for an image that needs {self.symbol_count(header)}")
        rows, columns = self.grid(header.height, header.width)
        shape = (rows, columns, self._channels)
        values = rows * columns * self._channels
        received = reals(symbols)[:values].reshape(-1, self._channels)
        # half of the complex noise falls on each real component
        noise = np.repeat(noise_var / 2, 2)[:values].reshape(-1, self._channels)
        scale = np.float32(1 if self._unit_power else scale_value(header.scale))
        if not any(entry.name == _NOISE for entry in self._decoder.get_inputs()):
            received = shrunk(received, noise)
        with np.errstate(over="ignore"):
            variance = np.minimum(noise * scale**2, LOST)
        y, variance = (
            np.ascontiguousarray(each.reshape(1, *shape).transpose(0, 3, 1, 2), np.float32)
            for each in (received * scale, variance)
        )
        x = self._run_decoder(y, variance, header.snr_enc)
        height, width = rows * self._stride, columns * self._stride
        if x.shape != (1, 3, height, width):
            raise BadInput(
                f"{self._files[1].name} makes an image of shape {list(x.shape)}; [1, 3, {height}, {width}] was expected"
            )
        return to_bytes(x[0].transpose(1, 2, 0), header)


def _fixed_size(x: NodeArg, path: Path) -> tuple[int, int] | None:
    """Height and width that the encoder takes, where it takes one size only."""
    batch, channels, height, width = x.shape
    if (isinstance(batch, int) and batch != 1) or (isinstance(channels, int) and channels != 3):
        raise BadInput(f"{path.name} takes the shape {list(x.shape)}; an image [1, 3, H, W] was expected")
    if isinstance(height, int) != isinstance(width, int):
        raise BadInput(f"{path.name} takes the shape {list(x.shape)}; height and width must both be fixed or both free")
    if not isinstance(height, int):
        return None
    if min(height, width) < 1 or height * width > MAX_PIXELS_OF_NETWORK:
        raise BadInput(
            f"{path.name} takes images of {width}x{height} pixels; 1 to {MAX_PIXELS_OF_NETWORK:,} pixels were expected"
        )
    return height, width


@lru_cache(maxsize=4)
def _pair(encoder: Path, decoder: Path, name: str, stamps: tuple[float, ...]) -> PairCoder:
    return PairCoder(encoder, decoder, name)


def pair_coder(encoder: Path, decoder: Path, name: str = NAME) -> PairCoder:
    """The coder of two files; asked again for the same files it loads nothing."""
    paths = files.resolved(encoder), files.resolved(decoder)
    # files that were written anew are loaded anew
    stamps = tuple(path.stat().st_mtime for path in paths if path.exists())
    return _pair(*paths, name, stamps)
