# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples over ZeroMQ, beside whatever else is sent to the same address."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import zmq
from gnuradio import gr
from gnuradio.semcom.blocks import zmq_source as module
from gnuradio.semcom.blocks.zmq_source import zmq_source
from gnuradio.semcom.errors import BadInput
from zmq.utils.monitor import recv_monitor_message

SAMPLES = (np.arange(3000) - 1j * np.arange(3000)).astype(np.complex64)


class Sink(gr.sync_block):
    """Keeps so many samples, and tells when they are here."""

    def __init__(self, count: int):
        gr.sync_block.__init__(self, name="Sink", in_sig=[np.complex64], out_sig=None)
        self.parts, self.left, self.full = [], count, threading.Event()

    def work(self, input_items, output_items):
        self.parts.append(input_items[0][: self.left].copy())
        self.left -= len(self.parts[-1])
        if not self.left:
            self.full.set()
        return len(input_items[0])


def bound(context: zmq.Context, address: str = "tcp://127.0.0.1:*") -> tuple[zmq.Socket, str]:
    push = context.socket(zmq.PUSH)
    push.setsockopt(zmq.LINGER, 0)
    push.bind(address)
    return push, push.getsockopt(zmq.LAST_ENDPOINT).decode().rstrip("\0")


def received(source: zmq_source, count: int, during=lambda: None) -> np.ndarray:
    # a source that has nothing to pass on is not told by GNU Radio that nobody wants more: whoever runs it stops it
    top, sink = gr.top_block(), Sink(count)
    top.connect(source, sink)
    top.start()
    try:
        during()
        assert sink.full.wait(30)
    finally:
        top.stop()
        top.wait()
    return np.concatenate(sink.parts)


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


def test_who_has_stopped_takes_nothing_and_begins_again_where_it_is_started():
    with zmq.Context() as context:
        push, address = bound(context)
        source, gone = zmq_source(address), push.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        push.send(SAMPLES.tobytes())
        received(source, len(SAMPLES))
        assert gone.poll(20_000)
        with pytest.raises(zmq.Again):
            push.send(bytes(8), zmq.NOBLOCK)
        again = received(source, len(SAMPLES), lambda: push.send(SAMPLES.tobytes()))
        assert np.array_equal(again, SAMPLES)
        push.disable_monitor()
        push.close()


def test_a_frame_that_is_too_large_costs_the_connection_and_it_is_opened_again(monkeypatch):
    monkeypatch.setattr(module, "MAX_FRAME", 4096)
    with zmq.Context() as context:
        push, address = bound(context)
        source = zmq_source(address)
        events = push.get_monitor_socket(zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED)

        def go_on() -> None:
            push.send(bytes(2**20))
            told = [0]
            while told[-1] != zmq.EVENT_HANDSHAKE_SUCCEEDED or zmq.EVENT_DISCONNECTED not in told:
                assert events.poll(20_000)
                told.append(recv_monitor_message(events)["event"])
            for _ in range(20):  # the first may go down with the old connection
                push.send(SAMPLES[:500].tobytes())

        assert np.array_equal(received(source, 500, go_on), SAMPLES[:500])
        push.disable_monitor()
        push.close()


def test_an_address_that_is_none():
    with pytest.raises(BadInput, match="'nonsense' is no address that ZeroMQ can connect to"):
        zmq_source("nonsense")
