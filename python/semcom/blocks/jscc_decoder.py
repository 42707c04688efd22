# SPDX-License-Identifier: GPL-3.0-or-later
"""JSCC Decoder: channel symbols back into an image."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

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


@dataclass
class _Pending:
    """An image whose fragments are still coming."""

    header: jscc.ImageHeader
    total: int
    fragments: int
    meta: pdu.Meta
    parts: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)
    energies: np.ndarray = field(default_factory=lambda: np.zeros(3))  # signal, noise, pilots
    last_burst: int = 0


class jscc_decoder(worker_block):
    """Reassembles fragments and decodes; the mirror of :class:`jscc_encoder`.

    Every symbol is weighted by its noise variance. An image is delivered as soon as all its fragments have come, or
    have
    been reported lost; or when ``timeout`` bursts of other images have arrived since its last one; or on a message at
    ``flush``; or when the flowgraph stops. What is missing then counts as infinitely noisy.

    Parameters
    ----------
    scheme : "softcast" or "samsc"; fragments of another scheme are reported and dropped.
    snr_db : Es/N0 in dB that is assumed for PDUs that bring no ``noise_var`` (from GNU Radio's own channel blocks,
    say).
    variant : weights of ``samsc``.
    timeout : bursts of other images after which an incomplete image is delivered.

    Ports: in ``symbols``, ``flush``; out ``image``, ``status``, and ``idle``, sent when no burst at all came
    between two flushes. Keys added: ``snr_db`` (over the whole image, where
    the channel reported
    its energies), ``lost`` fragments, ``fragments``, ``payload_uses`` and ``air_uses`` (with pilots), complex channel
    uses.

    Raises
    ------
    BadInput : a scheme or SNR that cannot be, or a timeout below 1.
    """

    signal_ports = ("flush",)

    def __init__(self, scheme: str = "softcast", snr_db: float = 10.0, variant: str = "original", timeout: int = 4096):
        worker_block.__init__(self, "JSCC Decoder", ["symbols", "flush"], ["image"])
        self.message_port_register_out(pmt.intern("idle"))
        self._bursts_at_flush = -1
        jscc.check_scheme(scheme)
        if timeout < 1:
            raise BadInput(f"a timeout of {timeout} bursts makes no sense; give 1 or more")
        self._scheme, self._variant, self._timeout = scheme, variant, timeout
        self.set_snr_db(snr_db)
        self._pending: dict[int, _Pending] = {}
        self._bursts = 0

    def set_snr_db(self, snr_db: float) -> None:
        """Change the Es/N0 assumed where none is reported, in dB, while running."""
        jscc.snr_field(snr_db)
        self._snr_db = snr_db

    def work_on(self, port: str, msg: pmt.pmt_base, meta: pdu.Meta) -> None:
        """One fragment, or a flush."""
        if port == "flush":
            self.finish()
            # the silence after a burst is only the end of its image; a whole period of silence is news
            if self._bursts == self._bursts_at_flush:
                self.publish("idle", pdu.message({"bursts": self._bursts}))
            self._bursts_at_flush = self._bursts
            return
        self._bursts += 1
        number = meta.get("image_id", 0)
        pending = self._pending.get(number)
        header, total, fragments = self._read_header(meta)
        if pending is None or pending.header != header or meta["fragment"] in pending.seen:
            # a new image; one of the same number that never got complete goes out as it is
            if pending is not None:
                self._deliver(number)
            kept = {k: v for k, v in meta.items() if k not in PER_FRAGMENT}
            pending = self._pending[number] = _Pending(header, total, fragments, kept)
        self._add(pending, msg, meta)
        if len(pending.seen) == pending.fragments:
            self._deliver(number)
        for other in [n for n, p in self._pending.items() if self._bursts - p.last_burst > self._timeout]:
            self._deliver(other)

    def _read_header(self, meta: pdu.Meta) -> tuple[jscc.ImageHeader, int, int]:
        """The header's fields, checked against one another: they came over the air."""
        try:
            scheme = jscc.SCHEME_NAMES.get(meta["scheme"])
            header = jscc.ImageHeader(
                meta["height"], meta["width"], str(scheme), meta["rate"], meta["scale"], meta["snr_enc"]
            )
            fragment, fragments = meta["fragment"], meta["fragments"]
        except KeyError as error:
            raise BadInput(
                f"a symbols PDU came without {error}; feed it from a JSCC Encoder or a burst receiver"
            ) from None
        if scheme != self._scheme:
            raise BadInput(f"a fragment of scheme {scheme} came to a decoder set to {self._scheme}")
        jscc.check_size(header.height, header.width)
        total = jscc.symbol_count(header)
        if fragments != jscc.fragments_needed(total) or not 0 <= fragment < fragments:
            raise BadInput(f"a fragment {fragment} of {fragments} does not fit a {header.width}x{header.height} image")
        return header, total, fragments

    def _add(self, pending: _Pending, msg: pmt.pmt_base, meta: pdu.Meta) -> None:
        symbols = pdu.to_symbols(msg)
        pending.seen.add(meta["fragment"])
        pending.last_burst = self._bursts
        pending.energies += [meta.get(k, 0.0) for k in ("signal_energy", "noise_energy", "pilots")]
        if "signal_energy" not in meta and "snr_db" in meta:
            # a burst receiver knows the ratio of each burst only: as if each came with the same noise
            pending.energies += [len(symbols) * 10 ** (meta["snr_db"] / 10), len(symbols), 0]
        if len(symbols) == 0:
            return
        noise_var = meta.get("noise_var")
        if noise_var is None:
            noise_var = np.full(len(symbols), 10 ** (-self._snr_db / 10), np.float32)
        if len(noise_var) == len(symbols):
            pending.parts[meta["fragment"]] = (symbols, noise_var)

    def _deliver(self, number: int) -> None:
        pending = self._pending.pop(number)
        symbols, noise_var, lost = jscc.join(pending.parts, pending.fragments, pending.total)
        meta = pending.meta | {
            "lost": lost,
            "fragments": pending.fragments,
            "scheme": jscc.SCHEMES[self._scheme],
            "payload_uses": pending.total,
            "air_uses": pending.total + round(pending.energies[2]),
        }
        signal, noise = pending.energies[:2]
        if signal > 0 and noise > 0:
            meta["snr_db"] = 10 * math.log10(signal / noise)
        if lost == pending.fragments:
            self.fail(meta, f"all {lost} fragments of the image were lost")
            return
        coder = jscc.coder(self._scheme, self._variant)
        self.publish("image", pdu.from_image(coder.decode(symbols, noise_var, pending.header), meta))

    def finish(self) -> None:
        """Deliver what is there of every image still pending."""
        for number in list(self._pending):
            self._deliver(number)
