# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples over ZeroMQ to one receiver at a time, with and without a key."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socket import create_connection

import numpy as np
import pmt
import pytest
import zmq
from gnuradio import blocks, gr, semcom
from gnuradio.semcom import keys
from gnuradio.semcom.blocks import pdu
from gnuradio.semcom.blocks.zmq_sink import zmq_sink
from gnuradio.semcom.blocks.zmq_source import zmq_source
from gnuradio.semcom.errors import BadInput
from test_zmq_source import Sink

SAMPLES = (np.arange(200_000) - 1j * np.arange(200_000)).astype(np.complex64)
ANY = "tcp://127.0.0.1:*"
SECONDS = 30


class Heard(gr.basic_block):
    """What a block says on ``status``."""

    def __init__(self, block):
        gr.basic_block.__init__(self, name="Heard", in_sig=None, out_sig=None)
        self.sentences, self.any = [], threading.Event()
        self.message_port_register_in(pmt.intern("in"))
        self.set_msg_handler(pmt.intern("in"), self._hear)
        self.block = block

    def _hear(self, msg) -> None:
        self.sentences.append(pdu.dictionary(msg)["status"])
        self.any.set()


@contextmanager
def running(*chain, heard: Heard | None = None) -> Iterator[gr.top_block]:
    top = gr.top_block()
    top.connect(*chain)
    if heard is not None:
        top.msg_connect(heard.block, "status", heard, "in")
    top.start()
    try:
        yield top
    finally:
        top.stop()
        top.wait()


def reader(context: zmq.Context, address: str) -> zmq.Socket:
    socket = context.socket(zmq.PULL)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.RCVHWM, 1)
    socket.setsockopt(zmq.RCVBUF, 4096)
    socket.connect(address)
    return socket


def taken(socket: zmq.Socket, count: int) -> np.ndarray:
    parts = []
    while sum(map(len, parts)) < count and socket.poll(1000 * SECONDS):
        parts.append(np.frombuffer(socket.recv(), np.complex64))
    return np.concatenate(parts)


def test_every_sample_arrives_once_and_in_order_after_the_end_too():
    with zmq.Context() as context:
        sink = zmq_sink(ANY)
        with reader(context, sink.address()) as socket:
            with running(blocks.vector_source_c(SAMPLES.tolist()), sink) as top:
                start = taken(socket, 1000)
                top.wait()
            rest = taken(socket, len(SAMPLES) - len(start))
        assert np.array_equal(np.concatenate([start, rest]), SAMPLES)
        sink.drain()


def test_a_second_receiver_waits_for_its_turn_and_takes_nothing_before():
    counting = blocks.vector_source_c(SAMPLES.tolist(), True)
    with zmq.Context() as context:
        sink = zmq_sink(ANY)
        with running(counting, sink):
            first = reader(context, sink.address())
            taken(first, 50_000)
            second = reader(context, sink.address())
            got = taken(first, 300_000)
            # none is missing: who waits has not been given any
            assert np.all(np.diff(got.real) % len(SAMPLES) == 1)
            assert not second.poll(0)
            first.close()
            assert np.all(np.diff(taken(second, 100_000).real) % len(SAMPLES) == 1)
            second.close()


def test_receivers_that_come_at_once_share_nothing_out():
    """All of them knock before the sender listens; one gets in, and loses nothing of what is sent from then on."""
    with zmq.Context() as context:
        sink = zmq_sink(ANY)
        address = sink.address()
        readers = [reader(context, address) for _ in range(5)]
        with running(blocks.vector_source_c(SAMPLES.tolist(), True), sink):
            poller = zmq.Poller()
            for socket in readers:
                poller.register(socket, zmq.POLLIN)
            ((served, _),) = poller.poll(1000 * SECONDS)
            assert np.all(np.diff(taken(served, 300_000).real) % len(SAMPLES) == 1)
            assert not any(socket.poll(0) for socket in readers if socket is not served)
            # each of those who wait has its turn, however often the others ask meanwhile
            while readers:
                poller.unregister(served)
                readers.remove(served)
                served.close()
                if readers:
                    ((served, _),) = poller.poll(1000 * SECONDS)


def test_a_receiver_that_announces_gigabytes_is_let_go():
    """One that was let in, by ZMTP 3.0 (RFC 23) byte for byte; the next one is served."""
    sink = zmq_sink(ANY)
    ready = b"\x05READY\x0bSocket-Type" + (4).to_bytes(4, "big") + b"PULL"
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
    host, port = sink.address().removeprefix("tcp://").split(":")
    with zmq.Context() as context, running(blocks.vector_source_c(SAMPLES.tolist(), True), sink):
        with create_connection((host, int(port)), timeout=SECONDS) as liar:
            liar.sendall(greeting + bytes([0x04, len(ready)]) + ready)
            assert liar.recv(1)
            with pytest.raises(OSError):
                liar.sendall(b"\x02" + (2**33).to_bytes(8, "big"))
                for _ in range(1000):
                    liar.sendall(bytes(65536))
        with reader(context, sink.address()) as honest:
            assert len(taken(honest, 1000)) >= 1000


def test_a_sink_runs_again_at_the_same_address():
    sink = zmq_sink(ANY)
    address = sink.address()
    for _ in range(3):
        with (
            zmq.Context() as context,
            reader(context, address) as socket,
            running(blocks.vector_source_c(SAMPLES[:5000].tolist()), sink) as top,
        ):
            assert np.array_equal(taken(socket, 5000), SAMPLES[:5000])
            top.wait()
    with pytest.raises(BadInput, match="no address that ZeroMQ can bind to"):
        zmq_sink("tcp://nobody.invalid:1")
    other = zmq_sink(ANY)
    with pytest.raises(BadInput, match="in use"):
        zmq_sink(other.address())


@pytest.fixture
def key(tmp_path) -> keys.Key:
    keys.make(tmp_path / "key")
    return keys.read(tmp_path / "key")


def test_who_has_the_key_receives(key):
    sink = zmq_sink(ANY, key=key)
    source, got = zmq_source(sink.address(), key=key), Sink(len(SAMPLES))
    with running(blocks.vector_source_c(SAMPLES.tolist()), sink), running(source, got):
        assert got.full.wait(SECONDS)
    assert np.array_equal(np.concatenate(got.parts), SAMPLES)


@pytest.mark.parametrize(
    ("at_sink", "at_source"), [(True, False), (False, True), (True, "other")], ids=["plain", "unexpected", "wrong"]
)
def test_who_has_another_key_or_none_gets_nothing_and_a_sentence(at_sink, at_source, key, tmp_path):
    keys.make(tmp_path / "other")
    other = keys.read(tmp_path / "other") if at_source == "other" else key if at_source else None
    sink = zmq_sink(ANY, key=key if at_sink else None)
    source, got = zmq_source(sink.address(), key=other), blocks.vector_sink_c()
    of_sink, of_source = Heard(sink), Heard(source)
    with (
        running(blocks.vector_source_c(SAMPLES.tolist()), sink, heard=of_sink),
        running(source, got, heard=of_source),
    ):
        assert of_sink.any.wait(SECONDS) and of_source.any.wait(SECONDS)
        assert not got.data()
    assert "was not let in" in of_sink.sentences[0] and "key" in of_source.sentences[0]


def test_a_network_without_a_key_is_warned_of(capfd, tmp_path):
    semcom.radio_sink("zmq:tcp://127.0.0.1:*")
    semcom.radio_source("zmq:ipc:///tmp/nobody")
    assert capfd.readouterr().err == ""
    semcom.radio_sink("zmq:tcp://*:*")
    semcom.radio_source("zmq:tcp://192.0.2.1:5555")
    said = "".join(capfd.readouterr())
    assert "anybody can read the samples" in said and "the samples may be anybody's" in said
    keys.make(tmp_path / "key")
    semcom.radio_sink("zmq:tcp://*:*", key=str(tmp_path / "key"))
    assert "anybody" not in "".join(capfd.readouterr())
