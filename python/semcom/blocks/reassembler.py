# SPDX-License-Identifier: GPL-3.0-or-later
"""The base of the blocks that receive bursts: fragments are gathered until an image is whole or its time is up."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pmt

from .. import jscc
from ..errors import BadInput
from . import pdu
from .worker import worker_block

PER_FRAGMENT = {
    "fragment", "fragments", "n_symbols", "noise_var", "snr_db", "cfo_hz", "signal_energy", "noise_energy", "pilots",
    "scheme", "rate", "scale", "snr_enc", "mcs",
}  # fmt: skip


# What the fields of a header hold (DESIGN section 3); a PDU may come from anywhere.
HEADER_RANGES = {
    "image_id": (0, 65535), "fragment": (0, 4094), "fragments": (1, 4095), "scheme": (0, 255), "height": (1, 32767),
    "width": (1, 32767), "rate": (0, 255), "scale": (0, 65535), "snr_enc": (-128, 127),
}  # fmt: skip
MEASURED_RANGES = {"signal_energy": (0, 1e30), "noise_energy": (0, 1e30), "pilots": (0, 1e9), "snr_db": (-300, 300)}

# Bounds of what waits: symbols take 12 bytes each, and the largest image has half as many.
MOST_SYMBOLS = 2**25
MOST_PENDING = 1024
MOST_FLUSHES = 64
# With less than this share of its fragments there is no picture to see, only memory that one burst could make us spend.
LEAST_SHARE = 1 / 16


@dataclass(frozen=True)
class Place:
    """What the header of a burst says of where it belongs.

    image : what all bursts of the image have in common.
    burst : what this one has to itself.
    length : symbols that it must have.
    """

    image: Hashable
    burst: Any
    length: int


@dataclass
class Pending:
    """An image whose fragments still come: ``bursts`` and ``parts`` by fragment; ``decoded`` is the block's own."""

    number: int
    image: Any
    fragments: int
    meta: pdu.Meta
    parts: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    bursts: dict[int, Any] = field(default_factory=dict)
    energies: np.ndarray = field(default_factory=lambda: np.zeros(3))  # signal, noise, pilots
    last_burst: int = 0
    decoded: dict = field(default_factory=dict)


@dataclass(frozen=True)
class _Fragment:
    """One burst whose header, length and measurements agree with one another."""

    number: int
    place: Place
    fragments: int
    index: int
    symbols: np.ndarray  # empty: reported lost
    noise_var: np.ndarray
    energies: np.ndarray

    @property
    def key(self) -> tuple[int, Hashable, int]:
        """Two senders may use the same number; what their headers say keeps their images apart."""
        return self.number, self.place.image, self.fragments


class reassembler(worker_block):
    """Gathers the fragments of each image, and has :meth:`rebuild` make of them what it can.

    An image is delivered as soon as all its fragments have come, or have been reported lost; or when ``timeout`` bursts
    of other images have arrived since its last one; or on a message at ``flush``; or when the flowgraph stops. An image
    of which less than a sixteenth came is given up.

    A fragment whose header cannot be true, or is of another scheme, may be anybody's on a shared channel: it is
    reported and dropped, before anything is allocated by what it says. What waits is bounded (1,024 images, 2^25
    symbols); beyond that the image that has waited longest is delivered.

    Ports: in ``symbols``, ``flush``; out ``output``, ``status``, and ``idle``, sent when no burst at all came between
    two flushes, with the ``samples`` that the flush named.

    Parameters
    ----------
    name : of the block.
    output : port on which the images are delivered.
    snr_db : Es/N0 in dB that is assumed for PDUs that bring no ``noise_var`` (from GNU Radio's own channel blocks,
        say).
    timeout : bursts of other images after which an incomplete image is delivered.
    taken : called when a symbols PDU has been dealt with; a Burst Demodulator counts them.
    """

    signal_ports = ("flush",)
    least_share = LEAST_SHARE

    def __init__(self, name: str, output: str, snr_db: float, timeout: int, taken: Callable[[], None] | None = None):
        worker_block.__init__(self, name, ["symbols", "flush"], [output])
        self.message_port_register_out(pmt.intern("idle"))
        if timeout < 1:
            raise BadInput(f"a timeout of {timeout} bursts makes no sense; give 1 or more")
        self._output, self._timeout = output, timeout
        self.set_snr_db(snr_db)
        self._pending: dict[tuple, Pending] = {}  # in the order of their last bursts
        self._symbols = 0  # held in them
        self._bursts = 0
        self._bursts_at_flush = 0
        self._flushes: deque[tuple[int, int | None]] = deque()  # that came before their bursts
        self._taken = taken or (lambda: None)

    def place(self, meta: pdu.Meta) -> Place:
        """Where the burst with this header belongs, its fields in range; BadInput when it cannot be. To be overridden.

        Must allocate nothing by what the header says.
        """
        raise NotImplementedError

    def rebuild(self, pending: Pending, meta: pdu.Meta) -> pmt.pmt_base:
        """What is delivered of an image, its metadata ``meta``; any error gives the image up. To be overridden."""
        raise NotImplementedError

    def payload_uses(self, pending: Pending) -> int:
        """Channel uses of all fragments of the image, as far as is known. To be overridden."""
        raise NotImplementedError

    def set_snr_db(self, snr_db: float) -> None:
        """Change the Es/N0 assumed where none is reported, in dB, while running."""
        jscc.snr_field(snr_db)
        self._snr_db = snr_db

    def _take(self, port: str, msg: pmt.pmt_base) -> None:
        try:
            worker_block._take(self, port, msg)
        finally:
            if port == "symbols":
                self._taken()

    def work_on(self, port: str, msg: pmt.pmt_base, meta: pdu.Meta) -> None:
        """One fragment, or a flush."""
        if port == "flush":
            self._flushes.append(self._flush_of(msg))
            if len(self._flushes) > MOST_FLUSHES:
                self._flush(*self._flushes.popleft())
            self._flush_due()
            return
        self._bursts += 1
        try:
            fragment = self._read(msg, meta)
        except ValueError as error:
            self.report("", f"a fragment was dropped: {error}", error)
        else:
            self._add(fragment, meta)
        self._flush_due()
        while self._pending and self._overdue():
            self._deliver(next(iter(self._pending)))

    def _flush_of(self, msg: pmt.pmt_base) -> tuple[int, int | None]:
        """(symbols PDUs that went before a flush, samples that had passed), as a burst receiver says.

        GNU Radio hands over the messages of one port in order, but those of another port before or after them.
        """
        said = pdu.dictionary(msg) if pmt.is_dict(msg) else {}
        bursts, samples = (
            value if type(value) is int and 0 <= value < 2**62 else None
            for value in (said.get("bursts"), said.get("samples"))
        )
        return self._bursts if bursts is None else bursts, samples

    def _flush_due(self) -> None:
        while self._flushes and self._flushes[0][0] <= self._bursts:
            self._flush(*self._flushes.popleft())

    def _flush(self, bursts: int, samples: int | None) -> None:
        """Deliver what of the first so many ``bursts`` still waits."""
        for key in [key for key, pending in self._pending.items() if pending.last_burst <= bursts]:
            self._deliver(key)
        # the silence after a burst is only the end of its image; a whole period of silence is news
        if bursts == self._bursts_at_flush:
            # whoever hears of it can tell an old silence apart
            known = {} if samples is None else {"samples": samples}
            self.publish("idle", pdu.message({"bursts": bursts} | known))
        self._bursts_at_flush = bursts

    def _read(self, msg: pmt.pmt_base, meta: pdu.Meta) -> _Fragment:
        """The PDU as a fragment; ValueError when it cannot be one. Allocates nothing by what the header says."""
        for name, (low, high) in HEADER_RANGES.items():
            value = meta.get(name, 0 if name == "image_id" else None)
            if value is None:
                raise BadInput(f"a symbols PDU came without {name}; feed it from an encoder or a burst receiver")
            if type(value) is not int or not low <= value <= high:
                raise BadInput(f"a symbols PDU came whose {name} is no integer from {low} to {high}")
        index, fragments = meta["fragment"], meta["fragments"]
        if index >= fragments:
            raise BadInput(f"a symbols PDU came that says it is fragment {index} of {fragments}")
        place = self.place(meta)
        symbols = pdu.to_symbols(msg)
        if len(symbols) not in (0, place.length):
            raise BadInput(f"a fragment of {len(symbols)} symbols came where {place.length} belong")
        noise_var = meta.get("noise_var")
        if noise_var is None or len(symbols) == 0:
            noise_var = np.full(len(symbols), 10 ** (-self._snr_db / 10), np.float32)
        if not isinstance(noise_var, np.ndarray) or noise_var.shape != symbols.shape:
            raise BadInput("a symbols PDU came whose noise_var is not one number for each symbol")
        return _Fragment(
            meta.get("image_id", 0), place, fragments, index, symbols, noise_var, self._energies(meta, symbols)
        )

    def _energies(self, meta: pdu.Meta, symbols: np.ndarray) -> np.ndarray:
        """Energy of signal and of noise, and channel uses of pilots: float64 [3]."""
        for name, (low, high) in MEASURED_RANGES.items():
            value = meta.get(name, 0)
            if not isinstance(value, int | float) or not low <= value <= high:
                raise BadInput(f"a symbols PDU came whose {name} is no number from {low:g} to {high:g}")
        energies = np.array([meta.get(k, 0.0) for k in ("signal_energy", "noise_energy", "pilots")], np.float64)
        if "signal_energy" not in meta and "snr_db" in meta:
            # a burst receiver knows the ratio of each burst only: as if each came with the same noise
            energies += [len(symbols) * 10 ** (meta["snr_db"] / 10), len(symbols), 0]
        return energies

    def _add(self, fragment: _Fragment, meta: pdu.Meta) -> None:
        pending = self._pending.get(fragment.key)
        if pending is not None and fragment.index in pending.bursts:
            # the same image again; what there is of the first goes out as it is
            self._deliver(fragment.key)
            pending = None
        if pending is None:
            kept = {k: v for k, v in meta.items() if k not in PER_FRAGMENT}
            pending = Pending(fragment.number, fragment.place.image, fragment.fragments, kept)
        self._pending.pop(fragment.key, None)
        self._pending[fragment.key] = pending
        pending.bursts[fragment.index] = fragment.place.burst
        pending.last_burst = self._bursts
        pending.energies += fragment.energies
        if len(fragment.symbols):
            pending.parts[fragment.index] = (fragment.symbols, fragment.noise_var)
            self._symbols += len(fragment.symbols)
        self.arrived(pending, fragment.index)
        if len(pending.bursts) == pending.fragments:
            self._deliver(fragment.key)

    def arrived(self, pending: Pending, index: int) -> None:
        """Fragment ``index`` has come, or was reported lost; what can be used before the image is whole may go out."""

    def _overdue(self) -> bool:
        """Whether the image that has waited longest must go."""
        oldest = next(iter(self._pending.values()))
        waited = self._bursts - oldest.last_burst
        return waited > self._timeout or len(self._pending) > MOST_PENDING or self._symbols > MOST_SYMBOLS

    def _deliver(self, key: tuple) -> None:
        pending = self._pending.pop(key)
        self._symbols -= sum(len(symbols) for symbols, _ in pending.parts.values())
        lost = pending.fragments - len(pending.parts)
        uses = self.payload_uses(pending)
        meta = pending.meta | {
            "lost": lost,
            "fragments": pending.fragments,
            "payload_uses": uses,
            "air_uses": uses + round(pending.energies[2]),
        }
        signal, noise = pending.energies[:2]
        if signal > 0 and noise > 0:
            meta["snr_db"] = 10 * (math.log10(signal) - math.log10(noise))
        if lost == pending.fragments:
            self.fail(meta, f"all {lost} fragments of the image were lost")
            return
        if len(pending.parts) < self.least_share * pending.fragments:
            self.fail(meta, f"{lost} of {pending.fragments} fragments of the image were lost, too many for a picture")
            return
        try:
            delivered = self.rebuild(pending, meta)
        except Exception as error:  # it is this image that is given up, and not the one whose burst has just come
            self.report(str(meta.get("name", "")), str(error), error)
            self.fail(meta, str(error))
        else:
            self.publish(self._output, delivered)

    def finish(self) -> None:
        """Deliver what is there of every image still pending."""
        for key in list(self._pending):
            self._deliver(key)
