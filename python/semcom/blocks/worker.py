# SPDX-License-Identifier: GPL-3.0-or-later
"""The base of every block that works longer on a message than a scheduler thread should be held."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

import pmt

from ..errors import BadInput, SemcomError, sentence_of
from ..repeats import printed
from . import pdu
from .base import message_block
from .waiting import Waiting

STOP_SECONDS = 2.0
"""After a stop, work that waits is still done for so long, or for the time of two images where that is longer."""

_hurried = threading.Event()


def hurry() -> None:
    """From now on no flowgraph of this process waits for its workers when it stops; the process is about to end."""
    _hurried.set()


class worker_block(message_block):
    """Message handler -> queue -> one worker thread -> ``work_on`` -> publish.

    A scheduler thread that runs a neural network delays every message behind it and holds up ``stop()``; here it only
    puts the message into a queue. One thread takes them out in order. What waits is bounded (:mod:`.waiting`): a
    picture for which there is no room is given up, a message of no use to anybody dropped, and both are counted. When
    the flowgraph stops, what waits is still worked on for as long as two images take, at least for ``STOP_SECONDS``.

    A :class:`SemcomError` while working on an image is published on the ``status`` port, and a PDU with an ``error``
    key goes on through ``outputs``: downstream blocks pass it along and the sink acknowledges it, so no source waits
    for an image that cannot arrive.

    Parameters
    ----------
    name : str
        Of the block.
    inputs : list of str
        Message input ports.
    outputs : list of str
        Message output ports on which a failure is passed on; ``status`` is always there.

    Attributes
    ----------
    seconds : float
        Spent working.
    dropped : int
        Messages for which there was no room, or no time when the flowgraph stopped.

    Notes
    -----
    Ports in ``signal_ports`` take any message, not only PDUs; its content does not count. ``last_port`` is the port on
    which an image is complete, where there are several.
    """

    signal_ports: tuple[str, ...] = ()
    logs_failures = True
    """Whether an image that is given up is said in the log; not where somebody shows the results himself."""
    last_port = ""

    def __init__(self, name: str, inputs: list[str], outputs: list[str]):
        message_block.__init__(self, name)
        self._queue = Waiting()
        self._thread: threading.Thread | None = None
        self._outputs = outputs
        self._mark: tuple[str, pmt.pmt_base] | None = None  # port and message
        self._stopped: float | None = None  # when
        self._longest = 0.0  # seconds that one message took
        self.seconds = 0.0
        self.dropped = 0
        for port in inputs:
            self.message_port_register_in(pmt.intern(port))
            self.take_all(port, partial(self._put, port))
        for port in (*outputs, "status"):
            self.message_port_register_out(pmt.intern(port))

    def _put(self, port: str, msg: pmt.pmt_base) -> None:
        if not self._queue.put((port, msg)):
            self._refuse(port, msg)

    def _refuse(self, port: str, msg: pmt.pmt_base) -> None:
        """No room: what is left of the message waits in its place, so that nobody waits for its image."""
        self.dropped += 1
        if printed(self.dropped):
            sentence = f"{self.name()} is too slow for what arrives: {self.dropped} dropped so far; send less"
            self.report("", sentence, BadInput(sentence), times=self.dropped)
        rest = self.without_payload(port, msg)
        if rest is None or not self._queue.put((port, rest)):
            self.forgotten(port)

    def without_payload(self, port: str, msg: pmt.pmt_base) -> pmt.pmt_base | None:
        """What waits in place of a message for which there is no room; None where nothing does."""
        if port in self.signal_ports:
            return None
        meta = pdu.meta_of(msg)
        return pdu.failure(meta, meta.get("error", f"dropped: {self.name()} is busy with earlier ones"))

    def forgotten(self, port: str) -> None:
        """A message was dropped of which nothing waits."""

    def start(self) -> bool:
        """Called by the scheduler; starts the worker thread."""
        message_block.start(self)
        self._stopped = None
        self._thread = threading.Thread(target=self._run, name=f"{self.name()}-worker", daemon=True)
        self._thread.start()
        return True

    def stop(self) -> bool:
        """Called by the scheduler; returns within the time of two images."""
        thread, self._thread = self._thread, None
        if thread:
            self._stopped = time.perf_counter()
            self._queue.end()
            while thread.is_alive() and not _hurried.is_set():
                thread.join(0.1)
        return True

    def _run(self) -> None:
        late = 0
        try:
            while (item := self._queue.get()) is not None:
                if self._has_time():
                    self._guarded(self._take, *item)
                else:
                    self.forgotten(item[0])
                    # what stands for one that was dropped before has been counted
                    late += pdu.payload_bytes(item[1]) > 0
            if late:
                self.dropped += late
                self.report("", f"{late} that waited at {self.name()} when the flowgraph stopped were dropped")
            if self._has_time():
                self._guarded(self.finish)
        except BaseException as error:  # whatever a scheme of one's own raises
            self.end_with(error)

    def _has_time(self) -> bool:
        if self._stopped is None:
            return True
        since = time.perf_counter() - self._stopped
        return not _hurried.is_set() and since + self._longest <= max(STOP_SECONDS, 2 * self._longest)

    def _guarded(self, function: Callable, *args) -> None:
        try:
            function(*args)
        except Exception as error:  # a worker that dies would stall the flowgraph: every error is reported instead
            self.report("", f"{self.name()}: {sentence_of(error)}", error)

    def _take(self, port: str, msg: pmt.pmt_base) -> None:
        meta = {} if port in self.signal_ports else pdu.meta_of(msg)
        if "silence" in meta:
            if port == (self.last_port or port):
                self._mark = port, msg
        elif "error" in meta:
            self.pass_failure(port, msg)
        else:
            self._work(port, msg, meta)
        if self._mark is not None and not self.is_incomplete():
            mark, self._mark = self._mark, None
            self.pass_silence(*mark)

    def _work(self, port: str, msg: pmt.pmt_base, meta: pdu.Meta) -> None:
        begun = time.perf_counter()
        try:
            self.work_on(port, msg, meta)
        except Exception as error:  # same reason as above, and the image must be acknowledged
            self.report(meta.get("name", ""), sentence_of(error), error if self.logs_failures else None)
            self.fail(meta, sentence_of(error))
        finally:
            took = time.perf_counter() - begun
            self.seconds += took
            self._longest = max(self._longest, took)

    def work_on(self, port: str, msg: pmt.pmt_base, meta: pdu.Meta) -> None:
        """One message, on the worker thread; to be overridden."""
        raise SemcomError(f"{self.name()} has no work to do for port {port}")

    def finish(self) -> None:
        """Last call on the worker thread when the flowgraph stops."""

    def pass_failure(self, port: str, msg: pmt.pmt_base) -> None:
        """An image that a block upstream gave up; by default it goes on through every output."""
        for output in self._outputs:
            self.publish(output, pdu.as_on(output, msg))

    def is_incomplete(self) -> bool:
        """Whether an image that came on the last port waits for others, which may take longer: a mark waits with it."""
        return False

    def pass_silence(self, port: str, msg: pmt.pmt_base) -> None:
        """The mark of an Image Source or of a receiver: all images before it have been dealt with here."""
        for output in self._outputs:
            self.publish(output, pdu.as_on(output, msg))

    def fail(self, meta: pdu.Meta, sentence: str) -> None:
        """Give up the image that ``meta`` belongs to."""
        for output in self._outputs:
            self.publish(output, pdu.as_on(output, pdu.failure(meta, sentence)))

    def publish(self, port: str, msg: pmt.pmt_base) -> None:
        """Send ``msg`` from the worker thread."""
        self.message_port_pub(pmt.intern(port), msg)


class sending_block(worker_block):
    """A worker on the transmitter's side: what will not be sent is also said on the port ``failed``.

    Over a modem the receiver never hears of such an image; connect ``failed`` to the ``ack`` of the Image Source, so
    that it does not wait. The message has ``image_id`` and ``error``.

    Attributes
    ----------
    failure : str
        Why the last image that will not be sent is not; empty where all are.
    """

    def __init__(self, name: str, inputs: list[str], outputs: list[str]):
        worker_block.__init__(self, name, inputs, outputs)
        self.message_port_register_out(pmt.intern("failed"))
        self.failure = ""

    def pass_failure(self, port: str, msg: pmt.pmt_base) -> None:
        """Given up upstream."""
        worker_block.pass_failure(self, port, msg)
        meta = pdu.meta_of(msg)
        self.failure = str(meta.get("error", ""))
        self.publish("failed", pdu.message({k: meta[k] for k in ("image_id", "error") if k in meta}))

    def fail(self, meta: pdu.Meta, sentence: str) -> None:
        """Given up here."""
        worker_block.fail(self, meta, sentence)
        self.failure = sentence
        self.publish("failed", pdu.message({"image_id": meta.get("image_id", 0), "error": sentence}))

    def pass_silence(self, port: str, msg: pmt.pmt_base) -> None:
        """The mark goes on, and the source is told that all before it has left."""
        worker_block.pass_silence(self, port, msg)
        self.publish("failed", pdu.message({"left": pdu.meta_of(msg)["silence"]}))
