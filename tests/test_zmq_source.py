# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples over ZeroMQ, beside whatever else is sent to the same address."""

from __future__ import annotations

import numpy as np
import pytest
import zmq
from gnuradio import blocks, gr
from gnuradio.semcom.blocks import zmq_source as module
from gnuradio.semcom.blocks.zmq_source import zmq_source
from gnuradio.semcom.errors import BadInput

SAMPLES = (np.arange(3000) - 1j * np.arange(3000)).astype(np.complex64)


def bound(context: zmq.Context, address: str = "tcp://127.0.0.1:*") -> tuple[zmq.Socket, str]:
    push = context.socket(zmq.PUSH)
    push.setsockopt(zmq.LINGER, 0)
    push.bind(address)
    return push, push.getsockopt(zmq.LAST_ENDPOINT).decode().rstrip("\0")


def received(source: zmq_source, count: int, during=lambda: None) -> np.ndarray:
    top, sink = gr.top_block(), blocks.vector_sink_c()
    top.connect(source, blocks.head(gr.sizeof_gr_complex, count), sink)
    top.start()
    during()
    top.wait()
    return np.array(sink.data(), np.complex64)


def test_what_are_no_samples_is_dropped_and_the_rest_arrives():
    with zmq.Context() as context:
        push, address = bound(context)
        source = zmq_source(address)
        whole = SAMPLES.tobytes()
        for message in ([whole[:8000]], [b"abc"], [b""], [b"GET / HTTP/1.1\r\n\r\n"], [bytes(8), bytes(5)],
                        [whole[8000:16000], whole[16000:16008]], [whole[16008:]]):  # fmt: skip
            push.send_multipart(message)
        assert np.array_equal(received(source, len(SAMPLES)), SAMPLES)
        assert source.dropped == 3
        push.close()


def test_a_frame_that_is_too_large_costs_the_connection_and_a_new_one_is_found(monkeypatch):
    monkeypatch.setattr(module, "MAX_FRAME", 4096)
    with zmq.Context() as context:
        push, address = bound(context)
        source = zmq_source(address)
        ended = push.get_monitor_socket(zmq.EVENT_DISCONNECTED)

        def begin_anew() -> None:
            push.send(bytes(2**20))
            assert ended.poll(20_000)
            push.disable_monitor()
            push.close()
            again, _ = bound(context, address)
            for first in range(0, len(SAMPLES), 500):
                again.send(SAMPLES[first : first + 500].tobytes())

        assert np.array_equal(received(source, len(SAMPLES), begin_anew), SAMPLES)
        context.destroy(linger=0)


def test_an_address_that_is_none():
    with pytest.raises(BadInput, match="'nonsense' is no address that ZeroMQ can connect to"):
        zmq_source("nonsense")
