# SPDX-License-Identifier: GPL-3.0-or-later
"""Reception: bursts of any scheme in, images out. The receiver configures itself by the bursts' headers."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .. import values
from ..burst import (
    ANALOGUE,
    MIN_SHARE,
    USUAL_TIMEOUT,
    BurstHeader,
    Delivery,
    Dropped,
    Event,
    Group,
    Idle,
    PartArrived,
    PartBursts,
    Place,
    Reassembly,
    Refusal,
    Seal,
    fragments_needed,
    snr_field,
)
from ..digital import mcs_of, read_part
from ..errors import BadInput, SemcomError, Undecodable, let_go, sentence_of
from ..jscc.coder import MAX_PIXELS
from ..keys import Key
from . import registry
from .base import AUTO, BITS, SYMBOLS, Decoded, Decoder, ReceivedPart, Scheme, image_header

USUAL_PIXELS = 2**24
"""Of an image that is received at most, unless told otherwise."""
_MAX_CHOSEN = 1024  # schemes and weights that bursts name


def group_of_bits(header: BurstHeader) -> Group:
    """The group that a burst of bits belongs to; BadInput when its header names no MCS."""
    mcs_of(header.mcs)
    depth = header.rate + 1
    return Group(header.scale, depth, depth * header.n_symbols, header.mcs)


@dataclass(frozen=True)
class PartRead:
    """A part that carries bits has been read.

    ``data`` are its bytes, and ``meta`` says how many of them are sound.
    """

    data: bytes
    meta: dict[str, Any]


@dataclass(frozen=True)
class News:
    """Something of an image is known before all of it is here."""

    decoded: Decoded
    meta: dict[str, Any]


@dataclass(frozen=True)
class Image:
    """An image, or why it was given up.

    ``decoded`` is None where ``error`` says in one sentence why; ``failure`` is what was raised, where something was,
    and ``views`` names the drawings that will not be made either.
    """

    meta: dict[str, Any]
    decoded: Decoded | None
    error: str = ""
    failure: Exception | None = None
    views: tuple[str, ...] = ()


@dataclass(frozen=True)
class Message:
    """A message of bytes, or why it was given up.

    ``data`` holds zeros where code blocks were lost, and is None where ``error`` says in one sentence why.
    """

    meta: dict[str, Any]
    data: bytes | None
    error: str = ""


class _Reader:
    """Reads the parts of one image that carry bits, and keeps count."""

    def __init__(self) -> None:
        self.about: dict[str, Any] = {}
        self._blocks = self._lost = 0

    def read(self, part: PartBursts, meta: dict[str, Any]) -> PartRead | None:
        """The bytes of a part; None where not one of its code blocks could be decoded."""
        header, about = part.header, self.about
        message = read_part(part, MIN_SHARE)
        self._blocks += message.blocks
        self._lost += message.blocks_lost
        about |= {"blocks": self._blocks, "blocks_lost": self._lost}
        about.setdefault("mcs", header.mcs)
        if message.note and not meta.get("name"):
            about["name"] = message.note.decode("utf-8", "replace")
        if message.blocks == message.blocks_lost:
            return None
        about["bytes"] = about.get("bytes", 0) + len(message.data)
        keys = {"part": header.part, "parts": header.parts, "intact": message.intact, "mcs": header.mcs}
        return PartRead(message.data, meta | self.name | keys | {"bytes": len(message.data)})

    @property
    def name(self) -> dict[str, str]:
        """The name that travelled with the image."""
        return {"name": self.about["name"]} if "name" in self.about else {}

    @property
    def failure(self) -> str:
        """One sentence where code blocks arrived and none could be decoded, else empty."""
        if not self._blocks or self._lost < self._blocks:
            return ""
        return f"none of the {self._blocks} code blocks could be decoded; the channel was too bad for the MCS"


@dataclass
class _State:
    """What is known of an image whose parts still arrive."""

    scheme: Scheme
    decoder: Decoder | None = None
    reader: _Reader = field(default_factory=_Reader)
    failure: Exception | None = None


Reported = PartRead | News | Image | Message | Dropped | Idle


class _Receiving:
    """Bursts in, by way of a reassembly; what derives from it says where a burst belongs and what becomes of events."""

    def __init__(self, timeout: int, snr_db: float, key: Key | None):
        self.reassembly = Reassembly(self._place, timeout, Seal(key) if key else None)
        self.snr_db = snr_db
        self._handed: dict[int, dict[int, tuple]] = {}  # of each image the parts that were read, and their identities

    @property
    def snr_db(self) -> float:
        """Es/N0 assumed for bursts that bring no noise variance, dB."""
        return self._snr_db

    @snr_db.setter
    def snr_db(self, snr_db: float) -> None:
        snr_field(snr_db)
        self._snr_db = snr_db

    def feed(self, meta: Mapping[str, Any], symbols: np.ndarray) -> list[Reported]:
        """One burst, its metadata with the fields of the header; what is known after it."""
        return list(self._each(self.reassembly.feed(meta, symbols, self._snr_db)))

    def flush(self, bursts: int | None = None, samples: int | None = None) -> Iterator[Reported]:
        """See :meth:`~..burst.Reassembly.flush`; each image is decoded when it is its turn, and need not be kept."""
        return self._each(self.reassembly.flush(bursts, samples))

    def finish(self) -> Iterator[Reported]:
        """Everything that is still here, as :meth:`flush` gives it."""
        return self._each(self.reassembly.finish())

    def _place(self, header: BurstHeader) -> Place:
        raise BadInput("nothing is received here")

    def _each(self, events: list[Event]) -> Iterator[Reported]:
        left = deque(events)
        events.clear()
        while left:
            yield from self._handled(left.popleft())

    def _handled(self, event: Event) -> list[Reported]:
        out: list[Reported] = []
        if isinstance(event, PartArrived):
            self._hand(event.token, event.part, event.meta, out)
        elif isinstance(event, Delivery):
            handed = self._handed.get(event.token, {})
            if any(handed.get(part.header.part, part.identity) != part.identity for part in event.parts):
                # lying bursts made up a part that was whole before the true one
                del self._handed[event.token]
                self._restart(event.token)
            if not event.error:
                for part in event.parts:
                    self._hand(event.token, part, event.meta, out)
            self._handed.pop(event.token, None)
            self._deliver(event, out)
        else:
            out.append(event)
        return out

    def _hand(self, token: int, part: PartBursts, meta: dict[str, Any], out: list[Reported]) -> None:
        """A part is read once, as soon as all that will arrive of it is here."""
        handed = self._handed.setdefault(token, {})
        # of a part of symbols as much memory is taken as it says that it has
        if part.header.mcs == ANALOGUE and part.arrived < MIN_SHARE * part.header.fragments:
            return
        if part.header.part not in handed and part.arrived:
            handed[part.header.part] = part.identity
            self._part(token, part, meta, out)

    def _part(self, token: int, part: PartBursts, meta: dict[str, Any], out: list[Reported]) -> None:
        """Read a part."""

    def _restart(self, token: int) -> None:
        """Forget what was read of an image."""

    def _deliver(self, delivery: Delivery, out: list[Reported]) -> None:
        """All that will arrive of an image is here, and read."""


class Reception(_Receiving):
    """Reassembly, and a decoder of the right scheme and weights for each image.

    An image of which only a region is sent completes the last one, where that came from the same sender with the same
    number and size: it is that one's update (``update`` in its metadata), which a sender makes of a region that is
    wanted sharper. Where less error is expected of the image that is there, as after a fade, that stays.

    Parameters
    ----------
    scheme : str or Scheme
        "auto", or the only one that is decoded; others are refused with a sentence.
    variant : str
        "auto" takes the weights that the headers name; otherwise images of other weights are refused.
    timeout : int
        See :class:`~..burst.Reassembly`.
    snr_db : float
        Es/N0 assumed for bursts that bring no noise variance, dB.
    max_pixels : int
        Larger images are refused, by what the header of a burst says.
    key : Key, optional
        Bursts that are not sealed by it are dropped.

    Raises
    ------
    BadInput
        There is no such scheme, an SNR that is not finite, or a timeout or ``max_pixels`` below 1.
    """

    def __init__(
        self,
        scheme: str | Scheme = AUTO,
        variant: str = AUTO,
        timeout: int = USUAL_TIMEOUT,
        snr_db: float = 10.0,
        max_pixels: int = USUAL_PIXELS,
        key: Key | None = None,
    ):
        self._only = None if scheme == AUTO else registry.get(scheme)
        self._max_pixels = values.whole(max_pixels, "max_pixels", 1, MAX_PIXELS)
        self._variant = variant or AUTO
        self._chosen: dict[tuple[int, int], tuple[Scheme, str] | str] = {}  # or why it is refused
        self._states: dict[int, _State] = {}
        self._last: tuple[tuple[int, int], Decoded] | None = None  # sender and number of the last image, and it
        _Receiving.__init__(self, timeout, snr_db, key)

    def _scheme_of(self, header: BurstHeader) -> tuple[Scheme, str]:
        """Scheme and variant of the weights of a burst; Refusal where it cannot be decoded here."""
        key = header.scheme, header.weights_id
        found = self._chosen.get(key)
        if found is None:
            try:
                found = self._choose(*key)
            except Refusal as refusal:
                found = str(refusal)
            if len(self._chosen) == _MAX_CHOSEN:
                self._chosen.clear()
            self._chosen[key] = found
        if isinstance(found, str):
            # anew each time: an exception that is raised again keeps the frames of all times before
            raise Refusal(found)
        return found

    def _named(self, code: int) -> Scheme | None:
        """The scheme of a code, as far as it is known here."""
        return self._only if self._only is not None and self._only.code == code else registry.of_code(code)

    def _choose(self, code: int, weights_id: int) -> tuple[Scheme, str]:
        only, scheme = self._only, self._named(code)
        if only is not None and scheme is not only:
            raise Refusal(
                f"an image of scheme {registry.name_of(code)} arrived at a receiver set to {only.name}; set it to auto "
                "or to the transmitter's scheme"
            )
        if scheme is None:
            remedy = registry.remedy(code)
            raise Refusal(f"an image of scheme {registry.name_of(code)} arrived, which is not known here; {remedy}")
        try:
            known = scheme.variants()
        except (SemcomError, OSError) as error:
            raise Refusal(f"an image of scheme {scheme.name} arrived; its weights are not available: {error}") from None
        if not known:
            raise Refusal(f"an image of scheme {scheme.name} arrived, and {scheme.missing()}")
        usual = next(iter(known))
        wanted = usual if self._variant == AUTO else self._variant
        if wanted not in known:
            raise Refusal(
                f"an image of scheme {scheme.name} arrived at a receiver set to weights {wanted!r}, which are not "
                f"here; choose {', '.join(filter(None, known)) or AUTO}"
            )
        if weights_id in (0, known[wanted]):
            return scheme, wanted
        match = next((variant for variant, identifier in known.items() if identifier == weights_id), None)
        if match is not None and self._variant == AUTO:
            return scheme, match
        if match is not None and scheme.decodes(match, wanted):
            return scheme, wanted
        sent = f"{match!r}" if match is not None else f"with identifier {weights_id}, which are not here"
        here = ", ".join(f"{variant or 'shipped'} ({identifier})" for variant, identifier in known.items())
        raise Refusal(
            f"an image of scheme {scheme.name} arrived that was encoded with weights {sent}; this receiver decodes "
            f"with {wanted or 'the shipped ones'}, and here are {here}: use the same weights at both ends"
        )

    def _place(self, header: BurstHeader) -> Place:
        """By the header alone; see :class:`~..burst.Reassembly`."""
        kind = SYMBOLS if header.mcs == ANALOGUE else BITS
        named = self._named(header.scheme)
        if named is not None and kind not in named.carries:
            raise BadInput(f"a fragment of {kind} arrived that says it is of scheme {named.name}, which sends none")
        scheme, variant = self._scheme_of(header)
        scheme.check_header(header)
        if header.height * header.width > self._max_pixels:
            raise Refusal(
                f"an image of {header.width}x{header.height} pixels arrived at a receiver that takes "
                f"{self._max_pixels:,} at most; raise max_pixels"
            )
        if kind == BITS:
            return Place(group_of_bits(header), (header.fragments, header.mcs), scheme.min_share)
        total = scheme.part_length(header, variant)
        if header.fragments != fragments_needed(total):
            raise BadInput(
                f"a fragment {header.fragment} of {header.fragments} does not fit a {header.width}x{header.height} "
                "image"
            )
        group = Group(0, header.fragments, total, header.mcs)
        return Place(group, (header.fragments, header.rate, header.scale, total), scheme.min_share)

    def _part(self, token: int, part: PartBursts, meta: dict[str, Any], out: list[Reported]) -> None:
        """Hand a part to the image's decoder, if enough of it is here."""
        header = part.header
        scheme, variant = self._scheme_of(header)
        state = self._states.setdefault(token, _State(scheme))
        known = image_header(header, scheme.name)
        try:
            if state.decoder is None:
                state.decoder = scheme.decoder(known, variant)
            if header.mcs == ANALOGUE:
                symbols, noise_var = part.joined()
                received = ReceivedPart(header.part, symbols, known, noise_var, mcs=header.mcs, parts=header.parts)
            else:
                read = state.reader.read(part, meta | {"scheme": header.scheme})
                if read is None:
                    return
                out.append(read)
                intact = read.meta["intact"]
                received = ReceivedPart(
                    header.part, read.data, known, intact=intact, mcs=header.mcs, parts=header.parts
                )
            decoded = state.decoder.feed(received)
        except Exception as error:  # whatever a decoder raises costs its own image only, and is reported with it
            state.failure = error
            return
        if not decoded.is_empty():
            out.append(News(decoded, meta | {"scheme": scheme.name} | state.reader.name))

    def _restart(self, token: int) -> None:
        self._states.pop(token, None)

    def _deliver(self, delivery: Delivery, out: list[Reported]) -> None:
        meta = delivery.meta | {"scheme": registry.name_of(delivery.header.scheme)}
        state = self._states.pop(delivery.token, None)
        scheme = registry.of_code(delivery.header.scheme)
        views = scheme.views if scheme else ()
        if delivery.error or state is None:
            error = delivery.error or "too little of each of its parts arrived for a picture"
            out.append(Image(meta, None, error, views=views))
            return
        meta |= {"scheme": state.scheme.name} | state.reader.about
        try:
            if state.failure is not None:
                raise state.failure
            if state.reader.failure:
                raise Undecodable(state.reader.failure)
            header = delivery.header
            state.scheme.check_worth(header.height, header.width, sum(part.symbols for part in delivery.parts))
            decoded = state.decoder.finish()
            if decoded.image is None:
                raise BadInput(f"scheme {state.scheme.name} made no picture of what arrived")
        except Exception as error:  # as above
            out.append(Image(meta, None, sentence_of(error), error, views))
            let_go(error)  # whoever keeps the report would keep all symbols of the image
        else:
            if state.scheme.takes_importance:
                decoded, meta = self._updated(delivery.header, decoded, meta)
            out.append(Image(meta | decoded.about, decoded))

    def _updated(self, header: BurstHeader, decoded: Decoded, meta: dict[str, Any]) -> tuple[Decoded, dict[str, Any]]:
        """A region over the last image, where it is an update of it."""
        key, last = (header.transmission, header.image_id), None
        if self._last and self._last[0] == key and decoded.sent is not None:
            last = self._last[1]
        if last is not None and last.image.shape == decoded.image.shape:
            better = decoded.sent
            if decoded.error is not None and last.error is not None:
                new, old = decoded.error(), last.error()
                better = better & (new < old)
                error = np.where(better, new, old)
                decoded = replace(decoded, error=lambda: error)
            image = np.where(better[..., None], decoded.image, last.image)
            decoded, meta = replace(decoded, image=image), meta | {"update": 1}
        self._last = key, decoded
        return decoded, meta


class MessageReception(_Receiving):
    """Reassembly of messages of bytes, whatever they mean.

    Parameters
    ----------
    scheme : str
        "auto", or the only scheme whose messages are read.
    timeout : int
        As of :class:`Reception`.
    snr_db : float
        As of :class:`Reception`.
    key : Key, optional
        As of :class:`Reception`.

    Raises
    ------
    BadInput
        There is no such scheme, or it carries no bits.
    """

    def __init__(self, scheme: str = AUTO, timeout: int = USUAL_TIMEOUT, snr_db: float = 10.0, key: Key | None = None):
        self._only = None if scheme == AUTO else registry.get(scheme)
        if self._only is not None and self._only.carries != {BITS}:
            raise BadInput(f"scheme {scheme} carries no bytes alone; choose auto, digital or esisc")
        self._readers: dict[int, _Reader] = {}
        self._parts: dict[int, dict[int, PartRead]] = {}
        _Receiving.__init__(self, timeout, snr_db, key)

    def _place(self, header: BurstHeader) -> Place:
        name, scheme = registry.name_of(header.scheme), registry.of_code(header.scheme)
        if header.mcs == ANALOGUE:
            raise Refusal(f"an image of scheme {name} arrived as symbols; a decoder of bytes cannot read it")
        if self._only is not None and self._only.code != header.scheme:
            raise Refusal(f"a message of scheme {name} arrived at a decoder set to {self._only.name}; set it to auto")
        if scheme is not None and scheme.carries != {BITS}:
            raise BadInput(f"a fragment of bits arrived that says it is of scheme {name}, which sends none alone")
        share = MIN_SHARE if scheme is None else scheme.min_share
        return Place(group_of_bits(header), (header.fragments, header.mcs), share)

    def _part(self, token: int, part: PartBursts, meta: dict[str, Any], out: list[Reported]) -> None:
        parts = self._parts.setdefault(token, {})
        reader = self._readers.setdefault(token, _Reader())
        try:
            read = reader.read(part, meta | {"scheme": part.header.scheme})
        except BadInput:  # reported when the message is delivered: nothing of it could be read
            return
        if read is not None:
            parts[part.header.part] = read
            out.append(read)

    def _restart(self, token: int) -> None:
        self._parts.pop(token, None)
        self._readers.pop(token, None)

    def _deliver(self, delivery: Delivery, out: list[Reported]) -> None:
        parts, reader = self._parts.pop(delivery.token, {}), self._readers.pop(delivery.token, _Reader())
        meta = delivery.meta | {"scheme": delivery.header.scheme} | reader.about
        error = delivery.error or reader.failure or ("" if parts else "nothing of the message could be read")
        if error:
            out.append(Message(meta, None, error))
            return
        data = b"".join(parts[index].data for index in sorted(parts))
        out.append(Message(meta | {"intact": _intact(parts, delivery.header.parts), "bytes": len(data)}, data))


def _intact(parts: Mapping[int, PartRead], count: int) -> int:
    """Leading bytes of all parts together that are without loss."""
    total = 0
    for index in range(count):
        if index not in parts:
            break
        total += parts[index].meta["intact"]
        if parts[index].meta["intact"] < parts[index].meta["bytes"]:
            break
    return total
