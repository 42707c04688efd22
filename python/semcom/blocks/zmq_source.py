# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples from a ZeroMQ socket, whatever else is sent to it."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import numpy as np
from gnuradio import gr

from ..errors import BadInput
from ..keys import Key
from ..repeats import printed
from .base import STATUS, kept_block
from .zmq_sockets import SAMPLE_BYTES, encrypt, library, refusal

MAX_FRAME = 2**24
"""Bytes of a frame. GNU Radio's own sinks send what their scheduler hands over, some 32 kB; ZeroMQ ends a connection
that announces more before anything of it is stored."""

PATIENCE = 5  # waits


class zmq_source(kept_block, gr.sync_block):
    """The complex samples of a PULL socket that connects to a PUSH socket, and connects again when that was gone.

    GNU Radio's own source ends its thread, and is deaf from then on, with the first message that is no whole number of
    samples. Here such a message is dropped, counted and said.

    Parameters
    ----------
    address : str
        Of ZeroMQ, such as "tcp://127.0.0.1:5555".
    timeout : float, default 0.1
        Seconds that one call of the scheduler waits for samples.
    queue : int, default 8
        Messages that wait at most.
    key : Key, optional
        The connection is encrypted, and a sender without the key is not listened to.

    Attributes
    ----------
    dropped : int
        Messages that were no samples.

    Raises
    ------
    BadInput
        ZeroMQ cannot use the address.
    Missing
        pyzmq is not installed, or a key is given and ZeroMQ cannot encrypt.

    Notes
    -----
    Ports: out complex samples, message ``status``.
    """

    def __init__(self, address: str, timeout: float = 0.1, queue: int = 8, key: Key | None = None):
        self._zmq = library()
        gr.sync_block.__init__(self, name="ZeroMQ Source", in_sig=None, out_sig=[np.complex64])
        self.message_port_register_out(STATUS)
        self._address, self._timeout, self._queue, self._key = address, timeout, queue, key
        self._rest = np.empty(0, np.complex64)
        self.dropped = 0
        self._socket = self._connected()

    def _connected(self) -> Any:
        zmq = self._zmq
        socket = zmq.Context.instance().socket(zmq.PULL)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.RCVHWM, self._queue)
        socket.setsockopt(zmq.MAXMSGSIZE, MAX_FRAME)
        encrypt(socket, zmq, self._key, serves=False)
        tried = zmq.EVENT_CONNECT_DELAYED | zmq.EVENT_CONNECT_RETRIED | zmq.EVENT_CONNECTED
        failed = zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
        self._events = socket.get_monitor_socket(zmq.EVENT_DISCONNECTED | tried | failed)
        self._alone = 0  # waits since a connection ended that ZeroMQ does not open again
        try:
            socket.connect(self._address)
        except zmq.ZMQError as error:
            socket.close()
            raise refusal(self._address, "connect", error) from None
        return socket

    def start(self) -> bool:
        """Called by the scheduler."""
        if self._socket.closed:
            self._socket = self._connected()
        return kept_block.start(self)

    def stop(self) -> bool:
        """Called by the scheduler; a socket that stayed would go on taking what is sent to another."""
        self._socket.disable_monitor()
        self._socket.close()
        return True

    def work(self, input_items: list, output_items: list) -> int:
        """As much as there is; nothing after a time without any."""
        out, deadline = output_items[0], time.monotonic() + self._timeout
        while not len(self._rest):
            left = deadline - time.monotonic()
            if left <= 0 or not self._socket.poll(max(1, round(1000 * left))):
                self._connect_anew()
                return 0
            self._rest = self._samples()
        taken = min(len(out), len(self._rest))
        out[:taken] = self._rest[:taken]
        self._rest = self._rest[taken:]
        return taken

    def _connect_anew(self) -> None:
        """ZeroMQ looks by itself for a sender that has gone, but not where it ended the connection for a fault."""
        zmq = self._zmq
        while self._events.poll(0):
            event = zmq.utils.monitor.recv_monitor_message(self._events)["event"]
            if event in (zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL, zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL):
                self._not_let_in()
            self._alone = int(event == zmq.EVENT_DISCONNECTED)
        if self._alone == PATIENCE:
            with suppress(zmq.ZMQError):
                self._socket.disconnect(self._address)
            self._socket.connect(self._address)
        self._alone += self._alone > 0

    def _not_let_in(self) -> None:
        sentence = (
            f"{self._address} has not let this receiver in: another receiver is connected there, or the two ends have "
            "not the same key"
        )
        self.report("", sentence, BadInput(sentence))

    def _samples(self) -> np.ndarray:
        """Those of the next message; none where it is another's."""
        try:
            parts = self._socket.recv_multipart(self._zmq.NOBLOCK, copy=False)
        except self._zmq.Again:  # the connection was lost just now
            return self._rest
        odd = next((len(part) for part in parts if len(part) % SAMPLE_BYTES), None)
        if odd is None:
            return np.concatenate([np.frombuffer(part.buffer, np.complex64) for part in parts])
        self.dropped += 1
        if printed(self.dropped):
            sentence = (
                f"a message of {odd} bytes is no whole number of samples of {SAMPLE_BYTES} bytes and was dropped, "
                f"{self.dropped} so far; somebody else sends to this address"
            )
            self.report("", sentence, BadInput(sentence), times=self.dropped)
        return self._rest
