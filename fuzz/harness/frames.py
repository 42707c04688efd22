# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever reaches the address of a ZeroMQ receiver: messages that are no samples, floods, and what is no ZeroMQ."""

from __future__ import annotations

import random
import shutil
import socket
import tempfile
import time
from pathlib import Path

import numpy as np
import zmq
from gnuradio.semcom.blocks import zmq_source as module
from gnuradio.semcom.blocks.zmq_sink import MAX_WORD

from .common import REALS, require

MARK = np.arange(1, 65, dtype=np.float32).astype(np.complex64) * np.complex64(7 + 3j)
PATIENCE = 20.0  # seconds until the samples after it all must be here


class Frames:
    """One receiver that is sent anything; samples that are sent afterwards must come out."""

    def __init__(self, seed: int):
        self.rng = random.Random(seed)
        self.folder = Path(tempfile.mkdtemp(prefix="semcom-fuzz-"))
        self.context = zmq.Context()
        self.push = self.context.socket(zmq.PUSH)
        self.push.setsockopt(zmq.LINGER, 0)
        self.push.setsockopt(zmq.MAXMSGSIZE, MAX_WORD)
        self.push.bind("tcp://127.0.0.1:*")
        self.address = self.push.getsockopt(zmq.LAST_ENDPOINT).decode().rstrip("\0")
        self.source = module.zmq_source(self.address, timeout=0.01)
        self.source.report = self._report
        self.sentences: list[str] = []
        self.out, self.tail = np.empty(8192, np.complex64), np.empty(0, np.complex64)
        self.spent = 0

    def _report(self, name: str, sentence: str, error: Exception | None = None, **more: object) -> None:
        self.sentences.append(sentence)

    def close(self) -> None:
        """End both sockets."""
        self.source.stop()
        self.push.close(0)
        self.context.term()
        shutil.rmtree(self.folder)

    def _message(self) -> list[bytes]:
        rng = self.rng
        kind = rng.randrange(8)
        if kind == 0:
            return [
                rng.randbytes(rng.choice([0, 1, 3, 7, 8, 9, 4095, 4096, 32768, 100_001]))
                for _ in range(rng.choice([1, 2, 9]))
            ]
        if kind == 1:
            return [b""] * rng.choice([1, 100, 1000])
        if kind == 2:
            return [np.full(rng.randrange(1, 5000), rng.choice(REALS[:5]), np.complex64).tobytes()]
        if kind == 3:
            return [rng.choice([b"GET / HTTP/1.1\r\n\r\n", b"\xff\0\0\0\0\0\0\0\x01\x7f", b"samples"])]
        if kind == 4 and rng.random() < 0.05:
            return [bytes(module.MAX_FRAME + rng.choice([0, 1, 8]))]
        return [rng.randbytes(8 * rng.randrange(1, 600)) for _ in range(rng.choice([1, 1, 3]))]

    def _stranger(self) -> None:
        """Somebody who speaks no ZeroMQ connects to where the sender is."""
        host, port = self.address.removeprefix("tcp://").split(":")
        with socket.create_connection((host, int(port))) as stranger:
            stranger.sendall(self.rng.randbytes(self.rng.choice([0, 1, 10, 64, 5000])))

    def _send(self, parts: list[bytes]) -> None:
        """A message, as soon as the receiver has room for it, or has connected again."""
        ends = time.monotonic() + PATIENCE
        while True:
            try:
                return self.push.send_multipart(parts, zmq.NOBLOCK)
            except zmq.Again:
                require(time.monotonic() < ends, "the receiver takes nothing more")
                self._take()

    def _take(self) -> None:
        """What the receiver hands on now."""
        taken = self.source.work([], [self.out])
        require(0 <= taken <= len(self.out), "more samples came out than there is room for")
        self.tail = np.concatenate([self.tail, self.out[:taken]])[-len(MARK) :]

    def _arrives(self) -> bool:
        """Whether the samples that are sent last come out."""
        self._send([MARK.tobytes()])
        ends = time.monotonic() + PATIENCE / 2
        while not np.array_equal(self.tail.view(np.uint64), MARK.view(np.uint64)):
            if time.monotonic() > ends:
                return False
            self._take()
        return True

    def step(self) -> bool:
        """A few messages, and then samples; whether they came out."""
        if self.rng.random() < 0.05:
            self._stranger()
        self.tail = np.empty(0, np.complex64)
        for _ in range(self.rng.randrange(1, 6)):
            self._send(self._message())
        # what a connection that ended took with it is sent again
        require(self._arrives() or self._arrives(), "the receiver is deaf after what it was sent")
        for sentence in self.sentences:
            require("\n" not in sentence and len(sentence) < 600, f"no sentence: {sentence}")
        self.sentences.clear()
        return True
