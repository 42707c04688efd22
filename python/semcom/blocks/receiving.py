# SPDX-License-Identifier: GPL-3.0-or-later
"""The base of the blocks that receive bursts."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pmt

from ..burst import Dropped, Idle
from ..errors import BadInput
from ..schemes import MessageReception, Reception
from . import pdu
from .live import live
from .worker import worker_block

NOISE_VAR = pmt.intern("noise_var")


class receiving_block(worker_block):
    """Hands symbols PDUs and flushes to a reception of the domain, and publishes what it reports.

    Parameters
    ----------
    name : str
        Of the block.
    outputs : list of str
        Ports on which a failure is passed on.
    reception : Reception or MessageReception
        Of the domain.
    taken : callable, optional
        Called when a symbols PDU has been dealt with; a Burst Demodulator counts them.

    Notes
    -----
    Ports: in ``symbols``, ``flush``; out ``outputs``, ``status``, and ``idle``, sent when no burst at all arrived
    between two flushes, with the ``samples`` that the flush named.
    """

    signal_ports = ("flush",)

    def __init__(
        self,
        name: str,
        outputs: list[str],
        reception: Reception | MessageReception,
        taken: Callable[[], None] | None = None,
    ):
        worker_block.__init__(self, name, ["symbols", "flush"], outputs)
        self.message_port_register_out(pmt.intern("idle"))
        self.reception = reception
        self._taken = taken or (lambda: None)

    def without_payload(self, port: str, msg: pmt.pmt_base) -> pmt.pmt_base | None:
        """A burst for which there is no room counts as lost."""
        if port != "symbols":
            return worker_block.without_payload(self, port, msg)
        # not by way of Python: this is what a receiver does with what it has no time for
        return pmt.cons(pmt.dict_delete(pmt.car(msg), NOISE_VAR), pmt.make_c32vector(0, 0))

    def forgotten(self, port: str) -> None:
        """A burst of which nothing waits still counts as one that was sent."""
        if port == "symbols":
            self.reception.reassembly.miss()
            self._taken()

    @live
    def set_snr_db(self, snr_db: float) -> None:
        """Change the Es/N0 assumed where none is reported, in dB, while running."""
        self.reception.snr_db = snr_db

    def _take(self, port: str, msg: pmt.pmt_base) -> None:
        try:
            worker_block._take(self, port, msg)
        finally:
            if port == "symbols":
                self._taken()

    def work_on(self, port: str, msg: pmt.pmt_base, meta: pdu.Meta) -> None:
        """One burst, or a flush."""
        if port == "flush":
            said = pdu.dictionary(msg) if pmt.is_dict(msg) else {}
            bursts, samples = (
                value if type(value) is int and 0 <= value < 2**62 else None
                for value in (said.get("bursts"), said.get("samples"))
            )
            self._publish_all(self.reception.flush(bursts, samples))
        else:
            self._publish_all(self.reception.feed(meta, pdu.to_symbols(msg)))

    def pass_silence(self, port: str, msg: pmt.pmt_base) -> None:
        """No burst follows of what was sent before."""
        if port == "symbols":
            self._publish_all(self.reception.flush())
        for output in self._outputs:
            if not pmt.is_null(self.message_subscribers(pmt.intern(output))):
                self.publish(output, pdu.as_on(output, msg))

    def finish(self) -> None:
        """Deliver what is here of every image."""
        self._publish_all(self.reception.finish())

    def _publish_all(self, reports: Iterable) -> None:
        for report in reports:
            if isinstance(report, Dropped):
                self.report("", report.sentence, BadInput(report.sentence))
            elif isinstance(report, Idle):
                # whoever hears of it can tell an old silence apart
                samples = {} if report.samples is None else {"samples": report.samples}
                self.publish("idle", pdu.message({"bursts": report.bursts} | samples))
                # and behind the pictures, for a source whose port for the former is not connected
                self.pass_silence("", pdu.silence(-1))
            else:
                self.deliver(report)

    def deliver(self, report: object) -> None:
        """Publish what is known of an image; to be overridden."""
        raise BadInput(f"{self.name()} has no use for {type(report).__name__}")
