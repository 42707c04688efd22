# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples into a ZeroMQ socket, for one receiver at a time."""

from __future__ import annotations

import threading
import time
import weakref
from typing import Any

import numpy as np
from gnuradio import gr

from ..errors import BadInput
from ..keys import Key
from .base import STATUS, kept_block
from .zmq_sockets import encrypt, library, refusal

MESSAGE = 4096
"""Samples of a message at most: what a receiver loses when it dies should be little."""

HANDSHAKE_MS = 2000
"""Who has connected and is not let in is disconnected after so long, and tries again."""

MAX_WORD = 4096
"""Bytes that a receiver may say: ZeroMQ makes room for all it announces, and after the handshake it says nothing."""

DOOR = "inproc://zeromq.zap.01"  # where ZeroMQ asks whether somebody may come in, by RFC 27 (ZAP)
REBIND = 2.0  # seconds in which ZeroMQ gives up the address of a socket that was closed


class zmq_sink(kept_block, gr.sync_block):
    """Complex samples out of a PUSH socket that binds, to the PULL socket of one receiver at a time.

    ZeroMQ shares what a PUSH socket sends out among all that are connected: two receivers would get every other message
    each, and neither would receive a picture. While one receiver is connected no other is let in; those that try wait,
    and one of them gets its turn when the first has gone. Nothing is sent, and the flowgraph held back, while nobody is
    connected.

    Parameters
    ----------
    address : str
        To bind, such as ``tcp://127.0.0.1:5555``, ``tcp://*:5555`` or ``ipc:///tmp/samples``.
    timeout : float, default 0.1
        Seconds that one call of the scheduler waits for room.
    queue : int, default 8
        Messages that wait at most.
    key : Key, optional
        The connection is encrypted, and receivers without the key are not let in.

    Raises
    ------
    BadInput
        ZeroMQ cannot use the address, or somebody else does.
    Missing
        pyzmq is not installed, or a key is given and ZeroMQ cannot encrypt.

    Notes
    -----
    Ports: in complex samples, out message ``status``. When the flowgraph has ended, ZeroMQ goes on sending what it
    holds; :meth:`drain` waits for that, and so does the end of the process.
    """

    def __init__(self, address: str, timeout: float = 0.1, queue: int = 8, key: Key | None = None):
        gr.sync_block.__init__(self, name="ZeroMQ Sink", in_sig=[np.complex64], out_sig=None)
        self.message_port_register_out(STATUS)
        self._timeout_ms = round(1000 * timeout)
        self._push = _Push(address, queue, key, weakref.WeakMethod(self._tell))
        weakref.finalize(self, self._push.end)

    def address(self) -> str:
        """Where it listens, with the port."""
        return self._push.address

    def start(self) -> bool:
        """Called by the scheduler."""
        self._push.listen()
        return kept_block.start(self)

    def stop(self) -> bool:
        """Called by the scheduler; what was sent so far goes out, and another may listen at the address."""
        self._push.close()
        return True

    def drain(self) -> None:
        """Wait until ZeroMQ has sent what it holds; after the end of the flowgraph, which then cannot run again."""
        self._push.end()

    def work(self, input_items: list, output_items: list) -> int:
        """As much as there is room for; nothing after a time without any."""
        samples, done = input_items[0], 0
        while done < len(samples):
            piece = samples[done : done + MESSAGE]
            if not self._push.send(piece.tobytes(), 0 if done else self._timeout_ms):
                break
            done += len(piece)
        return done

    def _tell(self, sentence: str) -> None:
        self.report("", sentence, BadInput(sentence))


class _Push:
    """The socket, and the thread that lets receivers in, which must not keep the block alive."""

    def __init__(self, address: str, queue: int, key: Key | None, tell: weakref.WeakMethod):
        self._zmq = library()
        self.address, self._queue, self._key, self._weak_tell = address, queue, key, tell
        self._context = self._zmq.Context()
        self._socket: Any = None
        self._keeper: threading.Thread | None = None
        try:
            self.listen()
        except Exception:
            self._context.term()
            raise

    def listen(self) -> None:
        """Listen, if it does not; BadInput where that is not possible."""
        if self._socket is not None:
            return
        zmq = self._zmq
        socket = self._context.socket(zmq.PUSH)
        socket.setsockopt(zmq.SNDHWM, self._queue)
        socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
        socket.setsockopt(zmq.MAXMSGSIZE, MAX_WORD)
        socket.setsockopt(zmq.ZAP_DOMAIN, b"semcom")
        # of a host that is gone without a word
        for option, value in ((zmq.TCP_KEEPALIVE, 1), (zmq.TCP_KEEPALIVE_IDLE, 10), (zmq.TCP_KEEPALIVE_INTVL, 5)):
            socket.setsockopt(option, value)
        # before anybody can connect
        asked = self._context.socket(zmq.REP)
        asked.bind(DOOR)
        events = socket.get_monitor_socket(
            zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED
            | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
            | zmq.EVENT_HANDSHAKE_FAILED_AUTH
        )  # fmt: skip
        try:
            encrypt(socket, zmq, self._key, serves=True)
            self._bind(socket)
        except Exception:
            socket.disable_monitor()
            for each in (events, asked, socket):
                each.close(0)
            raise
        # the port that was found where the address names none stays the same
        self.address = socket.getsockopt(zmq.LAST_ENDPOINT).decode().rstrip("\0")
        self._socket, self._events, self._asked = socket, events, asked
        self._over, over = self._context.socket(zmq.PAIR), self._context.socket(zmq.PAIR)
        self._over.bind("inproc://over")
        over.connect("inproc://over")
        self._keeper = threading.Thread(target=self._keep, args=(over,), name="zmq_sink", daemon=True)
        self._keeper.start()

    def _bind(self, socket: Any) -> None:
        zmq = self._zmq
        # one of our own that was closed just now may still have the address
        deadline = time.monotonic() + (REBIND if self._keeper else 0)
        while True:
            try:
                return socket.bind(self.address)
            except zmq.ZMQError as error:
                if error.errno != zmq.EADDRINUSE or time.monotonic() >= deadline:
                    raise refusal(self.address, "bind", error) from None
                time.sleep(0.01)

    def close(self) -> None:
        """Listen no longer; what was sent goes out."""
        if self._socket is None:
            return
        self._over.send(b"")
        self._keeper.join()
        self._socket.disable_monitor()
        for socket in (self._events, self._asked, self._over):
            socket.close(0)
        self._socket.close(-1)
        self._socket = None

    def end(self) -> None:
        """Wait until everything is out; nothing can be sent any more."""
        self.close()
        if not self._context.closed:
            self._context.term()

    def send(self, message: bytes, timeout_ms: int) -> bool:
        """Whether there was room for a message, and somebody to receive it."""
        zmq = self._zmq
        if not self._socket.poll(timeout_ms, zmq.POLLOUT):
            return False
        try:
            self._socket.send(message, zmq.NOBLOCK)
        except zmq.Again:  # the connection was lost just now
            return False
        return True

    def _keep(self, over: Any) -> None:
        """Answer ZeroMQ's question whether a receiver may come in."""
        zmq, poller, known = self._zmq, self._zmq.Poller(), _Connections()
        for socket in (over, self._events, self._asked):
            poller.register(socket, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if over in ready:
                over.close(0)
                return
            # what has become of those before is known first
            while self._events.poll(0):
                self._note(zmq.utils.monitor.recv_monitor_message(self._events), known)
            if self._asked in ready:
                version, request, *_ = self._asked.recv_multipart()
                self._asked.send_multipart([version, request, self._answer(known), b"", b"", b""])

    def _answer(self, known: _Connections) -> bytes:
        if known.is_taken():
            self._tell(f"another receiver tries to connect to {self.address}; one is served at a time, and it waits")
            return b"300"  # temporarily: whatever it is, it tries again
        known.let_in()
        return b"200"

    def _tell(self, sentence: str) -> None:
        if tell := self._weak_tell():
            tell(sentence)

    def _note(self, told: dict[str, Any], known: _Connections) -> None:
        zmq, event = self._zmq, told["event"]
        if event == zmq.EVENT_ACCEPTED:
            known.begun(told["value"])
        elif event == zmq.EVENT_DISCONNECTED:
            known.ended(told["value"])
        elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            known.succeeded()
        elif event != zmq.EVENT_HANDSHAKE_FAILED_AUTH or told["value"] != 300:
            who = "does not have this key" if self._key else "has a key, or is no receiver"
            self._tell(f"somebody who {who} connected to {self.address} and was not let in")


class _Connections:
    """Who is connected, by the descriptors that ZeroMQ names where a connection begins and where it ends.

    It does not name them where one has succeeded or failed. Whoever was let in is one of those that were there when
    that was answered; the others of these are refused, and gone within the time of a handshake.
    """

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._coming: set[int] = set()
        self._reading: set[int] = set()
        self._until = 0.0

    def begun(self, descriptor: int) -> None:
        """Somebody has connected."""
        self._open.add(descriptor)

    def let_in(self) -> None:
        """One of those who are here may come in."""
        self._coming, self._until = set(self._open), time.monotonic() + HANDSHAKE_MS / 1000

    def succeeded(self) -> None:
        """The one that was let in receives."""
        self._reading, self._coming = self._coming or set(self._open), set()

    def ended(self, descriptor: int) -> None:
        """A connection is no more."""
        for each in (self._open, self._coming, self._reading):
            each.discard(descriptor)

    def is_taken(self) -> bool:
        """Whether one receives, or was let in and may still come: who does not within the time is given up."""
        return bool(self._reading) or (bool(self._coming) and time.monotonic() < self._until)
