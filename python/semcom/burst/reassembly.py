# SPDX-License-Identifier: GPL-3.0-or-later
"""Reassembly: bursts in, whole images out, in bounded memory, whatever arrives."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import numpy as np

from ..errors import BadInput
from .fragments import fragment_length, join
from .header import SEAL_SYMBOLS, BurstHeader
from .seal import Seal

# What belongs to one burst, and not to the image that it is a part of.
PER_BURST = {
    "transmission", "part", "parts", "fragment", "fragments", "n_symbols", "noise_var", "snr_db", "cfo_hz",
    "signal_energy", "noise_energy", "pilots", "scheme", "rate", "scale", "snr_enc", "mcs", "weights_id", "sealed",
}  # fmt: skip
_MEASURED = {"signal_energy": (0, 1e30), "noise_energy": (0, 1e30), "pilots": (0, 1e9), "snr_db": (-300, 300)}

# Bounds of what waits: symbols take 12 bytes each, and the largest image has 2^24.
MAX_SYMBOLS = 2**24 + 2**20
OVERHEAD = 64  # symbols whose memory holds a fragment beside its own: arrays, and their places in tables
MAX_PENDING = 1024
MAX_FLUSHES = 64
MAX_IDENTITIES = 16  # of one part: headers that contradict one another
MAX_COPIES = 4  # of one image: bursts that are the same by their headers
SUPERSEDED = 3  # bursts of a later copy after which an earlier one that got none of them is thought to be over
IDLE = 64  # bursts without one of its own after which a copy is thought to be over
# With less than this share of its fragments there is no picture to see, only memory that one burst could make us spend.
MIN_SHARE = 1 / 16
USUAL_TIMEOUT = 4096

Meta = dict[str, Any]
Arrived = dict[int, tuple[np.ndarray, np.ndarray]]


class Refusal(BadInput):
    """A burst that makes sense but cannot be decoded here: another scheme, or weights that are not here.

    Its image is given up when its last burst has arrived, so that nobody waits for it.
    """


@dataclass(frozen=True)
class Group:
    """What is coded and interleaved together: fragments ``first`` to ``first + depth - 1`` of a part.

    Attributes
    ----------
    first, depth : int
        Fragments.
    total : int
        Symbols of the whole group.
    mcs : int
        As in the header.
    """

    first: int
    depth: int
    total: int
    mcs: int

    def length(self, fragment: int) -> int:
        """Symbols of a fragment, by its number in the part."""
        return fragment_length(self.total, self.depth, fragment - self.first)


@dataclass(frozen=True)
class Place:
    """Where a burst belongs.

    Attributes
    ----------
    group : Group
        The group that its header speaks of.
    identity : tuple
        What all bursts of the part have in common.
    min_share : float
        Share of the image's fragments that must have arrived for it to be worth decoding.
    """

    group: Group
    identity: tuple
    min_share: float = MIN_SHARE


@dataclass(frozen=True)
class Fragment:
    """One burst whose header, length and measurements agree with one another.

    Attributes
    ----------
    header : BurstHeader
        Checked.
    symbols : complex64 [n]
        Empty where the burst was reported lost.
    noise_var : float32 [n]
        Noise variance of each symbol.
    energies : float64 [3]
        Energy of the signal and of the noise, and channel uses of pilots.
    meta : dict
        Metadata that belong to the image and pass through.
    """

    header: BurstHeader
    symbols: np.ndarray
    noise_var: np.ndarray
    energies: np.ndarray
    meta: Meta

    @classmethod
    def of(cls, meta: Mapping[str, Any], symbols: np.ndarray, snr_db: float = 10.0) -> Fragment:
        """The burst of a symbols PDU.

        Parameters
        ----------
        meta : mapping
            Metadata of the PDU.
        symbols : complex64 [n]
            Its vector.
        snr_db : float
            Es/N0 assumed where the metadata bring no ``noise_var``, dB.

        Raises
        ------
        BadInput
            A field is missing or cannot be true.
        """
        if "n_symbols" not in meta and len(symbols):
            meta = {**meta, "n_symbols": len(symbols)}
        header = BurstHeader.of(meta)
        if len(symbols) not in (0, header.n_symbols):
            raise BadInput(f"a fragment of {len(symbols)} symbols arrived where {header.n_symbols} symbols belong")
        noise_var = meta.get("noise_var")
        if noise_var is None or len(symbols) == 0:
            noise_var = np.full(len(symbols), 10 ** (-snr_db / 10), np.float32)
        if not isinstance(noise_var, np.ndarray) or noise_var.shape != symbols.shape:
            raise BadInput("a symbols PDU arrived whose noise_var is not one number for each symbol")
        passed = {k: v for k, v in meta.items() if k not in PER_BURST}
        return cls(header, symbols, noise_var, _energies(meta, symbols), passed)


def _energies(meta: Mapping[str, Any], symbols: np.ndarray) -> np.ndarray:
    for name, (low, high) in _MEASURED.items():
        value = meta.get(name, 0)
        if not isinstance(value, int | float) or not low <= value <= high:
            raise BadInput(f"a symbols PDU arrived whose {name} is not a number from {low:g} to {high:g}")
    energies = np.array([meta.get(k, 0.0) for k in ("signal_energy", "noise_energy", "pilots")], np.float64)
    if "signal_energy" not in meta and "snr_db" in meta:
        # a burst receiver knows the ratio of each burst only: as if each arrived with the same noise
        energies += [len(symbols) * 10 ** (meta["snr_db"] / 10), len(symbols), 0]
    return energies


@dataclass(frozen=True)
class PartBursts:
    """What arrived of one part.

    Attributes
    ----------
    header : BurstHeader
        Of the burst that arrived first.
    identity : tuple
        What its bursts have in common, see :class:`Place`.
    groups : tuple of (Group, dict)
        Each group that is known of, in order, and its fragments that arrived, by their place in it: symbols and noise
        variances.
    seen : int
        Fragments that arrived or were reported lost.
    """

    header: BurstHeader
    identity: tuple
    groups: tuple[tuple[Group, Arrived], ...]
    seen: int

    @property
    def arrived(self) -> int:
        """Fragments that arrived."""
        return sum(len(fragments) for _, fragments in self.groups)

    @property
    def symbols(self) -> int:
        """Symbols that arrived."""
        return sum(len(symbols) for _, fragments in self.groups for symbols, _ in fragments.values())

    @property
    def uses(self) -> int:
        """Channel uses of the groups that are known of."""
        return sum(group.total for group, _ in self.groups)

    def joined(self) -> tuple[np.ndarray, np.ndarray]:
        """Symbols complex64 [n] and noise variances float32 [n] of the part's first group, in the order of sending."""
        group, fragments = self.groups[0]
        symbols, noise_var, _ = join(fragments, group.depth, group.total)
        return symbols, noise_var


@dataclass(frozen=True)
class PartArrived:
    """All fragments of a part have arrived or were reported lost.

    ``token`` is the same in all events of one image, and ``meta`` what is known of the image so far.
    """

    token: int
    part: PartBursts
    meta: Meta


@dataclass(frozen=True)
class Delivery:
    """All that will arrive of an image, or why it was given up.

    Attributes
    ----------
    token : int
        As in the :class:`PartArrived` events before it.
    header : BurstHeader
        Of the burst that arrived first.
    meta : dict
        Metadata that passed through, with ``image_id``, ``lost`` and ``fragments``, ``payload_uses`` and ``air_uses``
        (with pilots) in channel uses, ``groups`` (number and symbols of bursts that are equally long, "4x1032,2x3800")
        and ``snr_db`` over the whole image where the channel reported it.
    parts : tuple of PartBursts
        In order; parts of which nothing arrived are left out.
    error : str
        One sentence where the image is given up, else empty.
    """

    token: int
    header: BurstHeader
    meta: Meta
    parts: tuple[PartBursts, ...]
    error: str = ""


@dataclass(frozen=True)
class Dropped:
    """A burst that could not be used, and why."""

    sentence: str


@dataclass(frozen=True)
class Idle:
    """No burst at all arrived between two flushes.

    Attributes
    ----------
    bursts : int
        Symbols PDUs so far.
    samples : int or None
        Samples that the flush said had passed.
    """

    bursts: int
    samples: int | None


Event = PartArrived | Delivery | Dropped | Idle


@dataclass
class _Part:
    """Fragments of one part, by the group that their headers speak of: those that were seen, and those that arrived."""

    header: BurstHeader
    identity: tuple
    seen: dict[Group, set[int]] = field(default_factory=dict)
    arrived: dict[Group, Arrived] = field(default_factory=dict)
    count: int = 0
    whole: list[Group] | None = None  # the groups that make it up, from when all their fragments were seen

    def has(self, fragment: int, group: Group) -> bool:
        return fragment in self.seen.get(group, ())

    def add(self, fragment: int, group: Group, burst: tuple[np.ndarray, np.ndarray] | None) -> bool:
        """Whether it has become whole by this; what is seen later, and contradicts, does not take that back."""
        if group not in self.seen and len(self.seen) >= self.header.fragments + MAX_IDENTITIES:
            raise BadInput(f"{len(self.seen)} bursts contradict one another in what part {self.header.part} is made of")
        seen = self.seen.setdefault(group, set())
        seen.add(fragment)
        self.count += 1
        if burst is not None:
            self.arrived.setdefault(group, {})[fragment - group.first] = burst
        if self.whole is None and self.count >= self.header.fragments and len(seen) == group.depth:
            groups = self.groups()
            if sum(len(self.seen[group]) for group in groups) == self.header.fragments:
                self.whole = groups
                return True
        return False

    def groups(self) -> list[Group]:
        """Those that do not overlap, most seen of first: one lying burst does not take another's place."""
        if self.whole is not None:
            return self.whole
        if len(self.seen) == 1:
            return list(self.seen)
        taken = np.zeros(self.header.fragments, bool)
        chosen = []
        for group in sorted(self.seen, key=lambda group: (-len(self.seen[group]), *_first(group))):
            place = slice(group.first, group.first + group.depth)
            if not taken[place].any():
                taken[place] = True
                chosen.append(group)
        return sorted(chosen, key=_first)

    def bursts(self) -> PartBursts:
        groups = self.groups()
        found = tuple((group, self.arrived.get(group, {})) for group in groups)
        return PartBursts(self.header, self.identity, found, sum(len(self.seen[group]) for group in groups))


def _first(group: Group) -> tuple[int, int, int]:
    return group.first, group.depth, group.total


@dataclass
class _Pending:
    """An image whose bursts are still expected; of each part, what arrived under each identity."""

    token: int
    key: tuple
    header: BurstHeader
    meta: Meta
    min_share: float
    opened: int
    parts: dict[int, dict[tuple, _Part]] = field(default_factory=dict)
    energies: np.ndarray = field(default_factory=lambda: np.zeros(3))
    bursts: int = 0
    held: int = 0  # symbols, and what holds them
    last_burst: int = 0
    last: dict[int, int] = field(default_factory=dict)  # part -> the fragment of it that was seen last

    def has(self, header: BurstHeader, place: Place) -> bool:
        part = self.parts.get(header.part, {}).get(place.identity)
        return part is not None and part.has(header.fragment, place.group)

    def part(self, header: BurstHeader, identity: tuple) -> _Part:
        identities = self.parts.setdefault(header.part, {})
        if identity not in identities and len(identities) == MAX_IDENTITIES:
            raise BadInput(f"{MAX_IDENTITIES} bursts contradict one another in what part {header.part} is")
        return identities.setdefault(identity, _Part(header, identity))

    def add(
        self, header: BurstHeader, place: Place, now: int, burst: tuple[np.ndarray, np.ndarray] | None = None
    ) -> _Part | None:
        """The part that has become whole by this, if one has."""
        part = self.part(header, place.identity)
        groups = len(part.seen)
        is_whole = part.add(header.fragment, place.group, burst)
        self.held += OVERHEAD * (1 + len(part.seen) - groups) + (0 if burst is None else len(burst[0]))
        self.last[header.part] = header.fragment
        self.last_burst = now
        self.bursts += 1
        return part if is_whole else None

    def distance(self, header: BurstHeader) -> int:
        """How far a burst is from the last one of its part; a sender does not go back."""
        ahead = header.fragment - self.last.get(header.part, -1)
        return ahead if ahead > 0 else ahead + 2 * header.fragments

    def chosen(self) -> list[_Part]:
        """Of each part the identity of which most was seen: one lying burst does not make a part its own."""
        return [max(identities.values(), key=lambda part: part.count) for _, identities in sorted(self.parts.items())]

    def is_whole(self) -> bool:
        parts = self.chosen()
        return len(parts) == self.header.parts and all(part.whole is not None for part in parts)


@dataclass
class _Refused:
    """An image that cannot be decoded here: which of its bursts were seen, and nothing of them."""

    token: int
    header: BurstHeader
    meta: Meta
    sentence: str
    last_burst: int = 0
    seen: dict[int, int] = field(default_factory=dict)  # part -> a bit for each fragment
    fragments: dict[int, int] = field(default_factory=dict)  # part -> how many it has

    def add(self, header: BurstHeader, now: int) -> bool:
        """Whether all its bursts have been seen."""
        self.last_burst = now
        self.seen[header.part] = self.seen.get(header.part, 0) | 1 << header.fragment
        self.fragments.setdefault(header.part, header.fragments)
        return len(self.seen) == self.header.parts and all(
            seen.bit_count() >= self.fragments[part] for part, seen in self.seen.items()
        )

    def delivery(self) -> Delivery:
        total = sum(self.fragments.values()) + self.header.parts - len(self.fragments)
        known = {"lost": total, "fragments": total, "payload_uses": 0, "air_uses": 0, "groups": ""}
        return Delivery(self.token, self.header, self.meta | known, (), self.sentence)


class Reassembly:
    """Gathers the bursts of each image until it is whole or its time is up.

    An image is delivered as soon as all its fragments have arrived, or have been reported lost; or when ``timeout``
    bursts of other images have arrived since its last one; or by :meth:`flush`; or by :meth:`finish`. An image of which
    too small a share arrived is given up. A burst whose header contradicts itself may be anybody's on a shared channel:
    it is dropped, before anything is allocated by what it says. A burst that is there already, by its header, opens a
    second image beside the first, which keeps what it has: a sender that begins anew with the same number, or somebody
    who copies headers. What follows goes where it continues. A burst that is refused (:class:`Refusal`) is dropped
    too; the reason is said once, and its image is given up in place of being delivered.

    What waits is bounded: ``MAX_PENDING`` images, and ``MAX_SYMBOLS`` symbols, of which each burst counts ``OVERHEAD``
    more than it has, for a burst of one symbol takes memory as well. Beyond that the image that has waited longest is
    delivered. Of a refused image nothing is kept but which of its bursts were seen.

    Parameters
    ----------
    place : callable
        Header of a burst to its :class:`Place`; raises BadInput for one that cannot be true and Refusal for one that
        cannot be decoded here. It must allocate nothing by what the header says.
    timeout : int
        Bursts of other images after which an incomplete image is delivered; 1 or more.
    seal : Seal, optional
        Bursts that are not sealed by its key are dropped; without it, those that are sealed are refused.

    Raises
    ------
    BadInput
        A timeout below 1.
    """

    def __init__(self, place: Callable[[BurstHeader], Place], timeout: int = USUAL_TIMEOUT, seal: Seal | None = None):
        if timeout < 1:
            raise BadInput(f"timeout must be 1 or more bursts, got {timeout}")
        self._place, self._timeout, self._seal = place, timeout, seal
        self._pending: dict[int, _Pending] = {}  # by token, in the order of their last bursts
        self._copies: dict[tuple, list[_Pending]] = {}  # of each image, the oldest first
        self._refused: dict[tuple, _Refused] = {}
        self._said: dict[str, None] = {}  # why images were refused, the oldest first
        self._tokens = count()
        self._symbols = 0
        self._bursts = 0
        self._missed: deque[None] = deque()  # bursts that were dropped before they arrived
        self._bursts_at_flush = 0
        self._flushes: deque[tuple[int, int | None]] = deque()  # that arrived before their bursts

    @property
    def waiting(self) -> int:
        """Images that wait for more of their bursts."""
        return len(self._pending)

    @property
    def symbols(self) -> int:
        """Symbols that are held for them, with those that stand for the memory of each burst."""
        return self._symbols

    def feed(self, meta: Mapping[str, Any], symbols: np.ndarray, snr_db: float = 10.0) -> list[Event]:
        """One burst, as :meth:`Fragment.of`; what is known after it."""
        self._bursts += 1
        events: list[Event] = []
        try:
            fragment = Fragment.of(meta, symbols, snr_db)
            try:
                fragment = self._unsealed(fragment)
                self._add(fragment, self._placed(fragment), events)
            except Refusal as refusal:
                self._refuse(fragment, str(refusal), events)
        except ValueError as error:
            events.append(Dropped(f"a fragment was dropped: {error}"))
        self._flush_due(events)
        while self._pending and self._is_overdue():
            self._deliver(next(iter(self._pending)), events)
        return events

    def miss(self) -> None:
        """A burst was sent here and dropped on the way: a flush must not wait for it. From any thread."""
        self._missed.append(None)

    def flush(self, bursts: int | None = None, samples: int | None = None) -> list[Event]:
        """Deliver what waits of the bursts that were received before a silence.

        GNU Radio hands over the messages of one port in order, but those of another port before or after them: a flush
        that arrives before its bursts waits for them.

        Parameters
        ----------
        bursts : int, optional
            How many symbols PDUs were sent before the silence; by default, those that have arrived.
        samples : int, optional
            Samples that had passed; they are given again in :class:`Idle`.
        """
        events: list[Event] = []
        self._flushes.append((self._bursts if bursts is None else bursts, samples))
        if len(self._flushes) > MAX_FLUSHES:
            self._flush(*self._flushes.popleft(), events)
        self._flush_due(events)
        return events

    def finish(self) -> list[Event]:
        """Deliver what is here of every image."""
        events: list[Event] = []
        for token in list(self._pending):
            self._deliver(token, events)
        for key in list(self._refused):
            self._give_up(key, events)
        return events

    def _unsealed(self, fragment: Fragment) -> Fragment:
        header = fragment.header
        if self._seal is None:
            if header.sealed:
                raise Refusal("it is sealed, and this receiver has no key; give it that of the sender")
            return fragment
        if not len(fragment.symbols):  # there was no room for it: what tells whose it was is gone
            return replace(fragment, header=replace(header, n_symbols=header.payload, sealed=0))
        inside, symbols, noise_var = self._seal.opened(header, fragment.symbols, fragment.noise_var)
        energies = fragment.energies + np.array([0, 0, SEAL_SYMBOLS])
        return replace(fragment, header=inside, symbols=symbols, noise_var=noise_var, energies=energies)

    def _placed(self, fragment: Fragment) -> Place:
        header = fragment.header
        place = self._place(header)
        group = place.group
        if not group.first <= header.fragment < group.first + group.depth <= header.fragments:
            raise BadInput(
                f"a fragment {header.fragment} of {header.fragments} does not belong to a group of {group.depth} from "
                f"{group.first}"
            )
        length = group.length(header.fragment)
        if header.n_symbols != length:
            raise BadInput(f"a fragment of {header.n_symbols} symbols arrived where {length} symbols belong")
        return place

    def _add(self, fragment: Fragment, place: Place, events: list[Event]) -> None:
        header, key = fragment.header, _key(fragment.header, place.identity)
        burst = (fragment.symbols, fragment.noise_var) if len(fragment.symbols) else None
        for pending in self._continued(key, header, place) or [self._begun(key, fragment, place, events)]:
            held = pending.held
            whole = pending.add(header, place, self._bursts, burst)
            self._pending.pop(pending.token, None)
            self._pending[pending.token] = pending
            self._symbols += pending.held - held
            pending.energies += fragment.energies
            if whole is not None:
                events.append(PartArrived(pending.token, whole.bursts(), pending.meta))
            if pending.is_whole():
                for earlier in [copy for copy in self._copies[key] if copy.last_burst < pending.opened]:
                    self._deliver(earlier.token, events)
                self._deliver(pending.token, events)

    def _continued(self, key: tuple, header: BurstHeader, place: Place) -> list[_Pending]:
        """The copies of an image that a burst continues: more than one where nothing tells which; none has it yet."""
        copies = self._copies.get(key, [])
        free = [copy for copy in copies if not copy.has(header, place)]
        if len(free) < 2:
            return free

        def rank(copy: _Pending) -> tuple[int, bool, int]:
            superseded = any(copy.last_burst < later.opened and later.bursts >= SUPERSEDED for later in copies)
            is_over = superseded or self._bursts - copy.last_burst > IDLE
            return copy.distance(header), is_over, -copy.bursts

        ranks = [rank(copy) for copy in free]
        return [copy for copy, found in zip(free, ranks, strict=True) if found == min(ranks)]

    def _begun(self, key: tuple, fragment: Fragment, place: Place, events: list[Event]) -> _Pending:
        """An image, beside those of the same header."""
        copies = self._copies.get(key, [])
        if len(copies) == MAX_COPIES:
            self._deliver(min(copies, key=lambda copy: (copy.bursts, -copy.token)).token, events)
        pending = _Pending(
            next(self._tokens), key, fragment.header, _known(fragment), place.min_share, opened=self._bursts
        )
        self._copies.setdefault(key, []).append(pending)
        return pending

    def _refuse(self, fragment: Fragment, sentence: str, events: list[Event]) -> None:
        """Count the bursts of an image that cannot be decoded here, and keep nothing of them."""
        header = fragment.header
        key = _key(header, (header.fragments,))
        refused = self._refused.get(key)
        if refused is None:
            if sentence not in self._said:
                events.append(Dropped(f"a fragment was dropped: {sentence}"))
                self._said[sentence] = None
                if len(self._said) > MAX_PENDING:
                    del self._said[next(iter(self._said))]
            refused = self._refused[key] = _Refused(next(self._tokens), header, _known(fragment), sentence)
            if len(self._refused) > MAX_PENDING:
                self._give_up(next(iter(self._refused)), events)
        if refused.add(header, self._bursts):
            self._give_up(key, events)

    def _give_up(self, key: tuple, events: list[Event]) -> None:
        events.append(self._refused.pop(key).delivery())

    def _is_overdue(self) -> bool:
        """Whether the image that has waited longest must go."""
        oldest = next(iter(self._pending.values()))
        waited = self._bursts - oldest.last_burst
        return waited > self._timeout or len(self._pending) > MAX_PENDING or self._symbols > MAX_SYMBOLS

    def _flush_due(self, events: list[Event]) -> None:
        while self._missed:
            self._missed.pop()
            self._bursts += 1
        while self._flushes and self._flushes[0][0] <= self._bursts:
            self._flush(*self._flushes.popleft(), events)

    def _flush(self, bursts: int, samples: int | None, events: list[Event]) -> None:
        for token in [token for token, pending in self._pending.items() if pending.last_burst <= bursts]:
            self._deliver(token, events)
        for key in [key for key, refused in self._refused.items() if refused.last_burst <= bursts]:
            self._give_up(key, events)
        # the silence after a burst is only the end of its image; a whole period of silence is news
        if bursts == self._bursts_at_flush:
            events.append(Idle(bursts, samples))
        self._bursts_at_flush = bursts

    def _deliver(self, token: int, events: list[Event]) -> None:
        pending = self._pending.pop(token)
        self._symbols -= pending.held
        copies = self._copies[pending.key]
        copies.remove(pending)
        if not copies:
            del self._copies[pending.key]
        parts = [part.bursts() for part in pending.chosen()]
        # of a part of which nothing arrived it is not known how many fragments it had: it counts as one
        fragments = sum(part.header.fragments for part in parts) + pending.header.parts - len(parts)
        arrived = sum(part.arrived for part in parts)
        lost = fragments - arrived
        uses = sum(part.uses for part in parts)
        meta = pending.meta | {
            "lost": lost,
            "fragments": fragments,
            "payload_uses": uses,
            "air_uses": uses + round(pending.energies[2]),
            "groups": _sizes(group for part in parts for group, _ in part.groups),
        }
        signal, noise = pending.energies[:2]
        if signal > 0 and noise > 0:
            meta["snr_db"] = 10 * (math.log10(signal) - math.log10(noise))
        error = ""
        if arrived == 0:
            error = f"all {lost} fragments of the image were lost"
        elif arrived < pending.min_share * fragments:
            error = f"{lost} of {fragments} fragments of the image were lost, too many for a picture"
        events.append(Delivery(pending.token, pending.header, meta, tuple(parts), error))


def _key(header: BurstHeader, identity: tuple) -> tuple:
    """Two senders may use the same number; what their headers say keeps their images apart."""
    image = (header.transmission, header.image_id, header.scheme, header.weights_id, header.height, header.width)
    return (*image, header.snr_enc, header.parts, identity if header.parts == 1 else None)


def _known(fragment: Fragment) -> Meta:
    header = fragment.header
    return fragment.meta | {"image_id": header.image_id, "height": header.height, "width": header.width}


def _sizes(groups: Iterable[Group]) -> str:
    """Number and length of the bursts of all groups."""
    sizes: dict[int, int] = {}
    for group in groups:
        short, long = divmod(group.total, group.depth)
        for length, number in ((short + 1, long), (short, group.depth - long)):
            if number:
                sizes[length] = sizes.get(length, 0) + number
    return ",".join(f"{number}x{length}" for length, number in sizes.items())
