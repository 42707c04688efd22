# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples from a ZeroMQ socket, whatever else is sent to it."""

from __future__ import annotations

import time

import numpy as np
from gnuradio import gr

from ..errors import BadInput, Missing
from .base import STATUS, kept_block

SAMPLE_BYTES = np.dtype(np.complex64).itemsize
MAX_FRAME = 2**24
"""Bytes of a frame. GNU Radio's own sinks send what their scheduler hands over, some 32 kB; ZeroMQ ends a connection
that announces more before anything of it is stored, and opens it anew."""


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

    Attributes
    ----------
    dropped : int
        Messages that were no samples.

    Raises
    ------
    BadInput
        ZeroMQ cannot use the address.
    Missing
        pyzmq is not installed.

    Notes
    -----
    Ports: out complex samples, message ``status``.
    """

    def __init__(self, address: str, timeout: float = 0.1, queue: int = 8):
        try:
            import zmq
        except ImportError as error:
            raise Missing(f"ZeroMQ for Python is not installed ({error}); install the package python3-zmq") from None
        gr.sync_block.__init__(self, name="ZeroMQ Source", in_sig=None, out_sig=[np.complex64])
        self.message_port_register_out(STATUS)
        self._timeout, self._no_wait, self._again = timeout, zmq.NOBLOCK, zmq.Again
        self._rest = np.empty(0, np.complex64)
        self.dropped = 0
        self._socket = zmq.Context.instance().socket(zmq.PULL)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.RCVHWM, queue)
        self._socket.setsockopt(zmq.MAXMSGSIZE, MAX_FRAME)
        try:
            self._socket.connect(address)
        except zmq.ZMQError as error:
            self._socket.close()
            raise BadInput(f"{address!r} is no address that ZeroMQ can connect to: {error}") from None

    def work(self, input_items: list, output_items: list) -> int:
        """As much as there is; nothing after a time without any."""
        out, deadline = output_items[0], time.monotonic() + self._timeout
        while not len(self._rest):
            left = deadline - time.monotonic()
            if left <= 0 or not self._socket.poll(max(1, round(1000 * left))):
                return 0
            self._rest = self._samples()
        taken = min(len(out), len(self._rest))
        out[:taken] = self._rest[:taken]
        self._rest = self._rest[taken:]
        return taken

    def _samples(self) -> np.ndarray:
        """Those of the next message; none where it is another's."""
        try:
            parts = self._socket.recv_multipart(self._no_wait, copy=False)
        except self._again:  # the connection was lost just now
            return self._rest
        odd = next((len(part) for part in parts if len(part) % SAMPLE_BYTES), None)
        if odd is None:
            return np.concatenate([np.frombuffer(part.buffer, np.complex64) for part in parts])
        self.dropped += 1
        if self.dropped & (self.dropped - 1) == 0:  # said at 1, 2, 4, 8...
            sentence = (
                f"a message of {odd} bytes is no whole number of samples of {SAMPLE_BYTES} bytes and was dropped, "
                f"{self.dropped} so far; somebody else sends to this address"
            )
            self.report("", sentence, BadInput(sentence))
        return self._rest
