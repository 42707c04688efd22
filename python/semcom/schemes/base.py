# SPDX-License-Identifier: GPL-3.0-or-later
"""Scheme and Part: the one abstraction that command, blocks, sweep and GRC read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any, ClassVar, Protocol

import numpy as np

from ..burst import MIN_SHARE, BurstHeader, ImageHeader, check_size
from ..errors import BadInput, Missing, Undecodable
from ..jscc.coder import MAX_PIXELS_OF_NETWORK, Coder, symbol_count
from .options import Options, made

AUTO = "auto"
BITS, SYMBOLS = "bits", "symbols"
USUAL_RATE = 1 / 12
RATE_TOLERANCE = 1e-3  # of k/n as a decimal fraction, such as 0.0833


@dataclass(frozen=True)
class Conditions:
    """What an encoder reckons with of the link.

    Attributes
    ----------
    rate : float or None
        k/n, complex channel uses per real source value; None for the scheme's own.
    snr_db : float
        Es/N0 that is expected, dB.
    channel : str
        "awgn", "rayleigh" or "rician": fading that a choice of MCS reckons with.
    k_factor_db : float
        Rician K, dB.
    """

    rate: float | None = None
    snr_db: float = 10.0
    channel: str = "awgn"
    k_factor_db: float = 10.0


@dataclass(frozen=True, eq=False)
class Part:
    """A piece of a transmission that is fragmented, protected, interleaved and reassembled by itself.

    Attributes
    ----------
    payload : bytes or complex64 [n]
        Bits, or symbols of average power 1; of several parts of symbols with one scale, of average power 1 together.
    priority : int
        0 is sent first; parts of bits that are spread over several bursts take all the time there is.
    mcs : int
        Of bits: index of the modulation and coding scheme.
    bursts : int
        Of bits: over how many bursts they are spread at least, so that one fade does not take them.
    room : int
        Of bits: by how many bytes they may grow for the image's name.
    scale : int, optional
        Of symbols: code of their power scale, where it is not the image's.
    """

    payload: bytes | np.ndarray
    priority: int = 0
    mcs: int = 0
    bursts: int = 1
    room: int = 0
    scale: int | None = None

    @property
    def kind(self) -> str:
        """``BITS`` or ``SYMBOLS``."""
        return BITS if isinstance(self.payload, bytes) else SYMBOLS


@dataclass(frozen=True, eq=False)
class Transmission:
    """All that is sent of an image.

    Attributes
    ----------
    parts : tuple of Part
        1 to 8, in order of importance.
    header : ImageHeader
        What the headers of all bursts say; rate and scale are those of the symbols.
    about : dict
        Further metadata for the transmitter's own flowgraph, such as a caption.
    """

    parts: tuple[Part, ...]
    header: ImageHeader
    about: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class ReceivedPart:
    """A part as a decoder gets it.

    Attributes
    ----------
    index : int
        Which part it is.
    payload : bytes or complex64 [n]
        Zeros where bytes or symbols were lost.
    header : ImageHeader
        Of a burst of this part.
    noise_var : float32 [n] or None
        Of symbols: noise variance of each, infinite where lost.
    intact : int
        Of bits: leading bytes without loss.
    mcs : int
        As in the header of its bursts.
    parts : int
        How many parts the image has.
    """

    index: int
    payload: bytes | np.ndarray
    header: ImageHeader
    noise_var: np.ndarray | None = None
    intact: int = 0
    mcs: int = 0
    parts: int = 1


@dataclass(frozen=True, eq=False)
class Labels:
    """A class map uint8 [H, W] with the names of its classes, and a line ``NAME X0,Y0,X1,Y1`` for each object."""

    values: np.ndarray
    classes: tuple[str, ...]
    objects: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Decoded:
    """What is known of an image; what is not known (yet) is None.

    Attributes
    ----------
    image : uint8 [H, W, 3] or None
        RGB.
    text : str or None
        A caption.
    labels : Labels or None
        Class map and objects.
    segments : uint8 [H, W] or None
        Number of the segment that each pixel lies in.
    views : dict of str to uint8 [H, W, 3]
        Text and maps drawn as pictures, by name.
    about : dict
        Metadata for the image PDU.
    problems : tuple of str
        One sentence for each piece that was damaged.
    sent : bool [H, W] or None
        Pixels of which anything was sent; None where all were. A receiver that has an earlier state of the same image
        keeps it elsewhere.
    error : callable or None
        Gives float32 [H, W], the squared error that is expected of each pixel to some common factor, when it is asked.
    """

    image: np.ndarray | None = None
    text: str | None = None
    labels: Labels | None = None
    segments: np.ndarray | None = None
    views: dict[str, np.ndarray] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    sent: np.ndarray | None = None
    error: Callable[[], np.ndarray] | None = None

    def is_empty(self) -> bool:
        """Whether nothing is known."""
        known = (self.image, self.text, self.labels, self.segments)
        return all(item is None for item in known) and not (self.views or self.about or self.problems)


class Decoder(Protocol):
    """Makes an image of its parts, in whatever order they arrive."""

    def feed(self, part: ReceivedPart) -> Decoded:
        """A part has arrived; what is newly known of the image."""

    def finish(self) -> Decoded:
        """Nothing more will arrive; the image.

        Raises
        ------
        BadInput
            No picture can be made of what arrived.
        """


class Scheme:
    """A way to send an image: all that command, blocks, sweep and GNU Radio Companion need to know of it.

    A scheme of one's own derives from this class, or from :class:`SymbolScheme` where all that is sent is one part of
    symbols, sets the class attributes, and is handed to :func:`~.registry.register`.

    Attributes
    ----------
    name : str
        What the scheme is called everywhere.
    code : int
        What the burst header calls it: 128 to 253 for schemes of one's own.
    title : str
        A few words for a list.
    reference : str
        Paper or standard.
    Options : type
        Dataclass of the scheme's options, derived from :class:`~.options.Options`.
    takes_importance : bool
        Whether a map of what matters is made use of.
    regions_apart : bool
        Whether regions of different importance are always parts of their own; where it is a choice, the scheme has an
        option ``layers``.
    takes_prompts : bool
        Whether its option ``prompts`` says what of the image is sent, so that no mask is applied before it.
    masked_variant : str
        Variant of the weights for images that are black outside a mask; empty where there is none.
    carries : frozenset of str
        Kinds of its parts, ``BITS`` and ``SYMBOLS``.
    trains_with : frozenset of str or None
        Settings of ``semcom train`` that mean something to it, of ``snr``, ``channels``, ``masks`` and ``export``; None
        where it cannot be trained.
    closed_form : bool
        Whether its weights are computed from the photographs, without training.
    rates : tuple of float or None
        Lowest and highest k/n; None where a rate means nothing to the scheme.
    max_pixels : int
        Of one image.
    min_share : float
        Share of an image's fragments that must arrive for a picture.
    free_pixels : int
        Of an image that is decoded however few of its symbols arrived.
    pixels_per_symbol : int
        Of a larger image, pixels that each symbol that arrived pays for: a receiver's time is worth no more.
    views : tuple of str
        Drawings that every image has; those who show them wait for them.
    """

    name: ClassVar[str] = ""
    code: ClassVar[int] = 0
    title: ClassVar[str] = ""
    reference: ClassVar[str] = ""
    Options: ClassVar[type[Options]] = Options
    takes_importance: ClassVar[bool] = False
    regions_apart: ClassVar[bool] = False
    takes_prompts: ClassVar[bool] = False
    masked_variant: ClassVar[str] = ""
    carries: ClassVar[frozenset[str]] = frozenset({SYMBOLS})
    trains_with: ClassVar[frozenset[str] | None] = None
    closed_form: ClassVar[bool] = False
    rates: ClassVar[tuple[float, float] | None] = (1 / 768, 1.0)
    max_pixels: ClassVar[int] = MAX_PIXELS_OF_NETWORK
    min_share: ClassVar[float] = MIN_SHARE
    free_pixels: ClassVar[int] = 2**19
    pixels_per_symbol: ClassVar[int] = 256
    views: ClassVar[tuple[str, ...]] = ()

    def options(self, values: Mapping[str, Any] | Options | None = None) -> Any:
        """The options dataclass of a mapping; BadInput for a name or value that cannot be."""
        return made(self.Options, values, self.name)

    def load(self, options: Any) -> dict[str, str]:
        """Load what an encoder with these options needs; file name to sha256 of each file of weights.

        Raises
        ------
        Missing
            Weights or packages are not here.
        """
        return {}

    def load_decoder(self, variant: str) -> dict[str, str]:
        """Load what a decoder needs with weights of a variant, "auto" for the usual ones; as :meth:`load`."""
        return {}

    def label(self, options: Any) -> str:
        """What sets these options apart from others in a table of results; empty where nothing does."""
        return getattr(options, "variant", "")

    def short_name(self, options: Any) -> str:
        """Name of a results file of these options."""
        return "_".join(filter(None, (re.sub(r"[^\w.-]+", "_", self.name), self.label(options))))

    def variants(self) -> dict[str, int]:
        """The variants of the weights that are here, the usual one first, and the identifier of each.

        A scheme without weights has the one variant "" with identifier 0.
        """
        return {"": 0}

    def decodes(self, sent: str, variant: str) -> bool:
        """Whether weights of one variant can decode what was sent with those of another."""
        return sent == variant

    def missing(self) -> str:
        """One sentence for a receiver that has no weights of the scheme."""
        return f"no weights of {self.name} are here"

    def adapts_to(self, options: Any) -> frozenset[str]:
        """Names of the fields of :class:`Conditions`, beside the rate, that change what is sent."""
        return frozenset()

    def check_limits(self, rate: float | None) -> None:
        """Refuse a rate beyond the scheme's limits, without loading anything."""
        if rate is None:
            return
        if self.rates is None:
            raise BadInput(f"scheme {self.name} has no rate, so that {rate:g} means nothing to it; leave it out")
        low, high = self.rates
        if not low * (1 - RATE_TOLERANCE) <= rate <= high * (1 + RATE_TOLERANCE):
            span = f"from {ratio(low)} to {ratio(high)}" if low < high else f"{ratio(low)}, the only one"
            raise BadInput(f"a rate of {rate:g} is out of range for scheme {self.name}; choose k/n {span}")

    def check_rate(self, rate: float | None, options: Any) -> None:
        """Refuse a rate that no image can be sent at; BadInput says which there are."""
        self.check_limits(rate)

    def encode(
        self, image: np.ndarray, conditions: Conditions, options: Any, importance: np.ndarray | None = None
    ) -> Transmission:
        """An image as parts.

        Parameters
        ----------
        image : uint8 [H, W, 3]
            RGB.
        conditions : Conditions
            What is known of the link.
        options : Options
            Of this scheme.
        importance : float [H, W], optional
            In [0, 1], what the error of each pixel counts.

        Returns
        -------
        Transmission
            All that is sent of the image.

        Raises
        ------
        BadInput
            An image, rate or importance that cannot be.
        """
        raise BadInput(f"scheme {self.name} cannot encode")

    def check_header(self, header: BurstHeader) -> None:
        """Refuse a header that no encoder of this scheme makes: memory is allocated by what it says."""
        check_size(header.height, header.width, self.name, self.max_pixels)

    def check_worth(self, height: int, width: int, symbols: int) -> None:
        """Refuse to decode an image of which too few symbols arrived for its size."""
        most = max(self.free_pixels, self.pixels_per_symbol * symbols)
        if height * width > most:
            raise Undecodable(
                f"{symbols:,} symbols arrived of an image of {width}x{height} pixels; that few are decoded to {most:,} "
                "pixels at most: send a smaller image, or more of it"
            )

    def symbols(self, header: ImageHeader, part: int, variant: str) -> int:
        """Symbols of a part that carries symbols, from its header; BadInput for a header that cannot be true."""
        raise BadInput(f"scheme {self.name} sends no symbols in part {part}")

    def part_length(self, header: BurstHeader, variant: str) -> int:
        """Symbols of the part that a burst belongs to, by default those of :meth:`symbols`."""
        return _symbols(self, image_header(header, self.name), header.part, variant)

    def decoder(self, header: ImageHeader, variant: str) -> Decoder:
        """A decoder for one image, with the weights of ``variant``."""
        raise BadInput(f"scheme {self.name} cannot decode")


class SymbolScheme(Scheme):
    """A scheme that sends one part of symbols: a joint coder.

    Derived classes give :meth:`coder`; those without weights of their own nothing else.
    """

    def coder(self, variant: str) -> Coder:
        """The coder with the weights of a variant, loaded on first use."""
        raise BadInput(f"scheme {self.name} has no coder")

    def variant(self, options: Any) -> str:
        """The variant that the options ask for, or the usual one."""
        wanted = getattr(options, "variant", "")
        if wanted:
            return wanted
        known = self.variants()
        if not known:
            raise Missing(self.missing())
        return next(iter(known))

    def load(self, options: Any) -> dict[str, str]:
        """The weights of the coder."""
        return dict(self.coder(self.variant(options)).weights)

    def load_decoder(self, variant: str) -> dict[str, str]:
        """The weights of the coder."""
        wanted = self.variant(None) if variant in ("", AUTO) else variant
        return dict(self.coder(wanted).weights)

    def adapts_to(self, options: Any) -> frozenset[str]:
        """The SNR, where the coder makes anything of it."""
        return frozenset({"snr_db"} if self.coder(self.variant(options)).adapts_to_snr else ())

    def check_rate(self, rate: float | None, options: Any) -> None:
        """Tried on a small grey image."""
        grey = np.full((16, 16, 3), 128, np.uint8)
        self.coder(self.variant(options)).encode(grey, rate=rate, snr_db=10.0)

    def encode(
        self, image: np.ndarray, conditions: Conditions, options: Any, importance: np.ndarray | None = None
    ) -> Transmission:
        """See :meth:`Scheme.encode`."""
        coder = self.coder(self.variant(options))
        sent = coder.encode(image, rate=conditions.rate, snr_db=conditions.snr_db, importance=importance)
        return Transmission((Part(sent.symbols),), sent.header)

    def symbols(self, header: ImageHeader, part: int, variant: str) -> int:
        """See :meth:`Scheme.symbols`; the coders of this project have 16x16 positions of ``rate + 1`` channels."""
        return symbol_count(header)

    def decoder(self, header: ImageHeader, variant: str) -> Decoder:
        """See :meth:`Scheme.decoder`."""
        return _CoderDecoder(self.coder(variant))


class _CoderDecoder:
    """The decoder of a scheme that has one part of symbols."""

    def __init__(self, coder: Coder):
        self._coder = coder
        self._part: ReceivedPart | None = None

    def feed(self, part: ReceivedPart) -> Decoded:
        self._part = part
        return Decoded()

    def finish(self) -> Decoded:
        if self._part is None:
            raise BadInput("nothing of the image's symbols arrived")
        part = self._part
        return Decoded(image=self._coder.decode(part.payload, part.noise_var, part.header))


def ratio(value: float) -> str:
    """0.0833 -> 1/12."""
    return str(Fraction(value).limit_denominator(1000))


@lru_cache(maxsize=256)
def image_header(header: BurstHeader, scheme: str) -> ImageHeader:
    """What a coder needs of a burst's header."""
    return ImageHeader(
        header.height, header.width, scheme, header.rate, header.scale, header.snr_enc, header.weights_id
    )


@lru_cache(maxsize=64)
def _symbols(scheme: Scheme, header: ImageHeader, part: int, variant: str) -> int:
    """Those of a part. Every burst of an image asks, and the scheme may look among the files of weights to know."""
    return scheme.symbols(header, part, variant)
